/* Exactly-once delivery where records are refused or topics are missing: what is parked, redriven or drained is seen once and in order. */
#include "cmocka_all.h"
#include "exact.h"
#include "pg_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const small[] = {"max.message.bytes=20000", NULL};

static void a_refused_record_is_parked_and_redriven_in_order(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish_with(o, 100, 23);
    publish_with(o, 20, 0);
    expect_nothing_pending(o);
    assert_int_equal(pg_number(o->conn, "SELECT parked FROM postbus.backlog()"), 20);
    pg_expect(o->conn, "record_too_large", "SELECT reason FROM postbus.parked WHERE waits_for = 'operator'");
    redrive_all(o);
    expect_sql(o->conn, "SELECT (attempts = 2)::int FROM postbus.parked WHERE waits_for = 'operator'");
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    exact_end(o, relay);
}

/* The relay does not know the topic's limit any more, and sends it among others. */
static void a_record_refused_among_others_is_found(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    publish_with(o, 200, 123);
    expect_nothing_pending(o);
    pg_expect(o->conn, "1", "SELECT count(*) FROM postbus.parked WHERE waits_for = 'operator'");
    assert_int_equal(pg_number(o->conn, "SELECT parked FROM postbus.backlog()"), 16);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    exact_end(o, relay);
}

static const char *const parking_points[] = {"after_refusal", "after_park",     "before_commit:2",
                                             "after_redrive", "after_redriven", "after_discard"};

static void nothing_is_seen_twice_over_a_crash_while_parking(void **state)
{
    const char *point = *state;
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    publish_with(o, 100, 23);
    publish_with(o, 100, 24);
    proc_fixture *relay = relay_start_crashing(o, point, exact_flags);
    if (strncmp(point, "after_re", 8) == 0 ? strcmp(point, "after_refusal") != 0
                                           : strcmp(point, "after_discard") == 0) {
        expect_nothing_pending(o);
        kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
        pg_run(o->conn, "SELECT postbus.discard(23, 'gone')");
        redrive_all(o);
    }
    exact_expect_dead(relay);
    relay = relay_start_leading(o, exact_flags);
    expect_nothing_pending(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    publish_with(o, 50, 0);
    expect_drained(o);
    pg_run(o->conn, "DELETE FROM postbus.outbox o USING postbus.dead d WHERE d.id = o.id");
    exact_end(o, relay);
}

static const char *const lane_points[] = {"", "before_intent", "after_intent", "before_commit",
                                          "after_commit"};

/* The first transaction is one of the lane: all other events are parked. */
static void a_lane_drains_once_and_in_order_over_a_crash(void **state)
{
    const char *point = *state;
    outbox *o = outbox_new();
    free(o->topic);
    o->topic = kafka_fixture_new_name("later");
    publish(o->conn, o->topic, NULL, 100);
    proc_fixture *relay = relay_start_crashing(o, point, exact_flags);
    expect_sql(o->conn, "SELECT (parked = 100)::int FROM postbus.backlog()");
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, NULL);
    if (*point) {
        exact_expect_dead(relay);
        publish(o->conn, o->topic, NULL, 20);
        relay = relay_start_leading(o, exact_flags);
    }
    publish(o->conn, o->topic, NULL, 20);
    exact_end(o, relay);
}

/* An outbox whose events are all parked: their topic is not there yet. */
static outbox *parked_outbox(proc_fixture **out_relay, const char *const *flags, const char *sizes)
{
    outbox *o = outbox_new();
    free(o->topic);
    o->topic = kafka_fixture_new_name("later");
    pg_run(
        o->conn,
        "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', convert_to('k' || i %% 5, 'UTF8'), %s "
        "FROM generate_series(1, 100) i",
        o->topic, sizes);
    *out_relay = relay_start_leading(o, flags);
    expect_sql(o->conn, "SELECT (parked = 100)::int FROM postbus.backlog()");
    return o;
}

static void expect_waiting_for_operator(const outbox *o, const char *ids)
{
    char sql[200];
    expect_nothing_pending(o);
    expect_sql(o->conn, "SELECT (count(*) = 0)::int FROM postbus.parked WHERE waits_for = 'topic'");
    snprintf(sql, sizeof sql,
             "SELECT string_agg(id::text, ',' ORDER BY id) FROM postbus.parked WHERE waits_for = 'operator'");
    pg_expect(o->conn, ids, "%s", sql);
}

static void a_record_refused_in_a_lane_holds_up_none_before_it(void **state)
{
    (void)state;
    proc_fixture *relay;
    outbox *o =
        parked_outbox(&relay, exact_flags, "repeat('x', CASE i WHEN 23 THEN 30000 ELSE 10 END)::bytea");
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, small);
    expect_waiting_for_operator(o, "23");
    pg_expect(o->conn, "28,33,38,43,48,53,58,63,68,73,78,83,88,93,98",
              "SELECT string_agg(id::text, ',' ORDER BY id) FROM postbus.parked WHERE waits_for = 'key'");
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    exact_end(o, relay);
}

/* They are suspect and fit all the same, compressed: what is refused between them must not change their order. */
static void large_records_of_a_lane_keep_their_order_around_a_refused_one(void **state)
{
    (void)state;
    static const char *const flags[] = {"--delivery=exactly_once", NULL};
    proc_fixture *relay;
    outbox *o = parked_outbox(&relay, flags,
                              "CASE i WHEN 4 THEN (SELECT string_agg(sha256((i * g)::text::bytea), '') FROM "
                              "generate_series(1, 1000) g) ELSE repeat('x', CASE WHEN i % 5 = 3 THEN 30000 "
                              "ELSE 10 END)::bytea END");
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, small);
    expect_waiting_for_operator(o, "4");
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    exact_end(o, relay);
}

/* As a topic that had stalled: its head is sent alone. */
static void a_lane_of_at_least_once_delivery_drains_once(void **state)
{
    (void)state;
    static const char *const loose[] = {"--page-rows=25", NULL};
    proc_fixture *relay;
    outbox *o = parked_outbox(&relay, loose, "'v'");
    relay_stop(relay);
    pg_run(o->conn, "UPDATE postbus.parked SET reason = 'not_acknowledged' WHERE id <= 50");
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, NULL);
    relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 50);
    exact_end(o, relay);
}

int main(void)
{
    struct CMUnitTest tests[30];
    size_t n = 0;
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_refused_record_is_parked_and_redriven_in_order),
        cmocka_unit_test(a_record_refused_among_others_is_found),
        cmocka_unit_test(a_record_refused_in_a_lane_holds_up_none_before_it),
        cmocka_unit_test(large_records_of_a_lane_keep_their_order_around_a_refused_one),
        cmocka_unit_test(a_lane_of_at_least_once_delivery_drains_once),
    };
    EXACT_ADD(nothing_is_seen_twice_over_a_crash_while_parking, parking_points);
    EXACT_ADD(a_lane_drains_once_and_in_order_over_a_crash, lane_points);
    memcpy(tests + n, others, sizeof others);
    n += sizeof others / sizeof others[0];
    return _cmocka_run_group_tests("exactly_once_parking", tests, n, stage_open, stage_close);
}

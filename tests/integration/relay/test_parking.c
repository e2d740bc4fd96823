/* Records that a broker refuses for good: found, set aside with a reason, waited for by their key, sent again or discarded. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const small[] = {"max.message.bytes=20000", NULL};
static const char *const plain[] = {"-X", "compression.type=none", NULL};

static int64_t parked(const outbox *o)
{
    return pg_number(o->conn, "SELECT parked FROM postbus.backlog()");
}

static outbox *small_outbox(void)
{
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    return o;
}

/* The topic holds the events that count as published, once each and each key's in their order, and no other. */
static void expect_published_and_no_more(const outbox *o)
{
    int64_t n = pg_number(o->conn, "SELECT count(*) FROM postbus.event WHERE state = 'published'");
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, (size_t)n, SOON_MS);
    assert_int_equal(all.n_rows, n);
    pg_run(o->conn, "CREATE TEMP TABLE IF NOT EXISTS arrived (place int, id bigint, key text); "
                    "TRUNCATE arrived");
    for (size_t i = 0; i < all.n_rows; i++)
        pg_run(o->conn, "INSERT INTO arrived VALUES (%zu, postbus.id_of('%s'), '%s')", i,
               topic_record_header(&all.rows[i], "id"), all.rows[i].key ? all.rows[i].key : "");
    pg_expect(o->conn, "0",
              "SELECT count(*) FROM arrived a LEFT JOIN postbus.event e USING (id) "
              "WHERE e.state IS DISTINCT FROM 'published'");
    pg_expect(o->conn, "0",
              "SELECT count(*) FROM arrived a JOIN arrived b USING (key) "
              "WHERE a.key <> '' AND a.place < b.place AND a.id > b.id");
    topic_records_done(&all);
}

/* ---- finding ---- */

static void a_record_too_large_waits_for_an_operator_and_its_key_behind_it(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 60, 21);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 8); /* 21, 26 … 56 */
    pg_expect(o->conn, "21/record_too_large/10/1/operator",
              "SELECT concat_ws('/', id, reason, error_code, attempts, waits_for) FROM postbus.parked "
              "ORDER BY n LIMIT 1");
    pg_expect(
        o->conn, "7",
        "SELECT count(*) FROM postbus.parked WHERE reason = 'behind_key' AND waits_for = 'key' AND id > 21");
    pg_expect(o->conn, "8", "SELECT count(*) FROM postbus.event WHERE state = 'parked' AND key = 'k1'");
    expect_published_and_no_more(o);
    publish_with(o, 20, 0);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 12);
    expect_published_and_no_more(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    finish(o, relay);
}

/* The relay believes that the topic takes more than it does: the record is refused together with others. */
static void one_record_refused_in_a_full_request_is_found(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 10, 0);
    expect_drained(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    publish_with(o, 2000, 1001);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 200);
    proc_fixture_expect_log(relay, "event.parked", SOON_MS);
    expect_published_and_no_more(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    finish(o, relay);
}

/* Each record is a request, and many are ready behind the refused one. */
static void no_request_behind_a_refused_one_passes_it(void **state)
{
    (void)state;
    static const char *const flags[] = {"-X", "compression.type=none", "-X", "batch.num.messages=1", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 10);
    expect_drained(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', 'k', "
           "convert_to(repeat('x', CASE WHEN i = 20 THEN 30000 ELSE 10 END), 'UTF8') FROM generate_series(1, "
           "60) i",
           o->topic);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 41);
    expect_published_and_no_more(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    finish(o, relay);
}

static void an_event_without_a_key_is_refused_by_a_compacted_topic_alone(void **state)
{
    (void)state;
    static const char *const compacted[] = {"cleanup.policy=compact", NULL};
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, compacted);
    proc_fixture *relay = relay_start_leading(o, plain);
    pg_run(o->conn,
           "SELECT count(postbus.publish('%s', 'v', CASE WHEN i %% 10 > 0 THEN 'k' || i %% 3 END)) FROM "
           "generate_series(1, 100) i",
           o->topic);
    expect_nothing_pending(o);
    pg_expect(o->conn, "10",
              "SELECT count(*) FROM postbus.parked WHERE reason = 'invalid_record' AND error_code = 87 AND "
              "queue IS NULL AND waits_for = 'operator'");
    assert_int_equal(parked(o), 10);
    expect_published_and_no_more(o);
    relay_stop(relay);
    outbox_free(o);
}

static void many_refused_records_cost_no_producer(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', convert_to('k' || i, 'UTF8'), "
           "convert_to(repeat('x', CASE WHEN i %% 100 = 0 THEN 30000 ELSE 10 END), 'UTF8') FROM "
           "generate_series(1, 20000) i",
           o->topic);
    proc_fixture *relay = relay_start_leading(o, plain);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 200);
    int code = proc_fixture_end(relay, SIGTERM, SOON_MS);
    assert_int_equal(code, 0);
    assert_in_range(relay_counted(relay, "producers_recreated"), 0, 1); /* once for smaller batches */
    proc_fixture_free(relay);
    outbox_free(o);
}

/* ---- policies ---- */

static void under_skip_later_events_of_the_key_go_on(void **state)
{
    (void)state;
    static const char *const flags[] = {"-X", "compression.type=none", "--park-policy", "skip", NULL};
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish_with(o, 60, 21);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 1);
    expect_published_and_no_more(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    expect_drained(o);
    relay_stop(relay);
    outbox_free(o);
}

static void expect_lane_opened_for(proc_fixture *relay, const char *reason)
{
    char *log = proc_fixture_log(relay);
    char *line = strstr(log, " lane.open ");
    assert_non_null(line);
    *strchr(line, '\n') = '\0';
    assert_non_null(strstr(line, reason));
    free(log);
}

static void under_stop_the_topic_waits_and_no_other(void **state)
{
    (void)state;
    char policy[120];
    outbox *o = small_outbox();
    char *other = kafka_fixture_new_topic(stage_kafka, "other", 1, NULL);
    snprintf(policy, sizeof policy, "%s=stop", o->topic);
    const char *const flags[] = {"-X", "compression.type=none", "--park-policy-of", policy, NULL};
    proc_fixture *relay = relay_start_leading(o, flags);
    publish_with(o, 10, 3);
    expect_nothing_pending(o);
    expect_lane_opened_for(relay, "record_too_large");
    publish_with(o, 10, 0);
    publish(o->conn, other, "k", 10);
    expect_nothing_pending(o);
    expect_each_arrived_once(o, other);
    pg_expect(o->conn, "true",
              "SELECT bool_and(stops_topic)::text FROM postbus.parked WHERE waits_for = 'operator'");
    assert_in_range(parked(o), 11, 18);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    relay_kill(relay);
    relay = relay_start_leading(o, flags);
    redrive_all(o);
    free(other);
    finish(o, relay);
}

/* ---- later ---- */

static void a_blocked_key_stays_blocked_under_the_next_leader(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 10, 3);
    expect_nothing_pending(o);
    relay_kill(relay);
    publish_with(o, 10, 0);
    relay = relay_start_leading(o, plain);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 4);
    expect_published_and_no_more(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    finish(o, relay);
}

static void a_wish_of_while_no_relay_ran_is_carried_out(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 10, 3);
    expect_nothing_pending(o);
    relay_stop(relay);
    pg_expect(o->conn, "1", "SELECT postbus.redrive(key => 'k3', why => 'limit raised')");
    pg_expect(o->conn, "0", "SELECT postbus.redrive(key => 'k3')");
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    relay = relay_start_leading(o, plain);
    finish(o, relay);
}

/* The wishes were made while no relay ran: the newest of each event is carried out, and no other. */
static void of_an_events_wishes_the_newest_is_carried_out(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    pg_run(o->conn, "SELECT postbus.publish('%s', repeat('x', 30000), 'k' || i) FROM generate_series(1, 3) i",
           o->topic);
    expect_sql(o->conn, "SELECT (count(*) = 3)::int FROM postbus.parked");
    relay_stop(relay);
    pg_run(o->conn, "SELECT postbus.redrive(id => 1), postbus.discard(1, 'x'), postbus.discard(2, 'x'), "
                    "postbus.redrive(id => 2), postbus.redrive(id => 3)");
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    relay = relay_start_leading(o, plain);
    expect_drained(o);
    expect_sql(o->conn, "SELECT (count(*) = 0)::int FROM postbus.wish");
    pg_expect(o->conn, "1", "SELECT string_agg(id::text, ',') FROM postbus.dead");
    topic_records records = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 2, SOON_MS);
    assert_int_equal(records.n_rows, 2);
    topic_records_done(&records);
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.audit WHERE what ? 'outcome'");
    relay_stop(relay);
    outbox_free(o);
}

/* More wishes than a page looks at, of a topic that is missing, come before the one that can be fulfilled. */
static void wishes_of_a_missing_topic_hold_up_no_other(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    char *gone = kafka_fixture_new_name("gone");
    proc_fixture *relay = relay_start_leading(o, plain);
    publish(o->conn, o->topic, "k", 10);
    /* Each of a key of its own: only so may each be a queue of its own, and the wishes be fulfilled in any order. */
    pg_run(o->conn, "SELECT count(postbus.publish('%s', 'v', 'k' || i)) FROM generate_series(1, 2500) i",
           gone);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 2500)::int FROM postbus.backlog()");
    relay_stop(relay);
    pg_run(o->conn,
           "UPDATE postbus.parked SET waits_for = 'operator', reason = 'record_too_large', queue = id;"
           "INSERT INTO postbus.parked (id, topic, key, reason, waits_for, queue) "
           "SELECT id, topic, key, 'record_too_large', 'operator', -id FROM postbus.outbox WHERE id <= 2");
    pg_expect(o->conn, "2500", "SELECT postbus.redrive(topic => '%s')", gone);
    pg_expect(o->conn, "2", "SELECT postbus.redrive(topic => '%s')", o->topic);
    relay = relay_start_leading(o, plain);
    expect_sql(o->conn, "SELECT (parked = 2500)::int FROM postbus.backlog()");
    pg_expect(o->conn, "2500", "SELECT count(*) FROM postbus.wish");
    kafka_fixture_create_topic(stage_kafka, gone, 3, NULL);
    expect_drained(o);
    expect_each_arrived_once(o, gone);
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.wish");
    relay_stop(relay);
    free(gone);
    outbox_free(o);
}

static void what_is_refused_again_is_parked_again(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 30, 3);
    expect_nothing_pending(o);
    redrive_all(o);
    expect_sql(o->conn, "SELECT (attempts = 2)::int FROM postbus.parked WHERE waits_for = 'operator'");
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.wish");
    assert_int_equal(parked(o), 6);
    expect_published_and_no_more(o);
    publish_with(o, 5, 0);
    expect_nothing_pending(o);
    assert_int_equal(parked(o), 7);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    finish(o, relay);
}

static void a_key_goes_on_while_it_is_published_to(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 500, 3);
    expect_nothing_pending(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    for (int i = 0; i < 100; i++)
        publish(o->conn, o->topic, "k3", 5);
    expect_drained(o);
    publish(o->conn, o->topic, "k3", 10);
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
    assert_int_equal(parked(o), 0);
    finish(o, relay);
}

static void a_discarded_event_is_dead_and_its_key_goes_on(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 30, 3);
    expect_nothing_pending(o);
    pg_expect(o->conn, "t", "SELECT postbus.discard(3, 'not needed')");
    expect_sql(o->conn, "SELECT (parked = 0)::int FROM postbus.backlog()");
    pg_expect(o->conn, "dead", "SELECT state FROM postbus.event WHERE id = 3");
    pg_expect(o->conn, "not needed/record_too_large",
              "SELECT why || '/' || reason FROM postbus.dead WHERE id = 3");
    pg_expect(o->conn, "1",
              "SELECT count(*) FROM postbus.receipt WHERE 3 = ANY (ids) AND partitions[1] IS NULL");
    pg_expect(o->conn, "discard/1/not needed",
              "SELECT concat_ws('/', action, n_events, why) FROM postbus.audit");
    publish_with(o, 5, 0);
    expect_drained(o);
    expect_published_and_no_more(o);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.event WHERE state = 'published'"), 34);
    relay_stop(relay);
    outbox_free(o);
}

/* ---- what an administrator deleted ---- */

static void delete_event(const outbox *o, int id)
{
    pg_run(o->conn, "DELETE FROM postbus.outbox WHERE id = %d", id);
}

static void discard_what_is_missing(const outbox *o)
{
    assert_int_equal(parked(o), 1);
    pg_run(o->conn, "SELECT postbus.discard(k.id, 'deleted') FROM postbus.parked k "
                    "WHERE NOT EXISTS (SELECT FROM postbus.outbox o WHERE o.id = k.id)");
    expect_sql(o->conn, "SELECT (parked = 0)::int FROM postbus.backlog()");
}

/* Three wait for their topic, of which one is deleted, and as many come later. */
static void let_a_lane_lack(int id)
{
    outbox *o = outbox_new_of(kafka_fixture_new_name("late"));
    proc_fixture *relay = relay_start_leading(o, plain);
    publish(o->conn, o->topic, "k", 3);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 3)::int FROM postbus.backlog()");
    relay_stop(relay);
    delete_event(o, id);
    publish(o->conn, o->topic, "k", 3);
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, NULL);
    relay = relay_start_leading(o, plain);
    proc_fixture_expect_log(relay, "parked.missing", SOON_MS);
    proc_fixture_expect_log(relay, "lane.closed", SOON_MS);
    expect_sql(o->conn, "SELECT (count(*) = 5)::int FROM postbus.event WHERE state = 'published'");
    expect_published_and_no_more(o);
    discard_what_is_missing(o);
    relay_stop(relay);
    outbox_free(o);
}

static void what_was_deleted_of_a_lane_is_told_and_the_rest_leaves_in_order(void **state)
{
    (void)state;
    for (int id = 1; id <= 3; id++)
        let_a_lane_lack(id);
}

static void a_redrive_of_what_was_deleted_ends_and_is_told(void **state)
{
    (void)state;
    outbox *o = small_outbox();
    proc_fixture *relay = relay_start_leading(o, plain);
    publish_with(o, 10, 3);
    expect_nothing_pending(o);
    delete_event(o, 3);
    redrive_all(o);
    expect_sql(o->conn, "SELECT (count(*) = 0)::int FROM postbus.wish");
    proc_fixture_expect_log(relay, "parked.missing", SOON_MS);
    expect_sql(o->conn, "SELECT (state = 'published')::int FROM postbus.event WHERE id = 8");
    discard_what_is_missing(o);
    publish_with(o, 10, 0);
    expect_drained(o);
    expect_published_and_no_more(o);
    relay_stop(relay);
    outbox_free(o);
}

/* ---- dying ---- */

static const char *const points[] = {"after_refusal",  "after_park",    "after_redrive",
                                     "after_redriven", "after_discard", "after_ack:4"};

static void nothing_is_lost_or_misordered_by_a_crash_while_parking(void **state)
{
    const char *point = *state;
    static const char *const flags[] = {"-X", "compression.type=none", "--page-rows", "25", NULL};
    outbox *o = small_outbox();
    publish_with(o, 100, 23);
    publish_with(o, 100, 24);
    proc_fixture *relay = relay_start_crashing(o, point, flags);
    bool dies_early = strcmp(point, "after_refusal") == 0 || strcmp(point, "after_park") == 0 ||
                      strcmp(point, "after_ack:4") == 0;
    if (!dies_early) {
        expect_nothing_pending(o);
        assert_int_equal(parked(o), 52);
        kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
        pg_run(o->conn, "SELECT postbus.discard(23, 'gone')");
        redrive_all(o);
    }
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 128 + SIGKILL);
    proc_fixture_free(relay);
    relay = relay_start_leading(o, flags);
    expect_nothing_pending(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    publish_with(o, 50, 0);
    expect_drained(o);
    pg_run(o->conn, "DELETE FROM postbus.outbox o USING postbus.dead d WHERE d.id = o.id");
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    enum { N_POINTS = sizeof points / sizeof points[0] };
    struct CMUnitTest tests[N_POINTS + 16] = {0};
    for (size_t i = 0; i < N_POINTS; i++)
        tests[i] = (struct CMUnitTest){.name = points[i],
                                       .test_func = nothing_is_lost_or_misordered_by_a_crash_while_parking,
                                       .initial_state = (void *)(uintptr_t)points[i]};
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_record_too_large_waits_for_an_operator_and_its_key_behind_it),
        cmocka_unit_test(one_record_refused_in_a_full_request_is_found),
        cmocka_unit_test(no_request_behind_a_refused_one_passes_it),
        cmocka_unit_test(an_event_without_a_key_is_refused_by_a_compacted_topic_alone),
        cmocka_unit_test(many_refused_records_cost_no_producer),
        cmocka_unit_test(under_skip_later_events_of_the_key_go_on),
        cmocka_unit_test(under_stop_the_topic_waits_and_no_other),
        cmocka_unit_test(a_blocked_key_stays_blocked_under_the_next_leader),
        cmocka_unit_test(a_wish_of_while_no_relay_ran_is_carried_out),
        cmocka_unit_test(of_an_events_wishes_the_newest_is_carried_out),
        cmocka_unit_test(wishes_of_a_missing_topic_hold_up_no_other),
        cmocka_unit_test(what_is_refused_again_is_parked_again),
        cmocka_unit_test(a_key_goes_on_while_it_is_published_to),
        cmocka_unit_test(a_discarded_event_is_dead_and_its_key_goes_on),
        cmocka_unit_test(what_was_deleted_of_a_lane_is_told_and_the_rest_leaves_in_order),
        cmocka_unit_test(a_redrive_of_what_was_deleted_ends_and_is_told),
    };
    memcpy(tests + N_POINTS, others, sizeof others);
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}

/* An application's subscriptions: each works for itself, the list is replaced as a whole or not at all, and nothing of one that ended is lost; what
 * their handlers publish, and how long events were on their way. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <postbus/postbus.h>

#include "postbus_sql.h"
#include "scrape.h"

static bool is_well(stage *s)
{
    pthread_mutex_lock(&s->lock);
    bool well = s->gate_open;
    pthread_mutex_unlock(&s->lock);
    return well;
}

/* Fails until the gate is opened. */
static pbus_outcome ill(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = stage_insert(event, tx, arg);
    return is_well(arg) ? outcome : pbus_retry("ill", -1);
}

/* Per subscription and key, the values' numbers rise one by one in the order of the effects. */
static void expect_in_order(stage *s)
{
    assert_int_equal(
        pg_number(s->conn, "SELECT count(*) FROM (SELECT split_part(value, ':', 2)::int AS v, row_number()"
                           " OVER (PARTITION BY subscription, key ORDER BY n) AS r FROM effect) x"
                           " WHERE v <> r"),
        0);
}

/* Promise E4. */
static void each_subscription_that_matches_has_an_event_once_though_another_one_only_fails(void **state)
{
    stage *s = *state;
    pbus_worker_counts counts;
    const pbus_condition of_one_key[] = {{"key", PBUS_TEST_EQUALS, "k1"}};
    pbus_subscription list[3] = {stage_subscription(s, ill), stage_subscription(s, stage_insert),
                                 stage_subscription(s, stage_insert)};
    list[0].retry.max_attempts = -1;
    list[1].key = "other";
    list[2].key = "some";
    list[2].filter = of_one_key;
    list[2].n_conditions = 1;
    stage_produce_many(s->topic, 60, 3);
    stage_start(s, list, 3);
    stage_expect_soon(s, 60, "SELECT count(*) FROM effect WHERE subscription = 'other'");
    stage_expect_soon(s, 20, "SELECT count(*) FROM effect WHERE subscription = 'some' AND key = 'k1'");
    stage_expect_soon(s, 60, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 80);
    stage_open_gate(s);
    stage_expect_soon(s, 60, "SELECT count(*) FROM effect WHERE subscription = 'main'");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    stage_expect_soon(s, 180, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_true(pbus_worker_count(s->worker, "some", &counts));
    stage_stop(s);
    assert_int_equal(counts.n_unwanted, 40);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 140);
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT (subscription, value)) FROM effect"), 140);
    expect_in_order(s);
}

static void expect_held(stage *s, const char *keys)
{
    pg_expect(s->conn, keys,
              "SELECT string_agg(key, ',' ORDER BY key) FROM postbus_inbox.subscription"
              " WHERE application = '%s' AND ended_at IS NULL",
              s->topic);
}

static void expect_refused(stage *s, const pbus_subscription *list, size_t n, pbus_status status,
                           const char *says)
{
    pbus_worker_options options = stage_options(s, list, n);
    assert_int_equal(pbus_worker_start(&options, &s->worker, &s->err), status);
    if (!strstr(s->err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", s->err.message, says);
}

/* Promise E5. */
static void a_list_is_replaced_as_a_whole_or_not_at_all(void **state)
{
    stage *s = *state;
    static const pbus_condition bad[] = {{"type", PBUS_TEST_MATCHES, "("}};
    pbus_subscription list[3] = {stage_subscription(s, stage_insert), stage_subscription(s, stage_insert),
                                 stage_subscription(s, stage_insert)};
    list[1].key = "gone";
    stage_start(s, list, 2);
    stage_stop(s);
    list[1].key = "new";
    expect_refused(s, list, 3, PBUS_ERROR_ARGUMENT, "subscriptions 0 and 2 have the same key \"main\"");
    list[2].key = "bad";
    list[2].filter = bad;
    list[2].n_conditions = 1;
    expect_refused(s, list, 3, PBUS_ERROR_ARGUMENT, "subscription \"bad\"");
    expect_held(s, "gone,main");
    /* And where the database refuses it, once "gone" has been ended and "new" has been written. */
    pg_run(s->conn, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " RAISE EXCEPTION 'no more sources'; END $$");
    pg_run(s->conn, "CREATE TRIGGER refuse BEFORE INSERT ON postbus_inbox.source FOR EACH STATEMENT"
                    " EXECUTE FUNCTION refuse()");
    expect_refused(s, list, 2, PBUS_ERROR_DATABASE, "no more sources");
    expect_held(s, "gone,main");
    pg_run(s->conn, "DROP TRIGGER refuse ON postbus_inbox.source");
    pg_run(s->conn, "SELECT postbus_inbox.subscribe('another', '[{\"key\": \"gone\", \"topics\": [\"t\"],"
                    " \"filter\": null, \"options\": {}}]')");
    stage_start(s, list, 2);
    expect_held(s, "main,new");
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "main,new", "SELECT string_agg(subscription, ',' ORDER BY subscription) FROM effect");
    assert_int_equal(pg_number(s->conn, "SELECT postbus_inbox.unsubscribe('%s', 'new')", s->topic), 1);
    expect_held(s, "main");
    assert_int_equal(pg_number(s->conn, "SELECT postbus_inbox.unsubscribe('%s')", s->topic), 1);
    expect_held(s, NULL);
    pg_expect(s->conn, "another",
              "SELECT application FROM postbus_inbox.subscription WHERE ended_at IS NULL");
}

/* What waits for the subscription, as those see it who look at all that there are. */
static void expect_waiting(stage *s, const char *expected)
{
    const char *values[] = {s->topic, "true"};
    PGresult *rows =
        PQexecParams(s->conn, subscriber_sql_query("subscriptions"), 2, NULL, values, NULL, NULL, 0);
    assert_int_equal(PQntuples(rows), 2);
    assert_string_equal(PQgetvalue(rows, 0, PQfnumber(rows, "subscription")), "main");
    assert_string_equal(PQgetvalue(rows, 0, PQfnumber(rows, "waiting")), expected);
    PQclear(rows);
}

/* Promise E7. */
static void what_waits_for_a_subscription_that_ended_is_kept_and_seen_until_it_is_back(void **state)
{
    stage *s = *state;
    pbus_subscription list[2] = {stage_subscription(s, ill), stage_subscription(s, stage_insert)};
    list[0].retry.first_ms = list[0].retry.most_ms = 3600 * 1000;
    list[1].key = "other";
    stage_produce_many(s->topic, 3, 1);
    stage_start(s, list, 2);
    stage_expect_soon(s, 3, "SELECT count(*) FROM postbus_inbox.waiting");
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect");
    stage_stop(s);
    stage_start(s, &list[1], 1);
    stage_produce(s->topic, "k0", "k0:4", NULL, NULL);
    stage_expect_soon(s, 4, "SELECT count(*) FROM effect WHERE subscription = 'other'");
    stage_stop(s);
    expect_held(s, "other");
    expect_waiting(s, "3");
    pg_run(s->conn, "UPDATE postbus_inbox.waiting SET due_at = now() WHERE due_at IS NOT NULL");
    stage_open_gate(s);
    stage_start(s, list, 2);
    stage_expect_soon(s, 4, "SELECT count(*) FROM effect WHERE subscription = 'main'");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 8);
    expect_in_order(s);
    expect_waiting(s, "0");
}

/* "…fail" fails once, "…reject" is given up, all after the next event has been published. */
static pbus_outcome publishing(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_error err;
    const pbus_event next = {.topic = "mails",
                             .key = event->key,
                             .key_size = event->key_size,
                             .value = event->value,
                             .value_size = event->value_size};
    if (pbus_publish(tx, &next, NULL, NULL, &err) != PBUS_OK)
        return pbus_dead("it cannot be published");
    if (strstr(event->value, "fail") && event->attempt == 1)
        return pbus_retry("not yet", 0);
    return strstr(event->value, "reject") ? pbus_dead("no") : stage_insert(event, tx, arg);
}

static void expect_published(stage *s, const char *values)
{
    pg_expect(s->conn, values,
              "SELECT string_agg(convert_from(value, 'UTF8'), ',' ORDER BY value) FROM postbus.outbox");
}

/* Promise E10. The commit of "late" fails at first. */
static void what_a_handler_publishes_exists_if_and_only_if_its_event_is_handled(void **state)
{
    stage *s = *state;
    static const char *const values[] = {"fail", "late", "reject", "well"};
    pbus_subscription sub = stage_subscription(s, publishing);
    stage_create_outbox(s);
    pg_run(s->conn, "GRANT postbus_publisher TO billing_app");
    pg_run(s->conn, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " RAISE EXCEPTION 'not at the first attempt'; END $$");
    pg_run(s->conn, "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
                    " FOR EACH ROW WHEN (NEW.value = 'late' AND NEW.attempt = 1) EXECUTE FUNCTION refuse()");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        stage_produce(s->topic, values[i], values[i], NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead WHERE last_error = 'no'");
    stage_expect_settled(s, 4);
    stage_stop(s);
    pg_expect(s->conn, "fail/2,late/2,well/1",
              "SELECT string_agg(value || '/' || attempt, ',' ORDER BY value) FROM effect");
    expect_published(s, "fail,late,well");
    /* What is delivered again is not published again. */
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 0");
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 4);
    stage_stop(s);
    expect_published(s, "fail,late,well");
    pg_run(s->conn, "REVOKE postbus_publisher FROM billing_app"); /* roles belong to the whole cluster */
}

static double figure(const stage *s, const char *text, const char *name)
{
    char sample[300];
    snprintf(sample, sizeof sample, "postbus_subscriber_%s{application=\"%s\",subscription=\"main\"}", name,
             s->topic);
    return scrape_sample(text, sample);
}

/* Promise E6. One record says that it was relayed an hour from now, the other says nothing. */
static void how_long_events_took_is_told_by_stage_as_far_as_their_records_say(void **state)
{
    stage *s = *state;
    static const char *const of_both[] = {"arrive_latency_seconds_count", "handle_latency_seconds_count",
                                          "latency_seconds_count", "handler_duration_seconds_count"};
    char relayed_at[24], *text = NULL;
    size_t size;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    snprintf(relayed_at, sizeof relayed_at, "%lld000", (long long)time(NULL) + 3600);
    const pbus_record_header header = {"relayed-at", relayed_at, strlen(relayed_at)};
    stage_produce_with(s->topic, "relayed", &header, 1);
    stage_produce(s->topic, NULL, "direct", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    stage_expect_settled(s, 2);
    FILE *to = open_memstream(&text, &size);
    pbus_status status = pbus_worker_write_metrics(s->worker, to, &s->err);
    fclose(to);
    assert_int_equal(status, PBUS_OK);
    for (size_t i = 0; i < sizeof of_both / sizeof of_both[0]; i++)
        if (figure(s, text, of_both[i]) != 2)
            fail_msg("%s is %g", of_both[i], figure(s, text, of_both[i]));
    assert_true(figure(s, text, "relay_latency_seconds_count") == 1);
    assert_true(figure(s, text, "consume_latency_seconds_count") == 1);
    assert_true(figure(s, text, "relay_latency_seconds_sum") > 1800); /* the header's time, not ours */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(each_subscription_that_matches_has_an_event_once_though_another_one_only_fails),
        STAGE_TEST(a_list_is_replaced_as_a_whole_or_not_at_all),
        STAGE_TEST(what_waits_for_a_subscription_that_ended_is_kept_and_seen_until_it_is_back),
        STAGE_TEST(what_a_handler_publishes_exists_if_and_only_if_its_event_is_handled),
        STAGE_TEST(how_long_events_took_is_told_by_stage_as_far_as_their_records_say),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

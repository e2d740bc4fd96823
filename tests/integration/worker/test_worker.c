/* The worker against a real PostgreSQL and a real Kafka: effects once, order per key, retries, dead letters, filters, fan-out. */
#include "stage.h"

#include <stdio.h>
#include <string.h>

/* Per key, the values' numbers rise one by one in the order of the effects. */
static const char *const misordered = "SELECT count(*) FROM (SELECT split_part(value, ':', 2)::int AS v, "
                                      "row_number() OVER (PARTITION BY subscription, key ORDER BY n) AS r"
                                      " FROM effect) x WHERE v <> r";

static const char *const scans =
    "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname ~ '^(inbox_[0-9]|waiting)$'";

static void each_event_has_its_effect_once_and_keys_keep_their_order(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    pbus_worker_counts counts;
    int64_t scans_before = pg_number(s->conn, "%s", scans);
    stage_produce_many(s->topic, 1000, 20);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1000, "SELECT count(*) FROM effect");
    stage_produce_many(s->topic, 20, 20); /* values begin anew: other topic order, not looked at below */
    stage_expect_soon(s, 1020, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_false(pbus_worker_count(s->worker, "other", &counts));
    stage_stop(s);
    /* A plan that was made while the tables were empty must not read them from end to end at each event
       later; the upkeep of the tables may, now and then. */
    assert_in_range(pg_number(s->conn, "%s", scans) - scans_before, 0, 100);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 1020);
    pg_run(s->conn, "DELETE FROM effect WHERE n > 1000");
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT value) FROM effect"), 1000);
    assert_int_equal(pg_number(s->conn, "%s", misordered), 0);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.inbox"), 1020);
}

static void a_repeated_event_is_handled_once_and_one_without_id_by_its_place(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    pbus_worker_counts counts;
    const char *id = "0190f3e4-7c1a-8def-8000-00000000002a";
    for (int i = 0; i < 3; i++)
        stage_produce(s->topic, "k", "same", NULL, id);
    stage_produce(s->topic, "k", "plain", NULL, NULL);
    stage_produce(s->topic, "k", "plain", NULL, "not a uuid");
    stage_produce(s->topic, NULL, NULL, NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 6, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    assert_int_equal(counts.n_duplicates, 2);
    assert_int_equal(counts.n_handled, 4);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE value = 'same'"), 1);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE value = 'plain'"), 2);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE value IS NULL AND key IS NULL"),
                     1);
    /* Read again from the beginning, nothing is done again. */
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 0");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 6, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 4);
}

#define HEADER(name, text)                                                                                   \
    {                                                                                                        \
        name, text, sizeof(text) - 1                                                                         \
    }
#define AN_ID "0190f3e4-7c1a-8def-8000-00000000002a"
#define ANOTHER_ID "0190f3e4-7c1a-8def-8000-00000000002b"

/* A publisher's own header of the same name, such as an order's number, is the same for many events. */
static void the_last_header_of_a_name_is_the_relays(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    static const pbus_record_header one[] = {HEADER("id", ANOTHER_ID), HEADER("id", AN_ID)},
                                    other[] = {HEADER("id", ANOTHER_ID), HEADER("id", ANOTHER_ID)};
    stage_produce_with(s->topic, "one", one, 2);
    stage_produce_with(s->topic, "other", other, 2);
    stage_produce_with(s->topic, "one", one, 2);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 3, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    stage_stop(s);
    pg_expect(s->conn, "one,other", "SELECT string_agg(value, ',' ORDER BY value) FROM effect");
}

/* Once more after each attempt: what had waited is read from the database, with its headers. */
static pbus_outcome insert_type(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (event->attempt == 1)
        return pbus_retry("not yet", 0);
    pbus_delivery seen = *event;
    seen.value = event->type ? event->type : "none";
    seen.value_size = strlen(seen.value);
    return event->event_id ? stage_insert(&seen, tx, arg) : pbus_dead("has no id");
}

static void headers_have_the_names_that_the_worker_is_told(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, insert_type);
    static const pbus_record_header headers[] = {HEADER("ce_id", AN_ID), HEADER("ce_type", "paid"),
                                                 HEADER("id", ANOTHER_ID), HEADER("type", "other")};
    pbus_worker_options options = stage_options(s, &sub, 1);
    options.id_header = "ce_id";
    options.type_header = "ce_type";
    for (int i = 0; i < 2; i++)
        stage_produce_with(s->topic, "x", headers, 4);
    stage_produce_with(s->topic, "x", &headers[2], 2);
    if (pbus_worker_start(&options, &s->worker, &s->err) != PBUS_OK)
        fail_msg("the worker does not start: %s", s->err.message);
    stage_expect_soon(s, 3, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    stage_stop(s);
    pg_expect(s->conn, "paid", "SELECT string_agg(value, ',') FROM effect");
    assert_int_equal(
        pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead WHERE last_error ~ 'has no id'"), 1);
}

/* Fails "…fail" twice, "…poison" always, gives "…reject" up. */
static pbus_outcome stubborn(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = stage_insert(event, tx, arg);
    if (strstr(event->value, "fail") && event->attempt < 3)
        return pbus_retry("not yet", -1);
    if (strstr(event->value, "poison"))
        return pbus_retry("never", 0);
    if (strstr(event->value, "reject"))
        return pbus_dead("no such account");
    return outcome;
}

static void later_events_of_a_key_wait_behind_one_that_fails_and_other_keys_go_on(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stubborn);
    stage_produce(s->topic, "a", "a:fail:1", NULL, NULL);
    stage_produce(s->topic, "a", "a:2", NULL, NULL);
    stage_produce(s->topic, "a", "a:fail:3", NULL, NULL);
    stage_produce(s->topic, "a", "a:4", NULL, NULL);
    stage_produce(s->topic, "b", "b:1", NULL, NULL);
    sub.retry.first_ms = 300;
    sub.retry.most_ms = 300;
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 5, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "a:fail:1/3 a:2/1 a:fail:3/3 a:4/1",
              "SELECT string_agg(value || '/' || attempt, ' ' ORDER BY n) FROM effect WHERE key = 'a'");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT n FROM effect WHERE key = 'b'") <
                         pg_number(s->conn, "SELECT max(n) FROM effect WHERE key = 'a'"),
                     1);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
}

static void an_unordered_subscription_lets_later_events_of_the_key_pass(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stubborn);
    sub.unordered = true;
    sub.n_threads = 1;
    sub.retry.first_ms = 300;
    sub.retry.most_ms = 300;
    stage_produce(s->topic, "a", "a:fail:1", NULL, NULL);
    stage_produce(s->topic, "a", "a:2", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "a:2 a:fail:1", "SELECT string_agg(value, ' ' ORDER BY n) FROM effect");
}

static void what_has_had_its_last_attempt_is_a_dead_letter_with_its_history(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stubborn);
    stage_produce(s->topic, "a", "a:poison", "order.created", "0190f3e4-7c1a-8def-8000-00000000002b");
    stage_produce(s->topic, "a", "a:2", NULL, NULL);
    stage_produce(s->topic, "c", "c:reject", NULL, NULL);
    stage_produce(s->topic, "c", "c:2", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM postbus_inbox.dead");
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "a:2 c:2", "SELECT string_agg(value, ' ' ORDER BY value) FROM effect");
    pg_expect(s->conn, "exhausted|4|never|4|order.created|a:poison|id,type",
              "SELECT concat_ws('|', reason, attempts, last_error, jsonb_array_length(history), type, "
              "convert_from(value, 'UTF8'),"
              " (SELECT string_agg(convert_from(h, 'UTF8'), ',') FROM unnest(header_names) h)) FROM "
              "postbus_inbox.dead WHERE reason = 'exhausted'");
    pg_expect(s->conn, "1 2 3 4",
              "SELECT string_agg(h->>'attempt', ' ') FROM postbus_inbox.dead, jsonb_array_elements(history) "
              "h WHERE reason = 'exhausted'");
    pg_expect(
        s->conn, "1|no such account",
        "SELECT concat_ws('|', attempts, last_error) FROM postbus_inbox.dead WHERE reason = 'rejected'");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DEAD), 2);
}

static pbus_outcome healing(const pbus_delivery *event, PGconn *tx, void *arg)
{
    PGresult *ill = PQexec(tx, "SELECT FROM effect WHERE value = 'well'");
    bool is_ill = PQntuples(ill) == 0;
    PQclear(ill);
    pbus_outcome outcome = stage_insert(event, tx, arg);
    return is_ill ? pbus_dead("ill") : outcome;
}

static void dead_letters_that_are_redriven_are_handled_in_their_order(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, healing);
    for (int i = 1; i <= 20; i++) {
        char value[16];
        snprintf(value, sizeof value, "k%d:%d", i % 2, (i + 1) / 2);
        stage_produce(s->topic, i % 2 ? "k1" : "k0", value, NULL, NULL);
    }
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 20, "SELECT count(*) FROM postbus_inbox.dead");
    pg_run(s->conn, "INSERT INTO effect (value) VALUES ('well')");
    assert_int_equal(pg_number(s->conn, "SELECT postbus_inbox.redrive(subscription => 'main')"), 20);
    stage_produce(s->topic, "k1", "k1:11", NULL, NULL);
    stage_expect_soon(s, 22, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    pg_run(s->conn, "DELETE FROM effect WHERE value = 'well'");
    assert_int_equal(pg_number(s->conn, "%s", misordered), 0);
}

/* What the value asks for is done to the transaction. */
static pbus_outcome self_willed(const pbus_delivery *event, PGconn *tx, void *arg)
{
    static int n_serialization;
    pbus_outcome outcome = stage_insert(event, tx, arg);
    const char *value = event->value;
    if (strcmp(value, "commit") == 0)
        PQclear(PQexec(tx, "COMMIT"));
    if (strcmp(value, "commit and begin") == 0)
        PQclear(PQexec(tx, "COMMIT; BEGIN"));
    if (strcmp(value, "commit and retry") == 0) {
        PQclear(PQexec(tx, "COMMIT; BEGIN"));
        return pbus_retry("later", -1);
    }
    if (strcmp(value, "rollback") == 0 && event->attempt == 1)
        PQclear(PQexec(tx, "ROLLBACK"));
    if (strcmp(value, "waited commit") == 0) {
        if (event->attempt == 1)
            return pbus_retry("first", 0);
        PQclear(PQexec(tx, "COMMIT"));
    }
    if (strcmp(value, "error") == 0 && event->attempt == 1)
        PQclear(PQexec(tx, "SELECT 1 / 0"));
    if (strcmp(value, "serialization") == 0 && n_serialization++ < 3)
        PQclear(PQexec(tx, "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"));
    if (strcmp(value, "unfinished") == 0 && event->attempt == 1)
        PQsendQuery(tx, "SELECT pg_sleep(100)");
    if (strcmp(value, "savepoint") == 0)
        PQclear(PQexec(tx, "SAVEPOINT one; ROLLBACK TO one; RELEASE one"));
    return outcome;
}

static void a_handler_that_ends_its_transaction_is_caught(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, self_willed);
    static const char *const values[] = {"commit",        "commit and begin", "commit and retry",
                                         "waited commit", "rollback",         "error",
                                         "serialization", "unfinished",       "savepoint"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        stage_produce(s->topic, values[i], values[i], NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 4, "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'transaction_ended'");
    stage_expect_soon(s, 9, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    pg_expect(s->conn, "commit,commit and begin,commit and retry,waited commit",
              "SELECT string_agg(convert_from(value, 'UTF8'), ',' ORDER BY value) FROM postbus_inbox.dead");
    pg_expect(s->conn, "2", "SELECT attempts::text FROM postbus_inbox.dead WHERE value = 'waited commit'");
    pg_expect(s->conn, "error/2,rollback/2,savepoint/1,serialization/1,unfinished/2",
              "SELECT string_agg(value || '/' || attempt, ',' ORDER BY value) FROM effect WHERE value NOT "
              "LIKE '%%commit%%'");
    stage_stop(s);
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 0");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 9, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 9);
}

/* What the worker has prepared is forgotten with all else. */
static pbus_outcome forgetful(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = stage_insert(event, tx, arg);
    PQclear(PQexec(tx, "DEALLOCATE ALL"));
    return strstr(event->value, ":2") && event->attempt == 1 ? pbus_retry("once more", -1) : outcome;
}

static void a_handler_may_deallocate_what_is_prepared(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, forgetful);
    sub.n_threads = 1;
    stage_produce_many(s->topic, 12, 4);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 12, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    pg_expect(s->conn, "k0:2/2 k1:2/2 k2:2/2 k3:2/2",
              "SELECT string_agg(value || '/' || attempt, ' ' ORDER BY value) FROM effect WHERE attempt > 1");
    assert_int_equal(pg_number(s->conn, "%s", misordered), 0);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

static pbus_outcome cut_off(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (event->attempt == 1)
        PQclear(PQexec(tx, "SELECT pg_terminate_backend(pg_backend_pid())"));
    return stage_insert(event, tx, arg);
}

static void a_session_that_is_lost_under_a_handler_is_told_and_the_event_tried_again(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, cut_off);
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE attempt = 2");
    stage_expect_notice(s, PBUS_NOTICE_DATABASE);
    stage_stop(s);
    const char *told = s->last_message[PBUS_NOTICE_DATABASE];
    if (strchr(told, '\n') || !strstr(told, "the connection to PostgreSQL is lost"))
        fail_msg("it is told in these words: %s", told);
}

/* The claim of the next event travels with the commit, and tells nothing of it. */
static void a_commit_that_fails_is_seen_though_a_claim_goes_with_it(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    sub.n_threads = 1;
    pg_run(s->conn, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " RAISE EXCEPTION 'not at the first attempt'; END $$");
    pg_run(s->conn, "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
                    " FOR EACH ROW WHEN (NEW.value = 'k0:3' AND NEW.attempt = 1) EXECUTE FUNCTION refuse()");
    stage_produce_many(s->topic, 20, 2);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 20, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    pg_expect(s->conn, "k0:3/2",
              "SELECT string_agg(value || '/' || attempt, ' ') FROM effect WHERE attempt > 1");
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT value) FROM effect"), 20);
    assert_int_equal(pg_number(s->conn, "%s", misordered), 0);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

static void a_claim_that_fails_leaves_the_commit_before_it_alone(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    pbus_worker_counts counts;
    sub.n_threads = 1;
    pg_run(s->conn, "CREATE SEQUENCE turn");
    pg_run(s->conn, "CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
                    " IF nextval('public.turn') %% 3 = 0 THEN"
                    " RAISE EXCEPTION 'once more' USING ERRCODE = 'serialization_failure'; END IF;"
                    " RETURN NEW; END $$");
    pg_run(s->conn, "CREATE TRIGGER disturb BEFORE INSERT ON postbus_inbox.inbox FOR EACH ROW"
                    " EXECUTE FUNCTION disturb()");
    stage_produce_many(s->topic, 20, 2);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 20, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    assert_int_equal(counts.n_handled, 20);
    pg_expect(s->conn, "20/20/1",
              "SELECT count(*) || '/' || count(DISTINCT value) || '/' || max(attempt) FROM effect");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
    assert_int_equal(pg_number(s->conn, "%s", misordered), 0);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

/* While the claim of the fourth event waits, the reader's session is lost, and the event is read again. */
static void a_claim_of_an_event_that_is_to_be_read_again_is_undone(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    sub.n_threads = 1;
    pg_run(s->conn, "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$");
    pg_run(s->conn, "CREATE TRIGGER hold BEFORE INSERT ON postbus_inbox.inbox FOR EACH ROW"
                    " WHEN (NEW.kafka_offset = 3) EXECUTE FUNCTION hold()");
    pg_run(s->conn, "SELECT pg_advisory_lock(77)");
    stage_produce_many(s->topic, 6, 1);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'");
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect");
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 3 WHERE partition IN"
                    " (SELECT partition FROM postbus_inbox.inbox)");
    stage_expect_soon(s, 1,
                      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                      " WHERE datname = current_database() AND application_name LIKE '% reader %'");
    stage_expect_soon(s, 1, "SELECT (max(epoch) > 1)::int FROM postbus_inbox.position");
    pg_run(s->conn, "SELECT pg_advisory_unlock(77)");
    stage_expect_soon(s, 6, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    pg_expect(s->conn, "6/6", "SELECT count(*) || '/' || count(DISTINCT value) FROM effect");
}

/* Promises E3 and E7. */
static void a_filter_chooses_and_what_it_cannot_read_is_a_dead_letter(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    const pbus_condition filter[] = {{"type", PBUS_TEST_MATCHES, "order\\.(created|paid)"},
                                     {"value:customer.country", PBUS_TEST_EQUALS, "NL"}};
    sub.filter = filter;
    sub.n_conditions = 2;
    stage_produce(s->topic, "a", "{\"customer\": {\"country\": \"NL\"}}", "order.created", NULL);
    stage_produce(s->topic, "b", "{\"customer\": {\"country\": \"BE\"}}", "order.created", NULL);
    stage_produce(s->topic, "c", "{\"customer\": {\"country\": \"NL\"}}", "order.created.twice", NULL);
    stage_produce(s->topic, "d", "no JSON", "order.paid", NULL);
    stage_produce(s->topic, "e", "no JSON", "another", NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 5, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    stage_stop(s);
    pg_expect(s->conn, "a", "SELECT string_agg(key, ',') FROM effect");
    pg_expect(s->conn, "unreadable/0/d",
              "SELECT string_agg(concat_ws('/', reason, attempts, convert_from(key, 'UTF8')), ',') FROM "
              "postbus_inbox.dead");
}

/* Promise E4. */
static void a_subscription_that_stands_still_holds_up_no_other(void **state)
{
    stage *s = *state;
    pbus_subscription list[2] = {stage_subscription(s, stage_gated), stage_subscription(s, stage_insert)};
    list[1].key = "other";
    list[0].n_threads = 1;
    list[0].queue_events = 2;
    for (int i = 0; i < 50; i++)
        stage_produce(s->topic, "k", "wait", NULL, NULL);
    stage_start(s, list, 2);
    stage_expect_soon(s, 50, "SELECT count(*) FROM effect WHERE subscription = 'other'");
    stage_expect_at_gate(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE subscription = 'main'"), 0);
    stage_open_gate(s);
    stage_expect_soon(s, 50, "SELECT count(*) FROM effect WHERE subscription = 'main'");
}

static void a_small_buffer_pauses_partitions_and_loses_nothing(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_gated);
    pbus_worker_counts counts;
    sub.queue_events = 10;
    sub.n_threads = 2;
    stage_produce(s->topic, "first", "wait", NULL, NULL);
    stage_produce(s->topic, "second", "wait", NULL, NULL);
    stage_produce_many(s->topic, 2000, 7);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    stage_open_gate(s);
    stage_expect_soon(s, 2002, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 2002, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 2002);
    pg_run(s->conn, "DELETE FROM effect WHERE value = 'wait'");
    assert_int_equal(pg_number(s->conn, "%s", misordered), 0);
    assert_int_equal(counts.n_duplicates, 0);
}

static void a_stop_waits_for_handlers_and_abandons_them_at_its_deadline(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_gated);
    stage_produce(s->topic, "k", "wait", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    assert_int_equal(pbus_worker_stop(s->worker, 100, &s->err), PBUS_ERROR_BUSY);
    stage_open_gate(s);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 0);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "1", "SELECT string_agg(attempt::text, ',') FROM effect");
}

/* Promise E5. */
static void an_ended_subscription_stops_and_goes_on_where_it_was(void **state)
{
    stage *s = *state;
    pbus_subscription list[2] = {stage_subscription(s, stage_insert), stage_subscription(s, stage_insert)};
    list[1].key = "other";
    stage_produce(s->topic, "k", "k:1", NULL, NULL);
    stage_start(s, list, 2);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    assert_int_equal(pg_number(s->conn, "SELECT postbus_inbox.unsubscribe('%s', 'main')", s->topic), 1);
    stage_expect_notice(s, PBUS_NOTICE_UNSUBSCRIBED);
    stage_produce(s->topic, "k", "k:2", NULL, NULL);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE value = 'k:2'");
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE subscription = 'main'"), 1);
    stage_start(s, &list[0], 1);
    pg_expect(s->conn, "main",
              "SELECT string_agg(key, ',') FROM postbus_inbox.subscription WHERE ended_at IS NULL");
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect WHERE subscription = 'main'");
    stage_expect_soon(s, 0, "SELECT count(*) - count(DISTINCT (subscription, value)) FROM effect");
}

static void a_subscription_from_the_latest_begins_when_it_is_made(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    sub.begin = PBUS_BEGIN_LATEST;
    stage_produce(s->topic, "k", "before", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_notice(s, PBUS_NOTICE_ASSIGNED);
    stage_produce(s->topic, "k", "after", NULL, NULL);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "after", "SELECT value FROM effect");
}

static void start_with(stage *s, pbus_worker **out, int list_version, const pbus_subscription *list, size_t n)
{
    pbus_worker_options options = stage_options(s, list, n);
    options.list_version = list_version;
    if (pbus_worker_start(&options, out, &s->err) != PBUS_OK)
        fail_msg("the worker does not start: %s", s->err.message);
}

/* Version 2 has "new" and no "gone"; a process of version 1, which has it the other way round, starts once more beside it. */
static void an_older_version_that_starts_again_changes_nothing_of_a_newer_list(void **state)
{
    stage *s = *state;
    pbus_worker *old;
    pbus_subscription before[2] = {stage_subscription(s, stage_insert), stage_subscription(s, stage_insert)};
    pbus_subscription after[2] = {before[0], before[1]};
    before[1].key = "gone";
    after[1].key = "new";
    start_with(s, &old, 1, before, 2);
    assert_int_equal(pbus_worker_stop(old, STAGE_STOP_MS, &s->err), PBUS_OK);
    pbus_worker_free(old);
    start_with(s, &s->worker, 2, after, 2);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_UNSUBSCRIBED), 0);
    start_with(s, &old, 1, before, 2);
    pg_expect(
        s->conn, "gone false 2,main true 2,new true 2",
        "SELECT string_agg(concat_ws(' ', key, (ended_at IS NULL)::text, list_version), ',' ORDER BY key)"
        " FROM postbus_inbox.subscription");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_UNSUBSCRIBED), 1); /* "gone" is not begun */
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    pg_expect(s->conn, "main,new", "SELECT string_agg(subscription, ',' ORDER BY subscription) FROM effect");
    assert_int_equal(pbus_worker_stop(old, STAGE_STOP_MS, &s->err), PBUS_OK);
    pbus_worker_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(each_event_has_its_effect_once_and_keys_keep_their_order),
        STAGE_TEST(a_repeated_event_is_handled_once_and_one_without_id_by_its_place),
        STAGE_TEST(the_last_header_of_a_name_is_the_relays),
        STAGE_TEST(headers_have_the_names_that_the_worker_is_told),
        STAGE_TEST(later_events_of_a_key_wait_behind_one_that_fails_and_other_keys_go_on),
        STAGE_TEST(an_unordered_subscription_lets_later_events_of_the_key_pass),
        STAGE_TEST(what_has_had_its_last_attempt_is_a_dead_letter_with_its_history),
        STAGE_TEST(dead_letters_that_are_redriven_are_handled_in_their_order),
        STAGE_TEST(a_handler_that_ends_its_transaction_is_caught),
        STAGE_TEST(a_handler_may_deallocate_what_is_prepared),
        STAGE_TEST(a_session_that_is_lost_under_a_handler_is_told_and_the_event_tried_again),
        STAGE_TEST(a_commit_that_fails_is_seen_though_a_claim_goes_with_it),
        STAGE_TEST(a_claim_that_fails_leaves_the_commit_before_it_alone),
        STAGE_TEST(a_claim_of_an_event_that_is_to_be_read_again_is_undone),
        STAGE_TEST(a_filter_chooses_and_what_it_cannot_read_is_a_dead_letter),
        STAGE_TEST(a_subscription_that_stands_still_holds_up_no_other),
        STAGE_TEST(a_small_buffer_pauses_partitions_and_loses_nothing),
        STAGE_TEST(a_stop_waits_for_handlers_and_abandons_them_at_its_deadline),
        STAGE_TEST(an_ended_subscription_stops_and_goes_on_where_it_was),
        STAGE_TEST(a_subscription_from_the_latest_begins_when_it_is_made),
        STAGE_TEST(an_older_version_that_starts_again_changes_nothing_of_a_newer_list),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

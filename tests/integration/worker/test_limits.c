/* The worker's limits: of a handler's time, of memory, of delays, and of what it may do while it knows nothing or is about to end. */
#include "stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_past(void *arg)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000 > *(const int64_t *)arg + 50;
}

/* Takes too long at first: "sql" in a statement, "code" without one. */
static pbus_outcome slow(const pbus_delivery *event, PGconn *tx, void *arg)
{
    int64_t deadline_ms = event->deadline_ms;
    pbus_outcome outcome = stage_insert(event, tx, arg);
    if (event->attempt == 1 && strcmp(event->value, "sql") == 0)
        PQclear(PQexec(tx, "SELECT pg_sleep(600)"));
    if (event->attempt == 1 && strcmp(event->value, "code") == 0)
        wait_until(is_past, &deadline_ms, STAGE_DEADLINE_MS);
    return outcome;
}

static void what_takes_longer_than_its_limit_is_rolled_back_and_tried_again(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, slow);
    sub.time_limit_ms = 1000;
    sub.retry.max_attempts = -1;
    stage_produce(s->topic, "sql", "sql", NULL, NULL);
    stage_produce(s->topic, "code", "code", NULL, NULL);
    stage_produce(s->topic, "quick", "quick", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(
        pg_number(s->conn, "SELECT count(*) FROM effect WHERE value IN ('sql', 'code') AND attempt > 1"), 2);
    assert_true(stage_notices(s, PBUS_NOTICE_RETRY) >= 2);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 3);
}

/* Another member has the event, and takes its time. */
static void the_limit_of_a_handler_is_not_one_of_waiting_for_another_member(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    const char *id = "0190f3e4-7c1a-8def-8000-00000000002a";
    PGconn *other = pg_fixture_connect(stage_server, "billing", NULL);
    sub.time_limit_ms = 500;
    sub.retry.max_attempts = -1;
    stage_start(s, &sub, 1);
    stage_expect_notice(s, PBUS_NOTICE_ASSIGNED);
    pg_run(other, "BEGIN");
    pg_run(other,
           "INSERT INTO postbus_inbox.inbox (identity, kafka_offset, record_ms, source, partition, leaf)"
           " SELECT '%s', 0, 0, id, 0, 0 FROM postbus_inbox.source",
           id);
    stage_produce(s->topic, "k", "v", NULL, id);
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % lane %' "
                      "AND wait_event_type = 'Lock' AND query_start < now() - interval '2 seconds'");
    pg_run(other, "ROLLBACK");
    PQfinish(other);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

static pbus_outcome never_again(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)tx;
    (void)arg;
    return pbus_retry("far", strcmp(event->value, "most") == 0 ? INT64_MAX : INT64_C(86400000) * 1000);
}

static void a_delay_that_no_calendar_has_is_a_year(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, never_again);
    stage_produce(s->topic, "a", "most", NULL, NULL);
    stage_produce(s->topic, "b", "more", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2,
                      "SELECT count(*) FROM postbus_inbox.waiting WHERE attempts = 1 AND due_at BETWEEN "
                      "now() + interval '364 days' AND now() + interval '366 days'");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

static void the_smallest_buffer_lets_events_through_one_by_one(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    sub.queue_bytes = 1;
    stage_produce_many(s->topic, 20, 3);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 20, "SELECT count(*) FROM effect");
}

/* Four events of 100 kB fill it; of a hundred, no more than a few are read while the first are handled. */
static void a_buffer_in_bytes_is_kept(void **state)
{
    stage *s = *state;
    pbus_worker_counts counts;
    pbus_subscription sub = stage_subscription(s, stage_gated);
    char *value = malloc(100001);
    memset(value, 'x', 100000);
    memcpy(value, "wait", 4);
    value[100000] = '\0';
    sub.queue_bytes = 400000;
    for (int i = 0; i < 20; i++)
        stage_produce(s->topic, "k", value, NULL, NULL);
    free(value);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % lane %' "
                      "AND xact_start < now() - interval '1 second'");
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    assert_true(counts.n_read <= 5);
    stage_open_gate(s);
    stage_expect_soon(s, 20, "SELECT count(*) FROM effect");
}

/* Other members take one whose reader is silent for one that stands still, and end its sessions. */
static void a_reader_speaks_while_it_waits_for_handlers(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_gated);
    stage_produce(s->topic, "k", "wait", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    assert_int_equal(pg_number(s->conn, "SELECT postbus_inbox.unsubscribe('%s')", s->topic), 1);
    stage_expect_notice(s, PBUS_NOTICE_UNSUBSCRIBED);
    pg_run(s->conn, "CREATE TABLE since AS SELECT clock_timestamp() AS at");
    stage_expect_soon(
        s, 1,
        "SELECT count(*) FROM pg_stat_activity r, since WHERE r.application_name LIKE 'postbus % reader %' "
        "AND r.state_change > at + interval '3 seconds' AND EXISTS (SELECT FROM pg_stat_activity l WHERE "
        "l.application_name LIKE 'postbus % lane %' AND l.xact_start IS NOT NULL)");
    stage_open_gate(s);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 1);
}

enum { PATIENCE_MS = 6000 }; /* of the group: as little as session.timeout.ms lets it be */

/* Handlers of one subscription. */
typedef struct patience {
    stage *s;
    bool others_go_on; /* the long one ends when others were begun during it */
    atomic_bool is_begun;
    atomic_int n_others;
    int n_before;
} patience;

static bool others_went_on(void *arg)
{
    const patience *p = arg;
    return !p->others_go_on || p->n_others > p->n_before;
}

/* "long" takes half as long again as the group waits for who does not ask for events. */
static pbus_outcome patient(const pbus_delivery *event, PGconn *tx, void *arg)
{
    patience *p = arg;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t until_ms = now.tv_sec * INT64_C(1000) + PATIENCE_MS * 3 / 2;
    if (strcmp(event->value, "long") != 0)
        p->n_others++;
    else {
        p->n_before = p->n_others;
        p->is_begun = true;
        if (!wait_until(is_past, &until_ms, STAGE_DEADLINE_MS) ||
            !wait_until(others_went_on, p, STAGE_DEADLINE_MS))
            return pbus_dead("the others stand still");
    }
    return stage_insert(event, tx, p->s);
}

static bool both_began(void *arg)
{
    const patience *both = arg;
    return both[0].is_begun && both[1].is_begun;
}

/* One has room for all, and one for a single event, so that it does not read while its handler runs. */
static void a_handler_may_take_longer_than_the_group_s_patience(void **state)
{
    stage *s = *state;
    static patience both[2];
    static const pbus_kafka_setting kafka[] = {{"session.timeout.ms", "6000"},
                                               {"max.poll.interval.ms", "6000"},
                                               {"heartbeat.interval.ms", "300"},
                                               {"fetch.wait.max.ms", "20"}};
    pbus_subscription subs[2] = {stage_subscription(s, patient), stage_subscription(s, patient)};
    both[0] = (patience){.s = s, .others_go_on = true};
    both[1] = (patience){.s = s};
    for (int i = 0; i < 2; i++)
        subs[i].arg = &both[i];
    subs[1].key = "narrow";
    subs[1].queue_events = subs[1].n_threads = 1;
    stage_produce(s->topic, "key", "long", NULL, NULL);
    stage_produce(s->topic, "key", "short", NULL, NULL);
    stage_produce_many(s->topic, 20, 20);
    pbus_worker_options options = stage_options(s, subs, 2);
    options.kafka = kafka;
    options.n_kafka = sizeof kafka / sizeof kafka[0];
    if (pbus_worker_start(&options, &s->worker, &s->err) != PBUS_OK)
        fail_msg("%s", s->err.message);
    assert_true(wait_until(both_began, both, STAGE_DEADLINE_MS));
    stage_produce_many(s->topic, 20, 20);
    stage_expect_soon(s, 84, "SELECT count(*) FROM effect");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_ASSIGNED), 2);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_REVOKED) + stage_notices(s, PBUS_NOTICE_KAFKA), 0);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE attempt = 1"), 84);
    assert_int_equal(
        pg_number(s->conn, "SELECT count(DISTINCT (subscription, partition, kafka_offset)) FROM effect"), 84);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect a JOIN effect b USING (subscription) "
                                        "WHERE a.value = 'long' AND b.value = 'short' AND a.n < b.n"),
                     2);
}

static pbus_outcome behind_a_lock(const pbus_delivery *event, PGconn *tx, void *arg)
{
    PQclear(PQexec(tx, "SELECT pg_advisory_xact_lock(7)"));
    return stage_insert(event, tx, arg);
}

/* What PostgreSQL does not tell about another application's sessions is no sign that they stand still. */
static void a_lock_of_another_application_is_waited_for(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, behind_a_lock);
    pg_run(s->conn, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'other_app') THEN"
                    " CREATE ROLE other_app LOGIN; END IF; END $$");
    PGconn *other = pg_fixture_connect(stage_server, "billing", "other_app");
    pg_run(other, "SET application_name = 'postbus 00000001 lane other'");
    pg_run(other, "BEGIN; SELECT pg_advisory_xact_lock(7)");
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % lane %' "
                      "AND wait_event_type = 'Lock' AND query_start < now() - interval '5 seconds'");
    pg_run(other, "COMMIT");
    PQfinish(other);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_FENCED), 0);
}

/* Set for the role, or for the whole server: sessions of a quiet worker are not to be ended. */
static void sessions_outlive_the_server_s_patience_with_idle_ones(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    if (pg_fixture_version(stage_server) < 140000)
        skip(); /* there is no idle_session_timeout */
    sub.n_threads =
        8; /* so that several have nothing to do for so long, although one looks for what is due each second */
    pg_run(s->conn, "ALTER DATABASE billing SET idle_session_timeout = 2500");
    stage_produce_many(s->topic, 40, 40);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 40, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 1,
                      "SELECT (count(*) > 0)::int FROM pg_stat_activity WHERE application_name LIKE "
                      "'postbus % lane %' AND state_change < now() - interval '3500 milliseconds'");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

/* Set for the database: how long a transaction of the worker may take is said by its time limit alone. */
static pbus_outcome insert_after_a_second(const pbus_delivery *event, PGconn *tx, void *arg)
{
    PQclear(PQexec(tx, "SELECT pg_sleep(1)"));
    return stage_insert(event, tx, arg);
}

static void a_handler_outlives_the_server_s_patience_with_transactions(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, insert_after_a_second);
    if (pg_fixture_version(stage_server) < 170000)
        skip(); /* there is no transaction_timeout */
    pg_run(s->conn, "ALTER DATABASE billing SET transaction_timeout = 500");
    stage_produce_many(s->topic, 1, 1);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DATABASE), 0);
}

typedef struct few_notices {
    stage *s;
    int n;
} few_notices;

static bool database_failed_often(void *arg)
{
    const few_notices *few = arg;
    return stage_notices(few->s, PBUS_NOTICE_DATABASE) >= few->n;
}

/* The lanes still have their sessions, the reader gets none: what is read now would only be thrown away. */
static void nothing_is_read_on_while_positions_are_not_known(void **state)
{
    stage *s = *state;
    pbus_worker_counts counts;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    few_notices few = {s, 1};
    stage_produce_many(s->topic, 20, 20);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 20, "SELECT count(*) FROM effect");
    pg_run(s->conn, "ALTER ROLE billing_app CONNECTION LIMIT 1");
    pg_run(s->conn,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'postbus %% "
           "reader %%'");
    bool failed = wait_until(database_failed_often, &few, STAGE_DEADLINE_MS);
    stage_produce_many(s->topic, 2000, 20);
    few.n = stage_notices(s, PBUS_NOTICE_DATABASE) + 4;
    failed = failed && wait_until(database_failed_often, &few, STAGE_DEADLINE_MS);
    bool counted = pbus_worker_count(s->worker, "main", &counts);
    pg_run(s->conn, "ALTER ROLE billing_app CONNECTION LIMIT -1");
    assert_true(failed && counted);
    assert_true(counts.n_read < 500);
    stage_expect_soon(s, 2020, "SELECT count(*) FROM effect");
}

static bool lanes_have_no_session(void *arg)
{
    char reason[200];
    bool ready = pbus_worker_is_ready(((stage *)arg)->worker, reason, sizeof reason);
    return !ready && strstr(reason, "gets no session with PostgreSQL") != NULL;
}

static bool is_ready(void *arg)
{
    char reason[200];
    return pbus_worker_is_ready(((stage *)arg)->worker, reason, sizeof reason);
}

/* The other way round: the reader has its session, and nobody can handle what it reads. */
static void a_worker_that_can_handle_nothing_is_not_ready(void **state)
{
    stage *s = *state;
    char reason[200];
    pbus_subscription sub = stage_subscription(s, stage_insert);
    stage_start(s, &sub, 1);
    stage_expect_notice(s, PBUS_NOTICE_ASSIGNED);
    pg_run(s->conn, "ALTER ROLE billing_app CONNECTION LIMIT 1");
    pg_run(s->conn,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'postbus %% "
           "lane %%'");
    stage_produce(s->topic, "k", "v", NULL, NULL);
    bool told = wait_until(lanes_have_no_session, s, STAGE_DEADLINE_MS);
    pbus_worker_is_ready(s->worker, reason, sizeof reason);
    pg_run(s->conn, "ALTER ROLE billing_app CONNECTION LIMIT -1");
    if (!told)
        fail_msg("%s", reason);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    assert_true(wait_until(is_ready, s, STAGE_DEADLINE_MS));
}

static bool was_told_to_start_again(void *arg)
{
    stage *s = arg;
    pthread_mutex_lock(&s->lock);
    bool told = strstr(s->last_message[PBUS_NOTICE_DATABASE], "start the worker again") != NULL;
    pthread_mutex_unlock(&s->lock);
    return told;
}

/* In a statement that is still going on when the test is over. */
static pbus_outcome asleep(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)event;
    (void)arg;
    PQclear(PQexec(tx, "SELECT pg_sleep(600)"));
    return pbus_ack();
}

typedef struct stopping {
    stage *s;
    pbus_status status;
    atomic_bool returned;
} stopping;

static void *stop_now(void *arg)
{
    pbus_error err;
    stopping *st = arg;
    st->status = pbus_worker_stop(st->s->worker, 0, &err);
    st->returned = true;
    return NULL;
}

static bool has_returned(void *arg)
{
    return ((stopping *)arg)->returned;
}

/* A worker whose way to the database can be broken. */
static net_proxy *start_behind_proxy(stage *s, const pbus_subscription *sub)
{
    char conninfo[200];
    net_proxy *between = net_proxy_new();
    net_proxy_aim(between, pg_fixture_port(stage_server));
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d dbname=billing user=billing_app",
             net_proxy_port(between));
    pbus_worker_options options = stage_options(s, sub, 1);
    options.conninfo = conninfo;
    if (pbus_worker_start(&options, &s->worker, &s->err) != PBUS_OK)
        fail_msg("%s", s->err.message);
    return between;
}

/* Something in between takes all connections, and nothing arrives: neither can the statement be cancelled nor does it end. */
static void a_stop_returns_where_nobody_answers_its_cancel(void **state)
{
    stage *s = *state;
    pthread_t thread;
    stopping st = {.s = s};
    pbus_subscription sub = stage_subscription(s, asleep);
    stage_produce(s->topic, "k", "v", NULL, NULL);
    net_proxy *between = start_behind_proxy(s, &sub);
    stage_expect_soon(
        s, 1,
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = "
        "'active' AND usename = 'billing_app'");
    net_proxy_hold(between, NET_BOTH_WAYS);
    assert_int_equal(pthread_create(&thread, NULL, stop_now, &st), 0);
    bool in_time = wait_until(has_returned, &st, STAGE_DEADLINE_MS);
    net_proxy_heal(between);
    pthread_join(thread, NULL);
    assert_true(in_time);
    assert_int_equal(st.status, PBUS_ERROR_BUSY);
    stage_stop(s);
    net_proxy_free(between);
}

static void *free_now(void *arg)
{
    stopping *st = arg;
    pbus_worker_free(st->s->worker);
    st->returned = true;
    return NULL;
}

/* The figures are being asked for when nothing arrives any more: neither an answer nor a cancel. */
static void a_worker_is_freed_where_nobody_answers_what_its_figures_are(void **state)
{
    stage *s = *state;
    pthread_t thread;
    stopping st = {.s = s};
    pbus_subscription sub = stage_subscription(s, stage_insert);
    stage_produce(s->topic, "k", "v", NULL, NULL);
    net_proxy *between = start_behind_proxy(s, &sub);
    stage_expect_soon(s, 1, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    PGconn *other = pg_fixture_connect(stage_server, "billing", NULL);
    pg_run(other, "BEGIN");
    pg_run(other, "LOCK TABLE postbus_inbox.dead");
    FILE *nowhere = fopen("/dev/null", "w");
    assert_int_equal(pbus_worker_write_metrics(s->worker, nowhere, &s->err), PBUS_OK);
    fclose(nowhere);
    stage_expect_soon(
        s, 1,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % census %' "
        "AND wait_event_type = 'Lock'");
    assert_int_equal(pbus_worker_stop(s->worker, STAGE_STOP_MS, &s->err), PBUS_OK);
    net_proxy_hold(between, NET_BOTH_WAYS);
    assert_int_equal(pthread_create(&thread, NULL, free_now, &st), 0);
    bool in_time = wait_until(has_returned, &st, STAGE_DEADLINE_MS);
    PQfinish(other);
    net_proxy_heal(between);
    pthread_join(thread, NULL);
    s->worker = NULL;
    net_proxy_free(between);
    assert_true(in_time);
}

/* What is sent and not answered when it returns. */
static pbus_outcome unfinished(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = event->attempt == 1 ? stage_gated(event, tx, arg) : stage_insert(event, tx, arg);
    if (event->attempt == 1)
        PQsendQuery(tx, "SELECT pg_sleep(600)");
    return outcome;
}

/* Its session is given up in the end, and another one is tried, which is told not to come about. */
static void a_handler_that_left_a_command_where_nobody_answers_is_not_waited_for_without_a_limit(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, unfinished);
    sub.n_threads = 1;
    stage_produce(s->topic, "k", "wait", NULL, NULL);
    net_proxy *between = start_behind_proxy(s, &sub);
    stage_expect_at_gate(s);
    net_proxy_hold(between, NET_BOTH_WAYS);
    few_notices few = {s, stage_notices(s, PBUS_NOTICE_DATABASE) + 1};
    stage_open_gate(s);
    bool told = wait_until(database_failed_often, &few, STAGE_DEADLINE_MS);
    net_proxy_reset(between); /* or the cancels, let through with the command, could come before it */
    net_proxy_heal(between);
    assert_true(told);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_stop(s);
    net_proxy_free(between);
}

/* A session that it would open is refused, and that would be told. */
static void after_it_was_abandoned_a_handler_gets_no_further_session(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, unfinished);
    sub.n_threads = 1;
    stage_produce(s->topic, "k", "wait", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    assert_int_equal(pbus_worker_stop(s->worker, 0, &s->err), PBUS_ERROR_BUSY);
    pg_run(s->conn, "ALTER ROLE billing_app NOLOGIN");
    stage_open_gate(s);
    pbus_status status = pbus_worker_stop(s->worker, STAGE_STOP_MS, &s->err);
    pg_run(s->conn, "ALTER ROLE billing_app LOGIN");
    assert_int_equal(status, PBUS_OK);
    if (stage_notices(s, PBUS_NOTICE_DATABASE) > 0)
        fail_msg("%s", s->last_message[PBUS_NOTICE_DATABASE]);
    pbus_worker_free(s->worker);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
}

/* Restored to a time when there was no such subscription, and its number has become another's. */
static void a_database_older_than_the_subscription_is_not_worked(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    few_notices few = {s, 4};
    stage_produce(s->topic, "k", "first", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    pg_run(s->conn, "UPDATE postbus_inbox.subscription SET key = 'another'");
    pg_end_backends(s->conn, "application_name LIKE 'postbus %'");
    stage_produce(s->topic, "k", "second", NULL, NULL);
    few.n += stage_notices(s, PBUS_NOTICE_DATABASE);
    assert_true(wait_until(database_failed_often, &few, STAGE_DEADLINE_MS));
    assert_true(
        wait_until(was_told_to_start_again, s, STAGE_DEADLINE_MS)); /* each session tells of its end, too */
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 1);
    stage_stop(s);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(what_takes_longer_than_its_limit_is_rolled_back_and_tried_again),
        STAGE_TEST(the_limit_of_a_handler_is_not_one_of_waiting_for_another_member),
        STAGE_TEST(a_delay_that_no_calendar_has_is_a_year),
        STAGE_TEST(the_smallest_buffer_lets_events_through_one_by_one),
        STAGE_TEST(a_buffer_in_bytes_is_kept),
        STAGE_TEST(a_reader_speaks_while_it_waits_for_handlers),
        STAGE_TEST(a_handler_may_take_longer_than_the_group_s_patience),
        STAGE_TEST(a_lock_of_another_application_is_waited_for),
        STAGE_TEST(sessions_outlive_the_server_s_patience_with_idle_ones),
        STAGE_TEST(a_handler_outlives_the_server_s_patience_with_transactions),
        STAGE_TEST(nothing_is_read_on_while_positions_are_not_known),
        STAGE_TEST(a_worker_that_can_handle_nothing_is_not_ready),
        STAGE_TEST(a_database_older_than_the_subscription_is_not_worked),
        STAGE_TEST(a_stop_returns_where_nobody_answers_its_cancel),
        STAGE_TEST(a_worker_is_freed_where_nobody_answers_what_its_figures_are),
        STAGE_TEST(a_handler_that_left_a_command_where_nobody_answers_is_not_waited_for_without_a_limit),
        STAGE_TEST(after_it_was_abandoned_a_handler_gets_no_further_session),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

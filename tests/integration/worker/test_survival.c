/* What dies, moves or goes back in time: effects stay exactly one for each event, and in the order of their keys. */
#include "stage.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "proc_fixture.h"
#include "scrape.h"

enum { N_KEYS = 23 };

static proc_fixture *subject_start(stage *s, const char *sleep_us)
{
    const char *argv[] = {POSTBUS_TEST_SUBJECT,
                          s->conninfo,
                          kafka_fixture_brokers(stage_kafka),
                          s->topic,
                          s->topic,
                          sleep_us,
                          NULL};
    return proc_fixture_start(argv, NULL);
}

/* All n events: each effect once, each key in order, nothing left over. */
static void expect_exactly(stage *s, int n)
{
    char all[100];
    snprintf(all, sizeof all, "SELECT sum(next_offset)::bigint - %d FROM postbus_inbox.position", n);
    stage_expect_soon(s, 0, all);
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), n);
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT value) FROM effect"), n);
    assert_int_equal(
        pg_number(s->conn,
                  "SELECT count(*) FROM (SELECT split_part(value, ':', 2)::int AS v,"
                  " row_number() OVER (PARTITION BY key ORDER BY n) AS r FROM effect) x WHERE v <> r"),
        0);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.gap"), 0);
}

static void wait_for_effects(stage *s, int at_least)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT least(count(*), %d) FROM effect", at_least);
    stage_expect_soon(s, at_least, sql);
}

static void killed_subscribers_lose_and_repeat_nothing(void **state)
{
    stage *s = *state;
    const int n = 3000;
    proc_fixture *two[2] = {NULL, NULL};
    stage_produce_many(s->topic, n, N_KEYS);
    for (int round = 0; round < 4; round++) {
        proc_fixture **one = &two[round % 2];
        proc_fixture_free(*one); /* SIGKILL; at first there is none */
        *one = subject_start(s, "300");
        wait_for_effects(s, 250 * (round + 1));
    }
    expect_exactly(s, n);
    for (int i = 0; i < 2; i++)
        proc_fixture_free(two[i]);
}

static void members_that_come_and_go_change_nothing(void **state)
{
    stage *s = *state;
    const int n = 3000;
    stage_produce_many(s->topic, n, N_KEYS);
    proc_fixture *first = subject_start(s, "500");
    wait_for_effects(s, 100);
    for (int round = 0; round < 4; round++) {
        proc_fixture *second = subject_start(s, "500");
        proc_fixture_expect_log(second, "notice 1", STAGE_DEADLINE_MS);
        wait_for_effects(s, 300 * (round + 1));
        assert_int_equal(proc_fixture_end(second, SIGTERM, STAGE_DEADLINE_MS), 0);
        proc_fixture_free(second);
    }
    expect_exactly(s, n);
    assert_int_equal(proc_fixture_end(first, SIGTERM, STAGE_DEADLINE_MS), 0);
    proc_fixture_free(first);
}

/* A member that stands still is put out of the group, and its sessions are ended: it holds what it was handling, here nearly always three events. When
 * it wakes, what it did counts for nothing. */
static void a_member_that_was_frozen_holds_up_nobody_and_repeats_nothing(void **state)
{
    stage *s = *state;
    const int n = 600;
    stage_produce_many(s->topic, n, N_KEYS);
    proc_fixture *frozen = subject_start(s, "300000");
    wait_for_effects(s, 6);
    proc_fixture_signal(frozen, SIGSTOP);
    proc_fixture *other = subject_start(s, "0");
    wait_for_effects(s, n);
    proc_fixture_signal(frozen, SIGCONT);
    proc_fixture_expect_log(frozen, "notice 7", STAGE_DEADLINE_MS);
    expect_exactly(s, n);
    proc_fixture_expect_log(other, "a member that stands still", STAGE_DEADLINE_MS);
    proc_fixture_free(frozen);
    proc_fixture_free(other);
}

static void a_database_that_dies_and_comes_back_changes_nothing(void **state)
{
    stage *s = *state;
    const int n = 3000;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    stage_produce_many(s->topic, n, N_KEYS);
    stage_start(s, &sub, 1);
    wait_for_effects(s, 200);
    for (int i = 0; i < 2; i++) {
        pg_fixture_restart(stage_server, i ? PG_STOP_FAST : PG_STOP_IMMEDIATE);
        PQfinish(s->conn);
        s->conn = pg_fixture_connect(stage_server, "billing", NULL);
        wait_for_effects(s, 1000 * (i + 1));
    }
    expect_exactly(s, n);
}

/* What handlers wait for in turn. */
enum { ALL_WAITS, WRITER_IS_STOPPED, SERVER_IS_BACK };
static _Atomic int phase, n_calls, n_first_calls, n_second_calls;

static void begin_phases(void)
{
    atomic_store(&phase, ALL_WAITS);
    atomic_store(&n_calls, 0);
    atomic_store(&n_first_calls, 0);
    atomic_store(&n_second_calls, 0);
}

static bool phase_has_come(void *arg)
{
    return atomic_load(&phase) >= *(int *)arg;
}

static void wait_for_phase(int wanted)
{
    wait_until(phase_has_come, &wanted, STAGE_DEADLINE_MS);
}

static pbus_outcome counted_insert(const pbus_delivery *event, PGconn *tx, void *arg)
{
    atomic_fetch_add(&n_calls, 1);
    wait_for_phase(WRITER_IS_STOPPED);
    return stage_insert(event, tx, arg);
}

static void wait_for_no_disk(stage *s)
{
    char *waiting = s->conninfo;
    size_t size = strlen(waiting) + 64;
    s->conninfo = malloc(size);
    snprintf(s->conninfo, size, "%s options='-c synchronous_commit=off'", waiting);
    free(waiting);
}

/* Until the server goes, nobody writes the log: not the process that does so, nor the reader with its positions, which wait for the disk. It reads nothing more
 * then: what is to be handled has been read before. */
static PGconn *stop_writing(stage *s)
{
    PGconn *holder = pg_fixture_connect(stage_server, "billing", NULL);
    pg_run(holder, "BEGIN; LOCK TABLE postbus_inbox.position IN SHARE MODE");
    pid_t writer =
        (pid_t)pg_number(s->conn, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
    assert_int_equal(kill(writer, SIGSTOP), 0);
    atomic_store(&phase, WRITER_IS_STOPPED);
    return holder;
}

static void crash(stage *s, PGconn *holder)
{
    pg_fixture_stop(stage_server, PG_STOP_IMMEDIATE);
    pg_fixture_start(stage_server);
    PQfinish(holder);
    PQfinish(s->conn);
    s->conn = pg_fixture_connect(stage_server, "billing", NULL);
}

/* Nobody writes to the disk what is committed so: it is lost with the server, and what the inbox knows of it, too. */
static void commits_that_waited_for_no_disk_are_made_again_where_they_are_lost(void **state)
{
    stage *s = *state;
    const int n = 500;
    pbus_subscription sub = stage_subscription(s, counted_insert);
    wait_for_no_disk(s);
    begin_phases();
    stage_produce_many(s->topic, n, N_KEYS);
    stage_start(s, &sub, 1);
    stage_expect_queued(s, (uint64_t)n);
    PGconn *holder = stop_writing(s);
    wait_for_effects(s, n);
    assert_int_equal(atomic_load(&n_calls), n);
    crash(s, holder);
    expect_exactly(s, n);
    assert_true(atomic_load(&n_calls) > n);
}

/* Does its work, and finds out that the server is another one meanwhile. */
static pbus_outcome gated_and_asks(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = stage_gated(event, tx, arg);
    for (int i = 0; i < 2; i++) /* libpq takes a connection for lost at the second failure */
        PQclear(PQexec(tx, "SELECT 1"));
    return outcome;
}

static bool gate_is_open(void *arg)
{
    stage *s = arg;
    pthread_mutex_lock(&s->lock);
    bool open = s->gate_open;
    pthread_mutex_unlock(&s->lock);
    return open;
}

/* Leaves a COPY unfinished, the first time, so that nobody reads from the connection any more. */
static pbus_outcome copies_at_the_gate(const pbus_delivery *event, PGconn *tx, void *arg)
{
    stage *s = arg;
    pbus_outcome outcome = stage_insert(event, tx, arg);
    if (strncmp(event->value, "wait", 4) != 0 || gate_is_open(s))
        return outcome;
    PQclear(PQexec(tx, "COPY effect (value) FROM STDIN"));
    pthread_mutex_lock(&s->lock);
    s->n_at_gate++;
    pthread_mutex_unlock(&s->lock);
    wait_until(gate_is_open, s, STAGE_DEADLINE_MS);
    return outcome;
}

/* The first event is done and lost, while the second is at the gate. */
static pbus_handler *second_handler;

static pbus_outcome first_is_lost(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (strncmp(event->value, "wait", 4) == 0)
        return second_handler(event, tx, arg);
    atomic_fetch_add(&n_first_calls, 1);
    wait_for_phase(WRITER_IS_STOPPED);
    return stage_insert(event, tx, arg);
}

static void produce_lost_and_wait(stage *s)
{
    stage_produce(s->topic, "k", "lost:1", NULL, NULL);
    stage_produce(s->topic, "k", "wait:2", NULL, NULL);
}

static void expect_order_over_a_crash(stage *s, pbus_handler *handler)
{
    pbus_subscription sub = stage_subscription(s, first_is_lost);
    second_handler = handler;
    wait_for_no_disk(s);
    begin_phases();
    produce_lost_and_wait(s);
    stage_start(s, &sub, 1);
    stage_expect_queued(s, 2);
    PGconn *holder = stop_writing(s);
    stage_expect_at_gate(s);
    crash(s, holder);
    stage_open_gate(s);
    expect_exactly(s, 2);
    assert_int_equal(atomic_load(&n_first_calls), 2);
}

static void an_attempt_that_met_the_crash_comes_behind_what_was_lost_in_it(void **state)
{
    expect_order_over_a_crash(*state, gated_and_asks);
}

static void so_does_one_that_did_not_notice(void **state)
{
    expect_order_over_a_crash(*state, copies_at_the_gate);
}

static void server_shell(stage *s, const char *line, pg_fixture_stop_mode mode)
{
    PQfinish(s->conn);
    pg_fixture_stop(stage_server, mode);
    assert_int_equal(pg_fixture_shell(stage_server, line), 0);
    pg_fixture_start(stage_server);
    s->conn = pg_fixture_connect(stage_server, "billing", NULL);
}

/* A server as it is once the subscription has its positions, and has handled nothing. */
static void copy_server(stage *s, const pbus_subscription *sub)
{
    stage_start(s, sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM postbus_inbox.position");
    stage_stop(s);
    server_shell(s, "rm -rf before && cp -a data before", PG_STOP_FAST);
}

/* As a standby that lacks commits, or a backup: the first event is committed, the second at the gate, and then the server is one of before. */
static void go_back_under_the_second(stage *s, const pbus_subscription *sub)
{
    second_handler = gated_and_asks;
    begin_phases();
    atomic_store(&phase, WRITER_IS_STOPPED);
    copy_server(s, sub);
    produce_lost_and_wait(s);
    stage_start(s, sub, 1);
    stage_expect_at_gate(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE value = 'lost:1'"), 1);
    server_shell(s, "rm -rf data && mv before data", PG_STOP_IMMEDIATE);
    stage_open_gate(s);
}

static void an_attempt_that_met_an_older_server_comes_behind_what_that_lacks(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, first_is_lost);
    go_back_under_the_second(s, &sub);
    expect_exactly(s, 2);
    assert_int_equal(atomic_load(&n_first_calls), 2);
    assert_int_equal(pg_number(s->conn, "SELECT attempt FROM effect WHERE value = 'wait:2'"), 2);
}

static void it_counts_in_its_order_where_it_was_the_only_one(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, first_is_lost);
    sub.retry = (pbus_retry_policy){.kind = PBUS_RETRY_NEVER};
    go_back_under_the_second(s, &sub);
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM postbus_inbox.dead WHERE value = 'wait:2' AND attempts = 1");
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    assert_int_equal(pg_number(s->conn, "SELECT (d.xmin::text::bigint > e.xmin::text::bigint)::int"
                                        " FROM postbus_inbox.dead d, effect e"),
                     1);
}

/* The first one's second attempt is at the gate; so is its first on the older server, that another event may have its number. All others wait for long. */
static pbus_outcome waits_for_long(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (strncmp(event->value, "wait", 4) != 0)
        return pbus_retry("not yet", 3600000);
    if (event->attempt == 2)
        return gated_and_asks(event, tx, arg);
    if (atomic_load(&phase) < SERVER_IS_BACK)
        return pbus_retry("not yet", 0);
    wait_until(gate_is_open, arg, STAGE_DEADLINE_MS);
    return pbus_retry("not yet", 3600000);
}

/* Numbers of what waits are given out again by an older server: one to another event, meanwhile. */
static void an_attempt_is_not_noted_of_an_event_that_has_its_number_on_an_older_server(void **state)
{
    stage *s = *state;
    const int n_others = 16; /* of other keys, so that not all of them are behind the gate */
    char key[16];
    pbus_subscription sub = stage_subscription(s, waits_for_long);
    begin_phases();
    copy_server(s, &sub);
    stage_produce(s->topic, "k", "wait:1", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    atomic_store(&phase, SERVER_IS_BACK);
    server_shell(s, "rm -rf data && mv before data", PG_STOP_IMMEDIATE);
    for (int i = 0; i < n_others; i++) {
        snprintf(key, sizeof key, "other%d", i);
        stage_produce_one(s->topic, key, "other", NULL, NULL);
    }
    stage_produce_flush();
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.waiting WHERE n = 1 AND value = 'other'");
    stage_open_gate(s);
    stage_expect_soon(s, n_others + 1, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.waiting WHERE attempts <> 1"), 0);
}

/* Fails, until it is told; is done, and lost; fails for a while; is done. */
static pbus_outcome first_of_two(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (atomic_load(&phase) < WRITER_IS_STOPPED)
        return pbus_retry("not yet", 5);
    int call = atomic_fetch_add(&n_first_calls, 1);
    return call == 1 ? pbus_retry("once more", 2000) : stage_insert(event, tx, arg);
}

/* Begins behind what is lost, meets the crash, and fails; is done. */
static pbus_outcome second_of_two(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (atomic_fetch_add(&n_second_calls, 1) > 0)
        return stage_insert(event, tx, arg);
    wait_for_phase(SERVER_IS_BACK);
    for (int i = 0; i < 2; i++)
        PQclear(PQexec(tx, "SELECT 1"));
    return pbus_retry("lost", 0);
}

static pbus_outcome one_of_two(const pbus_delivery *event, PGconn *tx, void *arg)
{
    bool first = strcmp(event->value, "k:1") == 0;
    return first ? first_of_two(event, tx, arg) : second_of_two(event, tx, arg);
}

static bool second_has_begun(void *arg)
{
    (void)arg;
    return atomic_load(&n_second_calls) > 0;
}

static void of_two_that_wait_the_second_stays_behind_the_first_over_a_crash(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, one_of_two);
    sub.retry.max_attempts = 1000000;
    wait_for_no_disk(s);
    begin_phases();
    stage_produce(s->topic, "k", "k:1", NULL, NULL);
    stage_produce(s->topic, "k", "k:2", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM postbus_inbox.waiting");
    pg_run(s->conn, "CHECKPOINT");
    PGconn *holder = stop_writing(s);
    assert_true(wait_until(second_has_begun, s, STAGE_DEADLINE_MS));
    crash(s, holder);
    atomic_store(&phase, SERVER_IS_BACK);
    expect_exactly(s, 2);
    assert_true(atomic_load(&n_first_calls) >= 3);
}

static pbus_outcome ends_its_session(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)event;
    (void)arg;
    PQclear(PQexec(tx, "SELECT pg_terminate_backend(pg_backend_pid())"));
    return pbus_retry("not yet", 0);
}

/* Each time: when it was read, and when it had waited. */
static void an_event_that_ends_its_sessions_is_given_up_without_a_disk_too(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, ends_its_session);
    wait_for_no_disk(s);
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead WHERE attempts = 4");
}

static pbus_outcome commits_and_ends_its_session(const pbus_delivery *event, PGconn *tx, void *arg)
{
    stage_insert(event, tx, arg);
    PQclear(PQexec(tx, "COMMIT"));
    return ends_its_session(event, tx, arg);
}

static void an_event_that_ends_its_transaction_and_its_session_is_caught(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, commits_and_ends_its_session);
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'transaction_ended'");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 1);
}

/* In a pipeline, which is left on: at its end, or before an error, and without one. */
static pbus_outcome ends_its_transaction_in_a_pipeline_later(const pbus_delivery *event, PGconn *tx,
                                                             void *arg)
{
    (void)arg;
    if (event->attempt == 1)
        return pbus_retry("not yet", 0);
    bool well = event->attempt == 2;
    PQenterPipelineMode(tx);
    PQsendQueryParams(tx, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0);
    if (well)
        PQpipelineSync(tx);
    else
        PQsendQueryParams(tx, "SELECT 1 / 0", 0, NULL, NULL, NULL, NULL, 0);
    PQsendFlushRequest(tx);
    PQflush(tx);
    for (int i = 0; i < (well ? 3 : 4); i++) /* each answer and its end; that of a Sync has none */
        PQclear(PQgetResult(tx));
    if (event->attempt == 3)
        PQexitPipelineMode(tx);
    return pbus_retry("not yet", 0);
}

/* It is due again at once. */
static void an_event_that_waited_and_ends_its_transaction_in_a_pipeline_is_given_up(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, ends_its_transaction_in_a_pipeline_later);
    stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(
        s, 1,
        "SELECT count(*) FROM postbus_inbox.dead WHERE attempts = 4 AND last_error LIKE '%ended the "
        "transaction%'");
}

static bool is_not_ready(void *arg)
{
    char reason[200];
    return !pbus_worker_is_ready(((stage *)arg)->worker, reason, sizeof reason);
}

/* A commit claims the event that comes next. Where that one is not begun, since all is to be read again, its claim goes, too: whoever reads it would
 * wait for that. */
static void an_event_that_was_claimed_and_is_not_begun_is_handled_later(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_gated);
    sub.n_threads = 2; /* one that commits, and one whose session dies meanwhile */
    pg_run(s->conn,
           "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
           " PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$;"
           "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
           "EXECUTE FUNCTION hold(); SELECT pg_advisory_lock(7)");
    stage_produce_one(s->topic, "k", "wait:1", NULL, NULL);
    stage_produce(s->topic, "k", "wait:2", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    stage_expect_queued(s, 2);
    stage_open_gate(s);
    stage_expect_soon(s, 1, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
    PGconn *holder =
        pg_fixture_connect(stage_server, "billing", NULL); /* so that nothing is read again yet */
    pg_run(holder, "BEGIN; LOCK TABLE postbus_inbox.position");
    pg_run(s->conn,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'postbus %%' "
           "AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)");
    assert_true(wait_until(is_not_ready, s, STAGE_DEADLINE_MS));
    pg_run(s->conn, "SELECT pg_advisory_unlock(7)");
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 0,
                      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % lane %' "
                      "AND state <> 'idle'");
    PQfinish(holder);
    expect_exactly(s, 2);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE attempt = 1"), 2);
}

static void a_restored_database_replays_what_it_lacks(void **state)
{
    stage *s = *state;
    const int n = 2000;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    PGconn *admin = pg_fixture_connect(stage_server, NULL, NULL);
    stage_produce_many(s->topic, n, N_KEYS);
    stage_start(s, &sub, 1);
    wait_for_effects(s, 300);
    /* The backup: a copy of the database at a moment when nobody is connected. */
    PQfinish(s->conn);
    pg_run(admin, "DROP DATABASE IF EXISTS backup");
    pg_run(admin, "ALTER DATABASE billing ALLOW_CONNECTIONS false");
    pg_end_backends(admin, "datname = 'billing'");
    pg_run(admin, "CREATE DATABASE backup TEMPLATE billing");
    pg_run(admin, "ALTER DATABASE billing ALLOW_CONNECTIONS true");
    s->conn = pg_fixture_connect(stage_server, "billing", NULL);
    expect_exactly(s, n);
    PQfinish(s->conn);
    /* And back to it, while the worker runs and has seen all. */
    pg_run(admin, "DROP DATABASE billing WITH (FORCE)");
    pg_run(admin, "ALTER DATABASE backup RENAME TO billing");
    s->conn = pg_fixture_connect(stage_server, "billing", NULL);
    assert_true(pg_number(s->conn, "SELECT count(*) FROM effect") < n);
    expect_exactly(s, n);
    PQfinish(admin);
}

static void delete_records(const char *topic, int32_t partition, int64_t before)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_fixture_brokers(stage_kafka), why, sizeof why);
    rd_kafka_t *admin = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
    rd_kafka_DeleteRecords_t *wish = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(admin, &wish, 1, NULL, queue);
    rd_kafka_event_t *done = rd_kafka_queue_poll(queue, STAGE_DEADLINE_MS);
    assert_non_null(done);
    assert_int_equal(rd_kafka_event_error(done), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(done);
    rd_kafka_DeleteRecords_destroy(wish);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(admin);
}

static void example_counts(stage *s, const char *program)
{
    const char *argv[] = {program, s->conninfo, kafka_fixture_brokers(stage_kafka), s->topic, NULL};
    pg_run(s->conn,
           "CREATE TABLE seen (key text PRIMARY KEY, n bigint NOT NULL); GRANT ALL ON seen TO billing_app");
    stage_produce_many(s->topic, 100, 4);
    for (int round = 1; round <= 2; round++) {
        char sql[120];
        proc_fixture *example = proc_fixture_start(argv, NULL);
        snprintf(sql, sizeof sql,
                 "SELECT (count(*) = 4 AND min(n) = %d AND max(n) = %d)::int FROM seen WHERE key LIKE 'k%%'",
                 25 * round, 25 * round);
        stage_expect_soon(s, 1, sql);
        assert_int_equal(proc_fixture_end(example, SIGTERM, STAGE_DEADLINE_MS), 0);
        proc_fixture_free(example);
        stage_produce_many(s->topic, 100, 4);
    }
}

static void the_example_counts_each_event_once_and_ends_when_it_is_told(void **state)
{
    example_counts(*state, POSTBUS_TEST_EXAMPLES "subscriber");
}

static void so_does_the_example_with_a_batch_handler(void **state)
{
    stage *s = *state;
    stage_produce_one(s->topic, "a \"quoted\\\" key", "v", NULL, NULL);
    stage_produce_one(s->topic, NULL, "v", NULL, NULL);
    example_counts(s, POSTBUS_TEST_EXAMPLES "batch_subscriber");
    pg_expect(s->conn, "(none) 1, a \"quoted\\\" key 1",
              "SELECT string_agg(key || ' ' || n, ', ' ORDER BY key) FROM seen WHERE key NOT LIKE 'k%%'");
}

static void the_example_with_an_endpoint_says_how_it_is(void **state)
{
    stage *s = *state;
    const char *argv[] = {POSTBUS_TEST_EXAMPLES "monitored_subscriber",
                          s->conninfo,
                          kafka_fixture_brokers(stage_kafka),
                          s->topic,
                          "0",
                          NULL};
    pg_run(s->conn,
           "CREATE TABLE seen (key text PRIMARY KEY, n bigint NOT NULL); GRANT ALL ON seen TO billing_app");
    stage_produce_many(s->topic, 20, 4);
    proc_fixture *example = proc_fixture_start(argv, NULL);
    int port = scrape_port(example);
    scrape_expect_answer(port, "/readyz", 200, "count");
    scrape_expect_answer(port, "/healthz", 200, "");
    scrape_expect_answer(port, "/other", 404, "/metrics");
    scrape_expect_sample(
        port,
        "postbus_subscriber_events_total{application=\"example\",subscription=\"count\",outcome=\"handled\"}",
        20);
    char *text = scrape(port);
    assert_string_equal(text + strlen(text) - strlen("\n# EOF\n"), "\n# EOF\n");
    free(text);
    assert_int_equal(proc_fixture_end(example, SIGTERM, STAGE_DEADLINE_MS), 0);
    proc_fixture_free(example);
}

static void what_kafka_deleted_unread_is_told_and_written_down(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    for (int i = 0; i < 10; i++)
        stage_produce(s->topic, "k", "v", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 10, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    int partition = (int)pg_number(s->conn, "SELECT partition FROM effect LIMIT 1");
    stage_stop(s);
    stage_produce(s->topic, "k", "lost", NULL, NULL);
    stage_produce(s->topic, "k", "lost", NULL, NULL);
    stage_produce(s->topic, "k", "kept", NULL, NULL);
    delete_records(s->topic, partition, 12);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 11, "SELECT count(*) FROM effect");
    pg_expect(
        s->conn, "deleted 10 12",
        "SELECT string_agg(concat_ws(' ', reason, from_offset, to_offset), ',') FROM postbus_inbox.gap");
    stage_expect_notice(s, PBUS_NOTICE_GAP);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE value = 'lost'"), 0);
}

static void a_topic_that_was_made_anew_is_read_from_its_beginning(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    stage_produce(s->topic, "k", "first", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 1, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    stage_stop(s);
    /* As if it had been longer before: offset 0 is another record now, though it has the place of one that was handled. */
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 5000 WHERE next_offset > 0");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    pg_expect(
        s->conn, "made_anew 5000 0",
        "SELECT string_agg(concat_ws(' ', reason, from_offset, to_offset), ',') FROM postbus_inbox.gap");
}

/* Between the answer of the brokers and the moment at which the database is asked: the row is held until the worker waits for it. */
static void what_another_member_did_meanwhile_makes_no_topic_anew(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    stage_produce(s->topic, "k", "first", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    stage_stop(s);
    PGconn *other = pg_fixture_connect(stage_server, "billing", NULL);
    pg_run(other, "BEGIN");
    pg_run(other, "SELECT FROM postbus_inbox.position FOR UPDATE");
    stage_start(s, &sub, 1);
    stage_expect_soon(
        s, 1,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % reader %' "
        "AND wait_event_type = 'Lock'");
    stage_produce(s->topic, "k", "another's", NULL, NULL);
    pg_run(other, "UPDATE postbus_inbox.position SET next_offset = 2 WHERE next_offset = 1");
    pg_run(other, "COMMIT");
    PQfinish(other);
    stage_produce(s->topic, "k", "second", NULL, NULL);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE value = 'second'");
    pg_expect(s->conn, "first second", "SELECT string_agg(value, ' ' ORDER BY n) FROM effect");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.gap"), 0);
}

static void turn_inbox(stage *s)
{
    pg_run(s->conn, "UPDATE postbus_inbox.rotation SET opened_at = now() - interval '1 year'");
    /* current: a worker's reader, which looks when it begins, has opened the leaf */
    stage_expect_soon(s, 1, "SELECT (postbus_inbox.rotate() IN ('opened', 'current'))::int");
}

static void what_the_inbox_has_forgotten_is_not_handled_again_in_silence(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    const char *id = "0190f3e4-7c1a-8def-8000-00000000002c";
    stage_produce(s->topic, "k", "old", NULL, id);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    turn_inbox(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.inbox"), 1);
    stage_produce(s->topic, "k", "old", NULL, id); /* another leaf remembers it */
    stage_expect_soon(s, 2, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    for (int i = 0; i < 3; i++)
        turn_inbox(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.inbox"), 0);
    assert_int_equal(pg_number(s->conn, "SELECT (horizon_ms BETWEEN 1 AND extract(epoch FROM now()) * "
                                        "1000)::int FROM postbus_inbox.source"),
                     1);
    stage_stop(s);
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 0");
    stage_produce(s->topic, "k", "young", NULL, "0190f3e4-7c1a-8def-8000-00000000002d");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE value = 'young'");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect WHERE value = 'old'"), 1);
    pg_expect(s->conn, "forgotten", "SELECT string_agg(reason, ',') FROM postbus_inbox.dead");
}

/* Leaves are changed all the time, while two members fight for the same events. */
static void events_are_handled_once_while_the_inbox_turns(void **state)
{
    stage *s = *state;
    const int n = 2000;
    stage_produce_many(s->topic, n, N_KEYS);
    proc_fixture *first = subject_start(s, "200"), *second = NULL;
    for (int round = 0; round < 2; round++) { /* two: no leaf is emptied that the positions still need */
        wait_for_effects(s, 300 * (round + 1));
        turn_inbox(s);
        proc_fixture_free(second);
        second = subject_start(s, "200");
    }
    expect_exactly(s, n);
    proc_fixture_free(first);
    proc_fixture_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(killed_subscribers_lose_and_repeat_nothing),
        STAGE_TEST(members_that_come_and_go_change_nothing),
        STAGE_TEST(a_member_that_was_frozen_holds_up_nobody_and_repeats_nothing),
        STAGE_TEST(a_database_that_dies_and_comes_back_changes_nothing),
        STAGE_TEST(commits_that_waited_for_no_disk_are_made_again_where_they_are_lost),
        STAGE_TEST(an_attempt_that_met_the_crash_comes_behind_what_was_lost_in_it),
        STAGE_TEST(so_does_one_that_did_not_notice),
        STAGE_TEST(an_attempt_that_met_an_older_server_comes_behind_what_that_lacks),
        STAGE_TEST(it_counts_in_its_order_where_it_was_the_only_one),
        STAGE_TEST(an_attempt_is_not_noted_of_an_event_that_has_its_number_on_an_older_server),
        STAGE_TEST(of_two_that_wait_the_second_stays_behind_the_first_over_a_crash),
        STAGE_TEST(an_event_that_ends_its_sessions_is_given_up_without_a_disk_too),
        STAGE_TEST(an_event_that_ends_its_transaction_and_its_session_is_caught),
        STAGE_TEST(an_event_that_waited_and_ends_its_transaction_in_a_pipeline_is_given_up),
        STAGE_TEST(an_event_that_was_claimed_and_is_not_begun_is_handled_later),
        STAGE_TEST(a_restored_database_replays_what_it_lacks),
        STAGE_TEST(the_example_counts_each_event_once_and_ends_when_it_is_told),
        STAGE_TEST(so_does_the_example_with_a_batch_handler),
        STAGE_TEST(the_example_with_an_endpoint_says_how_it_is),
        STAGE_TEST(what_kafka_deleted_unread_is_told_and_written_down),
        STAGE_TEST(a_topic_that_was_made_anew_is_read_from_its_beginning),
        STAGE_TEST(what_another_member_did_meanwhile_makes_no_topic_anew),
        STAGE_TEST(what_the_inbox_has_forgotten_is_not_handled_again_in_silence),
        STAGE_TEST(events_are_handled_once_while_the_inbox_turns),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

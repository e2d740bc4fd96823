/* The publishers' half of the doorbell: when exactly the lock is held, and when a NOTIFY is sent. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bell.h"
#include "cmocka_all.h"
#include "pg_query.h"
#include "wait_until.h"

#define STEPS_MAX 8
#define PUBLISH "SELECT postbus.publish('bell', 'v')"

typedef struct step {
    const char *sql;
    int sharers;          /* afterwards: who holds the lock shared */
    int rings;            /* that this step alone made */
    const char *sqlstate; /* of the error that is expected; NULL: none */
} step;

typedef struct bell_case {
    const char *name;
    bool armed;
    step steps[STEPS_MAX];
} bell_case;

static const bell_case cases[] = {
    {"a_publish_with_the_bell_free_keeps_the_lock_to_the_end_of_its_transaction",
     false,
     {{"BEGIN", 0, 0}, {PUBLISH, 1, 0}, {"COMMIT", 0, 0}}},
    {"a_second_publish_with_the_bell_free_adds_nothing",
     false,
     {{"BEGIN", 0, 0}, {PUBLISH, 1, 0}, {PUBLISH, 1, 0}, {"COMMIT", 0, 0}}},
    {"a_publish_on_an_armed_bell_rings_at_commit_and_not_before",
     true,
     {{"BEGIN", 0, 0}, {PUBLISH, 0, 0}, {"COMMIT", 0, 1}}},
    {"many_publishes_of_one_transaction_ring_once",
     true,
     {{"BEGIN", 0, 0}, {PUBLISH, 0, 0}, {PUBLISH, 0, 0}, {PUBLISH, 0, 0}, {"COMMIT", 0, 1}}},
    {"a_publish_outside_a_transaction_block_rings_an_armed_bell", true, {{PUBLISH, 0, 1}}},
    {"a_publish_outside_a_transaction_block_leaves_no_lock_behind", false, {{PUBLISH, 0, 0}}},
    {"a_batch_rings_once",
     true,
     {{"SELECT count(*) FROM postbus.publish_batch(array_fill('bell'::text, ARRAY[1000]), "
       "array_fill(''::bytea,"
       " ARRAY[1000]))",
       0, 1}}},
    {"an_insert_of_no_rows_takes_the_lock_too",
     false,
     {{"BEGIN", 0, 0},
      {"INSERT INTO postbus.outbox (topic, value) SELECT 'bell', '' WHERE false", 1, 0},
      {"COMMIT", 0, 0}}},
    {"an_insert_of_no_rows_rings_too",
     true,
     {{"INSERT INTO postbus.outbox (topic, value) SELECT 'bell', '' WHERE false", 0, 1}}},
    {"a_rollback_gives_the_lock_back", false, {{"BEGIN", 0, 0}, {PUBLISH, 1, 0}, {"ROLLBACK", 0, 0}}},
    {"a_rollback_does_not_ring", true, {{"BEGIN", 0, 0}, {PUBLISH, 0, 0}, {"ROLLBACK", 0, 0}}},
    {"a_refused_publish_neither_locks_nor_rings",
     true,
     {{"SELECT postbus.publish('not a topic', 'v')", 0, 0, "PB001"}}},
    {"a_rollback_to_a_savepoint_gives_the_lock_back_at_once",
     false,
     {{"BEGIN", 0, 0}, {"SAVEPOINT s", 0, 0}, {PUBLISH, 1, 0}, {"ROLLBACK TO s", 0, 0}, {"COMMIT", 0, 0}}},
    {"a_rollback_to_a_savepoint_takes_the_ring_back",
     true,
     {{"BEGIN", 0, 0}, {"SAVEPOINT s", 0, 0}, {PUBLISH, 0, 0}, {"ROLLBACK TO s", 0, 0}, {"COMMIT", 0, 0}}},
    {"a_publish_before_the_savepoint_keeps_its_lock",
     false,
     {{"BEGIN", 0, 0},
      {PUBLISH, 1, 0},
      {"SAVEPOINT s", 1, 0},
      {PUBLISH, 1, 0},
      {"ROLLBACK TO s", 1, 0},
      {"COMMIT", 0, 0}}},
    {"a_publish_after_a_savepoint_that_was_rolled_back_takes_the_lock_again",
     false,
     {{"BEGIN", 0, 0},
      {"SAVEPOINT s", 0, 0},
      {PUBLISH, 1, 0},
      {"ROLLBACK TO s", 0, 0},
      {PUBLISH, 1, 0},
      {"COMMIT", 0, 0}}},
    {"a_publish_after_a_savepoint_that_was_rolled_back_rings_again",
     true,
     {{"BEGIN", 0, 0},
      {"SAVEPOINT s", 0, 0},
      {PUBLISH, 0, 0},
      {"ROLLBACK TO s", 0, 0},
      {PUBLISH, 0, 0},
      {"COMMIT", 0, 1}}},
    {"a_released_savepoint_hands_the_lock_up",
     false,
     {{"BEGIN", 0, 0}, {"SAVEPOINT s", 0, 0}, {PUBLISH, 1, 0}, {"RELEASE s", 1, 0}, {"COMMIT", 0, 0}}},
    {"a_caught_exception_gives_the_lock_back",
     false,
     {{"BEGIN", 0, 0},
      {"DO $$ BEGIN PERFORM postbus.publish('bell', 'v'); RAISE EXCEPTION 'x'; EXCEPTION WHEN "
       "raise_exception THEN"
       " NULL; END $$",
       0, 0},
      {"COMMIT", 0, 0}}},
    {"with_the_ring_off_no_lock_is_taken",
     false,
     {{"BEGIN", 0, 0}, {"SET LOCAL postbus.ring = off", 0, 0}, {PUBLISH, 0, 0}, {"COMMIT", 0, 0}}},
    {"with_the_ring_off_an_armed_bell_stays_silent",
     true,
     {{"BEGIN", 0, 0}, {"SET LOCAL postbus.ring = off", 0, 0}, {PUBLISH, 0, 0}, {"COMMIT", 0, 0}}},
    {"the_ring_is_on_again_after_the_transaction_that_set_it_off",
     true,
     {{"BEGIN", 0, 0}, {"SET LOCAL postbus.ring = off", 0, 0}, {"COMMIT", 0, 0}, {PUBLISH, 0, 1}}},
    {"a_transaction_prepared_with_the_bell_free_keeps_the_lock_until_it_is_committed",
     false,
     {{"BEGIN", 0, 0},
      {PUBLISH, 1, 0},
      {"PREPARE TRANSACTION 'bell'", 1, 0},
      {"COMMIT PREPARED 'bell'", 0, 0}}},
    {"a_transaction_prepared_and_rolled_back_gives_the_lock_back",
     false,
     {{"BEGIN", 0, 0},
      {PUBLISH, 1, 0},
      {"PREPARE TRANSACTION 'bell'", 1, 0},
      {"ROLLBACK PREPARED 'bell'", 0, 0}}},
    {"a_transaction_that_would_ring_cannot_be_prepared",
     true,
     {{"BEGIN", 0, 0}, {PUBLISH, 0, 0}, {"PREPARE TRANSACTION 'bell'", 0, 0, "0A000"}, {"ROLLBACK", 0, 0}}},
    {"with_the_ring_off_a_transaction_can_be_prepared_under_an_armed_bell",
     true,
     {{"BEGIN", 0, 0},
      {"SET LOCAL postbus.ring = off", 0, 0},
      {PUBLISH, 0, 0},
      {"PREPARE TRANSACTION 'bell'", 0, 0},
      {"COMMIT PREPARED 'bell'", 0, 0}}},
};

static void play(const bell_case *c, PGconn *relay, PGconn *writer)
{
    for (const step *s = c->steps; s->sql; s++) {
        if (s->sqlstate)
            assert_string_equal(pg_refused(writer, "%s", s->sql), s->sqlstate);
        else
            pg_run(writer, "%s", s->sql);
        int64_t sharers = bell_sharers(relay);
        int rings = bell_rings(relay);
        if (sharers != s->sharers || rings != s->rings)
            fail_msg("%s: after %s the lock is shared by %d, not %d, and %d rings came, not %d", c->name,
                     s->sql, (int)sharers, s->sharers, rings, s->rings);
    }
}

static void the_lock_and_the_ring_follow_the_transaction(void **state)
{
    PGconn *relay = bell_relay_connect();
    PGconn *writer = bell_connect();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("case: %s\n", cases[i].name);
        if (cases[i].armed)
            assert_true(bell_try_arm(relay));
        play(&cases[i], relay, writer);
        if (cases[i].armed)
            bell_disarm(relay);
    }
    PQfinish(writer);
    PQfinish(relay);
}

static void the_bell_cannot_be_armed_while_a_publisher_is_under_way(void **state)
{
    PGconn *relay = bell_relay_connect();
    PGconn *writer = bell_connect();

    (void)state;
    pg_run(writer, "BEGIN; " PUBLISH);
    assert_false(bell_try_arm(relay));
    pg_run(writer, "COMMIT");
    assert_true(bell_try_arm(relay));
    PQfinish(writer);
    PQfinish(relay);
}

static void the_bell_cannot_be_armed_while_a_prepared_publisher_waits(void **state)
{
    PGconn *relay = bell_relay_connect();
    PGconn *writer = bell_connect();

    (void)state;
    pg_run(writer, "BEGIN; " PUBLISH "; PREPARE TRANSACTION 'waits'");
    PQfinish(writer);
    assert_false(bell_try_arm(relay));
    pg_run(relay, "COMMIT PREPARED 'waits'");
    assert_true(bell_try_arm(relay));
    PQfinish(relay);
}

typedef struct ending {
    PGconn *asked;
    int backend;
} ending;

static bool has_ended(void *arg)
{
    const ending *e = arg;

    return pg_number(e->asked, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", e->backend) == 0;
}

static void a_relay_that_dies_leaves_the_bell_unarmed(void **state)
{
    PGconn *relay = bell_relay_connect();
    PGconn *writer = bell_connect();
    ending e = {.asked = writer, .backend = PQbackendPID(relay)};

    (void)state;
    assert_true(bell_try_arm(relay));
    assert_int_equal(pg_number(writer, "SELECT pg_terminate_backend(%d)::int", e.backend), 1);
    assert_true(wait_until(has_ended, &e, 30000));
    pg_run(writer, "BEGIN; " PUBLISH);
    assert_int_equal(bell_sharers(writer), 1);
    pg_run(writer, "ROLLBACK");
    PQfinish(relay);
    PQfinish(writer);
}

#define LOADERS 8
#define LOADER_TRANSACTIONS 250

static void *load(void *conn)
{
    for (int i = 0; i < LOADER_TRANSACTIONS; i++) {
        PGresult *r = PQexec(conn, PUBLISH);
        bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

        PQclear(r);
        if (!ok)
            return NULL;
    }
    return conn;
}

static void a_busy_relay_is_never_rung_for(void **state)
{
    PGconn *relay = bell_relay_connect();
    PGconn *loaders[LOADERS];
    pthread_t threads[LOADERS];

    (void)state;
    for (int i = 0; i < LOADERS; i++) {
        loaders[i] = bell_connect();
        assert_int_equal(pthread_create(&threads[i], NULL, load, loaders[i]), 0);
    }
    for (int i = 0; i < LOADERS; i++) {
        void *done;

        pthread_join(threads[i], &done);
        assert_non_null(done);
        PQfinish(loaders[i]);
    }
    assert_int_equal(bell_rings(relay), 0);
    PQfinish(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lock_and_the_ring_follow_the_transaction),
        cmocka_unit_test(the_bell_cannot_be_armed_while_a_publisher_is_under_way),
        cmocka_unit_test(the_bell_cannot_be_armed_while_a_prepared_publisher_waits),
        cmocka_unit_test(a_relay_that_dies_leaves_the_bell_unarmed),
        cmocka_unit_test(a_busy_relay_is_never_rung_for),
    };

    return cmocka_run_group_tests(tests, bell_server_start, bell_server_stop);
}

/* What a new leader may conclude from the position that Kafka holds. */
#include "stage.h"

#include <stdio.h>

/* Rows 10 and 12 are intents of leaf 0, the row 11 lies between them, 20 was kept in leaf 1 and went with it, 30 is an intent of leaf 2. Each
 * has its number as the second of its time. */
static PGconn *outbox_with_a_past(const char *name)
{
    PGconn *server = stage_connect("owner", "main");
    pg_run(server, "CREATE DATABASE %s", name);
    PQfinish(server);
    PGconn *conn = stage_connect("owner", name);
    pg_fixture_migrate_over(conn);
    pg_run(
        conn,
        "INSERT INTO postbus.progress OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(p, r.made)).* "
        "FROM postbus.current_progress c JOIN postbus.progress p USING (n), "
        "(SELECT jsonb_build_object('n', v.n, 'leaf', v.leaf, 'intent', v.intent, 'kafka_before', v.before, "
        "'at', "
        "'2020-01-01 00:00:00Z'::timestamptz + make_interval(secs => v.n)) FROM (VALUES (10, 0, '5', 0), "
        "(11, 0, NULL, NULL), (12, 0, '6', 10), (14, 0, NULL, NULL), (30, 2, '7', 12), (31, 2, NULL, NULL)) "
        "v (n, leaf, intent, before)) r (made)");
    return conn;
}

typedef struct position_case {
    const char *name, *position, *outcome;
} position_case;

static void expect_outcomes(PGconn *conn, const position_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        print_message("%s\n", cases[i].name);
        pg_run(conn, "BEGIN");
        pg_expect(conn, cases[i].outcome, "SELECT outcome FROM postbus.resolve(%s)", cases[i].position);
        pg_run(conn, "ROLLBACK");
    }
}
#define EXPECT_OUTCOMES(conn, cases) expect_outcomes(conn, cases, sizeof(cases) / sizeof *(cases))

static void where_nothing_is_in_doubt_the_position_must_be_this_history_s(void **state)
{
    (void)state;
    static const position_case cases[] = {
        {"none", "NULL, NULL, false", "certain"},
        {"the last intent's", "30, '20200101000030000000', false", "certain"},
        {"an earlier intent's", "12, '20200101000012000000', false", "certain"},
        {"of a row that went with its leaf", "20, '20200101000020000000', false", "certain"},
        {"set by hand", "12, '', false", "certain"},
        {"ahead of all", "32, '20200101000032000000', false", "unknown"},
        {"of the last intent's number and another time", "30, '20200101000031000000', false", "unknown"},
        {"of an earlier intent's number and another time", "12, '20200101000031000000', false", "unknown"},
        {"of a row that was no intent", "11, '20200101000011000000', false", "unknown"},
        {"of a number that was given to no row", "13, '20200101000013000000', false", "unknown"},
        {"whatever it is, where that is not asked", "13, '20200101000013000000', true", "certain"},
    };
    PGconn *conn = outbox_with_a_past("certain");
    EXPECT_OUTCOMES(conn, cases);
    PQfinish(conn);
}

static void where_an_intent_is_in_doubt_the_one_before_it_must_be_this_history_s(void **state)
{
    (void)state;
    static const position_case cases[] = {
        {"its own", "32, '20200101000032000000', false", "committed"},
        {"the one before", "30, '20200101000030000000', false", "aborted"},
        {"the one before, set by hand", "30, '', false", "aborted"},
        {"of its number and another time", "32, '20200101000033000000', false", "unknown"},
        {"of the number before and another time", "30, '20200101000033000000', false", "unknown"},
        {"likewise, where it is to go on in any case", "30, '20200101000033000000', true", "aborted"},
        {"of neither, where it is to go on in any case", "12, '20200101000012000000', true", "guessed"},
    };
    PGconn *conn = outbox_with_a_past("doubt");
    pg_run(conn,
           "INSERT INTO postbus.progress OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(p, "
           "'{\"n\": 32, \"intent\": \"8\", \"kafka_before\": 30, \"at\": \"2020-01-01 00:00:32Z\"}')).* "
           "FROM postbus.progress p WHERE n = 31");
    pg_run(conn, "SELECT setval('postbus.progress_n_seq', 40)");
    EXPECT_OUTCOMES(conn, cases);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_is_in_doubt_the_position_must_be_this_history_s),
        cmocka_unit_test(where_an_intent_is_in_doubt_the_one_before_it_must_be_this_history_s),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}

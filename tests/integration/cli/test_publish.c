/* postbus publish: each way to give a value, many lines at once, and bad input. */
#include "cmocka_all.h"

#include <string.h>
#include <unistd.h>

#include "pg_query.h"
#include "proc_fixture.h"
#include "stage.h"
#include "wait_until.h"

enum { SOON_MS = 120000 };

static PGconn *conn;

static int open_all(void **state)
{
    if (stage_open(state) != 0)
        return -1;
    stage_database("publish");
    if (POSTBUS("migrate") != 0)
        return -1;
    conn = stage_connect();
    return 0;
}

static int close_all(void **state)
{
    PQfinish(conn);
    return stage_close(state);
}

/* The column of the newest event, as text. */
static void newest_is(const char *expression, const char *expected)
{
    char *text = pg_text(conn, "SELECT (%s)::text FROM postbus.outbox ORDER BY id DESC LIMIT 1", expression);
    if (expected)
        assert_string_equal(text ? text : "(NULL)", expected);
    else
        assert_null(text);
    free(text);
}

static int64_t n_events(void)
{
    return pg_number(conn, "SELECT count(*) FROM postbus.outbox");
}

/* Fails where a refused command published something all the same. */
#define REFUSED(code, part, call)                                                                            \
    do {                                                                                                     \
        int64_t n = n_events();                                                                              \
        stage_expect(code, call);                                                                            \
        stage_says(part);                                                                                    \
        assert_int_equal(n_events(), n);                                                                     \
    } while (0)

static void an_event_has_all_that_was_given(void **state)
{
    (void)state;
    stage_expect(0, POSTBUS("publish", "orders", "{\"ü\": 1}", "--key", "k 7", "--type", "order.created",
                            "--header", "a=b=c", "-H", "x="));
    newest_is("topic", "orders");
    newest_is("convert_from(value, 'UTF8')", "{\"ü\": 1}");
    newest_is("convert_from(key, 'UTF8')", "k 7");
    newest_is("type", "order.created");
    newest_is("headers", "{\"a\": \"b=c\", \"x\": \"\"}");
    char *id = pg_text(conn, "SELECT postbus.event_id(max(id)) FROM postbus.outbox");
    stage_says(id);
    free(id);
}

static void what_is_not_given_is_null(void **state)
{
    (void)state;
    stage_expect(0, POSTBUS("publish", "orders", ""));
    newest_is("octet_length(value)", "0");
    newest_is("key", NULL);
    newest_is("type", NULL);
    newest_is("headers", NULL);
}

static void a_tombstone_has_no_value(void **state)
{
    (void)state;
    stage_expect(0, POSTBUS("publish", "orders", "--tombstone", "--key", "7"));
    newest_is("value", NULL);
}

static void files_and_standard_input_are_taken_byte_by_byte(void **state)
{
    (void)state;
    stage_expect(0, stage_shell("printf 'a\\0b\\n' | \"$POSTBUS\" publish orders -"));
    newest_is("encode(value, 'hex')", "6100620a");
    stage_expect(0, stage_shell("printf '\\377' > /tmp/postbus-test-$$; \"$POSTBUS\" publish orders -f "
                                "/tmp/postbus-test-$$; c=$?; "
                                "rm /tmp/postbus-test-$$; exit $c"));
    newest_is("encode(value, 'hex')", "ff");
}

static void each_line_is_an_event_in_their_order(void **state)
{
    (void)state;
    int64_t n = n_events();
    stage_expect(0, stage_shell("printf 'one\\n\\ntwo\\r\\nthree' | \"$POSTBUS\" publish lines --lines "
                                "--type t --header h=1 --key k"));
    stage_says("published 3 events, passed over 1 empty lines");
    assert_int_equal(n_events(), n + 3);
    char *all = pg_text(conn, "SELECT string_agg(encode(value, 'escape') || encode(key, 'escape') || type || "
                              "(headers->>'h'), ' ' ORDER BY id) "
                              "FROM postbus.outbox WHERE topic = 'lines'");
    assert_string_equal(all, "onekt1 two\rkt1 threekt1");
    free(all);
}

static void the_key_is_a_member_of_the_line(void **state)
{
    (void)state;
    stage_expect(
        0,
        stage_shell(
            "printf '%s\\n' '{\"k\": \"a b\"}' '{\"k\": 7}' '{\"k\": true}' '{\"k\": 1.5}' '{\"k\": \"\"}' "
            "'{\"k\": 19.99}' '{\"k\": 0.30000000000000004}' | "
            "\"$POSTBUS\" publish keys --lines --key-field k"));
    char *all = pg_text(
        conn,
        "SELECT string_agg(encode(key, 'escape'), '|' ORDER BY id) FROM postbus.outbox WHERE topic = 'keys'");
    assert_string_equal(all, "a b|7|true|1.5||19.99|0.30000000000000004");
    free(all);
}

static void a_large_file_is_one_transaction(void **state)
{
    (void)state;
    stage_expect(0, stage_shell("seq 25000 | \"$POSTBUS\" publish large --lines"));
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox WHERE topic = 'large'"), 25000);
    assert_int_equal(pg_number(conn, "SELECT count(DISTINCT xid) FROM postbus.outbox WHERE topic = 'large'"),
                     1);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM (SELECT id, lag(value) OVER w AS l, value FROM "
                                     "postbus.outbox WHERE topic = 'large' "
                                     "WINDOW w AS (ORDER BY id)) x WHERE convert_from(l, 'UTF8')::int + 1 <> "
                                     "convert_from(value, 'UTF8')::int"),
                     0);
}

static void batches_are_transactions_of_their_own(void **state)
{
    (void)state;
    stage_expect(0, stage_shell("seq 25 | \"$POSTBUS\" publish batches --lines --batch 10"));
    assert_int_equal(
        pg_number(conn, "SELECT count(DISTINCT xid) FROM postbus.outbox WHERE topic = 'batches'"), 3);
}

static void a_bad_line_publishes_nothing_of_its_transaction(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"k\": 1}\\nnot json\\n", "line 2 is not a JSON object"},
        {"{\"k\": 1}\\n[1]\\n", "line 2 is JSON, but not an object"},
        {"{\"k\": 1}\\n\\n{\"q\": 1}\\n", "line 3 has no member \"k\""},
        {"{\"k\": null}\\n", "line 1: the member \"k\" is neither text nor a number"},
        {"{\"k\": {}}\\n", "line 1: the member \"k\""},
        {"{\"k\": 1, \"k\": 2}\\n", "line 1 is not a JSON object: duplicate"},
        {"{\"k\": 1} x\\n", "line 1 is not a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[300];
        snprintf(line, sizeof line, "printf '%s' | \"$POSTBUS\" publish bad --lines --key-field k",
                 cases[i][0]);
        REFUSED(1, cases[i][1], stage_shell(line));
        stage_says("nothing was published");
    }
}

static void a_bad_line_commands_no_terminal(void **state)
{
    (void)state;
    REFUSED(1, "near '\\x1B'",
            stage_shell("printf '{\"k\": \\033[2J}\\n' | \"$POSTBUS\" publish bad --lines --key-field k"));
    stage_does_not_say("\x1b");
    REFUSED(1, "\\x9B2J", /* as one character, U+009B */
            stage_shell("printf '{\"k\": 1 \"\\302\\2332J\"}\\n' | \"$POSTBUS\" publish bad --lines "
                        "--key-field k"));
    stage_does_not_say("\xc2\x9b");
}

static void a_bad_line_after_batches_says_where_to_go_on(void **state)
{
    (void)state;
    int64_t n = n_events();
    stage_expect(1, stage_shell("printf '%s\\n' '{\"k\":1}' '' '{\"k\":2}' '{\"k\":3}' 'x' | \"$POSTBUS\" "
                                "publish b --lines --key-field k --batch 2"));
    stage_says("lines 1 to 3 are published, none after them; go on with line 4");
    assert_int_equal(n_events(), n + 2);
}

static void empty_lines_are_passed_over_and_counted(void **state)
{
    (void)state;
    int64_t n = n_events();
    stage_expect(0, stage_shell("printf 'a\\n\\n\\r\\nb\\n' | \"$POSTBUS\" publish e --lines"));
    stage_says("published 2 events, passed over 2 empty lines");
    assert_int_equal(n_events(), n + 2);
    stage_expect(1, stage_shell("printf 'a\\n\\n\\nb\\n' | \"$POSTBUS\" publish 'bad topic' --lines"));
    stage_says("lines 1 to 4");
}

static bool is_lost(void *arg)
{
    (void)arg;
    return pg_number(conn, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = "
                           "'SyncRep' AND application_name = 'postbus publish'") > 0;
}

/* What the command says, for the caller to free. */
static char *said_of_a_lost_commit(const char *line)
{
    int64_t n = n_events();
    proc_fixture *publish = proc_fixture_start((const char *const[]){"bash", "-c", line, NULL}, NULL);
    assert_true(wait_until(is_lost, NULL, SOON_MS));
    assert_int_equal(proc_fixture_wait_exit(publish, SOON_MS), 1);
    assert_int_equal(n_events(), n + 1);
    char *said = proc_fixture_log(publish);
    assert_null(strstr(said, "nothing was published"));
    proc_fixture_free(publish);
    return said;
}

static void a_commit_whose_answer_is_lost_is_not_taken_for_undone(void **state)
{
    (void)state;
    pg_fixture_hold_commits(stage_pg);
    char *one = said_of_a_lost_commit("\"$POSTBUS\" publish lost v");
    assert_non_null(strstr(one, "whether it was published is not known"));
    char *line = said_of_a_lost_commit("echo v | \"$POSTBUS\" publish lost --lines");
    assert_non_null(strstr(line, "whether lines 1 to 1 are published is not known"));
    pg_fixture_release_commits(stage_pg);
    free(one);
    free(line);
}

static void what_the_database_refuses_is_told_with_its_hint(void **state)
{
    (void)state;
    REFUSED(1, "PB001", POSTBUS("publish", "bad topic", "x"));
    stage_says("is not a topic name");
    REFUSED(1, "PB001", POSTBUS("publish", "", "x"));
    REFUSED(1, "PB001", POSTBUS("publish", "..", "x"));
    REFUSED(1, "PB003",
            stage_shell("\"$POSTBUS\" publish t v -H \"a=$(head -c 40000 /dev/zero | tr '\\0' x)\""));
}

static void values_over_the_limit_are_refused(void **state)
{
    (void)state;
    REFUSED(1, "PB002", stage_shell("head -c 1000001 /dev/zero | \"$POSTBUS\" publish t -"));
    REFUSED(1, "PB004", stage_shell("\"$POSTBUS\" publish t v --key $(printf 'k%.0s' {1..5000})"));
    REFUSED(1, "PB005", stage_shell("\"$POSTBUS\" publish t v --type $(printf 't%.0s' {1..1100})"));
    REFUSED(
        1, "PB002",
        stage_shell("(echo fine; head -c 1000001 /dev/zero | tr '\\0' x) | \"$POSTBUS\" publish t --lines"));
    stage_says("nothing was published");
}

static void files_that_cannot_be_read_are_a_fault(void **state)
{
    (void)state;
    REFUSED(1, "/nowhere/x", POSTBUS("publish", "t", "--file", "/nowhere/x"));
    REFUSED(1, "/nowhere/x", POSTBUS("publish", "t", "--lines", "--file", "/nowhere/x"));
    REFUSED(1, "cannot be read", POSTBUS("publish", "t", "--file", "/tmp"));
}

static void a_database_without_the_schema_names_migrate(void **state)
{
    (void)state;
    char *conninfo = pg_fixture_conninfo(stage_pg, "postgres", NULL);
    stage_expect(1, POSTBUS("publish", "t", "v", "--database", conninfo));
    stage_says("postbus migrate");
    free(conninfo);
}

static void the_publisher_role_is_enough(void **state)
{
    (void)state;
    pg_run(conn, "DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN IN ROLE postbus_publisher");
    char *conninfo = pg_fixture_conninfo(stage_pg, "publish", "app");
    stage_expect(0, POSTBUS("publish", "t", "v", "--database", conninfo));
    char line[600];
    snprintf(line, sizeof line, "seq 3 | \"$POSTBUS\" publish t --lines --database '%s'", conninfo);
    stage_expect(0, stage_shell(line));
    free(conninfo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_has_all_that_was_given),
        cmocka_unit_test(what_is_not_given_is_null),
        cmocka_unit_test(a_tombstone_has_no_value),
        cmocka_unit_test(files_and_standard_input_are_taken_byte_by_byte),
        cmocka_unit_test(each_line_is_an_event_in_their_order),
        cmocka_unit_test(the_key_is_a_member_of_the_line),
        cmocka_unit_test(a_large_file_is_one_transaction),
        cmocka_unit_test(batches_are_transactions_of_their_own),
        cmocka_unit_test(a_bad_line_publishes_nothing_of_its_transaction),
        cmocka_unit_test(a_bad_line_commands_no_terminal),
        cmocka_unit_test(a_bad_line_after_batches_says_where_to_go_on),
        cmocka_unit_test(empty_lines_are_passed_over_and_counted),
        cmocka_unit_test(a_commit_whose_answer_is_lost_is_not_taken_for_undone),
        cmocka_unit_test(what_the_database_refuses_is_told_with_its_hint),
        cmocka_unit_test(values_over_the_limit_are_refused),
        cmocka_unit_test(files_that_cannot_be_read_are_a_fault),
        cmocka_unit_test(a_database_without_the_schema_names_migrate),
        cmocka_unit_test(the_publisher_role_is_enough),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

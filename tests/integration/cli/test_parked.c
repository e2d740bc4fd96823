/* postbus parked: wishes are recorded with no relay running, chosen as asked, and never without a second word where they are many or final. */
#include "cmocka_all.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "pg_query.h"
#include "stage.h"

static PGconn *conn;

/* Twelve refused events of topic a and one of b; event 3 of a waits behind one. */
static void some_are_parked(const char *database)
{
    stage_database(database);
    stage_expect(0, POSTBUS("migrate"));
    conn = stage_connect();
    pg_run(conn,
           "SELECT postbus.publish(CASE WHEN i = 20 THEN 'b' ELSE 'a' END, 'secret', 'key ' || i) FROM "
           "generate_series(1, 20) i;"
           "INSERT INTO postbus.parked (id, topic, key, reason, waits_for, error_code, attempts, queue) "
           "SELECT id, topic, key, 'record_too_large', 'operator', 10, 1, id FROM postbus.outbox WHERE id <= "
           "12 OR id = 20;"
           "INSERT INTO postbus.parked (id, topic, key, reason, waits_for, queue) VALUES (13, 'a', 'key 3', "
           "'behind_key', 'key', 3);"
           "INSERT INTO postbus.parked (id, topic, reason) VALUES (14, 'gone', 'topic_missing')");
}

static int64_t wishes(const char *where)
{
    return pg_number(conn, "SELECT count(*) FROM postbus.wish WHERE %s", where);
}

static void the_list_shows_reasons_and_never_a_payload(void **state)
{
    (void)state;
    some_are_parked("listed");
    stage_expect(0, POSTBUS("parked", "list"));
    stage_says("\"key 3\"");
    stage_says("record_too_large");
    stage_says("topic_missing");
    stage_does_not_say("secret");
    stage_expect(0, POSTBUS("parked", "list", "--topic", "b"));
    stage_does_not_say("\"key 3\"");
    stage_says("\"key 20\"");
    stage_expect(0, POSTBUS("parked", "list", "--reason", "behind_key", "--json"));
    json_t *one = json_loads(stage_said, 0, NULL);
    assert_non_null(one);
    assert_int_equal(json_integer_value(json_object_get(one, "id")), 13);
    assert_string_equal(json_string_value(json_object_get(one, "key")), "key 3");
    assert_true(json_is_null(json_object_get(one, "error_code")));
    json_decref(one);
    stage_expect(0, POSTBUS("parked", "list", "--limit", "2"));
    stage_says("and 13 more");
    PQfinish(conn);
}

static void what_an_event_brings_along_commands_no_terminal(void **state)
{
    (void)state;
    some_are_parked("strange");
    pg_run(conn, "UPDATE postbus.outbox SET type = E'a\\x1b]0;b\\nreason' WHERE id = 5;"
                 "UPDATE postbus.parked SET key = E'\\x1b\\u009b\\x7f'::text::bytea WHERE id = 5");
    stage_expect(0, POSTBUS("parked", "show", "5"));
    stage_says("a\\x1B]0;b\\nreason");
    stage_does_not_say("\x1b");
    stage_expect(0, POSTBUS("parked", "list"));
    stage_says("\"\\u001B\\x9B\\x7F\"");
    stage_does_not_say("\x1b");
    stage_does_not_say("\xc2\x9b");
    PQfinish(conn);
}

static void one_event_is_shown_in_full(void **state)
{
    (void)state;
    some_are_parked("shown");
    stage_expect(0, POSTBUS("parked", "show", "3"));
    stage_says("behind        1\n");
    stage_says("error_code    10\n");
    stage_does_not_say("secret");
    stage_expect(1, POSTBUS("parked", "show", "19"));
    stage_says("neither parked nor discarded");
    stage_expect(2, POSTBUS("parked", "show", "x"));
    stage_expect(2, POSTBUS("parked", "show"));
    PQfinish(conn);
}

static void a_redrive_is_recorded_for_what_was_chosen(void **state)
{
    (void)state;
    some_are_parked("redriven");
    stage_expect(0, POSTBUS("parked", "redrive", "--topic", "b", "--dry-run"));
    stage_says("1 refused events, and 0 that wait behind them");
    assert_int_equal(wishes("true"), 0);
    stage_expect(0, POSTBUS("parked", "redrive", "--key", "key 3", "--why", "limit raised"));
    stage_says("1 refused events, and 1 that wait behind them");
    assert_int_equal(wishes("id = 3 AND action = 'redrive' AND why = 'limit raised'"), 1);
    stage_expect(0, POSTBUS("parked", "redrive", "--id", "5"));
    stage_expect(0, POSTBUS("parked", "redrive", "--older-than", "1 hour"));
    stage_expect(1, POSTBUS("parked", "redrive", "--older-than", "soon"));
    static const char *const no_age[] = {"30 days ago", "-5 hours", "0", "30"};
    for (size_t i = 0; i < sizeof no_age / sizeof no_age[0]; i++)
        stage_expect(2, POSTBUS("parked", "redrive", "--older-than", no_age[i]));
    assert_int_equal(wishes("true"), 2);
    pg_expect(conn, "2",
              "SELECT count(*) FROM postbus.audit WHERE action = 'redrive' AND n_events = 1 AND who = "
              "session_user");
    PQfinish(conn);
}

/* Each for its own reason: what the operator has to do differs. */
static void a_redrive_of_one_that_is_not_chosen_says_why(void **state)
{
    (void)state;
    some_are_parked("why_not");
    pg_run(conn,
           "INSERT INTO postbus.dead (id, topic, reason, attempts, parked_at, discarded_by, why) VALUES "
           "(15, 'a', 'record_too_large', 1, now(), 'ops', 'by hand');"
           "INSERT INTO postbus.wish (id, action, wished_by) VALUES (5, 'redrive', 'ops'), (6, "
           "'discard', 'ops')");
    static const struct {
        const char *id;
        int code;
        const char *part;
    } cases[] = {
        {"999", 1, "there is no event 999 in the outbox"},
        {"19", 1, "event 19 is not parked: it is pending"},
        {"14", 1, "event 14 waits for its topic"},
        {"13", 1, "event 13 waits behind event 3 of its key"},
        {"15", 1, "event 15 was discarded by ops"},
        {"5", 0, "event 5: redrive is wished for already, by ops"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stage_expect(cases[i].code, POSTBUS("parked", "redrive", "--id", cases[i].id));
        stage_says(cases[i].part);
    }
    stage_expect(1, POSTBUS("parked", "redrive", "--id", "3", "--topic", "b"));
    stage_says("event 3 is refused, and not among those that the other flags choose");
    stage_expect(1, POSTBUS("parked", "redrive", "--id", "6", "--topic", "b"));
    stage_says("event 6 is to be discarded, and not among those that the other flags choose");
    assert_int_equal(wishes("true"), 2);
    PQfinish(conn);
}

/* As one is that has stopped its key, or its topic, for days. */
static void what_waits_behind_one_counts_for_the_question_too(void **state)
{
    (void)state;
    some_are_parked("behind");
    pg_run(conn,
           "INSERT INTO postbus.parked (id, topic, key, reason, waits_for, queue) SELECT 100 + i, 'a', 'key "
           "3', 'behind_key', 'key', 3 FROM generate_series(1, 10000) i;"
           "UPDATE postbus.parked SET stops_topic = true WHERE id = 20;"
           "INSERT INTO postbus.parked (id, topic, reason) SELECT 20000 + i, 'b', 'behind_topic' FROM "
           "generate_series(1, 12) i");
    stage_expect(2, stage_shell("\"$POSTBUS\" parked redrive --id 3 </dev/null"));
    stage_says("1 refused events, and more than 10000 that wait behind them");
    stage_says("--yes");
    stage_expect(2, stage_shell("\"$POSTBUS\" parked redrive --id 20 </dev/null"));
    stage_says("1 refused events, and 12 that wait behind them");
    assert_int_equal(wishes("true"), 0);
    stage_expect(0, POSTBUS("parked", "redrive", "--id", "3", "--yes"));
    assert_int_equal(wishes("id = 3"), 1);
    PQfinish(conn);
}

static void a_key_is_named_as_the_list_prints_it(void **state)
{
    (void)state;
    some_are_parked("keys");
    pg_run(conn, "UPDATE postbus.parked SET key = '\\xff00' WHERE id = 1; UPDATE postbus.parked SET key = "
                 "'a\"b' WHERE id = 2");
    stage_expect(0, POSTBUS("parked", "list"));
    stage_says("  \\xff00 ");
    stage_says("  \"a\\\"b\" ");
    stage_expect(0, POSTBUS("parked", "redrive", "--key", "\\xff00"));
    stage_expect(0, POSTBUS("parked", "redrive", "--key", "\"a\\\"b\""));
    pg_expect(conn, "1 2", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM postbus.wish");
    PQfinish(conn);
}

/* "42" may be two characters or four. */
static void which_key_was_meant_is_said_before_anything_is_done(void **state)
{
    (void)state;
    static const struct {
        const char *given, *told;
    } cases[] = {
        {"\"42\"", "with the key \"42\", which is \\x3432 in hex:\n1 refused events"},
        {"42", "with the key \"42\", which is \\x3432 in hex:\n1 refused events"},
        {"\"\\\"42\\\"\"", "with the key \"\\\"42\\\"\", which is \\x22343222 in hex:\n0 refused events"},
        {"\\xff00", "with the key \\xff00:\n0 refused events"},
    };
    some_are_parked("meant");
    pg_run(conn, "UPDATE postbus.parked SET key = '42' WHERE id = 1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stage_expect(0, POSTBUS("parked", "redrive", "--key", cases[i].given, "--dry-run"));
        stage_says(cases[i].told);
    }
    stage_expect(0, POSTBUS("parked", "redrive", "--key", "\"42\""));
    stage_says(cases[0].told);
    PQfinish(conn);
}

static void what_was_done_is_shown_with_who_and_why(void **state)
{
    (void)state;
    some_are_parked("audited");
    stage_expect(0, POSTBUS("parked", "audit"));
    stage_says("nothing was done");
    stage_expect(0, POSTBUS("parked", "list", "--dead"));
    stage_says("nothing was discarded");
    stage_expect(0, POSTBUS("parked", "redrive", "--topic", "b", "--why", "limit raised"));
    stage_expect(0, POSTBUS("parked", "discard", "3", "--reason", "sent\x1b[2J by hand", "--yes"));
    pg_run(conn, "INSERT INTO postbus.dead (id, topic, key, reason, attempts, parked_at, discarded_by, why) "
                 "SELECT id, topic, key, reason, 1, parked_at, 'ops', E'sent\x1b[2J by hand' FROM "
                 "postbus.parked WHERE id = 3;"
                 "DELETE FROM postbus.parked WHERE id = 3");
    stage_expect(0, POSTBUS("parked", "audit"));
    stage_says("{\"topic\": \"b\"}  limit raised");
    stage_says("sent\\x1B[2J by hand");
    stage_does_not_say("\x1b");
    stage_expect(0, POSTBUS("parked", "audit", "--json", "--limit", "1"));
    json_t *one = json_loads(stage_said, 0, NULL);
    assert_non_null(one);
    assert_string_equal(json_string_value(json_object_get(one, "action")), "discard");
    assert_string_equal(json_string_value(json_object_get(one, "why")), "sent\x1b[2J by hand");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "what"), "id")), 3);
    json_decref(one);
    stage_expect(0, POSTBUS("parked", "audit", "--limit", "1"));
    stage_says("and 1 more");
    stage_expect(0, POSTBUS("parked", "list", "--dead"));
    stage_says("\"key 3\"");
    stage_says("sent\\x1B[2J by hand");
    stage_does_not_say("\"key 4\"");
    stage_expect(0, POSTBUS("parked", "list", "--dead", "--topic", "b", "--json"));
    assert_string_equal(stage_said, "");
    PQfinish(conn);
}

/* The statements are those of the page, as people copy them. */
static void what_grows_for_ever_is_trimmed_as_the_runbook_says(void **state)
{
    (void)state;
    some_are_parked("trimmed");
    stage_expect(0, POSTBUS("migrate", "--subscriber"));
    pg_run(conn,
           "INSERT INTO postbus.audit (at, who, action, what, n_events) SELECT now() - i * interval '300 "
           "days', 'ops', 'redrive', '{}', i FROM generate_series(1, 3) i;"
           "INSERT INTO postbus_inbox.audit (at, who, action, what, n_events) SELECT at, who, action, what, "
           "n_events FROM postbus.audit;"
           "INSERT INTO postbus.dead (id, topic, reason, attempts, parked_at, died_at, discarded_by, why) "
           "SELECT i, 'a', 'r', 1, now(), now() - CASE WHEN i = 999 THEN interval '1 day' ELSE interval '2 "
           "years' END, 'ops', 'w' FROM unnest(ARRAY[15, 998, 999]) i");
    stage_expect(
        0, stage_shell("sed -n '/^## What grows/,/^## Upgrade/{/^```sql/,/^```/{/^```/!p}}' " POSTBUS_RUNBOOK
                       " | psql -X -v ON_ERROR_STOP=1 -d \"$POSTBUS_DATABASE\""));
    pg_expect(conn, "1", "SELECT string_agg(n_events::text, ' ') FROM postbus.audit");
    pg_expect(conn, "1", "SELECT string_agg(n_events::text, ' ') FROM postbus_inbox.audit");
    pg_expect(conn, "15 999", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM postbus.dead");
    PQfinish(conn);
}

static void many_events_need_a_second_word(void **state)
{
    (void)state;
    some_are_parked("many");
    stage_expect(2, stage_shell("\"$POSTBUS\" parked redrive </dev/null"));
    stage_says("--yes");
    assert_int_equal(wishes("true"), 0);
    stage_expect(0, POSTBUS("parked", "redrive", "--yes"));
    assert_int_equal(wishes("true"), 13);
    PQfinish(conn);
}

static void a_discard_needs_a_reason_and_a_second_word(void **state)
{
    (void)state;
    some_are_parked("discarded");
    stage_expect(2, POSTBUS("parked", "discard", "3", "--yes"));
    stage_expect(2, POSTBUS("parked", "discard", "3", "--reason", " ", "--yes"));
    stage_expect(2, stage_shell("\"$POSTBUS\" parked discard 3 --reason x </dev/null"));
    assert_int_equal(wishes("true"), 0);
    stage_expect(0, POSTBUS("parked", "discard", "3", "--reason", "sent by hand", "--yes"));
    assert_int_equal(wishes("id = 3 AND action = 'discard' AND why = 'sent by hand'"), 1);
    stage_expect(1, POSTBUS("parked", "discard", "3", "--reason", "again", "--yes"));
    stage_expect(1, POSTBUS("parked", "discard", "19", "--reason", "not parked", "--yes"));
    PQfinish(conn);
}

#define NEWEST(id) "(SELECT action FROM postbus.wish WHERE id = " id " ORDER BY n DESC LIMIT 1)"

static void a_later_wish_takes_the_place_of_an_earlier_one(void **state)
{
    (void)state;
    some_are_parked("replaced");
    stage_expect(0, POSTBUS("parked", "redrive", "--id", "3"));
    stage_expect(0, POSTBUS("parked", "discard", "3", "--reason", "not wanted", "--yes"));
    pg_expect(conn, "discard", "SELECT " NEWEST("3"));
    stage_expect(0, POSTBUS("parked", "show", "3"));
    stage_says("not wanted");
    stage_expect(0, POSTBUS("parked", "list", "--reason", "record_too_large"));
    stage_says("wished: discard");
    stage_does_not_say("wished: redrive");
    stage_expect(0,
                 POSTBUS("parked", "redrive", "--topic", "a", "--yes")); /* of many: leaves discards alone */
    stage_says("11 events are to be sent again");
    pg_expect(conn, "discard", "SELECT " NEWEST("3"));
    stage_expect(0, POSTBUS("parked", "redrive", "--id", "3"));
    stage_says("1 events are to be sent again");
    pg_expect(conn, "redrive", "SELECT " NEWEST("3"));
    stage_expect(0, POSTBUS("parked", "discard", "14", "--reason", "too soon", "--yes"));
    stage_expect(0,
                 POSTBUS("parked", "redrive", "--id", "14")); /* waits for its topic: withdraws the discard */
    pg_expect(conn, "redrive", "SELECT " NEWEST("14"));
    pg_expect(conn, "6", "SELECT count(*) FROM postbus.audit WHERE n_events > 0");
    PQfinish(conn);
}

static void an_event_that_was_published_all_the_same_is_shown(void **state)
{
    (void)state;
    some_are_parked("too_late");
    pg_run(conn, "INSERT INTO postbus.audit (who, action, what, n_events, why) VALUES ('ops', 'discard', "
                 "'{\"id\": 19, \"outcome\": \"published\"}', 0, 'not wanted')");
    stage_expect(0, POSTBUS("parked", "show", "19"));
    stage_says("published");
    stage_says("not wanted");
    PQfinish(conn);
}

static void flags_of_another_subcommand_are_refused(void **state)
{
    (void)state;
    stage_expect(2, POSTBUS("parked", "list", "--key", "k"));
    stage_expect(2, POSTBUS("parked", "discard", "3", "--reason", "x", "--topic", "t"));
    stage_expect(2, POSTBUS("parked", "redrive", "3"));
    stage_expect(2, POSTBUS("parked", "lisd"));
    stage_expect(2, POSTBUS("parked"));
}

static void an_operator_may_wish_and_a_viewer_may_look(void **state)
{
    (void)state;
    some_are_parked("roles");
    pg_run(conn, "DROP ROLE IF EXISTS ops; CREATE ROLE ops LOGIN IN ROLE postbus_operator;"
                 "DROP ROLE IF EXISTS eyes; CREATE ROLE eyes LOGIN IN ROLE postbus_viewer");
    char *ops = pg_fixture_conninfo(stage_pg, "roles", "ops"),
         *eyes = pg_fixture_conninfo(stage_pg, "roles", "eyes");
    stage_expect(0, POSTBUS("parked", "list", "--database", eyes));
    stage_expect(0, POSTBUS("parked", "show", "3", "--database", eyes));
    stage_expect(1, POSTBUS("parked", "redrive", "--id", "3", "--database", eyes));
    stage_expect(1, POSTBUS("parked", "discard", "3", "--reason", "x", "--yes", "--database", eyes));
    assert_int_equal(wishes("true"), 0);
    stage_expect(0, POSTBUS("parked", "redrive", "--id", "3", "--database", ops));
    stage_expect(0, POSTBUS("parked", "discard", "4", "--reason", "x", "--yes", "--database", ops));
    pg_expect(conn, "2", "SELECT count(*) FROM postbus.audit WHERE who = 'ops'");
    PGconn *by_ops = pg_fixture_connect(stage_pg, "roles", "ops");
    pg_expect_refused(by_ops, "42501", "DELETE FROM postbus.parked");
    pg_expect_refused(by_ops, "42501",
                      "INSERT INTO postbus.wish (id, action, wished_by) VALUES (1, 'discard', 'x')");
    pg_expect_refused(by_ops, "42501", "DELETE FROM postbus.audit");
    pg_expect_refused(by_ops, "42501", "SELECT value FROM postbus.outbox");
    PQfinish(by_ops);
    free(ops);
    free(eyes);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_shows_reasons_and_never_a_payload),
        cmocka_unit_test(one_event_is_shown_in_full),
        cmocka_unit_test(what_an_event_brings_along_commands_no_terminal),
        cmocka_unit_test(a_redrive_is_recorded_for_what_was_chosen),
        cmocka_unit_test(a_redrive_of_one_that_is_not_chosen_says_why),
        cmocka_unit_test(what_waits_behind_one_counts_for_the_question_too),
        cmocka_unit_test(a_key_is_named_as_the_list_prints_it),
        cmocka_unit_test(which_key_was_meant_is_said_before_anything_is_done),
        cmocka_unit_test(what_was_done_is_shown_with_who_and_why),
        cmocka_unit_test(what_grows_for_ever_is_trimmed_as_the_runbook_says),
        cmocka_unit_test(many_events_need_a_second_word),
        cmocka_unit_test(a_discard_needs_a_reason_and_a_second_word),
        cmocka_unit_test(a_later_wish_takes_the_place_of_an_earlier_one),
        cmocka_unit_test(an_event_that_was_published_all_the_same_is_shown),
        cmocka_unit_test(flags_of_another_subcommand_are_refused),
        cmocka_unit_test(an_operator_may_wish_and_a_viewer_may_look),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}

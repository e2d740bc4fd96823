/* postbus dead and subscriptions: dead letters are shown, tried again and discarded as asked, and never without a second word where they are many or final. */
#include "cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

static PGconn *conn;

/* Twelve dead letters of shop.invoices, of three keys, and one of shop.mails, whose value is no text. */
static void some_are_dead(const char *database)
{
    stage_database(database);
    stage_expect(0, POSTBUS("migrate", "--subscriber"));
    conn = stage_connect();
    pg_run(conn, "SELECT postbus_inbox.subscribe('shop', '[{\"key\": \"invoices\", \"topics\": [\"orders\"], "
                 "\"filter\": null, \"options\": {}},"
                 " {\"key\": \"mails\", \"topics\": [\"orders\", \"refunds\"], \"filter\": [{\"field\": "
                 "\"type\", \"test\": \"present\"}], \"options\": {}}]')");
    pg_run(conn, "SELECT postbus_inbox.bury(s.id, o.id, 0, i, gen_random_uuid(), i %% 3, NULL, "
                 "'order.created', convert_to('key ' || i %% 3, 'UTF8'),"
                 " CASE WHEN i = 13 THEN '\\xff'::bytea ELSE 'secret' END, '{tenant}', '{acme}', 0, CASE "
                 "WHEN i = 2 THEN 'rejected' ELSE 'exhausted' END, 'broken')"
                 " FROM generate_series(1, 13) i, postbus_inbox.subscription s, postbus_inbox.source o"
                 " WHERE s.key = CASE WHEN i = 13 THEN 'mails' ELSE 'invoices' END AND o.subscription = s.id "
                 "AND o.topic = 'orders' ORDER BY i");
}

static int64_t count(const char *table)
{
    return pg_number(conn, "SELECT count(*) FROM postbus_inbox.%s", table);
}

static void a_value_that_is_avro_is_shown_as_json_where_its_schema_is_found(void **state)
{
    (void)state;
    char path[] = "/tmp/postbus-dead-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}");
    close(fd);
    some_are_dead("dead_avro");
    pg_run(conn, "UPDATE postbus_inbox.dead SET value = '\\x000000000106' WHERE n = 1");
    stage_expect(0, POSTBUS("dead", "show", "1", "--value")); /* without the schema postbus */
    stage_does_not_say("value_avro");
    stage_expect(0, POSTBUS("dead", "show", "1", "--value", "--json"));
    stage_says("\"value\":\"\\u0000");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(0, POSTBUS("schema", "add", "orders-value", path));
    stage_expect(0, POSTBUS("dead", "show", "1", "--value"));
    stage_says("value_avro    {\"a\":3}\n");
    stage_expect(0, POSTBUS("dead", "show", "1", "--value", "--json"));
    stage_says("\"value_avro\":{\"a\":3}");
    stage_does_not_say("\"value\":");
    stage_expect(0, POSTBUS("dead", "show", "1"));
    stage_does_not_say("value_avro");
    stage_expect(0, POSTBUS("dead", "show", "2", "--value", "--schema", path));
    stage_says("\"secret\"");
    stage_does_not_say("value_avro");
    pg_run(conn, "UPDATE postbus_inbox.dead SET value = '\\x0a' WHERE n = 2");
    stage_expect(0, POSTBUS("dead", "show", "2", "--value", "--schema", path));
    stage_says("value_avro    {\"a\":5}\n");
    stage_expect(2, POSTBUS("dead", "list", "--schema", path));
    unlink(path);
    PQfinish(conn);
}

static void lists_show_reasons_and_payloads_only_where_asked(void **state)
{
    (void)state;
    some_are_dead("dead_listed");
    stage_expect(0, POSTBUS("dead", "list"));
    stage_says("\"key 1\"");
    stage_says("rejected");
    stage_does_not_say("secret");
    stage_expect(0, POSTBUS("dead", "list", "--subscription", "mails", "--json"));
    json_t *one = json_loads(stage_said, 0, NULL);
    assert_non_null(one);
    assert_int_equal(json_integer_value(json_object_get(one, "n")), 13);
    assert_string_equal(json_string_value(json_object_get(one, "application")), "shop");
    assert_string_equal(json_string_value(json_object_get(one, "last_error")), "broken");
    json_decref(one);
    stage_expect(0, POSTBUS("dead", "list", "--limit", "2"));
    stage_says("and 11 more");
    stage_expect(0, POSTBUS("dead", "list", "--topic", "refunds"));
    stage_says("there are no dead letters");
    stage_expect(0, POSTBUS("dead", "show", "1"));
    stage_says("order.created");
    stage_says("\"error\": \"broken\"");
    stage_does_not_say("secret");
    stage_expect(0, POSTBUS("dead", "show", "1", "--value"));
    stage_says("\"secret\"");
    stage_says("tenant=acme");
    stage_expect(0, POSTBUS("dead", "show", "13", "--value", "--json"));
    stage_says("\"value\":\"\\\\xff\"");
    stage_expect(1, POSTBUS("dead", "show", "99"));
    stage_says("there is no dead letter 99");
    PQfinish(conn);
}

/* A producer of another kind: its clock counts nanoseconds, and what it sends ends up in the handler's error. */
static void what_events_bring_along_does_no_harm_to_who_looks(void **state)
{
    (void)state;
    some_are_dead("dead_strange");
    pg_run(conn, "SELECT postbus_inbox.bury(s.id, o.id, 0, 14, gen_random_uuid(), NULL, NULL, E'a\\x1b]0;b', "
                 "'\\x1b9b', '', '{}', '{}', "
                 "1700000000000000000, 'exhausted', E'no number: \\x1b[2J\\u009b2J\xc3\xa9\\nsecond' || "
                 "repeat('\xc3\xa9', 200))"
                 " FROM postbus_inbox.subscription s, postbus_inbox.source o"
                 " WHERE s.key = 'invoices' AND o.subscription = s.id");
    stage_expect(0, POSTBUS("dead", "show", "14"));
    stage_says("a\\x1B]0;b");
    stage_says("no number: \\x1B[2J\\x9B2J\xc3\xa9\\nsecond");
    stage_says("1700000000000000000");
    stage_does_not_say("\x1b");
    stage_expect(0, POSTBUS("dead", "list", "--limit", "1"));
    stage_says("no number: \\x1B[2J\\x9B2J\xc3\xa9 second");
    stage_does_not_say("\x1b");
    stage_does_not_say("\xc3\n");
    stage_expect(0, POSTBUS("dead", "show", "14", "--json"));
    json_t *one = json_loads(stage_said, 0, NULL);
    assert_non_null(one);
    assert_string_equal(json_string_value(json_object_get(one, "created_at")), "1700000000000000000");
    assert_string_equal(json_string_value(json_object_get(one, "type")), "a\x1b]0;b");
    json_decref(one);
    PQfinish(conn);
}

/* It waits for the first one, or it has gone past it. */
static bool waits_or_is_done(void *pid)
{
    return pg_number(conn,
                     "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND query LIKE '%%n => 4%%' AND "
                     "(state = 'idle' OR "
                     "wait_event_type = 'Lock')",
                     *(int *)pid) == 1;
}

/* Of one key two at once would be tried at the same time. */
static void two_redrives_leave_the_events_of_a_key_behind_one_another(void **state)
{
    (void)state;
    some_are_dead("dead_at_once");
    PGconn *first = stage_connect(), *other = stage_connect();
    pg_run(first, "BEGIN");
    pg_expect(first, "1", "SELECT postbus_inbox.redrive(n => 1)::text");
    assert_int_equal(PQsendQuery(other, "SELECT postbus_inbox.redrive(n => 4)"), 1);
    int pid = PQbackendPID(other);
    assert_true(wait_until(waits_or_is_done, &pid, 60000));
    pg_run(first, "COMMIT");
    PQclear(PQgetResult(other));
    pg_expect(conn, "1 4",
              "SELECT string_agg(kafka_offset::text, ' ' ORDER BY n) FROM postbus_inbox.waiting");
    pg_expect(
        conn, "1",
        "SELECT string_agg(kafka_offset::text, ' ') FROM postbus_inbox.waiting WHERE due_at IS NOT NULL");
    PQfinish(first);
    PQfinish(other);
    PQfinish(conn);
}

static void a_redrive_moves_what_was_chosen_in_its_order(void **state)
{
    (void)state;
    some_are_dead("dead_redriven");
    stage_expect(0, POSTBUS("dead", "redrive", "--subscription", "invoices", "--dry-run"));
    stage_says("12 dead letters would be");
    stage_expect(2, POSTBUS("dead", "redrive", "--subscription", "invoices"));
    stage_says("--yes");
    assert_int_equal(count("waiting"), 0);
    stage_expect(0, POSTBUS("dead", "redrive", "--id", "5", "--why", "fixed"));
    stage_says("1 dead letters are tried again");
    stage_expect(0, POSTBUS("dead", "redrive", "--application", "shop", "--reason", "exhausted", "--yes"));
    assert_int_equal(count("dead"), 1);
    assert_int_equal(count("waiting"), 12);
    /* The first of each key is due, the others wait behind it, in their order. */
    pg_expect(conn, "3",
              "SELECT count(*)::text FROM postbus_inbox.waiting w JOIN postbus_inbox.subscription s ON s.id "
              "= w.subscription WHERE s.key = 'invoices' AND due_at <= now()");
    pg_expect(conn, "5 8 11",
              "SELECT string_agg(kafka_offset::text, ' ' ORDER BY w.n) FROM postbus_inbox.waiting w JOIN "
              "postbus_inbox.subscription s ON s.id = w.subscription"
              " WHERE s.key = 'invoices' AND queue = 2");
    pg_expect(conn, "0 1",
              "SELECT attempts || ' ' || jsonb_array_length(history) FROM postbus_inbox.waiting WHERE "
              "kafka_offset = 5");
    pg_expect(conn, "fixed", "SELECT why FROM postbus_inbox.audit WHERE what->>'n' = '5' AND n_events = 1");
    stage_expect(0, POSTBUS("dead", "redrive", "--older-than", "1 hour"));
    stage_says("0 dead letters are tried again");
    stage_expect(1, POSTBUS("dead", "redrive", "--id", "99"));
    stage_says("there is no dead letter 99");
    stage_expect(1, POSTBUS("dead", "redrive", "--id", "99", "--dry-run"));
    stage_expect(1, POSTBUS("dead", "redrive", "--id", "2", "--topic", "refunds"));
    stage_says("that the other flags choose");
    stage_expect(0, POSTBUS("dead", "redrive", "--id", "2", "--dry-run"));
    PQfinish(conn);
}

static void a_discard_needs_a_reason_and_a_second_word(void **state)
{
    (void)state;
    some_are_dead("dead_discarded");
    stage_expect(2, POSTBUS("dead", "discard", "3", "--yes"));
    stage_says("--why");
    stage_expect(2, POSTBUS("dead", "discard", "3", "--reason", "by hand"));
    stage_says("--yes");
    assert_int_equal(count("dead"), 13);
    stage_expect(0, POSTBUS("dead", "discard", "3", "--reason", "by hand", "--yes"));
    assert_int_equal(count("dead"), 12);
    pg_expect(conn, "shop invoices orders 3 by hand",
              "SELECT concat_ws(' ', what->>'application', what->>'subscription', what->>'topic', "
              "what->>'offset', why)"
              " FROM postbus_inbox.audit");
    stage_expect(1, POSTBUS("dead", "discard", "3", "--reason", "again", "--yes"));
    PQfinish(conn);
}

/* And not those that die between the question and the answer, nor all where the flags were forgotten. */
static void many_are_discarded_as_they_were_chosen(void **state)
{
    (void)state;
    some_are_dead("dead_many_discarded");
    pg_run(conn, "UPDATE postbus_inbox.dead SET key = '\\xff01' WHERE n = 4");
    stage_expect(0, POSTBUS("dead", "list"));
    stage_says(" \\xff01 ");
    stage_expect(0, POSTBUS("dead", "discard", "--reason", "exhausted", "--dry-run"));
    stage_says("12 dead letters would be discarded");
    stage_expect(2, POSTBUS("dead", "discard", "--reason", "exhausted", "--yes"));
    stage_says("--why");
    stage_expect(2, POSTBUS("dead", "discard", "--why", "all of them", "--yes"));
    stage_says("or a flag that chooses");
    stage_expect(2, POSTBUS("dead", "discard", "--subscription", "invoices", "--why", "too late"));
    stage_says("Discard 12 dead letters for good?");
    assert_int_equal(count("dead"), 13);
    assert_int_equal(count("audit"), 0);
    stage_expect(2, POSTBUS("dead", "discard", "--key", "\"key 1\"", "--why", "by hand"));
    stage_says("with the key \"key 1\", which is \\x6b65792031 in hex:");
    stage_expect(0, POSTBUS("dead", "discard", "--key", "\\xff01", "--why", "by hand", "--yes"));
    stage_says("1 dead letters are discarded");
    stage_expect(0, POSTBUS("dead", "discard", "--subscription", "invoices", "--reason", "exhausted", "--key",
                            "key 1", "--why", "too late", "--yes"));
    pg_expect(conn, "4 1 7 10", "SELECT string_agg(what->>'n', ' ' ORDER BY n) FROM postbus_inbox.audit");
    pg_expect(conn, "too late shop invoices orders 10",
              "SELECT concat_ws(' ', why, what->>'application', what->>'subscription', what->>'topic', "
              "what->>'offset') FROM postbus_inbox.audit ORDER BY n DESC LIMIT 1");
    pg_expect(conn, "2 3 5 6 8 9 11 12 13",
              "SELECT string_agg(n::text, ' ' ORDER BY n) FROM postbus_inbox.dead");
    stage_expect(2, POSTBUS("dead", "discard", "--older-than", "30 days ago", "--why", "old", "--yes"));
    stage_expect(2, POSTBUS("dead", "discard", "--older-than", "1 hour", "--why", "\n", "--yes"));
    stage_expect(0, POSTBUS("dead", "discard", "--older-than", "1 hour", "--why", "old", "--yes"));
    stage_says("0 dead letters are discarded");
    stage_expect(1, POSTBUS("dead", "discard", "99", "--why", "none", "--yes"));
    stage_says("there is no dead letter 99");
    stage_expect(1, POSTBUS("dead", "discard", "2", "--reason", "exhausted", "--why", "both", "--yes"));
    stage_says("that the other flags choose");
    stage_expect(0, POSTBUS("dead", "audit"));
    stage_says("\"n\": 10");
    stage_says("  too late\n");
    stage_expect(0, POSTBUS("dead", "audit", "--json", "--limit", "1"));
    json_t *one = json_loads(stage_said, 0, NULL);
    assert_non_null(one);
    assert_string_equal(json_string_value(json_object_get(one, "action")), "discard");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "what"), "offset")), 10);
    json_decref(one);
    PQfinish(conn);
}

/* It is tried alone, and dies once more. */
static void dies_again(const char *id)
{
    stage_expect(0, POSTBUS("dead", "redrive", "--id", id));
    pg_run(conn,
           "SELECT postbus_inbox.failed(n, 0, NULL, 'exhausted', 0, 'again') FROM postbus_inbox.waiting");
    assert_int_equal(count("waiting"), 0);
}

static void expect_order(const char *offsets)
{
    pg_expect(
        conn, offsets,
        "SELECT string_agg(kafka_offset::text, ' ' ORDER BY n) FROM postbus_inbox.waiting WHERE queue = 2");
}

static void a_redrive_keeps_the_order_of_what_died_again(void **state)
{
    (void)state;
    some_are_dead("dead_again");
    dies_again("2");
    dies_again("5");
    stage_expect(0, POSTBUS("dead", "redrive", "--subscription", "invoices", "--yes"));
    expect_order("2 5 8 11");
    PQfinish(conn);
}

static void so_does_one_of_a_key(void **state)
{
    (void)state;
    some_are_dead("dead_again_key");
    dies_again("5");
    stage_expect(0, POSTBUS("dead", "redrive", "--key", "key 2", "--why", "x"));
    expect_order("2 5 8 11");
    PQfinish(conn);
}

/* First the key had another partition; then the topic was made anew. */
static void so_it_does_where_offsets_tell_nothing(void **state)
{
    (void)state;
    some_are_dead("dead_again_anew");
    pg_run(conn, "UPDATE postbus_inbox.dead SET partition = 7 WHERE n IN (2, 5)");
    pg_run(conn,
           "INSERT INTO postbus_inbox.gap (source, partition, from_offset, to_offset, reason, noticed_at)"
           " SELECT source, partition, 12, 0, 'made_anew', first_at FROM postbus_inbox.dead WHERE n = 11");
    pg_run(conn, "UPDATE postbus_inbox.dead SET kafka_offset = 1 WHERE n = 11");
    dies_again("2");
    dies_again("8");
    stage_expect(0, POSTBUS("dead", "redrive", "--subscription", "invoices", "--yes"));
    expect_order("2 5 8 1");
    PQfinish(conn);
}

static void a_redrive_by_key_leaves_other_keys(void **state)
{
    (void)state;
    some_are_dead("dead_redriven_key");
    stage_expect(0, POSTBUS("dead", "redrive", "--key", "key 2", "--dry-run"));
    stage_says("4 dead letters would be");
    stage_expect(0, POSTBUS("dead", "redrive", "--key", "\"key 2\"", "--reason", "exhausted", "--why", "x"));
    stage_says("3 dead letters are tried again");
    pg_expect(conn, "5 8 11",
              "SELECT string_agg(kafka_offset::text, ' ' ORDER BY n) FROM postbus_inbox.waiting");
    pg_expect(conn, "5",
              "SELECT string_agg(kafka_offset::text, ' ') FROM postbus_inbox.waiting WHERE due_at "
              "IS NOT NULL");
    PQfinish(conn);
}

static void roles_may_do_what_they_should(void **state)
{
    (void)state;
    some_are_dead("dead_roles");
    pg_run(conn, "SET ROLE postbus_viewer");
    pg_expect(conn, "13",
              "SELECT count(*)::text FROM postbus_inbox.chosen(NULL, NULL, NULL, NULL, NULL, NULL)");
    pg_expect_refused(conn, "42501", "SELECT postbus_inbox.redrive()");
    pg_expect_refused(conn, "42501", "SELECT postbus_inbox.discard(1, 'x')");
    pg_expect_refused(conn, "42501", "SELECT postbus_inbox.end_subscriptions('shop')");
    pg_run(conn, "SET ROLE postbus_operator");
    pg_expect_refused(conn, "PB008", "SELECT postbus_inbox.discard(1, ' ')");
    pg_expect_refused(conn, "42501", "DELETE FROM postbus_inbox.dead");
    pg_expect(conn, "true", "SELECT postbus_inbox.discard(1, 'x')::text");
    pg_expect(conn, "12", "SELECT postbus_inbox.redrive()::text");
    pg_expect_refused(conn, "42501", "SELECT postbus_inbox.unsubscribe('shop')");
    pg_expect(conn, "2", "SELECT postbus_inbox.end_subscriptions('shop')::text");
    PQfinish(conn);
}

/* Columns, the whole row, and the way that a command takes. */
static void payloads_are_seen_by_the_subscribers_role_alone(void **state)
{
    (void)state;
    static const char *const lookers_on[] = {"postbus_viewer", "postbus_operator"};
    static const char *const payloads[] = {"SELECT value FROM postbus_inbox.dead",
                                           "SELECT header_names FROM postbus_inbox.dead",
                                           "SELECT header_values FROM postbus_inbox.dead",
                                           "SELECT d FROM postbus_inbox.dead d",
                                           "SELECT value FROM postbus_inbox.waiting",
                                           "SELECT header_names FROM postbus_inbox.waiting",
                                           "SELECT header_values FROM postbus_inbox.waiting",
                                           "SELECT w FROM postbus_inbox.waiting w",
                                           "SELECT postbus_inbox.dead_payload(1)",
                                           "SELECT postbus_inbox.take(1)"};
    some_are_dead("dead_payloads");
    for (size_t i = 0; i < sizeof lookers_on / sizeof lookers_on[0]; i++) {
        pg_run(conn, "SET ROLE %s", lookers_on[i]);
        for (size_t k = 0; k < sizeof payloads / sizeof payloads[0]; k++)
            pg_expect_refused(conn, "42501", "%s", payloads[k]);
        setenv("PGOPTIONS", i == 0 ? "-c role=postbus_viewer" : "-c role=postbus_operator", 1);
        stage_expect(0, POSTBUS("subscriptions"));
        stage_expect(0, POSTBUS("dead", "list"));
        stage_expect(0, POSTBUS("dead", "show", "1"));
        stage_says("value_bytes   6");
        stage_expect(1, POSTBUS("dead", "show", "1", "--value"));
        stage_says("permission denied");
        stage_does_not_say("secret");
    }
    setenv("PGOPTIONS", "-c role=postbus_subscriber", 1);
    stage_expect(0, POSTBUS("dead", "show", "1", "--value"));
    stage_says("\"secret\"");
    unsetenv("PGOPTIONS");
    PQfinish(conn);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    stage_database("dead_refused");
    stage_expect(1, POSTBUS("dead", "show", "1"));
    stage_says("postbus migrate --subscriber makes what is missing");
    stage_expect(2, POSTBUS("dead"));
    stage_expect(2, POSTBUS("dead", "bury"));
    stage_says("\"bury\" is none of list, show, redrive, discard and audit");
    stage_expect(2, POSTBUS("dead", "show"));
    stage_says("write postbus dead show ID");
    stage_expect(2, POSTBUS("dead", "show", "0"));
    stage_says("\"0\" is no dead letter's number");
    stage_expect(2, POSTBUS("dead", "list", "--yes"));
    stage_says("list takes no --yes");
    stage_expect(2, POSTBUS("dead", "list", "more"));
    stage_expect(1, POSTBUS("dead", "list"));
}

static void subscriptions_are_shown_with_how_they_are(void **state)
{
    (void)state;
    some_are_dead("subscriptions");
    stage_expect(0, POSTBUS("subscriptions"));
    stage_says("orders,refunds");
    stage_expect(0, POSTBUS("subscriptions", "--application", "shop", "--json"));
    stage_says("\"subscription\":\"invoices\"");
    stage_says("\"dead\":12");
    stage_says("\"filter\":[{\"test\":\"present\",\"field\":\"type\"}]");
    pg_run(conn, "SELECT postbus_inbox.unsubscribe('shop', 'mails')");
    stage_expect(0, POSTBUS("subscriptions"));
    stage_does_not_say("mails");
    stage_expect(0, POSTBUS("subscriptions", "--ended"));
    stage_says("  ended");
    stage_expect(0, POSTBUS("subscriptions", "--application", "none"));
    stage_says("there are no subscriptions");
    PQfinish(conn);
}

static int64_t n_held(void)
{
    return pg_number(conn, "SELECT count(*) FROM postbus_inbox.subscription WHERE ended_at IS NULL");
}

/* Promise E5. */
static void subscriptions_are_ended_with_a_second_word(void **state)
{
    (void)state;
    some_are_dead("subscriptions_ended");
    stage_expect(2, POSTBUS("subscriptions", "--yes"));
    stage_says("list takes no --yes");
    stage_expect(2, POSTBUS("subscriptions", "end"));
    stage_expect(2, POSTBUS("subscriptions", "end", "shop", "--json"));
    stage_expect(0, POSTBUS("subscriptions", "end", "shop", "--dry-run"));
    stage_says("shop.invoices of orders; 0 events wait and 12 are dead letters, which stay");
    stage_says("shop.mails of orders,refunds");
    stage_expect(2, POSTBUS("subscriptions", "end", "shop", "mails"));
    stage_says("End 1 subscriptions?");
    assert_int_equal(n_held(), 2);
    setenv("PGOPTIONS", "-c role=postbus_viewer", 1);
    stage_expect(1, POSTBUS("subscriptions", "end", "shop", "mails", "--yes"));
    stage_says("permission denied");
    setenv("PGOPTIONS", "-c role=postbus_operator", 1);
    stage_expect(0, POSTBUS("subscriptions", "end", "shop", "mails", "--why", "nobody reads them", "--yes"));
    stage_says("1 subscriptions are ended");
    stage_expect(1, POSTBUS("subscriptions", "end", "shop", "mails", "--yes"));
    stage_says("shop has no subscription mails that holds");
    stage_expect(0, POSTBUS("dead", "audit"));
    stage_says("{\"application\": \"shop\", \"subscription\": \"mails\"}  nobody reads them");
    unsetenv("PGOPTIONS");
    pg_expect(conn, "invoices", "SELECT key FROM postbus_inbox.subscription WHERE ended_at IS NULL");
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_avro_is_shown_as_json_where_its_schema_is_found),
        cmocka_unit_test(lists_show_reasons_and_payloads_only_where_asked),
        cmocka_unit_test(what_events_bring_along_does_no_harm_to_who_looks),
        cmocka_unit_test(two_redrives_leave_the_events_of_a_key_behind_one_another),
        cmocka_unit_test(a_redrive_moves_what_was_chosen_in_its_order),
        cmocka_unit_test(a_discard_needs_a_reason_and_a_second_word),
        cmocka_unit_test(many_are_discarded_as_they_were_chosen),
        cmocka_unit_test(a_redrive_keeps_the_order_of_what_died_again),
        cmocka_unit_test(so_does_one_of_a_key),
        cmocka_unit_test(so_it_does_where_offsets_tell_nothing),
        cmocka_unit_test(a_redrive_by_key_leaves_other_keys),
        cmocka_unit_test(roles_may_do_what_they_should),
        cmocka_unit_test(payloads_are_seen_by_the_subscribers_role_alone),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(subscriptions_are_shown_with_how_they_are),
        cmocka_unit_test(subscriptions_are_ended_with_a_second_word),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}

/* postbus schema: files are checked without a database, versions are kept, and what is not compatible is refused with each place. */
#include "cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pg_query.h"
#include "stage.h"
#include "text_file.h"

static char folder[64];

/* The path of a file with this schema; good until the test ends. */
static const char *file(const char *name, const char *text)
{
    static char paths[8][128];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    text_file_write(path, text);
    return path;
}

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define A "{\"name\":\"a\",\"type\":\"int\"}"
#define B "{\"name\":\"b\",\"type\":\"string\"}"
#define B_DEFAULT "{\"name\":\"b\",\"type\":\"string\",\"default\":\"\"}"

static void files_are_checked_without_a_database(void **state)
{
    (void)state;
    setenv("POSTBUS_DATABASE", "host=/nowhere", 1);
    const char *one = file("one.avsc", R(A)), *two = file("two.avsc", R(A "," B)),
               *three = file("three.avsc", R(A "," B_DEFAULT));
    stage_expect(0, POSTBUS("schema", "check", one));
    stage_says("is good: R, fingerprint ");
    stage_expect(0, POSTBUS("schema", "check", three, one, "--compatibility", "full"));
    stage_says("compatible, by the mode full");
    stage_expect(4, POSTBUS("schema", "check", two, one));
    stage_says("b: the reader's field is not written and has no default (");
    stage_says("one.avsc)");
    stage_says("the new schema cannot read what this one wrote");
    stage_expect(0, POSTBUS("schema", "check", two, one, "--compatibility", "FORWARD"));
    stage_expect(4, POSTBUS("schema", "check", two, one, three, "--compatibility", "backward-transitive"));
    stage_expect(0, POSTBUS("schema", "check", two, one, three));
    stage_expect(1, POSTBUS("schema", "check", file("wrong.avsc", R("{\"name\":\"a\",\"type\":\"strin\"}"))));
    stage_says("wrong.avsc: a: the type \"strin\" is not known");
    stage_expect(1, POSTBUS("schema", "check", "/nowhere/x.avsc"));
    stage_says("/nowhere/x.avsc cannot be read: No such file");
}

#define AT(unit) R("{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-" unit "\"}}")

/* Avro's rules take them for compatible, and convert nothing. */
static void times_that_become_others_are_warned_of(void **state)
{
    (void)state;
    stage_database("warned");
    stage_expect(0, POSTBUS("migrate"));
    const char *millis = file("one.avsc", AT("millis")), *micros = file("two.avsc", AT("micros"));
    static const char warning[] = "warning: at: timestamp-millis is read as timestamp-micros, and its "
                                  "numbers stay as they are (what was written by version 1)";
    stage_expect(0, POSTBUS("schema", "check", micros, millis));
    stage_says("warning: at: timestamp-millis is read as timestamp-micros");
    stage_says("one.avsc)");
    stage_says("is good");
    stage_expect(0, POSTBUS("schema", "add", "at-value", millis));
    stage_does_not_say("warning");
    stage_expect(0, POSTBUS("schema", "check", micros, "--subject", "at-value"));
    stage_says(warning);
    stage_expect(0, POSTBUS("schema", "add", "at-value", micros));
    stage_says(warning);
    stage_says("added as version 2");
}

static void versions_are_kept_and_the_incompatible_refused(void **state)
{
    (void)state;
    stage_database("kept");
    stage_expect(0, POSTBUS("migrate"));
    const char *one = file("one.avsc", R(A)), *two = file("two.avsc", R(A "," B)),
               *three = file("three.avsc", R(A "," B_DEFAULT));
    stage_expect(0, POSTBUS("schema", "add", "orders-value", one, "--dry-run"));
    stage_says("would be added as version 1\n");
    stage_expect(0, POSTBUS("schema", "list"));
    stage_does_not_say("orders-value");
    stage_expect(0, POSTBUS("schema", "add", "orders-value", one));
    stage_says("orders-value: added as version 1, id ");
    stage_expect(4, POSTBUS("schema", "add", "orders-value", two));
    stage_says("b: the reader's field is not written and has no default (version 1)");
    stage_says("not compatible, by the mode backward");
    stage_expect(4, POSTBUS("schema", "check", two, "--subject", "orders-value"));
    stage_expect(0,
                 POSTBUS("schema", "check", two, "--subject", "orders-value", "--compatibility", "forward"));
    stage_expect(0, POSTBUS("schema", "check", three, "--subject", "orders-value"));
    stage_expect(0, POSTBUS("schema", "add", "orders-value", three, "--compatibility", "Full_Transitive"));
    stage_says("added as version 2");
    stage_expect(0, POSTBUS("schema", "add", "orders-value", one));
    stage_says("is version 1 already");
    /* Compatible with the latest, and not with all. */
    stage_expect(4, POSTBUS("schema", "add", "orders-value", two));
    stage_says("not compatible, by the mode full-transitive");
    stage_expect(0, POSTBUS("schema", "show", "orders-value"));
    stage_says(R(A "," B_DEFAULT) "\n");
    stage_expect(0, POSTBUS("schema", "show", "orders-value", "1"));
    stage_says(R(A) "\n");
    PGconn *conn = stage_connect();
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.subject_version"), 2);
    /* The fingerprint of {"name":"R","type":"record","fields":[{"name":"a","type":"int"}]} as a signed number. */
    assert_int_equal(pg_number(conn, "SELECT count(DISTINCT fingerprint) FROM postbus.schema"), 2);
    PQfinish(conn);
}

static void a_text_has_one_id_under_every_subject(void **state)
{
    (void)state;
    stage_database("shared");
    stage_expect(0, POSTBUS("migrate"));
    const char *one = file("one.avsc", R(A)), *two = file("two.avsc", R(A "," B));
    stage_expect(0, POSTBUS("schema", "add", "a-value", one));
    stage_expect(0, POSTBUS("schema", "add", "b-value", two, "--compatibility", "none"));
    stage_expect(0, POSTBUS("schema", "add", "b-value", one));
    stage_says("version 2, id 1\n");
    stage_expect(0, POSTBUS("schema", "list", "--subject", "b-value", "--json"));
    stage_does_not_say("a-value");
    char *line = strchr(stage_said, '\n');
    assert_non_null(line);
    json_t *last = json_loads(line + 1, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(last);
    assert_int_equal(json_integer_value(json_object_get(last, "id")), 1);
    assert_string_equal(json_string_value(json_object_get(last, "compatibility")), "none");
    assert_int_equal(strlen(json_string_value(json_object_get(last, "fingerprint"))), 16);
    json_decref(last);
}

/* After an upgrade: functions that an earlier postbus made are replaced. */
static void a_schema_that_is_added_again_gets_its_check_anew(void **state)
{
    (void)state;
    stage_database("anew");
    stage_expect(0, POSTBUS("migrate"));
    const char *one = file("one.avsc", R(A));
    stage_expect(0, POSTBUS("schema", "add", "a-value", one));
    PGconn *conn = stage_connect();
    pg_run(conn,
           "CREATE OR REPLACE FUNCTION postbus.avro_1(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS "
           "'BEGIN RETURN 0; END'");
    stage_expect(0, POSTBUS("schema", "add", "a-value", one, "--dry-run"));
    pg_expect(conn, "0", "SELECT postbus.avro_1('{\"a\":1}')");
    stage_expect(0, POSTBUS("schema", "add", "a-value", one));
    stage_says("is version 1 already, id 1");
    pg_expect(conn, NULL, "SELECT postbus.avro_1('{\"a\":1}')");
    PQfinish(conn);
}

static void wrong_calls_are_told_what_is_right(void **state)
{
    (void)state;
    stage_database("wrong");
    stage_expect(2, POSTBUS("schema"));
    stage_expect(2, POSTBUS("schema", "remove"));
    stage_says("none of add, list, show, check, bind and unbind");
    stage_expect(2, POSTBUS("schema", "add", "x"));
    stage_says("write postbus schema add SUBJECT FILE");
    stage_expect(2, POSTBUS("schema", "add", "x", "y", "z"));
    stage_expect(2, POSTBUS("schema", "list", "--dry-run"));
    stage_says("list takes no --dry-run");
    stage_expect(2, POSTBUS("schema", "check", "x", "--compatibility", "most"));
    stage_says("\"most\" is no mode");
    stage_expect(2, POSTBUS("schema", "show", "x", "latest"));
    stage_says("\"latest\" is no version");
    stage_expect(2, POSTBUS("schema", "check", "x", "y", "--subject", "z"));
    stage_expect(1, POSTBUS("schema", "list"));
    stage_says("postbus migrate makes what is missing");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(1, POSTBUS("schema", "show", "x"));
    stage_says("there is no version of \"x\"");
    stage_expect(1, POSTBUS("schema", "show", "x", "3"));
    stage_says("there is no version 3 of \"x\"");
    stage_expect(1, POSTBUS("schema", "check", file("one.avsc", R(A)), "--subject", "x"));
    stage_says("there is no subject \"x\"");
}

static void a_bound_topic_is_checked_by_the_newest_schema_and_listed(void **state)
{
    (void)state;
    stage_database("bound");
    stage_expect(0, POSTBUS("migrate"));
    const char *one = file("one.avsc", R(A)), *two = file("two.avsc", R(A "," B));
    stage_expect(1, POSTBUS("schema", "bind", "orders", "orders-value"));
    stage_says("there is no schema of a subject \"orders-value\"");
    stage_expect(0, POSTBUS("schema", "add", "orders-value", one, "--compatibility", "none"));
    stage_expect(2, POSTBUS("schema", "bind", "orders", "orders-value", "--framing", "protobuf"));
    stage_says("\"protobuf\" is no framing");
    stage_expect(0, POSTBUS("schema", "bind", "orders", "orders-value"));
    stage_says("orders: bound to orders-value, in the framing confluent\n");
    stage_expect(0, POSTBUS("schema", "bind", "orders-2", "orders-value", "--framing", "none"));
    stage_expect(0, POSTBUS("schema", "list"));
    stage_says("orders (confluent), orders-2 (none)\n");
    stage_expect(0, POSTBUS("schema", "list", "--json"));
    stage_says("\"topics\":[{\"topic\":\"orders\",\"framing\":\"confluent\"}");
    stage_expect(0, POSTBUS("publish", "orders", "{\"a\":1}"));
    stage_expect(1, POSTBUS("publish", "orders", "{\"a\":\"x\"}"));
    stage_says("does not fit the schema of the topic \"orders\": a: \"x\" is no int");
    stage_expect(0, POSTBUS("schema", "add", "orders-value", two));
    stage_expect(1, POSTBUS("publish", "orders", "{\"a\":1}"));
    stage_says("b: the field is missing");
    stage_expect(0, POSTBUS("schema", "unbind", "orders"));
    stage_expect(1, POSTBUS("schema", "unbind", "orders"));
    stage_says("\"orders\" is not bound");
    stage_expect(0, POSTBUS("publish", "orders", "{\"a\":1}"));
}

static int open_all(void **state)
{
    strcpy(folder, "/tmp/postbus-schemas-XXXXXX");
    return mkdtemp(folder) ? stage_open(state) : -1;
}

static int close_all(void **state)
{
    static const char *const names[] = {"one.avsc", "two.avsc", "three.avsc", "wrong.avsc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    return stage_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_checked_without_a_database),
        cmocka_unit_test(times_that_become_others_are_warned_of),
        cmocka_unit_test(versions_are_kept_and_the_incompatible_refused),
        cmocka_unit_test(a_text_has_one_id_under_every_subject),
        cmocka_unit_test(a_bound_topic_is_checked_by_the_newest_schema_and_listed),
        cmocka_unit_test(a_schema_that_is_added_again_gets_its_check_anew),
        cmocka_unit_test(wrong_calls_are_told_what_is_right),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

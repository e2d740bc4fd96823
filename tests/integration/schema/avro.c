/* JSON for a topic with an Avro schema is checked before the commit: by the same rules as the encoder's, with the path of what does not fit. */
#include "avro_subject.h"
#include "stage.h"

#include <postbus/schema.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define R(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define FD(name, type, value) "{\"name\":\"" name "\",\"type\":" type ",\"default\":" value "}"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values) "{\"type\":\"map\",\"values\":" values "}"
#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DECIMAL(p, s) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":" p ",\"scale\":" s "}"
#define FIXED(name, size) "{\"type\":\"fixed\",\"name\":\"" name "\",\"size\":" size "}"
#define FIXED_OF(name, size, more) "{\"type\":\"fixed\",\"name\":\"" name "\",\"size\":" size "," more "}"
#define ENUM(name, symbols) "{\"type\":\"enum\",\"name\":\"" name "\",\"symbols\":[" symbols "]}"
#define NINES_10 "9999999999"
#define NINES_50 NINES_10 NINES_10 NINES_10 NINES_10 NINES_10
#define NINES_100 NINES_50 NINES_50
#define NINES_400 NINES_100 NINES_100 NINES_100 NINES_100
#define NINES_500 NINES_400 NINES_100
#define ZEROS_50 "00000000000000000000000000000000000000000000000000"
#define ZEROS_100 ZEROS_50 ZEROS_50
#define ZEROS_500 ZEROS_100 ZEROS_100 ZEROS_100 ZEROS_100 ZEROS_100
/* All digits but the last of 2^1024 - 2^970, the least number that rounds to no double. */
#define BELOW_ENDLESS                                                                                        \
    "17976931348623158079372897140530341507993413271003782693617377898044496829276475"                       \
    "09466490179775872070963302864166928879109465555478519404026306574886715058206819"                       \
    "08902000708383676273854845817711531764475730270069855571366959622842914819860834"                       \
    "93647529271907416844436551070434271155969950809304288017790417449779"
#define TREE                                                                                                 \
    R("x.Tree", F("value", "\"int\"") "," F("left", "[\"null\",\"Tree\"]") "," FD(                           \
                    "right", "[\"null\",\"x.Tree\"]", "null"))

static const char *const schemas[] = {
    "\"null\"",
    "\"boolean\"",
    "\"int\"",
    "\"long\"",
    "\"float\"",
    "\"double\"",
    "\"bytes\"",
    "\"string\"",
    FIXED("F", "2"),
    FIXED_OF("F", "4", "\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2"),
    FIXED_OF("F", "12", "\"logicalType\":\"duration\""),
    FIXED_OF("F", "16", "\"logicalType\":\"uuid\""),
    ENUM("E", "\"A\",\"B\""),
    LOGICAL("string", "uuid"),
    LOGICAL("int", "date"),
    LOGICAL("int", "time-millis"),
    LOGICAL("long", "time-micros"),
    LOGICAL("long", "timestamp-millis"),
    LOGICAL("long", "timestamp-micros"),
    LOGICAL("long", "local-timestamp-millis"),
    LOGICAL("long", "local-timestamp-micros"),
    DECIMAL("4", "2"),
    DECIMAL("20", "0"),
    DECIMAL("30", "10"),
    ARRAY("\"int\""),
    ARRAY(ARRAY("\"string\"")),
    MAP("\"int\""),
    MAP("[\"null\",\"string\"]"),
    R("R", ""),
    R("R", F("a", "\"int\"")),
    R("R", F("a", "\"int\"") "," FD("b", "\"string\"", "\"\"")),
    R("R", FD("a", "[\"null\",\"int\"]", "null") "," FD("b", ARRAY(R("I", F("c", "\"long\""))), "[]")),
    TREE,
    "[]",
    "[\"null\"]",
    "[\"null\",\"string\"]",
    "[\"null\",\"int\",\"string\"]",
    "[\"string\",\"bytes\"]",
    "[\"int\",\"long\",\"float\",\"double\"]",
    "[\"string\",\"double\"]",
    "[\"float\",\"null\"]",
    "[\"string\",\"bytes\",\"float\"]",
    "[\"null\"," ENUM("x.E", "\"A\"") ",\"string\"]",
    "[\"null\"," ARRAY("\"int\"") "," MAP("\"int\"") "]",
    "[" R("A", F("a", "\"int\"")) "," R("B", F("b", "\"int\"")) "]",
    "[" R("x.A", F("a", "\"int\"")) "," R("x.B", F("a", "\"int\"")) "," MAP("\"string\"") "]",
    "[" R("x.A", F("a", "\"int\"")) "," R("y.A", F("a", "\"string\"")) "]",
    "[" DECIMAL("4", "2") "," FIXED_OF("D", "4",
                                       "\"logicalType\":\"decimal\",\"precision\":6,\"scale\":1") ",\"int\"]",
    "[\"null\"," LOGICAL("long", "timestamp-millis") "," LOGICAL("string", "uuid") "]",
    "[\"null\"," FIXED("F", "2") "," FIXED("G", "3") "]",
    "[\"string\"," MAP("\"string\"") "]",
    "[\"int\"," MAP("\"int\"") "," R("A", F("a", "\"int\"")) "]",
    "[\"null\"," MAP(MAP("\"string\"")) "]",
    "[" MAP("[\"null\",\"string\"]") ",\"string\"]",
    DECIMAL("1000", "0"),
    DECIMAL("1000", "1000"),
    DECIMAL("700", "350"),
    FIXED_OF("F", "416", "\"logicalType\":\"decimal\",\"precision\":1000,\"scale\":2"),
};
#define N_SCHEMAS (sizeof schemas / sizeof *schemas)

static const char *const values[] = {
    "null",
    "true",
    "false",
    "0",
    "-1",
    "5",
    "5.0",
    "5.5",
    "-0.0",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "9007199254740992.0",
    "9007199254740994.0",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9007199254740993e0",
    "9007199254740993.0",
    "922337203685477580.7e1",
    "9223372036854775807.00",
    "1.00000000000000000000000001",
    "9007199254740992.9",
    "100000000000000000000",
    "3.4e38",
    "3.5e38",
    "340282356779733661637539395458142568447",
    "340282356779733661637539395458142568449",
    "1.7e308",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "-1.7976931348623158e308",
    "1.7976931348623159e308",
    BELOW_ENDLESS "1",
    BELOW_ENDLESS "2",
    "-" BELOW_ENDLESS "1.99",
    "-" BELOW_ENDLESS "2.0",
    "2.2250738585072014e-308",
    "2.2250738585072011e-308",
    "1e-310",
    "5e-324",
    "1e-330",
    "1.8e308",
    "-1.8e308",
    "1e400",
    "-1e400",
    "1e20000",
    "{\"a\":1e400}",
    "{\"double\":1e400}",
    "[1e400]",
    "12.34",
    "12.345",
    "12.340",
    "99.99",
    "100",
    "-99.99",
    "123456789012345.5",
    "12345678901234.5",
    "0.000000000001",
    "\"\"",
    "\"a\"",
    "\"A\"",
    "\"B\"",
    "\"C\"",
    "\"NaN\"",
    "\"Infinity\"",
    "\"-Infinity\"",
    "\"nan\"",
    "\"AP8=\"",
    "\"AP8\"",
    "\"AP9=\"",
    "\"AP8A\"",
    "\"AA==\"",
    "\"AB==\"",
    "\"AP-_\"",
    "\"AAAAAAAAAAAAAAAAAAAAAA==\"",
    "\"00000000-0000-0000-0000-00000000000a\"",
    "\"00000000-0000-0000-0000-00000000000G\"",
    "\"00000000-0000-0000-0000-00000000000A\"",
    "\"000000000000-0000-0000-0000-0000000a\"",
    "\"1970-01-01\"",
    "\"2026-02-29\"",
    "\"2024-02-29\"",
    "\"2100-02-29\"",
    "\"0000-01-01\"",
    "\"0001-01-01\"",
    "\"9999-12-31\"",
    "\"2026-13-01\"",
    "\"2026-04-31\"",
    "\"2026-4-3\"",
    "\"1970-01-01T\"",
    "\"14:03:05\"",
    "\"14:03:05.1\"",
    "\"14:03:05.123\"",
    "\"14:03:05.1234\"",
    "\"14:03:05.1230\"",
    "\"14:03:05.123456\"",
    "\"14:03:05.1234560\"",
    "\"14:03:05.1234567\"",
    "\"24:00:00\"",
    "\"23:59:60\"",
    "\"14:03\"",
    "\"14:03:05.\"",
    "\"2026-11-25T14:03:05Z\"",
    "\"2026-11-25 14:03:05Z\"",
    "\"2026-11-25T14:03:05\"",
    "\"2026-11-25T14:03:05.123+01:00\"",
    "\"2026-11-25T14:03:05-01\"",
    "\"2026-11-25T14:03:05+24:00\"",
    "\"2026-11-25T14:03:05+01:60\"",
    "\"2026-11-25T14:03:05.123456Z\"",
    "\"2026-11-25t14:03:05Z\"",
    "\"2026-02-30T14:03:05Z\"",
    "\"2026-11-25T14:03:05.123000Z\"",
    "\"2026-11-25T14:03:05z\"",
    "\"12.34\"",
    "\"12.345\"",
    "\"12.3400\"",
    "\"1.2e1\"",
    "\"1234e-2\"",
    "\"1e2\"",
    "\"99.99\"",
    "\"100\"",
    "\"-12.34\"",
    "\"+12.34\"",
    "\".5\"",
    "\"5.\"",
    "\"1e\"",
    "\"0\"",
    "\"000012.34\"",
    "\"12345678901234567890\"",
    "\"123456789012345678901\"",
    "\"" NINES_500 NINES_500 "\"",
    "\"-" NINES_500 NINES_500 "\"",
    "\"" NINES_500 NINES_500 "9\"",
    "\"" NINES_500 "." NINES_500 "\"",
    "\"" NINES_500 NINES_400 NINES_50 NINES_10 NINES_10 NINES_10 "99999999.99\"",
    "\"0." NINES_500 NINES_500 "\"",
    "\"-0." NINES_500 NINES_500 "\"",
    "\"0." NINES_500 NINES_500 "9\"",
    "\"1" ZEROS_500 ZEROS_500 "e-1000\"",
    "\"1" ZEROS_500 ZEROS_500 "0." ZEROS_500 "e-1001\"",
    "\"1" ZEROS_500 ZEROS_500 "\"",
    "\"0." ZEROS_500 ZEROS_500 ZEROS_500 ZEROS_500 ZEROS_500 "\"",
    "\"" ZEROS_500 ZEROS_500 ZEROS_500 ZEROS_500 ZEROS_500 "12\"",
    "\"1e999\"",
    "\"1e1000\"",
    "\"1e-1000\"",
    "\"1e-1001\"",
    "\"0e2001\"",
    "\"0e-9999\"",
    "\"1e9999\"",
    "\"1e00001\"",
    "\"1e99999\"",
    "\" 1\"",
    "\"1 \"",
    "\"P\"",
    "\"P1M\"",
    "\"P1M2DT3.004S\"",
    "\"PT\"",
    "\"PT1S\"",
    "\"P1D1M\"",
    "\"P1Y2M3W4DT5H6M7S\"",
    "\"PT1.0005S\"",
    "\"PT1.0010S\"",
    "\"P4294967295M\"",
    "\"P4294967296M\"",
    "\"P357913942Y\"",
    "\"PT1.5H\"",
    "\"P1H\"",
    "\"p1m\"",
    "[]",
    "[1]",
    "[1,\"a\"]",
    "[1,2,2147483648]",
    "[[]]",
    "[[\"a\",\"b\"],[\"c\",1]]",
    "[null]",
    "{}",
    "{\"a\":1}",
    "{\"a\":null}",
    "{\"a\":\"x\"}",
    "{\"b\":1}",
    "{\"a\":1,\"b\":2}",
    "{\"a\":1,\"b\":\"x\"}",
    "{\"a\":1,\"c\":2}",
    "{\"a\":{\"int\":1}}",
    "{\"a\":null,\"b\":[{\"c\":1},{\"c\":2}]}",
    "{\"a\":null,\"b\":[{\"c\":1},{\"c\":\"x\"}]}",
    "{\"b\":[{}]}",
    "{\"b\":[{\"c\":1,\"d\":1}]}",
    "{\"int\":1}",
    "{\"string\":\"a\"}",
    "{\"string\":1}",
    "{\"null\":null}",
    "{\"null\":1}",
    "{\"array\":[1]}",
    "{\"string\":null}",
    "{\"string\":\"a\",\"map\":\"b\"}",
    "{\"map\":1}",
    "{\"map\":\"a\"}",
    "{\"map\":{}}",
    "{\"map\":{\"string\":\"a\"}}",
    "{\"map\":{\"string\":1}}",
    "{\"map\":{\"int\":1}}",
    "{\"map\":{\"map\":\"a\"}}",
    "{\"map\":{\"map\":{\"map\":\"a\"}}}",
    "{\"map\":{\"a\":1}}",
    "{\"map\":{\"a\":\"b\"}}",
    "{\"A\":{\"a\":1}}",
    "{\"B\":{\"a\":1}}",
    "{\"x.A\":{\"a\":1}}",
    "{\"x.A\":{\"a\":\"x\"}}",
    "{\"y.A\":{\"a\":\"x\"}}",
    "{\"x.B\":{\"b\":1}}",
    "{\"E\":\"A\"}",
    "{\"x.E\":\"B\"}",
    "{\"bytes\":\"AP8=\"}",
    "{\"double\":1}",
    "{\"G\":\"AP8A\"}",
    "{\"int\":5,\"null\":null}",
    "{\"value\":1,\"left\":null}",
    "{\"value\":1,\"left\":{\"value\":2,\"left\":null}}",
    "{\"value\":1,\"left\":{\"value\":2}}",
    "{\"value\":1,\"left\":{\"Tree\":{\"value\":2,\"left\":null}}}",
    "{\"value\":1,\"left\":{\"value\":2,\"left\":{\"value\":\"x\",\"left\":null}}}",
    "{\"value\":1,\"left\":null,\"right\":{\"x.Tree\":{\"value\":\"3\",\"left\":null}}}",
    "{\"\\u00e9\":1}",
    "{\"a b\":\"x\"}",
};
#define N_VALUES (sizeof values / sizeof *values)

/* What stands before the reason. */
static size_t path_size(const char *message)
{
    const char *end = strstr(message, ": ");
    return end ? (size_t)(end - message) : strlen(message);
}

static void expect_same(const char *schema_text, const char *value, const char *database, pbus_status status,
                        const char *encoder)
{
    const char *said = database ? database : "it fits";
    if ((status == PBUS_OK) != (database == NULL))
        fail_msg("%s of %s: the database says: %s; the encoder: %s", value, schema_text, said, encoder);
    /* Of a map's members, jsonb has its own order: the first one that does not fit may be another; and the encoder's messages are
     * ASCII. A number that no double holds is no JSON for the encoder, wherever it stands. */
    bool any_first =
        (strstr(schema_text, "\"map\"") && strpbrk(value, ",\\")) || strstr(encoder, "is no JSON");
    if (database && !any_first &&
        (path_size(database) != path_size(encoder) || strncmp(database, encoder, path_size(encoder)) != 0))
        fail_msg("%s of %s: the database says: %s; the encoder: %s", value, schema_text, said, encoder);
}

/* One question for all values. */
static char *write_question(PGconn *owner)
{
    char *sql = NULL;
    size_t size;
    FILE *out = open_memstream(&sql, &size);
    assert_non_null(out);
    fputs("SELECT postbus.avro_0(v::jsonb) FROM (VALUES ", out);
    for (size_t i = 0; i < N_VALUES; i++) {
        char *quoted = PQescapeLiteral(owner, values[i], strlen(values[i]));
        fprintf(out, "%s(%zu, %s)", i ? "," : "", i, quoted);
        PQfreemem(quoted);
    }
    fputs(") AS t (i, v) ORDER BY i", out);
    fclose(out);
    return sql;
}

static void judge_all(PGconn *owner, const char *question, const char *schema_text)
{
    pbus_schema *schema = avro_schema(schema_text);
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    avro_make_check(owner, schema, "postbus.avro_0");
    PGresult *rows = PQexec(owner, question);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", schema_text, PQerrorMessage(owner));
    for (size_t i = 0; i < N_VALUES; i++) {
        pbus_error err = {.message = "it fits"};
        pbus_status status =
            pbus_schema_encode_json(schema, values[i], strlen(values[i]), PBUS_JSON_PLAIN, &bytes, &err);
        expect_same(schema_text, values[i], PQgetisnull(rows, (int)i, 0) ? NULL : PQgetvalue(rows, (int)i, 0),
                    status, status == PBUS_OK ? "it fits" : err.message);
    }
    PQclear(rows);
    pbus_buffer_done(&bytes);
    pbus_schema_free(schema);
}

static void the_database_takes_what_the_encoder_takes_and_refuses_at_the_same_path(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "SET search_path = pg_catalog, pg_temp");
    char *question = write_question(owner);
    for (size_t i = 0; i < N_SCHEMAS; i++)
        judge_all(owner, question, schemas[i]);
    free(question);
    pg_run(owner, "DROP FUNCTION postbus.avro_0(jsonb)");
    PQfinish(owner);
}

static void a_number_too_small_for_a_float_is_zero_and_no_error(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM unnest('{float,double}'::text[]) k, "
                                      "unnest('{1e-400,-1e-400,1e-16000}'::jsonb[]) v "
                                      "WHERE postbus.avro_real(v, k) IS NULL"),
                     6);
    PQfinish(owner);
}

#define ORDER R("Order", F("id", "\"long\"") "," F("lines", ARRAY(R("Line", F("price", DECIMAL("8", "2"))))))
#define ORDER_2                                                                                              \
    R("Order", F("id", "\"long\"") "," F("lines", ARRAY(R("Line", F("price", DECIMAL("8", "2"))))) "," F(    \
                   "note", "\"string\""))

static void expect_misfit(PGconn *conn, const char *publish, const char *says)
{
    pg_refusal r = pg_refusal_of(conn, "%s", publish);
    if (strcmp(r.sqlstate, "PB010") != 0 || !strstr(r.message, says) || !r.hint[0])
        fail_msg("%s: %s %s", publish, r.sqlstate, r.message);
}

static void what_does_not_fit_is_refused_in_its_transaction_whichever_way_it_is_published(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    avro_add(owner, "orders-value", ORDER);
    pg_run(owner, "SELECT postbus.bind('orders', 'orders-value')");
    int64_t before = pg_number(owner, "SELECT count(*) FROM postbus.outbox");
    pg_run(publisher, "BEGIN; SELECT postbus.publish('orders', "
                      "'{\"id\":1,\"lines\":[{\"price\":\"1.50\"}]}'::text); SAVEPOINT s");
    expect_misfit(publisher,
                  "SELECT postbus.publish('orders', "
                  "'{\"id\":1,\"lines\":[{\"price\":\"1\"},{\"price\":\"1.505\"}]}'::jsonb)",
                  "the topic \"orders\": lines[1].price: \"1.505\" has more than 2 digits behind the point");
    pg_run(publisher, "ROLLBACK TO s");
    expect_misfit(publisher,
                  "INSERT INTO postbus.outbox (topic, value) VALUES ('other', 'x'), ('orders', "
                  "'{\"id\":true,\"lines\":[]}')",
                  "id: true is no long");
    pg_run(publisher, "ROLLBACK TO s");
    expect_misfit(publisher, "SELECT postbus.publish_batch('{other,orders}', '{x,y}')",
                  "the value: it is no JSON");
    pg_run(publisher, "ROLLBACK TO s");
    expect_misfit(publisher, "SELECT postbus.publish('orders', '\\xff'::bytea)", "the value: it is no JSON");
    pg_run(publisher, "ROLLBACK TO s");
    expect_misfit(publisher, "SELECT postbus.publish('orders', '{\"id\":1,\"lines\":[],\"x\":1}'::text)",
                  "the value: the record Order has no field \"x\"");
    pg_run(publisher, "ROLLBACK TO s");
    expect_misfit(publisher, "SELECT postbus.publish('orders', ''::text)", "the value: it is no JSON");
    pg_run(publisher, "ROLLBACK TO s; SELECT postbus.publish('orders', NULL::text, key => 'k'); COMMIT");
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox") - before, 2);
    pg_run(publisher, "SELECT postbus.publish('unbound', 'no JSON'::text)");
    assert_true(pg_number(owner, "SELECT postbus.unbind('orders')::int") == 1);
    assert_true(pg_number(owner, "SELECT postbus.unbind('orders')::int") == 0);
    pg_run(publisher, "SELECT postbus.publish('orders', 'no JSON'::text)");
    PQfinish(owner);
    PQfinish(publisher);
}

static void a_session_that_has_published_already_follows_the_newest_schema(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    static const char publish[] = "SELECT postbus.publish('evolving', '{\"id\":1,\"lines\":[]}'::text)";
    pg_run(publisher, "%s; %s", publish, publish);
    avro_add(owner, "evolving-value", R("Order", F("id", "\"long\"")));
    pg_run(owner, "SELECT postbus.bind('evolving', 'evolving-value')");
    expect_misfit(publisher, publish, "has no field \"lines\"");
    avro_add(owner, "evolving-value", R("Evolving", F("id", "\"int\"") "," F("lines", ARRAY("\"int\""))));
    pg_run(publisher, "%s", publish);
    avro_add(owner, "evolving-value", ORDER_2);
    expect_misfit(publisher, publish, "note: the field is missing and has no default");
    pg_run(owner, "SELECT postbus.unbind('evolving')");
    pg_run(publisher, "%s", publish);
    PQfinish(owner);
    PQfinish(publisher);
}

static void avro_that_is_framed_already_is_let_through_if_its_schema_is_the_subjects(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    int id = avro_add(owner, "framed-value", R("Framed", F("id", "\"long\"")));
    int stranger = avro_add(owner, "stranger-value", R("Stranger", F("id", "\"long\"")));
    char *print =
        pg_text(owner,
                "SELECT string_agg(lpad(to_hex((fingerprint >> (8 * i)) & 255), 2, '0'), '' ORDER BY i)"
                " FROM postbus.schema, generate_series(0, 7) i WHERE id = %d",
                id);
    pg_run(owner, "SELECT postbus.bind('framed', 'framed-value'); SELECT postbus.bind('single', "
                  "'framed-value', 'single-object');"
                  "SELECT postbus.bind('bare', 'framed-value', 'none')");
    pg_run(publisher, "SELECT postbus.publish('framed', '\\x00%08x02'::bytea)", id);
    pg_run(publisher, "SELECT postbus.publish('single', '\\xc301%s02'::bytea)", print);
    pg_run(
        publisher,
        "SELECT postbus.publish('bare', '\\x02'::bytea, headers => '{\"content-type\": \"avro/binary\"}')");
    pg_run(publisher,
           "SELECT postbus.publish(t, '{\"id\":1}'::text) FROM unnest('{framed,single,bare}'::text[]) t");
    char text[200];
    snprintf(text, sizeof text, "SELECT postbus.publish('framed', '\\x00%08x02'::bytea)", stranger);
    expect_misfit(publisher, text, "which the subject does not have");
    expect_misfit(publisher, "SELECT postbus.publish('framed', '\\x000000'::bytea)", "3 bytes are too few");
    expect_misfit(publisher, "SELECT postbus.publish('single', '\\xc301010203040506070802'::bytea)",
                  "the fingerprint 0807060504030201");
    expect_misfit(publisher, "SELECT postbus.publish('single', '\\xc301'::bytea)", "2 bytes are too few");
    snprintf(text, sizeof text, "SELECT postbus.publish('single', '\\x00%08x02'::bytea)", id);
    expect_misfit(publisher, text, "it is no JSON");
    expect_misfit(publisher, "SELECT postbus.publish('bare', '\\x02'::bytea)", "it is no JSON");
    free(print);
    PQfinish(owner);
    PQfinish(publisher);
}

/* max_stack_depth is PostgreSQL's default. */
static void values_nested_deeper_than_the_encoder_takes_are_refused_and_no_deeper_stack_is_needed(
    void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    avro_add(owner, "deep-value",
             "{\"type\":\"record\",\"name\":\"L\",\"fields\":[" FD("n", "[\"null\",\"L\"]", "null") "]}");
    pg_run(owner, "SELECT postbus.bind('deep', 'deep-value')");
    static const char nested[] =
        "SELECT postbus.publish('deep', repeat('{\"n\":', %d) || '{}' || repeat('}', %d))";
    char text[200];
    pg_run(publisher, nested, 98, 98);
    snprintf(text, sizeof text, nested, 101, 101);
    expect_misfit(publisher, text, "values are nested deeper than 200");
    snprintf(text, sizeof text, nested, 1000, 1000);
    expect_misfit(publisher, text, "values are nested deeper than 200");
    PQfinish(owner);
    PQfinish(publisher);
}

/* It sees no binding that is newer than its snapshot, and what it published unjudged would be parked. */
static void a_transaction_whose_snapshot_is_older_than_the_binding_is_to_be_run_again(void **state)
{
    (void)state;
    static const char *const levels[] = {"repeatable read", "serializable"};
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    avro_add(owner, "late-value", R("Late", F("id", "\"long\"")));
    for (size_t i = 0; i < 2; i++) {
        pg_run(publisher, "BEGIN ISOLATION LEVEL %s; SELECT 1 FROM postbus.binding", levels[i]);
        pg_run(owner, "SELECT postbus.bind('late', 'late-value')");
        pg_run(publisher, "SELECT postbus.publish('late', NULL::text, 'k'); SAVEPOINT s");
        pg_expect_refused(publisher, "40001", "SELECT postbus.publish('late', 'x'::text)");
        pg_run(publisher, "ROLLBACK; BEGIN ISOLATION LEVEL %s", levels[i]);
        pg_expect_refused(publisher, "PB010", "SELECT postbus.publish('late', 'x'::text)");
        pg_run(publisher, "ROLLBACK; BEGIN ISOLATION LEVEL %s; SELECT 1 FROM postbus.binding", levels[i]);
        pg_run(owner, "SELECT postbus.unbind('late')");
        pg_run(publisher, "SELECT postbus.publish('late', 'x'::text); COMMIT");
    }
    PQfinish(owner);
    PQfinish(publisher);
}

/* "{first:{first: ... null, second}, second}", depth times; the innermost is in brackets. */
static void publish_nested(PGconn *publisher, const char *topic, int depth, const char *first,
                           const char *second)
{
    pg_run(publisher, "SELECT postbus.publish('%s', repeat('{\"%s\":', %d) || 'null' || repeat(',%s}', %d))",
           topic, first, depth, second, depth);
}

/* Branches that are told apart by a field's name, in one another: to ask each would take twice as long with every level. */
static void a_check_of_nested_unions_takes_no_longer_than_the_value_is_deep(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    avro_add(owner, "two-value",
             R("A", F("next", "[\"null\",\"A\"," R("B", F("next", "[\"null\",\"A\",\"B\"]") "," F(
                                                            "b", "\"int\"")) "]") "," F("a", "\"int\"")));
    avro_add(owner, "map-value",
             R("N", F("next", "[\"null\",\"N\"," MAP("\"N\"") "]") "," F("number", "\"int\"")));
    avro_add(owner, "any-value",
             R("N", F("next", "[\"null\",\"N\"," MAP("[\"null\",\"N\"]") "]") "," F("number", "\"int\"")));
    pg_run(owner, "SELECT postbus.bind(t, t || '-value') FROM unnest('{two,map,any}'::text[]) t");
    pg_run(publisher, "SET statement_timeout = '30s'");
    publish_nested(publisher, "two", 40, "next", "\"a\":1");
    publish_nested(publisher, "map", 40, "next", "\"number\":1");
    publish_nested(publisher, "any", 40, "next", "\"number\":1");
    PQfinish(owner);
    PQfinish(publisher);
}

static void publishers_can_neither_make_nor_change_a_check(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *publisher = stage_connect("publisher", "main");
    int id = avro_add(owner, "guarded-value", R("Guarded", F("id", "\"long\"")));
    pg_run(owner, "SELECT postbus.bind('guarded', 'guarded-value')");
    pg_expect_refused(publisher, "42501", "SELECT postbus.bind('x', 'guarded-value')");
    pg_expect_refused(publisher, "42501", "SELECT postbus.unbind('guarded')");
    pg_expect_refused(publisher, "42501", "SELECT postbus.rebind()");
    pg_expect_refused(publisher, "42501", "SELECT postbus.avro_%d('{}')", id);
    pg_expect_refused(publisher, "42501", "SELECT postbus.check_json('guarded', '{}')");
    pg_expect_refused(publisher, "42501", "DELETE FROM postbus.binding");
    pg_expect_refused(publisher, "42501", "UPDATE postbus.binding_change SET n = 0");
    pg_expect_refused(publisher, "42501", "ALTER TABLE postbus.outbox DISABLE TRIGGER check_event");
    pg_expect_refused(publisher, "42501",
                      "CREATE FUNCTION postbus.bound_topics(int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
    pg_expect_refused(
        publisher, "42501",
        "INSERT INTO postbus.outbox (topic, value, created_at) VALUES ('guarded', 'x', '2000-01-01')");
    /* Its own operators and functions, ahead of PostgreSQL's: the check does not see them. */
    pg_run(publisher,
           "CREATE SCHEMA mine; CREATE FUNCTION mine.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT "
           "false';"
           "CREATE OPERATOR mine.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.no);"
           "CREATE FUNCTION mine.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'object' $$;"
           "SET search_path = mine, pg_catalog");
    expect_misfit(publisher, "SELECT postbus.publish('guarded', '[]'::pg_catalog.text)",
                  "an array is no object");
    PQfinish(owner);
    PQfinish(publisher);
}

static void a_wrong_binding_is_refused(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_refusal r = pg_refusal_of(owner, "SELECT postbus.bind('orders', 'nowhere')");
    assert_string_equal(r.sqlstate, "PB011");
    assert_non_null(strstr(r.message, "no schema of a subject \"nowhere\""));
    pg_run(
        owner,
        "INSERT INTO postbus.subject VALUES ('by-hand', 'none');"
        "WITH s AS (INSERT INTO postbus.schema (fingerprint, text, digest) VALUES (1, '\"int\"', '\\x01') "
        "RETURNING id)"
        " INSERT INTO postbus.subject_version (subject, version, schema_id) SELECT 'by-hand', 1, id FROM s");
    pg_expect_refused(owner, "PB011", "SELECT postbus.bind('orders', 'by-hand')");
    avro_add(owner, "good-value", "[\"int\",\"null\"]");
    pg_expect_refused(owner, "PB001", "SELECT postbus.bind('no topic', 'good-value')");
    pg_expect_refused(owner, "23514", "SELECT postbus.bind('orders', 'good-value', 'protobuf')");
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.binding WHERE topic = 'orders'"), 0);
    PQfinish(owner);
}

/* A restore's copies and a leaf's kept rows are written with their own created_at. */
static void copies_of_earlier_events_are_not_judged(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    avro_add(owner, "copied-value", R("Copied", F("id", "\"long\"")));
    pg_run(owner, "SELECT postbus.bind('copied', 'copied-value')");
    pg_expect_refused(owner, "PB010", "INSERT INTO postbus.outbox (topic, value) VALUES ('copied', 'x')");
    pg_run(owner, "INSERT INTO postbus.outbox (topic, value, created_at) VALUES ('copied', 'x', now() - "
                  "interval '1 day')");
    PQfinish(owner);
}

static void the_first_binding_makes_no_publisher_wait_behind_an_open_transaction(void **state)
{
    (void)state;
    pg_fixture_create_outbox(stage_pg, "fresh");
    PGconn *owner = stage_connect("owner", "fresh"), *publisher = stage_connect("publisher", "fresh"),
           *other = stage_connect("publisher", "fresh");
    avro_add(owner, "v", "\"int\"");
    pg_run(publisher, "BEGIN; SELECT postbus.publish('t', 'x'::text)");
    assert_int_equal(PQsendQuery(owner, "SELECT postbus.bind('t', 'v')"), 1);
    for (int i = 0; i < 50; i++) /* while it tries; a publisher that could not get on would never be done */
        pg_run(other, "SET statement_timeout = '30s'; SELECT postbus.publish('t', 'x'::text)");
    pg_run(publisher, "COMMIT");
    PGresult *bound = PQgetResult(owner);
    assert_int_equal(PQresultStatus(bound), PGRES_TUPLES_OK);
    PQclear(bound);
    assert_null(PQgetResult(owner));
    pg_expect_refused(other, "PB010", "SELECT postbus.publish('t', 'x'::text)");
    pg_run(other, "SELECT postbus.publish('t', '7'::text)");
    PQfinish(owner);
    PQfinish(publisher);
    PQfinish(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_database_takes_what_the_encoder_takes_and_refuses_at_the_same_path),
        cmocka_unit_test(a_number_too_small_for_a_float_is_zero_and_no_error),
        cmocka_unit_test(what_does_not_fit_is_refused_in_its_transaction_whichever_way_it_is_published),
        cmocka_unit_test(a_session_that_has_published_already_follows_the_newest_schema),
        cmocka_unit_test(avro_that_is_framed_already_is_let_through_if_its_schema_is_the_subjects),
        cmocka_unit_test(
            values_nested_deeper_than_the_encoder_takes_are_refused_and_no_deeper_stack_is_needed),
        cmocka_unit_test(a_transaction_whose_snapshot_is_older_than_the_binding_is_to_be_run_again),
        cmocka_unit_test(a_check_of_nested_unions_takes_no_longer_than_the_value_is_deep),
        cmocka_unit_test(publishers_can_neither_make_nor_change_a_check),
        cmocka_unit_test(a_wrong_binding_is_refused),
        cmocka_unit_test(copies_of_earlier_events_are_not_judged),
        cmocka_unit_test(the_first_binding_makes_no_publisher_wait_behind_an_open_transaction),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}

/* The plain form of JSON: unions without tags, defaults, logical types as people write them; and what is refused. */
#include <locale.h>
#include <stdio.h>

#include "stage.h"

#define R(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values) "{\"type\":\"map\",\"values\":" values "}"
#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DECIMAL(p, s) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":" p ",\"scale\":" s "}"
#define DECIMAL_FIXED(size, p, s)                                                                            \
    "{\"type\":\"fixed\",\"name\":\"D\",\"size\":" size ",\"logicalType\":\"decimal\",\"precision\":" p      \
    ",\"scale\":" s "}"
#define DURATION "{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":\"duration\"}"
#define ENUM(name, symbols) "{\"type\":\"enum\",\"name\":\"" name "\",\"symbols\":[" symbols "]}"

static void what_people_write_is_encoded_and_written_back(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *json, *bytes;
        const char *back; /* NULL: as it was */
    } cases[] = {
        {"\"int\"", "5.0", "0a", "5"},
        {"\"long\"", "-9007199254740992.0", "ffffffffffffff1f", "-9007199254740992"},
        {"\"long\"", "9007199254740993e0", "8280808080808020", "9007199254740993"},
        {"\"long\"", "-9007199254740993.0", "8180808080808020", "-9007199254740993"},
        {"\"long\"", "922337203685477580.7e1", "feffffffffffffffff01", "9223372036854775807"},
        {"\"long\"", "-9223372036854775808.0", "ffffffffffffffffff01", "-9223372036854775808"},
        {"\"long\"", "1e18", "8080a0f6f4acdbe01b", "1000000000000000000"},
        {"\"long\"", "0.05e2", "0a", "5"},
        {"\"long\"", "1e00000000000000000001", "14", "10"},
        {"\"long\"", "0e-400", "00", "0"},
        {"\"bytes\"", "\"\"", "00", NULL},
        {"\"bytes\"", "\"AP8=\"", "0400ff", NULL},
        {"\"bytes\"", "\"AP8A\"", "0600ff00", NULL},
        {"\"bytes\"", "\"+/8=\"", "04fbff", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}", "\"/w==\"", "ff", NULL},
        /* Defaults. */
        {R("R", "{\"name\":\"a\",\"type\":\"int\",\"default\":7}," F("b", "\"int\"")), "{\"b\":1}", "0e02",
         "{\"a\":7,\"b\":1}"},
        {R("R", "{\"name\":\"a\",\"type\":[\"string\",\"null\"],\"default\":\"d\"}"), "{}", "000264",
         "{\"a\":\"d\"}"},
        {R("R", "{\"name\":\"a\",\"type\":[\"null\",\"int\"],\"default\":null}"), "{\"a\":3}", "0206", NULL},
        /* Unions. */
        {"[\"null\",\"string\"]", "\"a\"", "020261", NULL},
        {"[\"null\",\"string\"]", "null", "00", NULL},
        {"[\"null\",\"string\"]", "{\"string\":\"a\"}", "020261", "\"a\""},
        {"[\"int\",\"long\"]", "5", "000a", NULL},
        {"[\"int\",\"long\"]", "2147483648", "028080808010", NULL},
        {"[\"long\",\"int\"]", "5", "020a", NULL},
        {"[\"float\",\"double\"]", "0.1", "029a9999999999b93f", NULL},
        {"[\"double\",\"int\"]", "5", "020a", NULL},
        {"[\"double\",\"int\"]", "5.5", "000000000000001640", NULL},
        {"[\"string\",\"double\"]", "\"NaN\"", "00064e614e", NULL},
        {"[\"null\",\"double\"]", "\"NaN\"", "02000000000000f87f", NULL},
        {"[\"boolean\",\"int\"]", "true", "0001", NULL},
        {"[\"null\"," ENUM("E", "\"A\"") "]", "\"A\"", "0200", NULL},
        {"[\"null\"," ARRAY("\"int\"") "," MAP("\"int\"") "]", "[1]", "02020200", NULL},
        {"[\"null\"," ARRAY("\"int\"") "," MAP("\"int\"") "]", "{\"a\":1}", "040202610200", NULL},
        {"[" R("A", F("a", "\"int\"")) "," R("B", F("b", "\"int\"")) "]", "{\"b\":1}", "0202", NULL},
        {"[" R("A", F("a", "\"int\"")) "," R("B", F("a", "\"string\"")) "]", "{\"a\":\"x\"}", "020278", NULL},
        {"[" R("A", F("a", "\"int\"")) "," R("B", F("a", "\"int\"") "," F("b", "\"int\"")) "]",
         "{\"a\":1,\"b\":2}", "020204", NULL},
        {"[" R("x.A", F("a", "\"int\"")) "," R("x.B", F("a", "\"int\"")) "]", "{\"B\":{\"a\":1}}", "0202",
         "{\"a\":1}"},
        {"[" R("x.A", F("a", "\"int\"")) "," R("x.B", F("a", "\"int\"")) "]", "{\"x.A\":{\"a\":1}}", "0002",
         "{\"a\":1}"},
        {"[\"null\"," MAP("\"int\"") "]", "{\"map\":1}", "0202066d61700200", NULL},
        {"[\"null\"," MAP("\"int\"") "]", "{\"map\":{\"a\":1}}", "020202610200", "{\"a\":1}"},
        /* An object with a branch's name as its only key is tagged where that fits, and a map else. */
        {"[\"string\"," MAP("\"string\"") "]", "{\"string\":\"a\"}", "000261", "\"a\""},
        {"[\"string\"," MAP("\"string\"") "]", "{\"map\":{\"string\":\"a\"}}", "02020c737472696e67026100",
         "{\"string\":\"a\"}"},
        {"[\"int\"," MAP("\"string\"") "]", "{\"int\":\"a\"}", "020206696e74026100", NULL},
        {"[\"null\"," MAP("\"string\"") "]", "{\"map\":\"a\"}", "0202066d6170026100", NULL},
        {"[\"null\"," MAP(MAP("\"string\"")) "]", "{\"map\":{\"map\":\"a\"}}",
         "0202066d617002066d617002610000", NULL},
        {"[\"null\"," MAP(MAP("\"string\"")) "]", "{\"map\":{\"map\":{\"map\":\"a\"}}}",
         "0202066d617002066d617002610000", "{\"map\":{\"map\":\"a\"}}"},
        {"[\"string\"," ARRAY("[\"null\",\"int\"]") "]", "[null,1]", "020400020200", NULL},
        {"[\"string\"," LOGICAL("int", "date") "]", "5", "020a", "\"1970-01-06\""},
        {"[\"null\"," LOGICAL("int", "date") "]", "\"1970-01-06\"", "020a", NULL},
        {"[\"null\"," DECIMAL("4", "2") "]", "1.5",
         "020400"
         "96",
         "\"1.50\""},
        /* Dates and times. */
        {LOGICAL("int", "date"), "\"1970-01-01\"", "00", NULL},
        {LOGICAL("int", "date"), "\"1969-12-31\"", "01", NULL},
        {LOGICAL("int", "date"), "\"0001-01-01\"", "f3e457", NULL},
        {LOGICAL("int", "date"), "\"9999-12-31\"", "c082e602", NULL},
        {LOGICAL("int", "date"), "\"2000-02-29\"", "90ac01", NULL},
        {LOGICAL("int", "date"), "20782", "dcc402", "\"2026-11-25\""},
        {LOGICAL("int", "date"), "2932897", "c282e602", NULL},
        {LOGICAL("int", "date"), "-719163", "f5e457", NULL},
        {LOGICAL("int", "time-millis"), "\"00:00:00\"", "00", NULL},
        {LOGICAL("int", "time-millis"), "\"23:59:59.999\"", "feefb252", NULL},
        {LOGICAL("int", "time-millis"), "\"00:00:00.5\"", "e807", "\"00:00:00.500\""},
        {LOGICAL("int", "time-millis"), "86400000", "80f0b252", NULL},
        {LOGICAL("int", "time-millis"), "-1", "01", NULL},
        {LOGICAL("long", "time-micros"), "\"00:00:00.000001\"", "02", NULL},
        {LOGICAL("long", "timestamp-millis"), "\"1970-01-01T00:00:00Z\"", "00", NULL},
        {LOGICAL("long", "timestamp-millis"), "\"1969-12-31T23:59:59.999Z\"", "01", NULL},
        {LOGICAL("long", "timestamp-millis"), "\"1970-01-01T01:00:00+01:00\"", "00",
         "\"1970-01-01T00:00:00Z\""},
        {LOGICAL("long", "timestamp-millis"), "\"1970-01-01 00:00:00.123000-00\"", "f601",
         "\"1970-01-01T00:00:00.123Z\""},
        {LOGICAL("long", "timestamp-micros"), "\"1969-12-31T19:00:00.000001-05:00\"", "02",
         "\"1970-01-01T00:00:00.000001Z\""},
        {LOGICAL("long", "timestamp-micros"), "9223372036854775807", "feffffffffffffffff01", NULL},
        {LOGICAL("long", "timestamp-micros"), "-9223372036854775808", "ffffffffffffffffff01", NULL},
        {LOGICAL("long", "local-timestamp-millis"), "\"1970-01-01T00:00:00.001\"", "02", NULL},
        {LOGICAL("long", "local-timestamp-micros"), "\"1970-01-02T00:00:00\"", "8080bbdd8305", NULL},
        /* Decimals. */
        {DECIMAL("4", "2"), "\"12.34\"", "0404d2", NULL},
        {DECIMAL("4", "2"), "\"-12.34\"", "04fb2e", NULL},
        {DECIMAL("4", "2"), "\"0.00\"", "0200", NULL},
        {DECIMAL("4", "2"), "\"-0\"", "0200", "\"0.00\""},
        {DECIMAL("4", "2"), "12", "0404b0", "\"12.00\""},
        {DECIMAL("4", "2"), "12.5", "0404e2", "\"12.50\""},
        {DECIMAL("4", "2"), "0.05", "0205", "\"0.05\""},
        /* Numbers of which a double keeps a part only. */
        {DECIMAL("30", "20"), "0.12345678901234567", "1200ab54a98ceb1f0758", "\"0.12345678901234567000\""},
        {DECIMAL("30", "0"), "100000000000000000001", "12056bc75e2d63100001", "\"100000000000000000001\""},
        {DECIMAL("30", "0"), "-12345678901234567890", "12ff54ab567314e0f52e", "\"-12345678901234567890\""},
        {DECIMAL("19", "0"), "9007199254740993e0", "0e20000000000001", "\"9007199254740993\""},
        {DECIMAL("20", "1"), "123456789012345678.9e1", "1200ab54a98ceb1f0ad2", "\"1234567890123456789.0\""},
        {DECIMAL("40", "34"), "0.1000000000000000055511151231257827", "1c314dc6448d933986922312364ce3",
         "\"0.1000000000000000055511151231257827\""},
        {DECIMAL("4", "2"), "1.500000000000000000000000000000", "040096", "\"1.50\""},
        {DECIMAL("4", "2"), "0.0015e3", "040096", "\"1.50\""},
        {DECIMAL("320", "310"), "-1e-310", "02ff",
         "\"-0."
         "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "0000000000001\""},
        {DECIMAL("4", "2"), "\"1.2300\"", "027b", "\"1.23\""},
        {DECIMAL("4", "2"), "\"1.2e1\"", "0404b0", "\"12.00\""},
        {DECIMAL("4", "2"), "\"1200e-2\"", "0404b0", "\"12.00\""},
        {DECIMAL("2", "2"), "\"0.99\"", "0263", NULL},
        {DECIMAL("3", "0"), "\"127\"", "027f", NULL},
        {DECIMAL("3", "0"), "\"128\"", "040080", NULL},
        {DECIMAL("3", "0"), "\"-128\"", "0280", NULL},
        {DECIMAL("3", "0"), "\"-129\"", "04ff7f", NULL},
        {DECIMAL("20", "0"), "\"18446744073709551616\"", "12010000000000000000", NULL},
        {DECIMAL("20", "0"), "\"-99999999999999999999\"", "12fa9438a1d29cf00001", NULL},
        {DECIMAL_FIXED("4", "4", "2"), "\"12.34\"", "000004d2", NULL},
        {DECIMAL_FIXED("4", "4", "2"), "\"-0.01\"", "ffffffff", NULL},
        /* UUIDs and durations. */
        {LOGICAL("string", "uuid"), "\"0190f3e4-7c1a-8def-8000-00000000002a\"",
         "4830313930663365342d376331612d386465662d383030302d303030303030303030303261", NULL},
        {"{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}",
         "\"0190F3E4-7C1A-8DEF-8000-00000000002A\"", "0190f3e47c1a8def800000000000002a",
         "\"0190f3e4-7c1a-8def-8000-00000000002a\""},
        {DURATION, "\"P1M2DT3.004S\"", "0100000002000000bc0b0000", NULL},
        {DURATION, "\"P1Y1M1W1DT1H1M1.5S\"", "0d00000008000000bcde3700", "\"P13M8DT3661.500S\""},
        {DURATION, "\"P1D\"", "000000000100000000000000", "\"P0M1DT0S\""},
        {DURATION, "\"PT4294967.295S\"", "0000000000000000ffffffff", "\"P0M0DT4294967.295S\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *bytes = stage_encode(cases[i].schema, cases[i].json, PBUS_JSON_PLAIN);
        if (strcmp(bytes, cases[i].bytes) != 0)
            fail_msg("%s as %s: wanted %s, got %s", cases[i].json, cases[i].schema, cases[i].bytes, bytes);
        const char *back = stage_decode(cases[i].schema, cases[i].schema, cases[i].bytes, PBUS_JSON_PLAIN);
        if (strcmp(back, cases[i].back ? cases[i].back : cases[i].json) != 0)
            fail_msg("%s as %s: back came %s", cases[i].json, cases[i].schema, back);
    }
}

static void what_is_ambiguous_or_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *json, *part;
    } cases[] = {
        {"\"int\"", "5.5", "5.5 is no int"},
        {"\"int\"", "1e10", "does not fit an int"},
        {"\"int\"", "1.0000000000000000000001", "is no int"},
        {"\"int\"", "-0.99999999999999999999", "is no int"},
        {"\"int\"", "1e-400", "is no int"},
        {"\"long\"", "9007199254740992.9", "9007199254740992.9 is no long"},
        {"\"long\"", "1e19", "1e19 is no long"},
        {"\"long\"", "9223372036854775808", "is no long"},
        {"\"long\"", "-9223372036854775809.0", "is no long"},
        {"\"int\"", "\"5\"", "\"5\" is no int"},
        {"\"bytes\"", "\"A\"", "\"A\" is no base64"},
        {"\"bytes\"", "\"AP8\"", "is no base64"},
        {"\"bytes\"", "\"AP9=\"", "is no base64"},
        {"\"bytes\"", "\"AA=A\"", "is no base64"},
        {"\"bytes\"", "\"A===\"", "is no base64"},
        {"\"bytes\"", "\"====\"", "is no base64"},
        {"\"bytes\"", "\"AA==AA==\"", "is no base64"},
        {"\"bytes\"", "\"A_-A\"", "is no base64"},
        {"\"bytes\"", "\"AP8A\\n\"", "is no base64"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}", "\"AP8=\"", "is 2 bytes, and the fixed F has 1"},
        {R("R", F("a", "\"int\"")), "{}", "a: the field is missing and has no default"},
        {R("R", F("a", "[\"null\",\"int\"]")), "{}", "a: the field is missing and has no default"},
        /* Unions. */
        {"[\"null\",\"string\"]", "5", "5 fits no branch of the union of null, string"},
        {"[\"string\",\"bytes\"]", "\"AAAA\"",
         "\"AAAA\" fits the branches string and bytes; write {\"string\": ...} or {\"bytes\": ...}"},
        {"[\"string\"," ENUM("E", "\"A\"") "]", "\"A\"", "fits the branches string and E"},
        {"[" R("A", F("a", "\"int\"")) "," R("B", F("a", "\"int\"")) "]", "{\"a\":1}",
         "fits the branches A and B"},
        {"[" R("A", F("a", "\"int\"")) "," MAP("\"int\"") "]", "{\"a\":1}", "fits the branches A and map"},
        {"[" R("x.A", F("a", "\"int\"")) "," R("y.A", F("a", "\"int\"")) "]", "{\"A\":{\"a\":1}}",
         "an object fits no branch of the union of x.A, y.A"},
        {"[\"null\"," R("A", F("a", "\"int\"")) "]", "{\"a\":\"x\"}", "a: \"x\" is no int"},
        {"[\"null\"," R("A", F("a", "\"int\"")) "]", "{\"A\":{\"a\":\"x\"}}", "a: \"x\" is no int"},
        {"[\"null\",\"int\"]", "2147483648", "does not fit an int"},
        {"[\"null\"," LOGICAL("int", "date") "]", "\"2026-02-30\"", "is not of the form \"2026-11-25\""},
        /* Dates and times. */
        {LOGICAL("int", "date"), "\"2026-02-29\"", "is not of the form \"2026-11-25\""},
        {LOGICAL("int", "date"), "\"1900-02-29\"", "is not of the form"},
        {LOGICAL("int", "date"), "\"2026-13-01\"", "is not of the form"},
        {LOGICAL("int", "date"), "\"2026-00-01\"", "is not of the form"},
        {LOGICAL("int", "date"), "\"2026-1-1\"", "is not of the form"},
        {LOGICAL("int", "date"), "\"0000-01-01\"", "is not of the form"},
        {LOGICAL("int", "date"), "\"2026-11-25T00:00:00Z\"", "is not of the form"},
        {LOGICAL("int", "date"), "\"\"", "is not of the form"},
        {LOGICAL("int", "time-millis"), "\"24:00:00\"", "is not of the form \"14:03:05.123\""},
        {LOGICAL("int", "time-millis"), "\"00:60:00\"", "is not of the form"},
        {LOGICAL("int", "time-millis"), "\"00:00:60\"", "is not of the form"},
        {LOGICAL("int", "time-millis"), "\"00:00:00.0001\"", "is not of the form"},
        {LOGICAL("int", "time-millis"), "\"00:00:00.\"", "is not of the form"},
        {LOGICAL("int", "time-millis"), "\"00:00\"", "is not of the form"},
        {LOGICAL("long", "time-micros"), "\"00:00:00.0000001\"", "is not of the form"},
        {LOGICAL("long", "timestamp-millis"), "\"2026-11-25T00:00:00\"",
         "is not of the form \"2026-11-25T14:03:05.123Z\""},
        {LOGICAL("long", "timestamp-millis"), "\"2026-11-25T00:00:00.1234Z\"", "is not of the form"},
        {LOGICAL("long", "timestamp-millis"), "\"2026-11-25T00:00:00+1\"", "is not of the form"},
        {LOGICAL("long", "timestamp-millis"), "\"2026-11-25T00:00:00+24:00\"", "is not of the form"},
        {LOGICAL("long", "timestamp-millis"), "\"2026-11-25T00:00:00Z \"", "is not of the form"},
        {LOGICAL("long", "timestamp-millis"), "\"2026-11-25\"", "is not of the form"},
        {LOGICAL("long", "local-timestamp-millis"), "\"2026-11-25T00:00:00Z\"",
         "is not of the form \"2026-11-25T14:03:05.123\""},
        /* Decimals. */
        {DECIMAL("4", "2"), "\"abc\"", "\"abc\" is no decimal number"},
        {DECIMAL("4", "2"), "\"\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\"1,5\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\"1.\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\".\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\"--1\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\"1e\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\"1e99999\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\" 1\"", "is no decimal number"},
        {DECIMAL("4", "2"), "\"0e2001\"", "is no decimal number"},
        {"\"double\"", "1e400", "real number overflow near '1e400'"},
        {DECIMAL("4", "2"), "\"1.234\"", "has more than 2 digits behind the point"},
        {DECIMAL("4", "2"), "0.001", "has more than 2 digits behind the point"},
        {DECIMAL("4", "2"), "\"100.00\"", "has more digits than a decimal(4, 2) holds"},
        {DECIMAL("4", "2"), "100", "has more digits than a decimal(4, 2) holds"},
        {DECIMAL("30", "16"), "0.12345678901234567", "has more than 16 digits behind the point"},
        {DECIMAL("20", "0"), "100000000000000000001", "has more digits than a decimal(20, 0) holds"},
        {DECIMAL("4", "2"), "1e-400", "has more than 2 digits behind the point"},
        {DECIMAL("4", "2"), "1e300", "has more digits"},
        {DECIMAL("4", "2"), "null", "null is no decimal number"},
        {DECIMAL("4", "2"), "true", "true is no decimal number"},
        /* UUIDs and durations. */
        {LOGICAL("string", "uuid"), "\"0190f3e4-7c1a-8def-8000-00000000002\"", "is no UUID"},
        {LOGICAL("string", "uuid"), "\"0190f3e47c1a8def800000000000002a\"", "is no UUID"},
        {LOGICAL("string", "uuid"), "\"0190f3e4-7c1a-8def-8000-00000000002g\"", "is no UUID"},
        {LOGICAL("string", "uuid"), "5", "5 is no string"},
        {DURATION, "\"1D\"", "is not of the form \"P1M2DT3.004S\""},
        {DURATION, "\"P\"", "is not of the form"},
        {DURATION, "\"PT\"", "is not of the form"},
        {DURATION, "\"P1DT\"", "is not of the form"},
        {DURATION, "\"P1D1M\"", "is not of the form"},
        {DURATION, "\"P1H\"", "is not of the form"},
        {DURATION, "\"P-1D\"", "is not of the form"},
        {DURATION, "\"P1.5D\"", "is not of the form"},
        {DURATION, "\"PT1.0005S\"", "is not of the form"},
        {DURATION, "\"P4294967296D\"", "is not of the form"},
        {DURATION, "\"P4294967295Y\"", "is not of the form"},
        {DURATION, "\"PT4294967.296S\"", "is not of the form"},
        {DURATION, "\"PT1S1S\"", "is not of the form"},
        {DURATION, "\"PTT1S\"", "is not of the form"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        stage_expect_failure(cases[i].json, stage_encode(cases[i].schema, cases[i].json, PBUS_JSON_PLAIN),
                             "MISFIT", cases[i].part);
}

/* By its place in the text, whatever stands between and in which order the fields are. */
static void each_number_is_taken_as_it_stands_in_the_text(void **state)
{
    (void)state;
    const char *schema =
        R("R", F("z", DECIMAL("30", "20")) "," F("s", "\"string\"") "," F("d", "\"double\"") "," F(
                   "m", MAP(ARRAY(DECIMAL("30", "20")))) "," F("l", "\"long\"") "," F("o", "\"long\""));
    const char *json =
        "{ \"o\":9223372036854775806e0,\"m\" : {\"-1.5\":[0.10000000000000000001,7,-0.30000000000000000003],"
        "\"\\\"2.5\":[]},\"d\":18446744073709551616,\"s\":\"\\\\\", "
        "\"l\":-9007199254740993.0,\t\"z\":5.00000000000000000007}";
    const char *bytes = stage_encode(schema, json, PBUS_JSON_PLAIN);
    char copy[512];
    assert_true(strlen(bytes) < sizeof copy);
    strcpy(copy, bytes);
    assert_string_equal(stage_decode(schema, schema, copy, PBUS_JSON_PLAIN),
                        "{\"z\":\"5.00000000000000000007\",\"s\":\"\\\\\",\"d\":1.8446744073709552e+19,\"m\":"
                        "{\"-1.5\":[\"0.10000000000000000001\","
                        "\"7.00000000000000000000\",\"-0.30000000000000000003\"],\"\\\"2.5\":[]},\"l\":-"
                        "9007199254740993,\"o\":9223372036854775806}");
}

static void decimals_of_too_many_digits_are_not_shown(void **state)
{
    (void)state;
    stage_expect_failure("five digits",
                         stage_decode(DECIMAL("4", "2"), DECIMAL("4", "2"), "04 27 10", PBUS_JSON_PLAIN),
                         "CORRUPT", "more than its 4 digits");
    assert_string_equal(stage_decode(DECIMAL("4", "2"), DECIMAL("4", "2"), "04 27 0f", PBUS_JSON_PLAIN),
                        "\"99.99\"");
    /* Bytes that only repeat the sign, and none at all. */
    assert_string_equal(
        stage_decode(DECIMAL("4", "2"), DECIMAL("4", "2"), "0c ff ff ff ff ff ff", PBUS_JSON_PLAIN),
        "\"-0.01\"");
    assert_string_equal(stage_decode(DECIMAL("4", "2"), DECIMAL("4", "2"), "00", PBUS_JSON_PLAIN),
                        "\"0.00\"");
}

/* Two branches that differ at the end only, in one another: trying each anew would take twice as long with every level. */
static void choosing_a_branch_has_a_bound(void **state)
{
    (void)state;
    const char *schema = "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\","
                         "\"A\",{\"type\":\"record\",\"name\":\"B\",\"fields\":["
                         "{\"name\":\"n\",\"type\":[\"null\",\"A\",\"B\"]},{\"name\":\"x\",\"type\":"
                         "\"string\"}]}]},{\"name\":\"x\",\"type\":\"int\"}]}";
    char json[4096], *at = json;
    for (int i = 0; i < 60; i++)
        at += sprintf(at, "{\"n\":");
    at += sprintf(at, "null");
    for (int i = 0; i < 60; i++)
        at += sprintf(at, ",\"x\":1}");
    const char *said = stage_encode(schema, json, PBUS_JSON_PLAIN);
    stage_expect_failure("nested", said, "LIMIT", "more steps than are allowed");
}

/* A record that could be a map up to its last field is taken for none: each level would be encoded twice. */
static void a_record_is_not_tried_as_a_map_within_each_other(void **state)
{
    (void)state;
    const char *schema =
        R("Node", F("next", "[\"null\",\"Node\"," MAP("\"Node\"") "]") "," F("id", "\"int\""));
    char json[4096], *at = json;
    for (int i = 0; i < 40; i++)
        at += sprintf(at, "{\"next\":");
    at += sprintf(at, "null");
    for (int i = 0; i < 40; i++)
        at += sprintf(at, ",\"id\":1}");
    const char *said = stage_encode(schema, json, PBUS_JSON_PLAIN);
    assert_null(strstr(said, "LIMIT"));
    assert_int_equal(strlen(said), 40 * 4); /* a branch and an id each */
}

/* What is wrong deep within tagged values is found once, and said with its place. */
static void a_misfit_below_many_tags_is_found_once(void **state)
{
    (void)state;
    const char *schema = R("Neg", F("of", "[\"Neg\"," R("Lit", F("v", "\"int\"")) "]"));
    char json[4096], *at = json;
    for (int i = 0; i < 30; i++)
        at += sprintf(at, "{\"%sof\":", i ? "Neg\":{\"" : "");
    at += sprintf(at, "{\"Lit\":{\"v\":\"x\"}}");
    for (int i = 0; i < 30; i++)
        at += sprintf(at, i ? "}}" : "}");
    const char *said = stage_encode(schema, json, PBUS_JSON_PLAIN);
    stage_expect_failure("nested", said, "MISFIT", "\"x\" is no int");
}

static void the_locale_changes_nothing(void **state)
{
    (void)state;
    /* Only where such a locale is installed; the rest of the test is the same in any. */
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        setlocale(LC_NUMERIC, "");
    assert_string_equal(stage_encode("\"double\"", "1.5", PBUS_JSON_PLAIN), "000000000000f83f");
    assert_string_equal(stage_decode("\"double\"", "\"double\"", "9a9999999999b93f", PBUS_JSON_PLAIN), "0.1");
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_write_is_encoded_and_written_back),
        cmocka_unit_test(what_is_ambiguous_or_does_not_fit_is_refused),
        cmocka_unit_test(each_number_is_taken_as_it_stands_in_the_text),
        cmocka_unit_test(decimals_of_too_many_digits_are_not_shown),
        cmocka_unit_test(choosing_a_branch_has_a_bound),
        cmocka_unit_test(a_record_is_not_tried_as_a_map_within_each_other),
        cmocka_unit_test(a_misfit_below_many_tags_is_found_once),
        cmocka_unit_test(the_locale_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Canonical forms and fingerprints, by the values that the Avro project itself tests with. */
#include <inttypes.h>
#include <stdio.h>

#include "canonical.h"
#include "stage.h"

static void canonical_forms_and_fingerprints_are_those_of_the_avro_project(void **state)
{
    (void)state;
    static const struct {
        const char *text, *form;
        int64_t fingerprint; /* signed, as Java prints it; 0: none is known */
    } cases[] = {
        {"\"null\"", "\"null\"", 7195948357588979594},
        {"{\"type\":\"null\"}", "\"null\"", 7195948357588979594},
        {"\"boolean\"", "\"boolean\"", -6970731678124411036},
        {"\"int\"", "\"int\"", 8247732601305521295},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "\"int\"", 8247732601305521295},
        {"\"long\"", "\"long\"", -3434872931120570953},
        {"\"float\"", "\"float\"", 5583340709985441680},
        {"\"double\"", "\"double\"", -8181574048448539266},
        {"\"bytes\"", "\"bytes\"", 5746618253357095269},
        {"\"string\"", "\"string\"", -8142146995180207161},
        {"[  ]", "[]", -1241056759729112623},
        {"[ \"int\"  ]", "[\"int\"]", -5232228896498058493},
        {"[ \"int\" , {\"type\":\"boolean\"} ]", "[\"int\",\"boolean\"]", 5392556393470105090},
        {"{\"fields\":[], \"type\":\"record\", \"name\":\"foo\"}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[]}", -4824392279771201922},
        {"{\"fields\":[], \"type\":\"record\", \"name\":\"foo\", \"namespace\":\"x.y\"}",
         "{\"name\":\"x.y.foo\",\"type\":\"record\",\"fields\":[]}", 5916914534497305771},
        {"{\"fields\":[], \"type\":\"record\", \"name\":\"a.b.foo\", \"namespace\":\"x.y\"}",
         "{\"name\":\"a.b.foo\",\"type\":\"record\",\"fields\":[]}", -4616218487480524110},
        {"{\"fields\":[], \"type\":\"record\", \"name\":\"foo\", \"doc\":\"foo\", "
         "\"aliases\":[\"foo\",\"bar\"]}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[]}", -4824392279771201922},
        {"{\"fields\":[{\"type\":{\"type\":\"boolean\"}, \"name\":\"f1\"}], \"type\":\"record\", "
         "\"name\":\"foo\"}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"f1\",\"type\":\"boolean\"}]}",
         7843277075252814651},
        {"{ \"fields\":[{\"type\":\"boolean\", \"aliases\":[], \"name\":\"f1\", \"default\":true},"
         " {\"order\":\"descending\",\"name\":\"f2\",\"doc\":\"Hello\",\"type\":\"int\"}], "
         "\"type\":\"record\", \"name\":\"foo\"}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"f1\",\"type\":\"boolean\"},{\"name\":"
         "\"f2\",\"type\":\"int\"}]}",
         -4860222112080293046},
        {"{\"type\":\"enum\", \"name\":\"foo\", \"symbols\":[\"A1\"]}",
         "{\"name\":\"foo\",\"type\":\"enum\",\"symbols\":[\"A1\"]}", -6342190197741309591},
        {"{\"namespace\":\"x.y.z\", \"type\":\"enum\", \"name\":\"foo\", \"doc\":\"foo bar\", "
         "\"symbols\":[\"A1\", \"A2\"]}",
         "{\"name\":\"x.y.z.foo\",\"type\":\"enum\",\"symbols\":[\"A1\",\"A2\"]}", -4448647247586288245},
        {"{\"name\":\"foo\",\"type\":\"fixed\",\"size\":15}",
         "{\"name\":\"foo\",\"type\":\"fixed\",\"size\":15}", 1756455273707447556},
        {"{\"namespace\":\"x.y.z\", \"type\":\"fixed\", \"name\":\"foo\", \"doc\":\"foo bar\", \"size\":32}",
         "{\"name\":\"x.y.z.foo\",\"type\":\"fixed\",\"size\":32}", -3064184465700546786},
        {"{ \"items\":{\"type\":\"null\"}, \"type\":\"array\"}", "{\"type\":\"array\",\"items\":\"null\"}",
         -589620603366471059},
        {"{ \"values\":\"string\", \"type\":\"map\"}", "{\"type\":\"map\",\"values\":\"string\"}",
         -8732877298790414990},
        {"{\"name\":\"PigValue\",\"type\":\"record\", \"fields\":[{\"name\":\"value\", \"type\":[\"null\", "
         "\"int\", \"long\", \"PigValue\"]}]}",
         "{\"name\":\"PigValue\",\"type\":\"record\",\"fields\":[{\"name\":\"value\",\"type\":[\"null\","
         "\"int\",\"long\",\"PigValue\"]}]}",
         -1759257747318642341},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbus_schema *schema = stage_schema(cases[i].text);
        assert_string_equal(pbus_schema_canonical(schema), cases[i].form);
        if ((int64_t)pbus_schema_fingerprint(schema) != cases[i].fingerprint)
            fail_msg("%s: %" PRId64, cases[i].text, (int64_t)pbus_schema_fingerprint(schema));
        pbus_schema_free(schema);
    }
}

static void nothing_has_the_fingerprint_of_the_specification(void **state)
{
    (void)state;
    assert_true(fingerprint_of("", 0) == UINT64_C(0xc15d213aa4d7a795));
    assert_true(fingerprint_of("\"null\"", 6) == UINT64_C(0x63dd24e7cc258f8a));
}

static void a_canonical_form_is_its_own(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema(
        "{\"type\":\"record\",\"name\":\"a.R\",\"doc\":\"d\",\"fields\":[{\"name\":\"f\",\"type\":[\"null\",{"
        "\"type\":\"enum\",\"name\":\"E\","
        "\"symbols\":[\"X\"],\"default\":\"X\"}],\"default\":null},{\"name\":\"g\",\"type\":\"E\"}]}");
    pbus_schema *again = stage_schema(pbus_schema_canonical(schema));
    assert_string_equal(pbus_schema_canonical(again), pbus_schema_canonical(schema));
    assert_true(pbus_schema_fingerprint(again) == pbus_schema_fingerprint(schema));
    pbus_schema_free(again);
    pbus_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_forms_and_fingerprints_are_those_of_the_avro_project),
        cmocka_unit_test(nothing_has_the_fingerprint_of_the_specification),
        cmocka_unit_test(a_canonical_form_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* UUIDs as text and back. */
#include "cmocka_all.h"

#include <string.h>

#include <postbus/uuid.h>

static const pbus_uuid sample = {
    {0x01, 0x90, 0xf3, 0xe4, 0x7c, 0x1a, 0x4d, 0xef, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a}};

static void a_uuid_is_written_in_lower_case_with_hyphens(void **state)
{
    (void)state;
    char text[PBUS_UUID_TEXT_SIZE];
    pbus_uuid_format(&sample, text);
    assert_string_equal(text, "0190f3e4-7c1a-4def-8000-00000000002a");
}

static void a_uuid_is_read_in_either_case(void **state)
{
    (void)state;
    pbus_uuid uuid;
    assert_int_equal(pbus_uuid_parse("0190f3e4-7c1a-4def-8000-00000000002a", &uuid, NULL), PBUS_OK);
    assert_memory_equal(&uuid, &sample, sizeof uuid);
    assert_int_equal(pbus_uuid_parse("0190F3E4-7C1A-4DEF-8000-00000000002A", &uuid, NULL), PBUS_OK);
    assert_memory_equal(&uuid, &sample, sizeof uuid);
}

static void what_is_no_uuid_is_refused_and_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "0190f3e4",
                                        "0190f3e47c1a4def800000000000002a",
                                        "{0190f3e4-7c1a-4def-8000-00000000002a}",
                                        "0190f3e4-7c1a-4def-8000-00000000002",
                                        "0190f3e4-7c1a-4def-8000-00000000002aa",
                                        "0190f3e4-7c1a-4def-8000-00000000002a ",
                                        " 0190f3e4-7c1a-4def-8000-00000000002a",
                                        "0190f3e4-7c1a-4def-8000-00000000002g",
                                        "0190f3e4 7c1a-4def-8000-00000000002a",
                                        "0190f3e-47c1a-4def-8000-00000000002a",
                                        "0190f3e4-7c1a-4def-8000-0000-0000002a",
                                        "0190f3e4-7c1a-4def-8000-0000000000-2a"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbus_uuid uuid = sample;
        pbus_error err;
        assert_int_equal(pbus_uuid_parse(cases[i], &uuid, &err), PBUS_ERROR_ARGUMENT);
        assert_memory_equal(&uuid, &sample, sizeof uuid);
        assert_non_null(strstr(err.message, "is no UUID"));
    }
}

static void nulls_are_refused(void **state)
{
    (void)state;
    pbus_uuid uuid;
    assert_int_equal(pbus_uuid_parse(NULL, &uuid, NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_uuid_parse("0190f3e4-7c1a-4def-8000-00000000002a", NULL, NULL),
                     PBUS_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid_is_written_in_lower_case_with_hyphens),
        cmocka_unit_test(a_uuid_is_read_in_either_case),
        cmocka_unit_test(what_is_no_uuid_is_refused_and_leaves_the_output_alone),
        cmocka_unit_test(nulls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

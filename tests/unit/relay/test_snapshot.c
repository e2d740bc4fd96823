/* What PostgreSQL prints is read, and nothing else is. */
#include "cmocka_all.h"
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

typedef struct text_case {
    const char *name, *text;
} text_case;

static const text_case bad[] = {
    {"nothing", ""},
    {"one number", "10"},
    {"two numbers", "10:20"},
    {"no xmin", ":20:"},
    {"no xmax", "10::"},
    {"only colons", "::"},
    {"letters", "a:b:c"},
    {"a sign", "-1:20:"},
    {"a plus", "+1:20:"},
    {"a leading space", " 10:20:"},
    {"an inner space", "10: 20:"},
    {"a trailing space", "10:20: "},
    {"a trailing newline", "10:20:\n"},
    {"hexadecimal", "0x10:0x20:"},
    {"a zero before xmin", "010:20:"},
    {"a zero before xmax", "10:020:"},
    {"a zero before an xip", "10:20:012"},
    {"xmin above xmax", "20:10:"},
    {"xmin zero", "0:10:"},
    {"an xip below xmin", "10:20:9"},
    {"an xip at xmax", "10:20:20"},
    {"an xip above xmax", "10:20:21"},
    {"xips that descend", "10:20:15,12"},
    {"an xip twice", "10:20:12,12"},
    {"a comma at the end", "10:20:12,"},
    {"a comma at the start", "10:20:,12"},
    {"two commas", "10:20:12,,14"},
    {"only a comma", "10:20:,"},
    {"a semicolon between xips", "10:20:12;14"},
    {"a fourth part", "10:20:12:14"},
    {"above the range of xids", "10:9223372036854775808:"},
    {"above the range of numbers", "10:18446744073709551616:"},
    {"a fraction", "10:20.5:"},
    {"NULL printed", "NULL"},
};

static void is_no_snapshot(void **state)
{
    const text_case *c = *state;
    snapshot *s = snapshot_parse(c->text);
    if (s)
        fail_msg("\"%s\" was taken for a snapshot", c->text);
}

static void a_snapshot_keeps_its_text_and_its_numbers(void **state)
{
    (void)state;
    snapshot *s = snapshot_parse("10:20:12,14,19");
    assert_non_null(s);
    assert_string_equal(s->text, "10:20:12,14,19");
    assert_int_equal(s->xmin, 10);
    assert_int_equal(s->xmax, 20);
    assert_int_equal(s->n_xip, 3);
    assert_int_equal(s->xip[2], 19);
    snapshot_unref(s);
}

static void the_first_snapshot_of_a_cluster_sees_nothing(void **state)
{
    (void)state;
    snapshot *s = snapshot_parse("3:3:");
    assert_non_null(s);
    assert_int_equal(s->n_xip, 0);
    assert_false(snapshot_sees(s, 3));
    snapshot_unref(s);
}

static void xids_beyond_32_bits_are_read(void **state)
{
    (void)state;
    snapshot *s = snapshot_parse("4294967296:9223372036854775807:4294967299");
    assert_non_null(s);
    assert_true(snapshot_sees(s, 4294967297));
    assert_false(snapshot_sees(s, 4294967299));
    snapshot_unref(s);
}

static void a_snapshot_sees_what_had_ended_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        uint64_t xid;
        bool seen;
    } cases[] = {{1, true},  {9, true},  {10, false}, {11, true},   {12, false},
                 {13, true}, {19, true}, {20, false}, {1000, false}};
    snapshot *s = snapshot_parse("10:20:10,12");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (snapshot_sees(s, cases[i].xid) != cases[i].seen)
            fail_msg("xid %d", (int)cases[i].xid);
    snapshot_unref(s);
}

static void what_it_does_not_see_becomes_an_array(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t before;
        const char *array;
    } cases[] = {{"10:20:", 20, "{}"},
                 {"10:20:12", 20, "{12}"},
                 {"10:20:10,12,19", 20, "{10,12,19}"},
                 {"10:20:10,12,19", 22, "{10,12,19,20,21}"},
                 {"10:20:", 21, "{20}"},
                 {"10:20:12", 0, "{12}"},
                 {"1:9223372036854775807:9223372036854775806", 9223372036854775807, "{9223372036854775806}"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snapshot *s = snapshot_parse(cases[i].text);
        char *array = snapshot_unseen_array(s, cases[i].before);
        assert_string_equal(array, cases[i].array);
        free(array);
        snapshot_unref(s);
    }
}

static void a_snapshot_lives_as_long_as_someone_holds_it(void **state)
{
    (void)state;
    snapshot *s = snapshot_parse("10:20:");
    snapshot *second = snapshot_ref(s);
    snapshot_unref(s);
    assert_string_equal(second->text, "10:20:");
    snapshot_unref(second);
    snapshot_unref(NULL);
    assert_null(snapshot_ref(NULL));
}

int main(void)
{
    struct CMUnitTest tests[sizeof bad / sizeof bad[0] + 6] = {
        cmocka_unit_test(a_snapshot_keeps_its_text_and_its_numbers),
        cmocka_unit_test(the_first_snapshot_of_a_cluster_sees_nothing),
        cmocka_unit_test(xids_beyond_32_bits_are_read),
        cmocka_unit_test(a_snapshot_sees_what_had_ended_and_nothing_else),
        cmocka_unit_test(what_it_does_not_see_becomes_an_array),
        cmocka_unit_test(a_snapshot_lives_as_long_as_someone_holds_it),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        tests[6 + i] = (struct CMUnitTest){
            .name = bad[i].name, .test_func = is_no_snapshot, .initial_state = (void *)(uintptr_t)&bad[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

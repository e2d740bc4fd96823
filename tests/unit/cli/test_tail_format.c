/* The formats of tail; how records are printed is tested on real ones. */
#include "cmocka_all.h"

#include <string.h>

#include "tail_format.h"

static void formats_with_meaning_are_taken(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "x", TAIL_FORMAT, "%T%t%p%o%k%v%h%i%y%S%K%%\\n\\t\\0\\\\"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *wrong;
        assert_true(tail_format_check(cases[i], &wrong));
    }
}

static void the_first_thing_without_meaning_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"%z", "%z"}, {"%k%", "%"},  {"\\", "\\"},  {"%v\\x", "\\x"},
        {"%%%", "%"}, {"% k", "% "}, {"%5k", "%5"}, {"%k %q %z", "%q"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *wrong = NULL;
        assert_false(tail_format_check(cases[i][0], &wrong));
        assert_int_equal(strncmp(wrong, cases[i][1], strlen(cases[i][1])), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_with_meaning_are_taken),
        cmocka_unit_test(the_first_thing_without_meaning_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

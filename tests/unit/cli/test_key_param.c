/* Keys as people type them and as lists print them, byte for byte. */
#include "cmocka_all.h"

#include "key_param.h"

#include <stdlib.h>

static void each_form_of_a_key_is_read_as_what_it_means(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"key 3", "\\x6b65792033"},     {"", "\\x"},
        {"\\xff00", "\\xff00"},         {"\\x", "\\x"},
        {"\\xff0", "\\x5c78666630"}, /* half a byte: text */
        {"\\xzz", "\\x5c787a7a"},       {"\"key 3\"", "\\x6b65792033"},
        {"\"a\\nb\"", "\\x610a62"},     {"\"\\\\xff\"", "\\x5c786666"}, /* text that looks like hex */
        {"\"a\\u0000b\"", "\\x610062"}, {"\"open", "\\x226f70656e"},
        {"\"a\" b", "\\x2261222062"},   {"\xc3\xa9", "\\xc3a9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *hex = key_param(cases[i].text);
        assert_string_equal(hex, cases[i].hex);
        free(hex);
    }
    assert_null(key_param(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_key_is_read_as_what_it_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

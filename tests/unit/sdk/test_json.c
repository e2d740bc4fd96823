/* JSON strings: what they look like, and what cannot be one. */
#include "cmocka_all.h"

#include <string.h>

#include "json.h"

static void each_character_is_written_as_json_wants_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {{"", "\"\""},
                 {"plain", "\"plain\""},
                 {"a\"b", "\"a\\\"b\""},
                 {"a\\b", "\"a\\\\b\""},
                 {"a/b", "\"a/b\""},
                 {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
                 {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
                 {"\xc3\xa9", "\"\\u00e9\""},
                 {"\xe2\x82\xac", "\"\\u20ac\""},
                 {"\xef\xbf\xbf", "\"\\uffff\""},
                 {"\xf0\x90\x80\x80", "\"\\ud800\\udc00\""},
                 {"\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\""},
                 {"\xf4\x8f\xbf\xbf", "\"\\udbff\\udfff\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes out = {0};
        json_put_string(&out, cases[i].text, strlen(cases[i].text));
        assert_false(out.failed);
        assert_int_equal(out.size, strlen(cases[i].json));
        assert_memory_equal(out.data, cases[i].json, out.size);
        assert_int_equal(json_string_size(cases[i].text, strlen(cases[i].text)), out.size);
        bytes_done(&out);
    }
}

static void what_jsonb_does_not_take_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {{"\0", 1},
                 {"a\0b", 3},
                 {"\x80", 1},
                 {"caf\xe9", 4},
                 {"\xc0\x80", 2},
                 {"\xed\xa0\x80", 3},
                 {"\xf4\x90\x80\x80", 4},
                 {"\xe2\x82", 2},
                 {"\xff", 1},
                 {"ok\xc3", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes out = {0};
        assert_int_equal(json_string_size(cases[i].text, cases[i].size), 0);
        json_put_string(&out, cases[i].text, cases[i].size);
        assert_true(out.failed);
        bytes_done(&out);
    }
}

static void every_character_is_written_in_ascii_and_as_measured(void **state)
{
    (void)state;
    for (uint32_t c = 1; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 61) {
        char text[4];
        size_t size = 0;
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        if (c < 0x80) {
            text[size++] = (char)c;
        } else if (c < 0x800) {
            text[size++] = (char)(0xC0 | c >> 6);
            text[size++] = (char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            text[size++] = (char)(0xE0 | c >> 12);
            text[size++] = (char)(0x80 | (c >> 6 & 63));
            text[size++] = (char)(0x80 | (c & 63));
        } else {
            text[size++] = (char)(0xF0 | c >> 18);
            text[size++] = (char)(0x80 | (c >> 12 & 63));
            text[size++] = (char)(0x80 | (c >> 6 & 63));
            text[size++] = (char)(0x80 | (c & 63));
        }
        bytes out = {0};
        json_put_string(&out, text, size);
        assert_false(out.failed);
        assert_int_equal(out.size, json_string_size(text, size));
        for (size_t i = 0; i < out.size; i++)
            assert_in_range(out.data[i], 0x20, 0x7E);
        bytes_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_character_is_written_as_json_wants_it),
        cmocka_unit_test(what_jsonb_does_not_take_is_refused),
        cmocka_unit_test(every_character_is_written_in_ascii_and_as_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

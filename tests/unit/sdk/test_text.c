/* UTF-8: what is taken for text and what is not. */
#include "cmocka_all.h"

#include <string.h>

#include "text.h"

static void characters_of_every_length_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t character;
    } cases[] = {{"A", 'A'},
                 {"\x7f", 0x7F},
                 {"\xc2\x80", 0x80},
                 {"\xdf\xbf", 0x7FF},
                 {"\xe0\xa0\x80", 0x800},
                 {"\xed\x9f\xbf", 0xD7FF},
                 {"\xee\x80\x80", 0xE000},
                 {"\xef\xbf\xbf", 0xFFFF},
                 {"\xf0\x90\x80\x80", 0x10000},
                 {"\xf4\x8f\xbf\xbf", 0x10FFFF}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = 0;
        uint32_t character = 0;
        assert_true(text_next(cases[i].text, strlen(cases[i].text), &at, &character));
        assert_int_equal(character, cases[i].character);
        assert_int_equal(at, strlen(cases[i].text));
    }
}

static void what_is_no_utf8_is_found_where_it_starts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        size_t at;
    } cases[] = {{"lone continuation", "ab\x80", 2},
                 {"overlong slash", "\xc0\xaf", 0},
                 {"overlong of two", "\xc1\xbf", 0},
                 {"overlong of three", "\xe0\x9f\xbf", 0},
                 {"overlong of four", "\xf0\x8f\xbf\xbf", 0},
                 {"overlong NUL", "\xc0\x80", 0},
                 {"first surrogate", "x\xed\xa0\x80", 1},
                 {"last surrogate", "x\xed\xbf\xbf", 1},
                 {"above the last character", "\xf4\x90\x80\x80", 0},
                 {"first byte of five", "\xf8\x88\x80\x80\x80", 0},
                 {"0xfe", "\xfe", 0},
                 {"0xff", "\xff", 0},
                 {"cut after one of two", "a\xc3", 1},
                 {"cut after two of three", "a\xe2\x82", 1},
                 {"cut after three of four", "a\xf0\x9f\x98", 1},
                 {"second byte is ASCII",
                  "\xc3("
                  "a",
                  0},
                 {"third byte is ASCII", "\xe2\x82(", 0},
                 {"fourth byte starts another", "\xf0\x9f\x98\xc3", 0},
                 {"latin 1", "caf\xe9", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (text_find_fault(cases[i].text, strlen(cases[i].text)) != cases[i].at)
            fail_msg("%s: found at %zu", cases[i].name,
                     text_find_fault(cases[i].text, strlen(cases[i].text)));
}

static void a_character_is_not_read_beyond_the_size(void **state)
{
    (void)state;
    assert_int_equal(text_find_fault("\xc3\xa9", 1), 0);
    assert_int_equal(text_find_fault("\xc3\xa9", 2), SIZE_MAX);
    assert_int_equal(text_find_fault(NULL, 0), SIZE_MAX);
}

static void a_cut_text_loses_its_partial_character_and_no_other(void **state)
{
    (void)state;
    static const struct {
        const char *cut, *kept;
    } cases[] = {{"", ""},
                 {"ab", "ab"},
                 {"ab\xc3", "ab"},
                 {"ab\xc3\xa9", "ab\xc3\xa9"},
                 {"ab\xe2\x82", "ab"},
                 {"\xf0\x9f\x98", ""},
                 {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[16];
        strcpy(text, cases[i].cut);
        text_trim_cut(text);
        assert_string_equal(text, cases[i].kept);
    }
}

static void a_shown_text_is_printable_and_short(void **state)
{
    (void)state;
    char many[200];
    memset(many, '\x01', sizeof many);
    assert_string_equal(text_show("a\n\xe9", 3).text, "a\\x0A\\xE9");
    text_shown shown = text_show(many, sizeof many);
    assert_int_equal(strlen(shown.text), 40 * 4 + 3);
    assert_string_equal(shown.text + 40 * 4, "...");
    assert_string_equal(text_show(many, 0).text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_of_every_length_are_decoded),
        cmocka_unit_test(what_is_no_utf8_is_found_where_it_starts),
        cmocka_unit_test(a_character_is_not_read_beyond_the_size),
        cmocka_unit_test(a_cut_text_loses_its_partial_character_and_no_other),
        cmocka_unit_test(a_shown_text_is_printable_and_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Where tail begins. */
#include "cmocka_all.h"

#include "tail_position.h"

#define NOW_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */

static void times_are_read_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2023-11-14T22:13:20Z", NOW_MS},
        {"2023-11-14 22:13:20", NOW_MS},
        {"2023-11-14T22:13:20.5Z", NOW_MS + 500},
        {"2023-11-15T00:13:20+02:00", NOW_MS},
        {"2023-11-14T16:43:20-0530", NOW_MS},
        {"2023-11-14", INT64_C(1699920000000)},
        {"2023-11-14T22:13Z", NOW_MS - 20000},
        {"2024-02-29", INT64_C(1709164800000)},
        {"10s", NOW_MS - 10000},
        {"15min", NOW_MS - 900000},
        {"2h", NOW_MS - 7200000},
        {"7d", NOW_MS - INT64_C(604800000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tail_position at;
        if (!tail_position_parse(cases[i].text, NOW_MS, &at) || at.start != TAIL_TIME ||
            at.time_ms != cases[i].ms)
            fail_msg("%s", cases[i].text);
    }
}

static void beginning_and_end_are_words(void **state)
{
    (void)state;
    tail_position at;
    assert_true(tail_position_parse("beginning", NOW_MS, &at));
    assert_int_equal(at.start, TAIL_BEGINNING);
    assert_true(tail_position_parse("end", NOW_MS, &at));
    assert_int_equal(at.start, TAIL_END);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "now",
        "Beginning",
        "end ",
        "5",
        "5m",
        "-5min",
        "5 min",
        "1.5h",
        "9999999999s",
        "min",
        "2023-02-29",
        "2023-13-01",
        "2023-11-31",
        "2023-11-14T",
        "2023-11-14T25:00:00Z",
        "2023-11-14T22:61:00Z",
        "2023-11-14T22:13:20X",
        "2023-11-14T22:13:20+99:00",
        "2023-11-14T22:13:20+2",
        "2023-11-14T22:13:20Zx",
        "2023-11-14x",
        "14.11.2023",
        "2023-11-14T22:13:20+-1:00",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tail_position at;
        if (tail_position_parse(cases[i], NOW_MS, &at))
            fail_msg("\"%s\" was taken", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_written),
        cmocka_unit_test(beginning_and_end_are_words),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

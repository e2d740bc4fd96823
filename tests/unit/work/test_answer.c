/* What statuses, bodies and Retry-After mean. */
#include "cmocka_all.h"

#include <string.h>

#include "answer.h"

#define NOW_S INT64_C(1767225600) /* Thu, 01 Jan 2026 00:00:00 GMT */
#define DAY_MS (INT64_C(86400) * 1000)

static pbus_outcome of(int status, const char *retry_after, const char *body)
{
    answer a = {.status = status, .retry_after = retry_after, .n_body = strlen(body)};
    assert_true(a.n_body <= sizeof a.body);
    memcpy(a.body, body, a.n_body);
    return answer_outcome(&a, NOW_S);
}

static void a_status_is_a_verdict(void **state)
{
    (void)state;
    static const int dead[] = {400, 401, 403, 404, 405, 410, 413, 418, 422, 425, 451, 499};
    for (int status = 0; status <= 999; status++) {
        pbus_verdict expected = status / 100 == 2 ? PBUS_ACK : PBUS_RETRY;
        if (status / 100 == 4 && status != 408 && status != 429)
            expected = PBUS_DEAD;
        assert_int_equal(of(status, NULL, "").verdict, expected);
        assert_int_equal(of(status, NULL, "").delay_ms, -1);
    }
    for (size_t i = 0; i < sizeof dead / sizeof dead[0]; i++)
        assert_int_equal(of(dead[i], "10", "").verdict, PBUS_DEAD);
}

static void the_first_line_of_the_body_is_part_of_the_reason(void **state)
{
    (void)state;
    char longer[ANSWER_KEPT_BYTES + 1];
    memset(longer, 'x', ANSWER_KEPT_BYTES);
    longer[ANSWER_KEPT_BYTES] = '\0';
    assert_string_equal(of(503, NULL, "").reason, "HTTP status 503");
    assert_string_equal(of(503, NULL, " \n\n").reason, "HTTP status 503");
    assert_string_equal(of(404, NULL, "no such order\nsecond").reason, "HTTP status 404: no such order");
    assert_string_equal(of(404, NULL, "\r\n  late \x1b[1m\r\nsecond").reason, "HTTP status 404: late  [1m");
    assert_string_equal(of(301, NULL, "a").reason, "HTTP status 301, and redirects are not followed: a");
    assert_string_equal(of(200, NULL, "fine").reason, "");
    pbus_outcome cut = of(500, NULL, longer);
    assert_int_equal(strlen(cut.reason), PBUS_REASON_SIZE - 1);
    assert_memory_equal(cut.reason, "HTTP status 500: xxx", 20);
}

static void retry_after_is_a_number_or_a_date(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t delay_ms;
    } cases[] = {
        {"0", 0},
        {"1", 1000},
        {" 120 ", 120000},
        {"0007", 7000},
        {"20260102", DAY_MS}, /* no date */
        {"86399", DAY_MS - 1000},
        {"86401", DAY_MS},
        {"999999999", DAY_MS},
        {"99999999999999999999999999", DAY_MS},
        {"Thu, 01 Jan 2026 00:02:00 GMT", 120000},
        {"Thursday, 01-Jan-26 00:02:00 GMT", 120000},
        {"Thu Jan  1 00:02:00 2026", 120000},
        {"Thu, 01 Jan 2026 00:00:00 GMT", 0},
        {"Wed, 31 Dec 2025 23:59:59 GMT", 0},
        {"Fri, 01 Jan 2100 00:00:00 GMT", DAY_MS},
        {"", -1},
        {" ", -1},
        {"-1", -1},
        {"+1", -1},
        {"1.5", -1},
        {"1 s", -1},
        {"0x10", -1},
        {"soon", -1},
        {"Thu, 99 Jan 2026 00:02:00 GMT", -1},
        {"1767225600000 GMT", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t found = answer_delay_ms(cases[i].text, NOW_S);
        if (found != cases[i].delay_ms)
            fail_msg("\"%s\" is %lld", cases[i].text, (long long)found);
    }
}

static void only_429_and_5xx_say_when(void **state)
{
    (void)state;
    for (int status = 300; status <= 599; status++)
        assert_int_equal(of(status, "10", "").delay_ms, status == 429 || status / 100 == 5 ? 10000 : -1);
    assert_int_equal(of(503, "soon", "").delay_ms, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_a_verdict),
        cmocka_unit_test(the_first_line_of_the_body_is_part_of_the_reason),
        cmocka_unit_test(retry_after_is_a_number_or_a_date),
        cmocka_unit_test(only_429_and_5xx_say_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

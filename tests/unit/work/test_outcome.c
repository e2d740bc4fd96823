/* What exit statuses and replies mean. */
#include "cmocka_all.h"

#include <signal.h>
#include <string.h>

#include "outcome.h"

static pbus_outcome of(int status, const char *tail)
{
    return outcome_of_status(status, tail, strlen(tail));
}

static void a_status_is_a_verdict_and_a_reason(void **state)
{
    (void)state;
    static const struct {
        int status; /* as waitpid has it */
        const char *tail;
        pbus_verdict verdict;
        const char *reason;
    } cases[] = {
        {0, "", PBUS_ACK, ""},
        {0, "a warning\n", PBUS_ACK, ""},
        {65 << 8, "bad\n", PBUS_DEAD, "exit status 65: bad"},
        {75 << 8, "", PBUS_RETRY, "exit status 75"},
        {1 << 8, "  a\nb\n\n", PBUS_RETRY, "exit status 1: a b"},
        {126 << 8, "", PBUS_RETRY, "exit status 126"},
        {128 << 8, "", PBUS_RETRY, "exit status 128"},
        {139 << 8, "", PBUS_RETRY, "killed by SIGSEGV"},
        {255 << 8, "", PBUS_RETRY, "exit status 255"},
        {SIGSEGV, "x", PBUS_RETRY, "killed by SIGSEGV: x"},
        {SIGKILL, "", PBUS_RETRY, "killed by SIGKILL"},
        {SIGABRT | 0x80, "", PBUS_RETRY, "killed by SIGABRT"}, /* with a core */
        {1 << 8, "a\033[1mb", PBUS_RETRY, "exit status 1: a [1mb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pbus_outcome outcome = of(cases[i].status, cases[i].tail);
        assert_int_equal(outcome.verdict, cases[i].verdict);
        assert_string_equal(outcome.reason, cases[i].reason);
        assert_int_equal(outcome.delay_ms, -1);
    }
}

static void of_a_long_text_the_end_is_kept_and_no_part_of_a_character(void **state)
{
    (void)state;
    char tail[512];
    for (size_t i = 0; i < sizeof tail; i += 2)
        memcpy(tail + i, "\xc3\xa9", 2);
    for (size_t shift = 0; shift < 2; shift++) {
        pbus_outcome outcome = outcome_of_status(1 << 8, tail + shift, sizeof tail - shift);
        assert_true(strlen(outcome.reason) >= PBUS_REASON_SIZE - 4);
        assert_true(strlen(outcome.reason) < PBUS_REASON_SIZE);
        assert_memory_equal(outcome.reason, "exit status 1: \xc3\xa9", 17);
    }
}

static void a_reply_is_a_verdict(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        pbus_verdict verdict;
        int64_t delay_ms;
        const char *reason;
    } cases[] = {
        {"{\"result\":\"ack\"}", PBUS_ACK, -1, ""},
        {" {\"result\": \"ack\", \"reason\": \"fine\"} \r", PBUS_ACK, -1, ""},
        {"{\"result\":\"retry\"}", PBUS_RETRY, -1, ""},
        {"{\"result\":\"retry\",\"reason\":null,\"delay_ms\":null}", PBUS_RETRY, -1, ""},
        {"{\"result\":\"retry\",\"delay_ms\":0,\"reason\":\"now\"}", PBUS_RETRY, 0, "now"},
        {"{\"result\":\"dead\",\"reason\":\"no such order\",\"more\":1}", PBUS_DEAD, -1, "no such order"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pbus_outcome outcome;
        assert_true(outcome_of_reply(cases[i].line, &outcome));
        assert_int_equal(outcome.verdict, cases[i].verdict);
        assert_int_equal(outcome.delay_ms, cases[i].delay_ms);
        assert_string_equal(outcome.reason, cases[i].reason);
    }
}

static void what_is_no_reply_is_never_an_acknowledgement(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "ack",
        "\"ack\"",
        "[]",
        "null",
        "{}",
        "{\"result\":null}",
        "{\"result\":\"ACK\"}",
        "{\"result\":\"acknowledged\"}",
        "{\"result\":\"ack\"",
        "{\"result\":\"ack\"} {\"result\":\"ack\"}",
        "{\"result\":\"dead\",\"result\":\"ack\"}",
        "{\"result\":\"ack\",\"reason\":1}",
        "{\"result\":\"ack\",\"delay_ms\":\"1\"}",
        "{\"result\":\"ack\",\"delay_ms\":1.5}",
        "{\"result\":\"retry\",\"delay_ms\":-1}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        pbus_outcome outcome;
        assert_false(outcome_of_reply(lines[i], &outcome));
        assert_int_equal(outcome.verdict, PBUS_RETRY);
        assert_string_not_equal(outcome.reason, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_a_verdict_and_a_reason),
        cmocka_unit_test(of_a_long_text_the_end_is_kept_and_no_part_of_a_character),
        cmocka_unit_test(a_reply_is_a_verdict),
        cmocka_unit_test(what_is_no_reply_is_never_an_acknowledgement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

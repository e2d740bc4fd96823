/* Policies: when each gives another attempt, and when none. */
#include "cmocka_all.h"

#include "retry.h"

static void delays_double_up_to_the_most_and_end_with_the_last_attempt(void **state)
{
    (void)state;
    const pbus_retry_policy policy = {.first_ms = 100, .most_ms = 450, .max_attempts = 6}, standard = {0};
    static const int64_t expected[] = {100, 200, 400, 450, 450, -1, -1};
    for (int i = 0; i < 7; i++)
        assert_int_equal(retry_delay_ms(&policy, i + 1), expected[i]);
    assert_int_equal(retry_delay_ms(&standard, 1), 1000);
    assert_int_equal(retry_delay_ms(&standard, 9), 256000);
    assert_int_equal(retry_delay_ms(&standard, 10), -1);
}

static void without_end_there_is_always_another(void **state)
{
    (void)state;
    const pbus_retry_policy policy = {.max_attempts = -1};
    assert_int_equal(retry_delay_ms(&policy, 1000000), 3600 * 1000);
    assert_int_equal(retry_delay_ms(&policy, INT32_MAX), 3600 * 1000);
}

static void presets_are_as_their_names_say(void **state)
{
    (void)state;
    const pbus_retry_policy patient = {.kind = PBUS_RETRY_PATIENT}, never = {.kind = PBUS_RETRY_NEVER};
    assert_int_equal(retry_delay_ms(&patient, 1), 0);
    assert_int_equal(retry_delay_ms(&patient, 2), 60 * 1000);
    assert_int_equal(retry_delay_ms(&patient, 6), 6 * 3600 * 1000);
    assert_int_equal(retry_delay_ms(&patient, 7), -1);
    assert_int_equal(retry_delay_ms(&never, 1), -1);
}

static void jitter_stays_within_a_fifth(void **state)
{
    (void)state;
    assert_int_equal(retry_jitter_ms(1000, 0), 800);
    assert_in_range(retry_jitter_ms(1000, UINT32_MAX), 1199, 1200);
    assert_int_equal(retry_jitter_ms(0, 12345), 0);
}

static void policies_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    static const pbus_retry_policy bad[] = {{.kind = (pbus_retry_kind)3},
                                            {.kind = (pbus_retry_kind)-1},
                                            {.first_ms = -1},
                                            {.most_ms = -1},
                                            {.max_attempts = -2},
                                            {.first_ms = INT64_MAX},
                                            {.kind = PBUS_RETRY_PATIENT, .max_attempts = 3},
                                            {.kind = PBUS_RETRY_NEVER, .first_ms = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(retry_check(&bad[i], NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(retry_check(&(pbus_retry_policy){0}, NULL), PBUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_most_and_end_with_the_last_attempt),
        cmocka_unit_test(without_end_there_is_always_another),
        cmocka_unit_test(presets_are_as_their_names_say),
        cmocka_unit_test(jitter_stays_within_a_fifth),
        cmocka_unit_test(policies_that_contradict_themselves_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

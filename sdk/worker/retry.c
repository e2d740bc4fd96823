/* Knows the delays of each policy; must never give an attempt to an event that has had its last. */
#include "retry.h"

#include "failure.h"

enum { DEFAULT_FIRST_MS = 1000, DEFAULT_MOST_MS = 3600 * 1000, DEFAULT_ATTEMPTS = 10 };

/* A week: what waits longer should be somebody's task, not an event's retry. */
#define LONGEST_MS (INT64_C(7) * 24 * 3600 * 1000)

static const int64_t patient_ms[] = {0, 60 * 1000, 600 * 1000, 3600 * 1000, 3 * 3600 * 1000, 6 * 3600 * 1000};

pbus_status retry_check(const pbus_retry_policy *policy, pbus_error *err)
{
    bool plain = policy->first_ms == 0 && policy->most_ms == 0 && policy->max_attempts == 0;
    if (policy->kind < PBUS_RETRY_EXPONENTIAL || policy->kind > PBUS_RETRY_NEVER)
        return failure(err, PBUS_ERROR_ARGUMENT, "retry.kind is %d, which there is not", (int)policy->kind);
    if (policy->kind != PBUS_RETRY_EXPONENTIAL && !plain)
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "retry.first_ms, most_ms and max_attempts belong to PBUS_RETRY_EXPONENTIAL; leave them 0");
    if (policy->first_ms < 0 || policy->first_ms > LONGEST_MS || policy->most_ms < 0 ||
        policy->most_ms > LONGEST_MS || policy->max_attempts < -1)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "retry.first_ms is %lld, most_ms %lld, max_attempts %d; delays can be up to a week "
                       "(604800000), attempts 1 and more, or -1 for no end",
                       (long long)policy->first_ms, (long long)policy->most_ms, policy->max_attempts);
    return PBUS_OK;
}

static int64_t exponential_ms(const pbus_retry_policy *policy, int attempt)
{
    int64_t delay_ms = policy->first_ms ? policy->first_ms : DEFAULT_FIRST_MS;
    int64_t most_ms = policy->most_ms ? policy->most_ms : DEFAULT_MOST_MS;
    int most = policy->max_attempts ? policy->max_attempts : DEFAULT_ATTEMPTS;
    if (most > 0 && attempt >= most)
        return -1;
    while (--attempt > 0 && delay_ms < most_ms)
        delay_ms *= 2;
    return delay_ms < most_ms ? delay_ms : most_ms;
}

int64_t retry_delay_ms(const pbus_retry_policy *policy, int attempt)
{
    const int n_patient = sizeof patient_ms / sizeof patient_ms[0];
    if (policy->kind == PBUS_RETRY_EXPONENTIAL)
        return exponential_ms(policy, attempt);
    if (policy->kind == PBUS_RETRY_PATIENT && attempt <= n_patient)
        return patient_ms[attempt - 1];
    return -1;
}

int64_t retry_jitter_ms(int64_t delay_ms, uint32_t random)
{
    return delay_ms * 4 / 5 + (int64_t)((double)delay_ms * 2 / 5 * ((double)random / 4294967296.0));
}

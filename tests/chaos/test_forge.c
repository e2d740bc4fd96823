/* Forgeries and ghosts over logs in memory: what is put in is found, and only what a failover lost is taken out. */
#include "cmocka_all.h"

#include <string.h>

#include "forge.h"
#include "ghosts.h"

#define N 4

/* Stream 7 has the tokens 1, 2, 3, stream 8 has 4. */
static void fill(truth *committed, truth_event *events, topic_log *log, log_record *records)
{
    for (uint64_t i = 0; i < N; i++) {
        uint64_t token = i + 1, stream = i < 3 ? 7 : 8;

        events[i] =
            (truth_event){.token = token, .stream = stream, .identity = 100 + token, .seq = (int64_t)i};
        records[i] = (log_record){
            .token = token, .stream = stream, .identity = 100 + token, .place = (uint32_t)stream};
    }
    *committed = (truth){.events = events, .n = N};
    *log = (topic_log){.records = records, .n = N};
}

static int caught(truth *committed, const topic_log *log)
{
    verdict honest;

    assert_true(verdict_reach(committed->events, committed->n, log->records, log->n, &honest));
    return forge_all(committed, log, &honest);
}

static void every_forgery_is_caught_and_the_log_is_as_before(void **state)
{
    truth_event events[N];
    log_record records[N], before[N];
    truth committed;
    topic_log log;

    (void)state;
    fill(&committed, events, &log, records);
    memcpy(before, records, sizeof before);
    assert_int_equal(caught(&committed, &log), FORGERIES);
    assert_memory_equal(records, before, sizeof before);
}

static void a_log_without_two_events_of_a_key_cannot_be_forged(void **state)
{
    truth_event events[N];
    log_record records[N];
    truth committed;
    topic_log log;

    (void)state;
    fill(&committed, events, &log, records);
    committed.n = log.n = 1;
    assert_int_equal(caught(&committed, &log), -1);
}

static void only_what_a_failover_lost_is_a_ghost(void **state)
{
    truth_event events[N];
    log_record records[N + 2];
    uint64_t tokens[] = {9};
    ghosts lost = {.tokens = tokens, .n = 1};
    truth committed;
    topic_log log;

    (void)state;
    fill(&committed, events, &log, records);
    records[4] = (log_record){.token = 9};  /* committed on the lost server alone */
    records[5] = (log_record){.token = 10}; /* committed nowhere */
    log.n = N + 2;
    assert_int_equal(ghosts_remove(&lost, &log), 1);
    assert_int_equal(log.n, N + 1);
    assert_int_equal(log.records[N].token, 10);
}

static void two_events_under_one_id_are_counted_and_repetitions_are_not(void **state)
{
    log_record records[] = {{.token = 1, .identity = 5},
                            {.token = 1, .identity = 5},
                            {.token = 2, .identity = 5},
                            {.token = 3, .identity = 6}};
    topic_log log = {.records = records, .n = 4};

    (void)state;
    assert_int_equal(ghosts_shared_ids(&log), 1);
    log.n = 2;
    assert_int_equal(ghosts_shared_ids(&log), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_forgery_is_caught_and_the_log_is_as_before),
        cmocka_unit_test(a_log_without_two_events_of_a_key_cannot_be_forged),
        cmocka_unit_test(only_what_a_failover_lost_is_a_ghost),
        cmocka_unit_test(two_events_under_one_id_are_counted_and_repetitions_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

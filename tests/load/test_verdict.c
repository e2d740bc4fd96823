/* The verdict over forged topics: each fault is found and counted as what it is, and only replays are let
 * pass. */
#include "cmocka_all.h"

#include <string.h>

#include "verdict.h"

#define N_TRUTH 8

/* Stream 7 has the tokens 10 … 14 in this order, stream 8 has 20 and 21, and 30 has no key. */
static void truth_fill(truth_event *truth)
{
    static const truth_event events[N_TRUTH] = {
        {.token = 13, .stream = 7, .identity = 1013, .seq = 40},
        {.token = 10, .stream = 7, .identity = 1010, .seq = 1},
        {.token = 20, .stream = 8, .identity = 1020, .seq = 1},
        {.token = 12, .stream = 7, .identity = 1012, .seq = 3},
        {.token = 30, .stream = 9, .identity = 1030, .seq = -1},
        {.token = 14, .stream = 7, .identity = 1014, .seq = 41},
        {.token = 11, .stream = 7, .identity = 1011, .seq = 2},
        {.token = 21, .stream = 8, .identity = 1021, .seq = 2},
    };

    memcpy(truth, events, sizeof events);
}

static log_record record_of(uint64_t token)
{
    return (log_record){.token = token,
                        .stream = token < 20   ? 7
                                  : token < 30 ? 8
                                               : 9,
                        .identity = 1000 + token,
                        .place = (uint32_t)(token / 10)};
}

/* tokens ends with 0 */
static verdict verdict_over(const uint64_t *tokens)
{
    truth_event truth[N_TRUTH];
    log_record log[32];
    size_t n = 0;
    verdict v;

    truth_fill(truth);
    for (; tokens[n]; n++)
        log[n] = record_of(tokens[n]);
    assert_true(verdict_reach(truth, N_TRUTH, log, n, &v));
    return v;
}

typedef struct forged_case {
    const char *name;
    uint64_t tokens[32];
    int64_t lost, extra, overtaken, broken_replay, duplicates;
} forged_case;

static const forged_case forged[] = {
    {.name = "all in order", .tokens = {10, 11, 12, 13, 14, 20, 21, 30}},
    {.name = "streams interleave freely", .tokens = {30, 20, 10, 11, 21, 12, 13, 14}},
    {.name = "nothing arrived", .tokens = {0}, .lost = 8},
    {.name = "the last of a key is missing", .tokens = {10, 11, 12, 13, 20, 21, 30}, .lost = 1},
    {.name = "the first of a key is missing", .tokens = {11, 12, 13, 14, 20, 21, 30}, .lost = 1},
    {.name = "one in the middle is missing", .tokens = {10, 11, 13, 14, 20, 21, 30}, .lost = 1},
    {.name = "one without a key is missing", .tokens = {10, 11, 12, 13, 14, 20, 21}, .lost = 1},
    {.name = "an event that never committed", .tokens = {10, 11, 99, 12, 13, 14, 20, 21, 30}, .extra = 1},
    {.name = "the same foreign event twice", .tokens = {99, 99, 10, 11, 12, 13, 14, 20, 21, 30}, .extra = 2},
    {.name = "two neighbours swapped",
     .tokens = {10, 12, 11, 13, 14, 20, 21, 30},
     .overtaken = 1,
     .broken_replay = 1},
    {.name = "the first two swapped", .tokens = {10, 11, 12, 13, 14, 21, 20, 30}, .overtaken = 1},
    {.name = "the newest first", .tokens = {14, 10, 11, 12, 13, 20, 21, 30}, .overtaken = 1},
    {.name = "backwards", .tokens = {14, 13, 12, 11, 10, 21, 20, 30}, .overtaken = 2},
    {.name = "one repeated at once", .tokens = {10, 11, 11, 12, 13, 14, 20, 21, 30}, .duplicates = 1},
    {.name = "one without a key repeated", .tokens = {30, 10, 11, 12, 13, 14, 20, 21, 30}, .duplicates = 1},
    {.name = "a whole replay", .tokens = {10, 11, 12, 10, 11, 12, 13, 14, 20, 21, 30}, .duplicates = 3},
    {.name = "a replay cut short by another",
     .tokens = {10, 11, 12, 10, 11, 10, 11, 12, 13, 14, 20, 21, 30},
     .duplicates = 5},
    {.name = "a replay that ends before the newest",
     .tokens = {10, 11, 12, 13, 14, 12, 13, 20, 21, 30},
     .duplicates = 2},
    {.name = "a replay that skips",
     .tokens = {10, 11, 12, 13, 10, 12, 13, 14, 20, 21, 30},
     .broken_replay = 1,
     .duplicates = 3},
    {.name = "one old event repeated among new ones",
     .tokens = {10, 11, 12, 13, 10, 14, 20, 21, 30},
     .broken_replay = 1,
     .duplicates = 1},
    {.name = "a replay that jumps over what is new",
     .tokens = {10, 11, 12, 11, 14, 13, 20, 21, 30},
     .overtaken = 1,
     .broken_replay = 0,
     .duplicates = 1},
    {.name = "lost, extra, swapped and repeated together",
     .tokens = {10, 12, 11, 13, 20, 20, 21, 30, 77},
     .lost = 1,
     .extra = 1,
     .overtaken = 1,
     .broken_replay = 1,
     .duplicates = 1},
};

static void every_forged_topic_is_judged_as_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        const forged_case *c = &forged[i];
        verdict v = verdict_over(c->tokens);

        print_message("case: %s\n", c->name);
        assert_int_equal(v.lost, c->lost);
        assert_int_equal(v.extra, c->extra);
        assert_int_equal(v.overtaken, c->overtaken);
        assert_int_equal(v.broken_replay, c->broken_replay);
        assert_int_equal(v.duplicates, c->duplicates);
        assert_int_equal(v.altered + v.scattered + v.ambiguous, 0);
        assert_int_equal(verdict_is_clean(&v), !(c->lost || c->extra || c->overtaken || c->broken_replay));
    }
}

static verdict verdict_over_one(const log_record *record)
{
    truth_event truth[] = {{.token = 10, .stream = 7, .identity = 1010, .seq = 1}};
    verdict v;

    assert_true(verdict_reach(truth, 1, record, 1, &v));
    return v;
}

static void a_record_with_the_wrong_event_id_is_altered(void **state)
{
    log_record record = record_of(10);

    (void)state;
    record.identity++;
    verdict v = verdict_over_one(&record);
    assert_int_equal(v.altered, 1);
    assert_false(verdict_is_clean(&v));
}

static void a_record_under_the_wrong_key_is_altered(void **state)
{
    log_record record = record_of(10);

    (void)state;
    record.stream = 8;
    verdict v = verdict_over_one(&record);
    assert_int_equal(v.altered, 1);
    assert_false(verdict_is_clean(&v));
}

static void a_key_in_two_partitions_is_scattered(void **state)
{
    truth_event truth[] = {{.token = 10, .stream = 7, .identity = 1010, .seq = 1},
                           {.token = 11, .stream = 7, .identity = 1011, .seq = 2}};
    log_record log[] = {record_of(10), record_of(11)};
    verdict v;

    (void)state;
    log[1].place++;
    assert_true(verdict_reach(truth, 2, log, 2, &v));
    assert_int_equal(v.scattered, 1);
    assert_false(verdict_is_clean(&v));
}

static void two_events_in_one_place_of_a_key_are_ambiguous(void **state)
{
    truth_event truth[] = {{.token = 10, .stream = 7, .identity = 1010, .seq = 1},
                           {.token = 11, .stream = 7, .identity = 1011, .seq = 1}};
    log_record log[] = {record_of(10), record_of(11)};
    verdict v;

    (void)state;
    assert_true(verdict_reach(truth, 2, log, 2, &v));
    assert_int_equal(v.ambiguous, 1);
    assert_false(verdict_is_clean(&v));
}

static void the_first_fault_of_each_kind_is_named(void **state)
{
    verdict v = verdict_over((const uint64_t[]){10, 99, 98, 13, 12, 20, 21, 30, 0});

    (void)state;
    assert_int_equal(v.first_lost, 11);
    assert_int_equal(v.first_extra, 99);
    assert_int_equal(v.first_overtaken, 13);
}

static void a_missing_key_and_an_empty_key_are_not_one_stream(void **state)
{
    (void)state;
    assert_int_equal(stream_hash("a", NULL, 0), stream_hash("a", NULL, 0));
    assert_int_not_equal(stream_hash("a", NULL, 0), stream_hash("a", "", 0));
    assert_int_not_equal(stream_hash("ab", "c", 1), stream_hash("a", "bc", 2));
    assert_int_not_equal(stream_hash("a", "k", 1), stream_hash("b", "k", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_forged_topic_is_judged_as_what_it_is),
        cmocka_unit_test(a_record_with_the_wrong_event_id_is_altered),
        cmocka_unit_test(a_record_under_the_wrong_key_is_altered),
        cmocka_unit_test(a_key_in_two_partitions_is_scattered),
        cmocka_unit_test(two_events_in_one_place_of_a_key_are_ambiguous),
        cmocka_unit_test(the_first_fault_of_each_kind_is_named),
        cmocka_unit_test(a_missing_key_and_an_empty_key_are_not_one_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

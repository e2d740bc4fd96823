/* What is kept of frames' schemas. Nobody is asked but the test, which knows a schema or none, and has a clock of its own. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "decoders.h"
#include "failure.h"

static pbus_status answers; /* of whoever is asked */
static int n_asked;
static int64_t clock_ms;

int64_t __wrap_schema_lookup_now_ms(void);
pbus_status __wrap_schema_lookup_find(schema_lookup *l, const char *topic, const pbus_frame *frame,
                                      pbus_schema **out, pbus_error *err);

int64_t __wrap_schema_lookup_now_ms(void)
{
    return clock_ms;
}

pbus_status __wrap_schema_lookup_find(schema_lookup *l, const char *topic, const pbus_frame *frame,
                                      pbus_schema **out, pbus_error *err)
{
    (void)l;
    n_asked++;
    if (answers == PBUS_OK)
        return pbus_schema_parse("\"int\"", 5, NULL, 0, out, err);
    return failure(err, answers, "question %d: %s %d", n_asked, topic, (int)frame->schema_id);
}

static int setup(void **state)
{
    static const schema_lookup lookup = {.conn = NULL};
    static decoders d;
    decoders_init(&d, &lookup, NULL, false);
    answers = PBUS_ERROR_UNKNOWN_SCHEMA;
    n_asked = 0;
    clock_ms = 1000000;
    *state = &d;
    return 0;
}

static int teardown(void **state)
{
    decoders_done(*state);
    return 0;
}

static const pbus_frame id_5 = {.framing = PBUS_FRAMING_CONFLUENT, .schema_id = 5},
                        id_0 = {.framing = PBUS_FRAMING_CONFLUENT},
                        print_7 = {.framing = PBUS_FRAMING_SINGLE_OBJECT, .fingerprint = 7},
                        print_0 = {.framing = PBUS_FRAMING_SINGLE_OBJECT};

/* Looks for a decoder; there is one with PBUS_OK, and else none. */
static void expect_since(decoders *d, const char *topic, pbus_frame frame, int64_t since_ms,
                         pbus_status wanted, int wanted_questions)
{
    const pbus_decoder *decoder;
    pbus_error err;
    assert_int_equal(decoders_find(d, topic, &frame, true, since_ms, &decoder, &err), wanted);
    assert_true((decoder != NULL) == (wanted == PBUS_OK));
    assert_int_equal(n_asked, wanted_questions);
}

static void expect(decoders *d, const char *topic, pbus_frame frame, pbus_status wanted, int wanted_questions)
{
    expect_since(d, topic, frame, 0, wanted, wanted_questions);
}

/* The member of the other framing is 0 in each. */
static void frames_are_the_same_if_framing_and_number_and_topic_are(void **state)
{
    static const pbus_status both[] = {PBUS_OK, PBUS_ERROR_UNKNOWN_SCHEMA};
    for (int i = 0; i < 2; i++) {
        const pbus_status answer = answers = both[i];
        teardown(state);
        setup(state);
        answers = answer;
        decoders *d = *state;
        for (int round = 0; round < 2; round++) {
            expect(d, "orders", id_5, answer, round ? 8 : 1);
            expect(d, "orders", print_0, answer, round ? 8 : 2);
            expect(d, "orders", id_0, answer, round ? 8 : 3);
            expect(d, "orders", print_7, answer, round ? 8 : 4);
            expect(d, "bills", id_5, answer, round ? 8 : 5);
            expect(d, "bills", print_7, answer, round ? 8 : 6);
            expect(d, "bills", id_0, answer, round ? 8 : 7);
            expect(d, "bills", print_0, answer, round ? 8 : 8);
        }
    }
}

static void what_nobody_knows_is_asked_once_in_a_while(void **state)
{
    decoders *d = *state;
    const pbus_decoder *decoder;
    pbus_error err;
    for (int i = 0; i < 1000; i++)
        expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 1);
    /* Who may not ask is told it, too, with the reason. */
    assert_int_equal(decoders_find(d, "orders", &id_5, false, 0, &decoder, &err), PBUS_ERROR_UNKNOWN_SCHEMA);
    assert_string_equal(err.message, "question 1: orders 5");
    assert_int_equal(decoders_find(d, "orders", &id_5, true, 0, &decoder, NULL), PBUS_ERROR_UNKNOWN_SCHEMA);
    clock_ms += SCHEMA_LOOKUP_PAUSE_MS - 1;
    expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 1);
    clock_ms++;
    assert_int_equal(decoders_find(d, "orders", &id_5, false, 0, &decoder, &err), PBUS_OK);
    assert_null(decoder);
    expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 2);
    expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 2);
}

static void a_schema_that_is_added_later_is_found(void **state)
{
    decoders *d = *state;
    expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 1);
    answers = PBUS_OK;
    expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 1);
    clock_ms += SCHEMA_LOOKUP_PAUSE_MS;
    expect(d, "orders", id_5, PBUS_OK, 2);
    clock_ms += SCHEMA_LOOKUP_PAUSE_MS;
    expect(d, "orders", id_5, PBUS_OK, 2);
}

/* An event that is redriven: its schema may have been added between the last question and its redrive. */
static void an_answer_that_came_before_is_none(void **state)
{
    decoders *d = *state;
    expect(d, "orders", id_5, PBUS_ERROR_UNKNOWN_SCHEMA, 1);
    expect_since(d, "orders", id_5, clock_ms, PBUS_ERROR_UNKNOWN_SCHEMA, 2); /* within the same millisecond */
    expect_since(d, "orders", id_5, clock_ms - 1, PBUS_ERROR_UNKNOWN_SCHEMA, 2);
    answers = PBUS_OK;
    expect_since(d, "orders", id_5, ++clock_ms, PBUS_OK, 3);
    expect(d, "orders", id_5, PBUS_OK, 3);
}

static void that_nobody_could_be_asked_is_not_kept(void **state)
{
    decoders *d = *state;
    answers = PBUS_ERROR_REGISTRY;
    expect(d, "orders", id_5, PBUS_ERROR_REGISTRY, 1);
    expect(d, "orders", id_5, PBUS_ERROR_REGISTRY, 2);
    answers = PBUS_OK;
    expect(d, "orders", id_5, PBUS_OK, 3);
}

static void what_is_kept_of_unknown_schemas_is_bounded(void **state)
{
    decoders *d = *state;
    pbus_frame f = {.framing = PBUS_FRAMING_CONFLUENT};
    int n = 0;
    for (f.schema_id = 0; f.schema_id <= DECODERS_MISSED; f.schema_id++)
        expect(d, "orders", f, PBUS_ERROR_UNKNOWN_SCHEMA, ++n);
    for (f.schema_id = 1; f.schema_id <= DECODERS_MISSED; f.schema_id++)
        expect(d, "orders", f, PBUS_ERROR_UNKNOWN_SCHEMA, n);
    expect(d, "orders", id_0, PBUS_ERROR_UNKNOWN_SCHEMA, n + 1); /* the oldest made room */
}

#define DECODERS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DECODERS_TEST(frames_are_the_same_if_framing_and_number_and_topic_are),
        DECODERS_TEST(what_nobody_knows_is_asked_once_in_a_while),
        DECODERS_TEST(a_schema_that_is_added_later_is_found),
        DECODERS_TEST(an_answer_that_came_before_is_none),
        DECODERS_TEST(that_nobody_could_be_asked_is_not_kept),
        DECODERS_TEST(what_is_kept_of_unknown_schemas_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

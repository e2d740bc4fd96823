/* What is kept of frames' schemas. There is neither a database nor a registry, so that no schema is known, which is kept as well. */
#include "cmocka_all.h"

#include "decoders.h"

typedef enum memory { KNOWN, NOT_KNOWN } memory;

static void expect(decoders *d, const char *topic, pbus_frame frame, memory wanted)
{
    const pbus_decoder *decoder;
    pbus_error err;
    pbus_status status = decoders_find(d, topic, &frame, false, &decoder, &err);
    assert_null(decoder);
    assert_int_equal(status, wanted == KNOWN ? PBUS_ERROR_UNKNOWN_SCHEMA : PBUS_OK);
}

static void ask(decoders *d, const char *topic, pbus_frame frame)
{
    const pbus_decoder *decoder;
    pbus_error err;
    expect(d, topic, frame, NOT_KNOWN);
    assert_int_equal(decoders_find(d, topic, &frame, true, &decoder, &err), PBUS_ERROR_UNKNOWN_SCHEMA);
    assert_null(decoder);
    expect(d, topic, frame, KNOWN);
}

/* The member of the other framing is 0 in each. */
static void frames_are_the_same_if_framing_and_number_and_topic_are(void **state)
{
    (void)state;
    static const pbus_frame id_5 = {.framing = PBUS_FRAMING_CONFLUENT, .schema_id = 5},
                            id_0 = {.framing = PBUS_FRAMING_CONFLUENT},
                            print_7 = {.framing = PBUS_FRAMING_SINGLE_OBJECT, .fingerprint = 7},
                            print_0 = {.framing = PBUS_FRAMING_SINGLE_OBJECT};
    const schema_lookup lookup = {.conn = NULL};
    decoders d;
    decoders_init(&d, &lookup, NULL, true);
    ask(&d, "orders", id_5);
    expect(&d, "orders", print_0, NOT_KNOWN);
    expect(&d, "orders", id_0, NOT_KNOWN);
    ask(&d, "orders", print_7);
    expect(&d, "orders", id_0, NOT_KNOWN);
    expect(&d, "orders", print_0, NOT_KNOWN);
    expect(&d, "bills", id_5, NOT_KNOWN);
    expect(&d, "bills", print_7, NOT_KNOWN);
    ask(&d, "bills", id_5);
    ask(&d, "orders", id_0);
    ask(&d, "orders", print_0);
    expect(&d, "orders", id_5, KNOWN);
    decoders_done(&d);
}

static void what_nobody_knows_is_asked_for_again_unless_all_is_kept(void **state)
{
    (void)state;
    static const pbus_frame id_5 = {.framing = PBUS_FRAMING_CONFLUENT, .schema_id = 5};
    const schema_lookup lookup = {.conn = NULL};
    const pbus_decoder *decoder;
    pbus_error err;
    decoders d;
    decoders_init(&d, &lookup, NULL, false);
    assert_int_equal(decoders_find(&d, "orders", &id_5, true, &decoder, &err), PBUS_ERROR_UNKNOWN_SCHEMA);
    expect(&d, "orders", id_5, NOT_KNOWN);
    decoders_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_the_same_if_framing_and_number_and_topic_are),
        cmocka_unit_test(what_nobody_knows_is_asked_for_again_unless_all_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Subscriptions: what is refused before anything is started, with the value and the remedy. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "subscription.h"

static const char *const topics[] = {"orders", "orders", "no topic"};

static pbus_outcome handler(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)event;
    (void)tx;
    (void)arg;
    return pbus_ack();
}

static pbus_outcome batch_handler(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    (void)n;
    return handler(events[0], tx, arg);
}

static pbus_subscription good(void)
{
    return (pbus_subscription){.key = "main", .topics = topics, .n_topics = 1, .handler = handler};
}

static void expect_refused(const pbus_subscription *given, const char *says)
{
    subscription s;
    pbus_error err;
    assert_int_equal(subscription_init(&s, given, 0, &err), PBUS_ERROR_ARGUMENT);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

#define REFUSED(says, ...)                                                                                   \
    do {                                                                                                     \
        pbus_subscription given = good();                                                                    \
        __VA_ARGS__;                                                                                         \
        expect_refused(&given, says);                                                                        \
    } while (0)

/* Promise E3. */
static void what_cannot_be_worked_is_refused(void **state)
{
    (void)state;
    static const pbus_condition bad[] = {{"type", PBUS_TEST_MATCHES, "["}};
    REFUSED("\"(NULL)\"", given.key = NULL);
    REFUSED("\"\"", given.key = "");
    REFUSED("\"a b\"", given.key = "a b");
    REFUSED("a-z A-Z 0-9", given.key = "a/b");
    REFUSED("has no topics", given.n_topics = 0);
    REFUSED("has no topics", given.topics = NULL);
    REFUSED("twice", given.n_topics = 2);
    REFUSED("\"no topic\"", given.topics = &topics[2]);
    REFUSED("\"main\" has no handler: set one of handler and batch_handler", given.handler = NULL);
    REFUSED("\"main\" has two handlers: set one of handler and batch_handler",
            given.batch_handler = batch_handler);
    REFUSED("n_threads is 257", given.n_threads = 257);
    REFUSED("n_threads is -1", given.n_threads = -1);
    REFUSED("batch_size is -1", given.batch_size = -1);
    REFUSED("batch_size is 1001; 1 to 1000", given.batch_size = 1001);
    REFUSED("dead_letter_topic \"no topic\" is no", given.dead_letter_topic = "no topic");
    REFUSED("dead_letter_topic \"\" is no", given.dead_letter_topic = "");
    REFUSED("dead_letter_topic \"..\" is no", given.dead_letter_topic = "..");
    REFUSED("reads \"orders\"", given.dead_letter_topic = "orders");
    REFUSED("queue_events -1", given.queue_events = -1);
    REFUSED("queue_bytes -1", given.queue_bytes = -1);
    REFUSED("time_limit_ms -1", given.time_limit_ms = -1);
    REFUSED("begin is 2", given.begin = (pbus_begin)2);
    REFUSED("retry.kind is 9", given.retry.kind = (pbus_retry_kind)9);
    REFUSED("subscription \"main\": condition 0", given.filter = bad; given.n_conditions = 1);
}

static void many_events_at_once_are_for_a_database_and_of_any_number(void **state)
{
    (void)state;
    subscription s;
    pbus_error err;
    pbus_subscription given = good();
    given.handler = NULL;
    given.batch_handler = batch_handler;
    assert_int_equal(subscription_init(&s, &given, 0, &err), PBUS_OK);
    assert_int_equal(s.batch_size, 1);
    assert_int_equal(subscription_check_positions(&s, PBUS_POSITIONS_DATABASE, &err), PBUS_OK);
    assert_int_equal(subscription_check_positions(&s, PBUS_POSITIONS_KAFKA, &err), PBUS_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "\"main\" has a batch_handler, and without a database"));
    assert_non_null(strstr(err.message, "set handler instead"));
    subscription_done(&s);
}

#define SCHEMA "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}"

static void schemas_that_can_never_be_found_or_read_are_refused(void **state)
{
    (void)state;
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    static const pbus_avro nowhere = {.reader_schema = SCHEMA}, both = {.conninfo = "", .schema = SCHEMA},
                           no_json = {.schema = "record"},
                           no_reader = {.conninfo = "", .reader_schema = "{}"},
                           unlike = {.schema = SCHEMA, .reader_schema = "\"string\""};
    const pbus_avro no_url = {.registry = &options}, twice = {.registry = &options, .schema = SCHEMA};
    REFUSED("subscription \"main\": avro says nowhere that schemas are", given.avro = &nowhere);
    REFUSED("one of the two", given.avro = &both);
    REFUSED("one of the two", given.avro = &twice);
    REFUSED("avro.schema: ", given.avro = &no_json);
    REFUSED("avro.reader_schema: ", given.avro = &no_reader);
    REFUSED("avro.reader_schema cannot read avro.schema: ", given.avro = &unlike);
    REFUSED("the registry's URL is", given.avro = &no_url);
}

static void the_list_tells_all_that_can_be_seen_in_the_database(void **state)
{
    (void)state;
    static const pbus_condition conditions[] = {{"type", PBUS_TEST_EQUALS, "a\"b"},
                                                {"key", PBUS_TEST_PRESENT, NULL}};
    subscription list[3];
    pbus_subscription given = good();
    assert_int_equal(subscription_init(&list[0], &given, 0, NULL), PBUS_OK);
    given.key = "filtered";
    given.filter = conditions;
    given.n_conditions = 2;
    given.unordered = true;
    given.n_threads = 4;
    given.batch_size = 50;
    given.dead_letter_topic = "graves";
    assert_int_equal(subscription_init(&list[1], &given, 1, NULL), PBUS_OK);
    given.key = "none";
    given.n_conditions = 0;
    assert_int_equal(subscription_init(&list[2], &given, 2, NULL), PBUS_OK);
    char *json = subscription_list_json(list, 3);
    assert_non_null(json);
    assert_non_null(strstr(json, "\"key\":\"main\",\"topics\":[\"orders\"],\"filter\":null,\"options\":{\"n_"
                                 "threads\":1,\"batch_size\":1,\"order\":\"ordered\""));
    assert_non_null(strstr(json, "\"time_limit_ms\":0,\"dead_letter_topic\":\"graves\"}"));
    assert_non_null(strstr(json, "\"time_limit_ms\":0}"));
    assert_non_null(strstr(json, "\"n_threads\":4,\"batch_size\":50"));
    assert_non_null(strstr(json, "\"filter\":[{\"field\":\"type\",\"test\":\"equals\",\"text\":\"a\\\"b\"},{"
                                 "\"field\":\"key\",\"test\":\"present\"}]"));
    assert_non_null(strstr(json, "\"key\":\"none\",\"topics\":[\"orders\"],\"filter\":[]"));
    free(json);
    for (int i = 0; i < 3; i++)
        subscription_done(&list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_worked_is_refused),
        cmocka_unit_test(many_events_at_once_are_for_a_database_and_of_any_number),
        cmocka_unit_test(schemas_that_can_never_be_found_or_read_are_refused),
        cmocka_unit_test(the_list_tells_all_that_can_be_seen_in_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

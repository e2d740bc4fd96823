/* Calls that are refused without a server. */
#include "cmocka_all.h"

#include <string.h>

#include <postbus/publisher.h>

static const pbus_event event = {.topic = "t"};

/* A connection that could not be made: broken from its first moment, and it needs no server. */
static PGconn *broken_connection(void)
{
    PGconn *conn = PQconnectdb("host=/nonexistent port=1 connect_timeout=1");
    assert_int_equal(PQstatus(conn), CONNECTION_BAD);
    return conn;
}

static void a_missing_connection_or_event_is_refused(void **state)
{
    (void)state;
    PGconn *conn = broken_connection();
    pbus_error err;
    assert_int_equal(pbus_publish(NULL, &event, NULL, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_string_equal(err.message, "the connection is NULL");
    assert_int_equal(pbus_publish(conn, NULL, NULL, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_string_equal(err.message, "the event is NULL");
    assert_int_equal(pbus_publish_batch(NULL, &event, 1, NULL, NULL, NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_publish_batch(conn, NULL, 1, NULL, NULL, NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_publish_batch(NULL, NULL, 0, NULL, NULL, NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_publish_send(NULL, &event, 1, NULL, NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_publish_send(conn, NULL, 1, NULL, NULL), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_publish_send(conn, &event, 0, NULL, NULL), PBUS_ERROR_ARGUMENT);
    PQfinish(conn);
}

static void a_broken_connection_is_named_and_worth_another_try(void **state)
{
    (void)state;
    PGconn *conn = broken_connection();
    pbus_error err;
    pbus_published out = {.id = 7};
    assert_int_equal(pbus_publish(conn, &event, NULL, &out, &err), PBUS_ERROR_CONNECTION);
    assert_true(err.retriable);
    assert_non_null(strstr(err.message, "Connect again"));
    assert_int_equal(out.id, 7);
    assert_int_equal(pbus_publish_send(conn, &event, 1, NULL, &err), PBUS_ERROR_CONNECTION);
    PQfinish(conn);
}

static void an_empty_batch_needs_no_server(void **state)
{
    (void)state;
    PGconn *conn = broken_connection();
    assert_int_equal(pbus_publish_batch(conn, NULL, 0, NULL, NULL, NULL), PBUS_OK);
    PQfinish(conn);
}

static void options_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    PGconn *conn = broken_connection();
    struct {
        pbus_publish_options known;
        uint64_t newer;
    } wide = {{sizeof wide, 0}, 0};
    pbus_error err;

    pbus_publish_options options = {0};
    assert_int_equal(pbus_publish(conn, &event, &options, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "PBUS_PUBLISH_OPTIONS_INIT"));
    options = (pbus_publish_options){sizeof options - 1, 0};
    assert_int_equal(pbus_publish(conn, &event, &options, NULL, &err), PBUS_ERROR_ARGUMENT);
    options = (pbus_publish_options){sizeof options, 0x80000000u};
    assert_int_equal(pbus_publish(conn, &event, &options, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "0x80000000"));
    assert_int_equal(pbus_publish_batch(conn, NULL, 0, &options, NULL, &err), PBUS_ERROR_ARGUMENT);

    wide.newer = 1;
    assert_int_equal(pbus_publish(conn, &event, &wide.known, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "newer"));
    wide.newer = 0; /* newer headers that ask for nothing new */
    assert_int_equal(pbus_publish(conn, &event, &wide.known, NULL, &err), PBUS_ERROR_CONNECTION);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_connection_or_event_is_refused),
        cmocka_unit_test(a_broken_connection_is_named_and_worth_another_try),
        cmocka_unit_test(an_empty_batch_needs_no_server),
        cmocka_unit_test(options_that_mean_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The caller's pbus_error: filled whole, cut cleanly, never needed. */
#include "cmocka_all.h"

#include <string.h>

#include <postbus/version.h>

#include "failure.h"

static void a_failure_fills_all_of_a_dirty_error(void **state)
{
    (void)state;
    pbus_error err;
    memset(&err, 0xA5, sizeof err);
    assert_int_equal(failure(&err, PBUS_ERROR_KEY, "key %d", 7), PBUS_ERROR_KEY);
    assert_int_equal(err.status, PBUS_ERROR_KEY);
    assert_false(err.retriable);
    assert_string_equal(err.sqlstate, "");
    assert_string_equal(err.message, "key 7");
}

static void a_failure_of_the_database_carries_its_sqlstate(void **state)
{
    (void)state;
    pbus_error err;
    assert_int_equal(failure_sql(&err, PBUS_ERROR_DATABASE, "40001", true, "again"), PBUS_ERROR_DATABASE);
    assert_string_equal(err.sqlstate, "40001");
    assert_true(err.retriable);
    assert_int_equal(failure_sql(&err, PBUS_ERROR_CONNECTION, NULL, true, "gone"), PBUS_ERROR_CONNECTION);
    assert_string_equal(err.sqlstate, "");
}

static void nobody_needs_to_pass_an_error(void **state)
{
    (void)state;
    assert_int_equal(failure(NULL, PBUS_ERROR_BUSY, "x"), PBUS_ERROR_BUSY);
    assert_int_equal(failure_sql(NULL, PBUS_ERROR_DATABASE, "40001", true, "x"), PBUS_ERROR_DATABASE);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    char text[2 * PBUS_ERROR_MESSAGE_SIZE];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', sizeof text);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        text[sizeof text - 1] = '\0';
        pbus_error err;
        assert_int_equal(failure(&err, PBUS_ERROR_TOPIC, "%s", text), PBUS_ERROR_TOPIC);
        size_t size = strlen(err.message);
        assert_in_range(size, PBUS_ERROR_MESSAGE_SIZE - 4, PBUS_ERROR_MESSAGE_SIZE - 1);
        assert_int_equal((size - shift) % 3, 0);
    }
}

static void each_status_has_its_own_name(void **state)
{
    (void)state;
    const char *names[128];
    size_t n = 0;
    for (int i = 0; i < 128; i++) {
        const char *name = pbus_status_name((pbus_status)i);
        if (strcmp(name, "PBUS_ERROR_UNKNOWN") != 0)
            names[n++] = name;
    }
    assert_int_equal(n, 27);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    assert_string_equal(pbus_status_name((pbus_status)-1), "PBUS_ERROR_UNKNOWN");
    assert_string_equal(pbus_status_name((pbus_status)12345), "PBUS_ERROR_UNKNOWN");
}

static void the_library_has_the_version_of_its_headers(void **state)
{
    (void)state;
    assert_string_equal(pbus_version_text(), PBUS_VERSION_TEXT);
    assert_int_equal(pbus_version_number(), PBUS_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_fills_all_of_a_dirty_error),
        cmocka_unit_test(a_failure_of_the_database_carries_its_sqlstate),
        cmocka_unit_test(nobody_needs_to_pass_an_error),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(each_status_has_its_own_name),
        cmocka_unit_test(the_library_has_the_version_of_its_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

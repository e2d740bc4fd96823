/* PostgreSQL's answers: the sound one, and all the others. */
#include "cmocka_all.h"

#include <string.h>

#include "answer.h"

static PGresult *result_of(int n_columns, Oid first, Oid second, int format)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[3] = {
        {.name = (char[]){"id"}, .typid = first, .typlen = 8, .format = format},
        {.name = (char[]){"event_id"}, .typid = second, .typlen = 16, .format = format},
        {.name = (char[]){"more"}, .typid = 25, .typlen = -1, .format = format},
    };
    assert_int_equal(PQsetResultAttrs(result, n_columns, columns), 1);
    return result;
}

static PGresult *sound_result(int n_rows)
{
    PGresult *result = result_of(2, 20, 2950, 1);
    for (int i = 0; i < n_rows; i++) {
        char id[8] = {0, 0, 0, 1, 0, 0, 0, (char)i};
        char event_id[16] = {[15] = (char)(i + 1)};
        assert_int_equal(PQsetvalue(result, i, 0, id, 8), 1);
        assert_int_equal(PQsetvalue(result, i, 1, event_id, 16), 1);
    }
    return result;
}

static void a_sound_answer_gives_each_events_ids(void **state)
{
    (void)state;
    PGresult *result = sound_result(2);
    pbus_published out[2];
    pbus_error err;
    memset(&err, 0xA5, sizeof err);
    assert_int_equal(pbus_publish_read(result, 2, out, &err), PBUS_OK);
    assert_true(out[0].id == 0x100000000 && out[1].id == 0x100000001);
    assert_int_equal(out[1].event_id.bytes[15], 2);
    assert_int_equal((unsigned char)err.message[0], 0xA5);
    assert_int_equal(pbus_publish_read(result, 2, NULL, NULL), PBUS_OK);
    PQclear(result);
}

static void refused_and_untouched(PGresult *result, size_t n_events, pbus_status expected, const char *says)
{
    pbus_published out[4], before[4];
    pbus_error err;
    memset(out, 0x5A, sizeof out);
    memcpy(before, out, sizeof out);
    assert_int_equal(pbus_publish_read(result, n_events, out, &err), expected);
    assert_memory_equal(out, before, sizeof out);
    assert_int_equal(err.status, expected);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    assert_int_equal(pbus_publish_read(result, n_events, NULL, NULL), expected);
    PQclear(result);
}

static void results_that_are_not_of_a_publish_are_refused(void **state)
{
    (void)state;
    refused_and_untouched(NULL, 1, PBUS_ERROR_ARGUMENT, "the result is NULL");
    refused_and_untouched(sound_result(2), 1, PBUS_ERROR_ARGUMENT, "tells of 2 events, but n_events is 1");
    refused_and_untouched(sound_result(2), 3, PBUS_ERROR_ARGUMENT, "tells of 2 events, but n_events is 3");
    refused_and_untouched(sound_result(0), 1, PBUS_ERROR_ARGUMENT, "tells of 0 events");
    refused_and_untouched(result_of(1, 20, 0, 1), 0, PBUS_ERROR_ARGUMENT, "is not of a command");
    refused_and_untouched(result_of(3, 20, 2950, 1), 0, PBUS_ERROR_ARGUMENT, "is not of a command");
    refused_and_untouched(result_of(2, 23, 2950, 1), 0, PBUS_ERROR_ARGUMENT, "is not of a command");
    refused_and_untouched(result_of(2, 20, 25, 1), 0, PBUS_ERROR_ARGUMENT, "is not of a command");
    refused_and_untouched(result_of(2, 20, 2950, 0), 0, PBUS_ERROR_ARGUMENT, "is not of a command");
    static const ExecStatusType others[] = {PGRES_EMPTY_QUERY, PGRES_COMMAND_OK,   PGRES_COPY_OUT,
                                            PGRES_COPY_IN,     PGRES_SINGLE_TUPLE, PGRES_PIPELINE_SYNC};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        refused_and_untouched(PQmakeEmptyPGresult(NULL, others[i]), 1, PBUS_ERROR_ARGUMENT,
                              "is not of a command");
}

static void a_row_with_a_null_is_refused(void **state)
{
    (void)state;
    PGresult *result = sound_result(2);
    pbus_published out[2] = {{.id = -7}, {.id = -8}};
    pbus_error err;
    assert_int_equal(PQsetvalue(result, 1, 1, NULL, -1), 1);
    assert_int_equal(pbus_publish_read(result, 2, out, &err), PBUS_ERROR_ARGUMENT);
    assert_true(out[0].id == -7 && out[1].id == -8);
    assert_int_equal(pbus_publish_read(result, 2, NULL, NULL),
                     PBUS_OK); /* nobody asked for what is not there */
    assert_int_equal(PQsetvalue(result, 1, 0, NULL, -1), 1);
    refused_and_untouched(result, 2, PBUS_ERROR_ARGUMENT, "n_events is 2");
}

static void what_a_pipeline_skipped_is_told_from_what_failed(void **state)
{
    (void)state;
    refused_and_untouched(PQmakeEmptyPGresult(NULL, PGRES_PIPELINE_ABORTED), 1, PBUS_ERROR_SKIPPED,
                          "earlier command");
    refused_and_untouched(PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR), 1, PBUS_ERROR_CONNECTION, "libpq");
    refused_and_untouched(PQmakeEmptyPGresult(NULL, PGRES_BAD_RESPONSE), 1, PBUS_ERROR_CONNECTION, "libpq");
}

static void each_sqlstate_has_its_meaning(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        pbus_status status;
        bool retriable;
    } cases[] = {
        {"PB001", PBUS_ERROR_TOPIC, false},
        {"PB002", PBUS_ERROR_VALUE, false},
        {"PB003", PBUS_ERROR_HEADERS, false},
        {"PB004", PBUS_ERROR_KEY, false},
        {"PB005", PBUS_ERROR_TYPE, false},
        {"PB006", PBUS_ERROR_DATABASE, false},
        {"PB010", PBUS_ERROR_MISFIT, false},
        {"25006", PBUS_ERROR_READ_ONLY, false},
        {"25P02", PBUS_ERROR_FAILED_TRANSACTION, false},
        {"42501", PBUS_ERROR_PERMISSION, false},
        {"3F000", PBUS_ERROR_SCHEMA, false},
        {"42883", PBUS_ERROR_SCHEMA, false},
        {"42P01", PBUS_ERROR_SCHEMA, false},
        {"57P01", PBUS_ERROR_CONNECTION, true},
        {"08006", PBUS_ERROR_CONNECTION, true},
        {"25P03", PBUS_ERROR_CONNECTION, true},
        {"40001", PBUS_ERROR_DATABASE, true},
        {"40P01", PBUS_ERROR_DATABASE, true},
        {"53100", PBUS_ERROR_DATABASE, true},
        {"55P03", PBUS_ERROR_DATABASE, true},
        {"57014", PBUS_ERROR_DATABASE, true},
        {"22021", PBUS_ERROR_DATABASE, false},
        {"XX000", PBUS_ERROR_DATABASE, false},
        {"", PBUS_ERROR_DATABASE, false},
        {"4", PBUS_ERROR_DATABASE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer_meaning meaning = answer_meaning_of(cases[i].sqlstate);
        if (meaning.status != cases[i].status || meaning.retriable != cases[i].retriable)
            fail_msg("%s means %s", cases[i].sqlstate, pbus_status_name(meaning.status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_answer_gives_each_events_ids),
        cmocka_unit_test(results_that_are_not_of_a_publish_are_refused),
        cmocka_unit_test(a_row_with_a_null_is_refused),
        cmocka_unit_test(what_a_pipeline_skipped_is_told_from_what_failed),
        cmocka_unit_test(each_sqlstate_has_its_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

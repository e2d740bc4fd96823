/* A page reads its rows in place, refuses what is not of the queries' form, and lets go of PostgreSQL's answer with its last row. */
#include "cmocka_all.h"
#include "made_page.h"

#include <string.h>

static void a_row_is_read_as_it_was_sent(void **state)
{
    (void)state;
    made_row r = {.id = INT64_C(0x1234567890abcd),
                  .created_at_us = 1000001,
                  .topic = "orders",
                  .key = "k\0k",
                  .key_size = 3,
                  .value = "\0\1",
                  .value_size = 2,
                  .type = "made",
                  .type_size = 4,
                  .headers = "\1{}",
                  .headers_size = 3,
                  .event_id = "0123456789abcdef",
                  .event_id_size = 16};
    page *p = page_new(made_result(&r, 1));
    page_event e = page_read(p, 0);
    assert_int_equal(e.id, INT64_C(0x1234567890abcd));
    assert_int_equal(e.created_at_ms, INT64_C(946684801000));
    assert_string_equal(e.topic, "orders");
    assert_int_equal(e.topic_size, 6);
    assert_int_equal(e.key.size, 3);
    assert_memory_equal(e.key.data, "k\0k", 3);
    assert_memory_equal(e.value.data, "\0\1", 2);
    assert_memory_equal(e.type.data, "made", 4);
    assert_int_equal(e.headers.size, 3);
    assert_int_equal(e.event_id.size, 16);
    page_free(p);
}

static void null_is_not_empty(void **state)
{
    (void)state;
    made_row r = made_row_plain(1);
    r.key_size = -1;
    r.value_size = 0;
    page *p = page_new(made_result(&r, 1));
    page_event e = page_read(p, 0);
    assert_null(e.key.data);
    assert_non_null(e.value.data);
    assert_int_equal(e.value.size, 0);
    assert_null(e.type.data);
    assert_null(e.headers.data);
    assert_null(e.event_id.data);
    page_free(p);
}

static void times_before_2000_are_read(void **state)
{
    (void)state;
    made_row r = made_row_plain(1);
    r.created_at_us = -86400000000;
    page *p = page_new(made_result(&r, 1));
    assert_int_equal(page_read(p, 0).created_at_ms, INT64_C(946598400000));
    page_free(p);
}

/* PostgreSQL sends its infinities as the smallest and the largest number. */
static void times_at_the_ends_of_the_range_are_read(void **state)
{
    (void)state;
    static const struct {
        int64_t us, ms;
    } cases[] = {
        {INT64_MAX, INT64_C(9223372036854775) + 946684800000},
        {INT64_MIN, INT64_C(-9223372036854776) + 946684800000},
        {-1, INT64_C(946684799999)},
        {999, INT64_C(946684800000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        made_row r = made_row_plain(1);
        r.created_at_us = cases[i].us;
        page *p = page_new(made_result(&r, 1));
        assert_int_equal(page_read(p, 0).created_at_ms, cases[i].ms);
        page_free(p);
    }
}

static void an_answer_with_no_rows_is_a_page_of_none(void **state)
{
    (void)state;
    page *p = page_new(made_result(NULL, 0));
    assert_non_null(p);
    assert_int_equal(p->n_rows, 0);
    assert_int_equal(p->n_open, 0);
    page_free(p);
}

static void an_answer_with_other_columns_is_refused(void **state)
{
    (void)state;
    PGresAttDesc column = {.name = (char[]){"id"}, .format = 1};
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(res, 1, &column);
    assert_null(page_new(res));
    assert_null(page_new(PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK)));
}

static void a_row_with_an_id_that_is_no_bigint_is_refused(void **state)
{
    (void)state;
    made_row rows[2] = {made_row_plain(1), made_row_plain(2)};
    PGresult *res = made_result(rows, 2);
    PQsetvalue(res, 1, 0, (char[]){"1234"}, 4);
    assert_null(page_new(res));
}

static void a_row_without_a_time_is_refused(void **state)
{
    (void)state;
    made_row r = made_row_plain(1);
    PGresult *res = made_result(&r, 1);
    PQsetvalue(res, 0, 1, NULL, -1);
    assert_null(page_new(res));
}

static void a_row_without_a_topic_is_refused(void **state)
{
    (void)state;
    made_row r = made_row_plain(1);
    r.topic = NULL;
    assert_null(page_new(made_result(&r, 1)));
}

static void the_answer_is_let_go_with_the_last_row(void **state)
{
    (void)state;
    size_t account = 7;
    page *p = made_page(1, 3);
    page_charge(p, &account);
    assert_int_equal(account, 7 + p->bytes);
    page_row_done(p, &p->rows[2], ROW_ACKED);
    page_row_done(p, &p->rows[0], ROW_PARKED);
    assert_non_null(p->result);
    page_row_done(p, &p->rows[1], ROW_ACKED);
    assert_null(p->result);
    assert_int_equal(account, 7);
    page_free(p);
    assert_int_equal(account, 7);
}

static void copies_of_its_records_count_as_the_pages_until_they_are_dropped(void **state)
{
    (void)state;
    made_row rows[] = {made_row_plain(1), made_row_plain(2)};
    size_t account = 0;
    page *p = page_new(made_result(rows, 2));
    page_charge(p, &account);
    size_t alone = account;
    page_add_copy(p, 1000);
    page_add_copy(p, 500);
    assert_int_equal(account, alone + 1500);
    page_drop_copy(p, 1000);
    page_row_done(p, &p->rows[0], ROW_ACKED);
    assert_int_equal(account, alone + 500);
    page_drop_copy(p, 500);
    page_row_done(p, &p->rows[1], ROW_ACKED);
    assert_int_equal(account, 0);
    page_free(p);
}

static void a_page_that_is_thrown_away_weighs_nothing_any_more(void **state)
{
    (void)state;
    size_t account = 0;
    page *p = made_page(1, 3);
    page_charge(p, &account);
    page_free(p);
    assert_int_equal(account, 0);
    page_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_read_as_it_was_sent),
        cmocka_unit_test(null_is_not_empty),
        cmocka_unit_test(times_before_2000_are_read),
        cmocka_unit_test(times_at_the_ends_of_the_range_are_read),
        cmocka_unit_test(an_answer_with_no_rows_is_a_page_of_none),
        cmocka_unit_test(an_answer_with_other_columns_is_refused),
        cmocka_unit_test(a_row_with_an_id_that_is_no_bigint_is_refused),
        cmocka_unit_test(a_row_without_a_time_is_refused),
        cmocka_unit_test(a_row_without_a_topic_is_refused),
        cmocka_unit_test(the_answer_is_let_go_with_the_last_row),
        cmocka_unit_test(copies_of_its_records_count_as_the_pages_until_they_are_dropped),
        cmocka_unit_test(a_page_that_is_thrown_away_weighs_nothing_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

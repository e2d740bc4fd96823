/* Makes results without a server; knows the columns' order and binary forms, and nothing of pages. */
#include "made_page.h"

#include <endian.h>
#include <string.h>

#include "cmocka_all.h"

enum { N_COLUMNS = 8 };

made_row made_row_plain(int64_t id)
{
    return (made_row){.id = id,
                      .topic = "t",
                      .key = "k",
                      .key_size = 1,
                      .value = "v",
                      .value_size = 1,
                      .type_size = -1,
                      .headers_size = -1,
                      .event_id_size = -1};
}

static void set(PGresult *res, int line, int column, const char *data, int size)
{
    char copy[4096];
    assert_true(size <= (int)sizeof copy);
    if (size > 0)
        memcpy(copy, data, (size_t)size);
    assert_int_equal(PQsetvalue(res, line, column, size < 0 ? NULL : copy, size), 1);
}

static void set64(PGresult *res, int line, int column, int64_t n)
{
    uint64_t big = htobe64((uint64_t)n);
    set(res, line, column, (const char *)&big, 8);
}

PGresult *made_result(const made_row *rows, int n)
{
    static char names[N_COLUMNS][12] = {"id",    "created_at", "topic",   "key",
                                        "value", "type",       "headers", "event_id"};
    PGresAttDesc columns[N_COLUMNS];
    memset(columns, 0, sizeof columns);
    for (int i = 0; i < N_COLUMNS; i++)
        columns[i] = (PGresAttDesc){.name = names[i], .format = 1, .typlen = -1, .atttypmod = -1};
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(res, N_COLUMNS, columns), 1);
    for (int i = 0; i < n; i++) {
        const made_row *r = &rows[i];
        set64(res, i, 0, r->id);
        set64(res, i, 1, r->created_at_us);
        set(res, i, 2, r->topic, r->topic ? (int)strlen(r->topic) : -1);
        set(res, i, 3, r->key, r->key_size);
        set(res, i, 4, r->value, r->value_size);
        set(res, i, 5, r->type, r->type_size);
        set(res, i, 6, r->headers, r->headers_size);
        set(res, i, 7, r->event_id, r->event_id_size);
    }
    return res;
}

page *made_page(int64_t first_id, int n)
{
    made_row rows[64];
    assert_true(n <= 64);
    for (int i = 0; i < n; i++)
        rows[i] = made_row_plain(first_id + i);
    page *p = page_new(made_result(rows, n));
    assert_non_null(p);
    return p;
}

/* Makes rows of any form, as a server that is none of ours could send them: a page either refuses them or reads within its bounds.
 *
 * The input: how many columns, how many rows, and then for each value its length (0xff: NULL) and its bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_COLUMNS = 10, MOST_ROWS = 5 };

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static unsigned take_byte(input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static void set_value(PGresult *res, int row, int column, input *in)
{
    char copy[255];
    unsigned length = take_byte(in);
    if (length == 0xff) {
        PQsetvalue(res, row, column, NULL, -1);
        return;
    }
    if (length > in->size)
        length = (unsigned)in->size;
    memcpy(copy, in->data, length);
    in->data += length;
    in->size -= length;
    PQsetvalue(res, row, column, copy, (int)length);
}

static PGresult *make_result(input *in)
{
    static char name[] = "c";
    PGresAttDesc columns[MOST_COLUMNS];
    int n_columns = (int)(take_byte(in) % MOST_COLUMNS) + 1, n_rows = (int)(take_byte(in) % MOST_ROWS);
    memset(columns, 0, sizeof columns);
    for (int i = 0; i < n_columns; i++)
        columns[i] = (PGresAttDesc){.name = name, .format = 1, .typlen = -1, .atttypmod = -1};
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    if (!res || !PQsetResultAttrs(res, n_columns, columns))
        abort();
    for (int row = 0; row < n_rows; row++)
        for (int column = 0; column < n_columns; column++)
            set_value(res, row, column, in);
    return res;
}

static volatile unsigned touched; /* so that no reading is left out */

static unsigned sum(const char *data, size_t size)
{
    unsigned total = 0;
    for (size_t i = 0; i < size; i++)
        total += (unsigned char)data[i];
    return total;
}

static unsigned read_row(page *p, int i)
{
    page_event e = page_read(p, i);
    if (e.topic[e.topic_size] != '\0')
        abort();
    return sum(e.topic, e.topic_size) + sum(e.key.data, e.key.size) + sum(e.value.data, e.value.size) +
           sum(e.type.data, e.type.size) + sum(e.headers.data, e.headers.size) +
           sum(e.event_id.data, e.event_id.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    size_t account = 0;
    page *p = page_new(make_result(&in));
    if (!p)
        return 0;
    page_charge(p, &account);
    for (int i = 0; i < p->n_rows; i++)
        touched = read_row(p, i);
    for (int i = p->n_rows; i > 0; i--)
        page_row_done(p, &p->rows[i - 1], i % 2 ? ROW_ACKED : ROW_PARKED);
    if (p->n_rows > 0 && account != 0)
        abort();
    page_free(p);
    return 0;
}

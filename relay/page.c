/* Reads the binary rows of a page in place; must never copy a value. */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define EPOCH_2000_US 946684800000000LL
#define PER_RECORD_BYTES                                                                                     \
    400 /* what librdkafka keeps for a record besides its value: its message, key and headers */

enum column {
    COL_ID,
    COL_CREATED_AT,
    COL_TOPIC,
    COL_KEY,
    COL_VALUE,
    COL_TYPE,
    COL_HEADERS,
    COL_EVENT_ID,
    N_COLUMNS
};

static int64_t big_endian64(const char *p)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | (unsigned char)p[i];
    return (int64_t)n;
}

static bool well_formed(const PGresult *res, int i)
{
    return PQgetlength(res, i, COL_ID) == 8 && PQgetlength(res, i, COL_CREATED_AT) == 8 &&
           !PQgetisnull(res, i, COL_TOPIC);
}

/* As the queries count them: jsonb comes as its text behind a byte. */
static size_t counted_bytes(const PGresult *res, int i)
{
    int headers = PQgetlength(res, i, COL_HEADERS);
    return (size_t)(PQgetlength(res, i, COL_VALUE) + PQgetlength(res, i, COL_KEY) +
                    (headers > 0 ? headers - 1 : 0));
}

/* Rounded down. Divided before the epochs are added up: 'infinity' is the largest number there is. */
static int64_t ms_since_1970(int64_t us_since_2000)
{
    return us_since_2000 / 1000 - (us_since_2000 % 1000 < 0) + EPOCH_2000_US / 1000;
}

/* Within what can be added to and subtracted from another time. */
static int64_t us_since_1970(int64_t us_since_2000)
{
    if (us_since_2000 > INT64_MAX / 2)
        return INT64_MAX / 2;
    return us_since_2000 < INT64_MIN / 2 ? INT64_MIN / 2 : us_since_2000 + EPOCH_2000_US;
}

page *page_new(PGresult *result)
{
    int n = PQntuples(result);
    page *p = PQnfields(result) >= N_COLUMNS ? calloc(1, sizeof *p + (size_t)n * sizeof p->rows[0]) : NULL;
    if (!p) {
        PQclear(result);
        return NULL;
    }
    *p = (page){.result = result, .n_rows = n, .n_open = n};
    for (int i = 0; i < n; i++) {
        if (!well_formed(result, i)) {
            page_free(p);
            return NULL;
        }
        p->rows[i] = (row){
            .page = p, .id = big_endian64(PQgetvalue(result, i, COL_ID)), .offset = -1, .partition = -1};
        p->value_bytes += counted_bytes(result, i);
    }
    p->bytes = PQresultMemorySize(result) + (size_t)n * (sizeof(row) + PER_RECORD_BYTES);
    if (n > 0) {
        p->arrived_us = clock_now_us();
        p->oldest_us = us_since_1970(big_endian64(PQgetvalue(result, 0, COL_CREATED_AT)));
    }
    return p;
}

static void release_result(page *p)
{
    PQclear(p->result);
    p->result = NULL;
    if (p->account)
        *p->account -= p->bytes;
    p->account = NULL;
}

void page_free(page *p)
{
    if (!p)
        return;
    release_result(p);
    free(p);
}

void page_charge(page *p, size_t *account)
{
    p->account = account;
    *account += p->bytes;
}

void page_add_copy(page *p, size_t size)
{
    p->bytes += size;
    if (p->account)
        *p->account += size;
}

void page_drop_copy(page *p, size_t size)
{
    p->bytes -= size;
    if (p->account)
        *p->account -= size;
}

int64_t page_extra(const page *p, int i, int column)
{
    if (PQgetisnull(p->result, i, N_COLUMNS + column))
        return 0;
    return big_endian64(PQgetvalue(p->result, i, N_COLUMNS + column));
}

static page_bytes bytes_at(const PGresult *res, int i, int column)
{
    if (PQgetisnull(res, i, column))
        return (page_bytes){0};
    return (page_bytes){PQgetvalue(res, i, column), (size_t)PQgetlength(res, i, column)};
}

page_event page_read(const page *p, int i)
{
    const PGresult *res = p->result;
    return (page_event){
        .id = p->rows[i].id,
        .created_at_ms = ms_since_1970(big_endian64(PQgetvalue(res, i, COL_CREATED_AT))),
        .topic = PQgetvalue(res, i, COL_TOPIC),
        .topic_size = (size_t)PQgetlength(res, i, COL_TOPIC),
        .key = bytes_at(res, i, COL_KEY),
        .value = bytes_at(res, i, COL_VALUE),
        .type = bytes_at(res, i, COL_TYPE),
        .headers = bytes_at(res, i, COL_HEADERS),
        .event_id = bytes_at(res, i, COL_EVENT_ID),
    };
}

void page_row_done(page *p, row *r, row_state state)
{
    r->state = (uint8_t)state;
    if (--p->n_open == 0 && !p->kept)
        release_result(p);
}

void page_rewind(page *p, int from)
{
    for (int i = from; i < p->n_rows; i++)
        if (p->rows[i].state == ROW_ACKED) {
            p->rows[i].state = ROW_WAITING;
            p->n_open++;
        }
}

/* A page: rows read from the outbox in one answer, kept as PostgreSQL sent them until the broker has them all. */
#ifndef POSTBUS_RELAY_PAGE_H
#define POSTBUS_RELAY_PAGE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum row_state {
    ROW_WAITING, /* not handed over, or to be handed over again */
    ROW_SENT,    /* librdkafka has it */
    ROW_ACKED,   /* the broker has it */
    ROW_PARKED,  /* set aside: its topic cannot take it now */
} row_state;

typedef struct page page;

typedef struct row {
    page *page;
    int64_t id;
    union {
        int64_t offset;      /* ROW_ACKED */
        struct topic *topic; /* ROW_PARKED */
    };
    int32_t partition;
    uint8_t state;
} row;

struct page {
    page *next;
    PGresult *result;   /* NULL once every row is acknowledged or parked */
    void *lane;         /* the topic whose parked events it holds, NULL: read from the outbox */
    size_t *account;    /* where bytes is added up, NULL: nowhere yet */
    size_t bytes;       /* what it holds of the memory limit */
    size_t value_bytes; /* of values, keys and headers */
    int64_t arrived_us; /* by clock_now_us */
    int64_t oldest_us;  /* created_at of the first row, since 1970 */
    int n_rows;
    int n_open; /* rows neither acknowledged nor parked */
    row rows[];
};

/* The columns of queries/page_*.sql. */
typedef struct page_bytes {
    const char *data; /* NULL: the column is NULL */
    size_t size;
} page_bytes;

typedef struct page_event {
    int64_t id;
    int64_t created_at_ms; /* since 1970 */
    const char *topic;     /* NUL-terminated */
    size_t topic_size;
    page_bytes key, value, type, headers, event_id;
} page_event;

/* Takes result. NULL without memory or where a row is not of the form of the queries (then result is freed all the same). */
page *page_new(PGresult *result);
/* No row may be ROW_SENT: librdkafka points into it. */
void page_free(page *p);
/* Adds the page's bytes to an account for as long as it holds what PostgreSQL sent. */
void page_charge(page *p, size_t *account);
page_event page_read(const page *p, int i);
/* Counts a row as done; frees what PostgreSQL sent when it was the last. */
void page_row_done(page *p, row *r, row_state state);

#endif

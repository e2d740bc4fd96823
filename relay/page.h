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
    ROW_PARKED, /* set aside: its topic cannot take it now, or never will, or it waits behind one of its key */
    ROW_HELD,   /* waits until it can be sent alone */
} row_state;

/* ROW_PARKED: what it waits for. */
typedef enum row_waits {
    WAITS_TOPIC,     /* for its topic, in a lane */
    WAITS_OPERATOR,  /* refused */
    WAITS_STOP,      /* refused, and the topic waits behind it */
    WAITS_KEY,       /* for an earlier event of its key */
    WAITS_AS_IT_DID, /* parked already, and not touched */
} row_waits;

typedef struct page page;

typedef struct row {
    page *page;
    int64_t id;
    union {
        int64_t offset;      /* ROW_ACKED */
        struct topic *topic; /* ROW_PARKED: WAITS_TOPIC, WAITS_STOP */
        uint64_t queue;      /* ROW_PARKED: WAITS_OPERATOR, WAITS_KEY; 0: nothing waits behind it */
    };
    union {
        int32_t partition;  /* ROW_ACKED */
        int32_t flight;     /* ROW_SENT: flights.h */
        int32_t refusal_at; /* ROW_PARKED: refusal.h */
    };
    uint8_t state;
    uint8_t waits_for;
    bool
        suspect : 1; /* it or one in its request was refused, or might be, or it failed alone: to be sent alone */
    bool alone : 1;  /* alone.c has it */
    bool copied : 1; /* ROW_SENT: librdkafka has a copy of its own of what leaves, page_add_copy */
    bool clear : 1;  /* nothing before it is with the other producer */
} row;

struct page {
    page *next;
    PGresult *result; /* NULL once every row is acknowledged or parked, unless kept */
    void *lane;      /* the topic whose parked events it holds, or the redriver; NULL: read from the outbox */
    size_t *account; /* where bytes is added up, NULL: nowhere yet */
    size_t bytes;    /* what it holds of the memory limit */
    size_t value_bytes; /* of values, keys and headers */
    int64_t arrived_us; /* by clock_now_us */
    int64_t oldest_us;  /* created_at of the first row, since 1970 */
    bool kept;          /* until it is freed: an acknowledgement is not the last word */
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

/* Takes result. NULL without memory or where a row is not of the form of the queries, which may have further columns (then result is freed all the same). */
page *page_new(PGresult *result);
/* No row may be ROW_SENT: librdkafka points into it. */
void page_free(page *p);
/* Adds the page's bytes to an account for as long as it holds what PostgreSQL sent. */
void page_charge(page *p, size_t *account);
/* A record of the page's has a copy of so many bytes, until its report: they count as the page's. */
void page_add_copy(page *p, size_t size);
void page_drop_copy(page *p, size_t size);
/* A bigint of a further column, behind those of page_event: 0 is the first; NULL counts as 0. */
int64_t page_extra(const page *p, int i, int column);
page_event page_read(const page *p, int i);
/* Counts a row as done; frees what PostgreSQL sent when it was the last, unless the page is kept. */
void page_row_done(page *p, row *r, row_state state);
/* Of a page that is kept: its acknowledged rows from this one on were not published after all. */
void page_rewind(page *p, int from);

#endif

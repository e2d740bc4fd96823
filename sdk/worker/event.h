/* An event in memory: one block with all that its handler sees. */
#ifndef POSTBUS_WORKER_EVENT_H
#define POSTBUS_WORKER_EVENT_H

#include <librdkafka/rdkafka.h>
#include <postbus/worker.h>

typedef struct event {
    pbus_delivery view;
    pbus_uuid event_id;
    pbus_uuid identity; /* by which the inbox knows it */
    int source;         /* the topic of the subscription, by its number */
    int64_t queue;      /* a hash of topic and key */
    bool has_queue;     /* events of its key wait for each other */
    bool unreadable;    /* the filter could not be asked, or the value is no Avro that can be read */
    bool unjudged; /* the filter has not been asked for its fields yet: the value's schema was not known */
    char *why;     /* why it is unreadable; NULL: there is no more to say */
    char *json;    /* view.value_json */
    bool doubted;  /* a process may have died while it handled it */
    bool handled;  /* of a batch: its handler acknowledged */
    bool waited;   /* in memory, for another attempt or behind one that does */
    size_t size_bytes;
    /* Where it was read. */
    uint64_t generation;
    size_t window;
    uint64_t ticket;
    /* Its way so far; -1: not known. What had waited has none of them. */
    int64_t published_ms, relayed_ms; /* since 1970 */
    int64_t read_ms, read_us;         /* since 1970, and by feed_now_us */
    /* Where it waited. */
    int64_t n;
    int64_t looked_ms; /* when its value was first looked at, by schema_lookup_now_ms; 0: not yet */
    int deaths;        /* how many of its attempts ended with the process */
    /* Where it waits in memory. */
    int64_t due_ms, failed_at_ms; /* when it is to be tried again; when it first failed, since 1970 */
    struct event *behind,
        *behind_last; /* of its key, the next and the last; the latter counts where it is the first */
    struct event *chain;
    struct event *next;
} event;

/* The headers in which the relay tells of an event; "": in none. Where a record has several of a name, the last one counts: the publisher's come before. */
typedef struct event_headers {
    char *id, *type, *relayed_at;
} event_headers;

/* incarnation: of the partition, for records without an event id. topic: borrowed for as long as the event lives. NULL: no memory. */
event *event_from_record(const rd_kafka_message_t *record, const char *topic, int incarnation,
                         const event_headers *names);

/* A row of queries/take.sql. */
event *event_from_row(const struct pg_result *row, const event_headers *names);

void event_free(event *e);

#endif

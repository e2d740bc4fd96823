/* A row of the outbox as a Kafka record's headers. */
#ifndef POSTBUS_RELAY_RECORD_H
#define POSTBUS_RELAY_RECORD_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config.h"
#include "page.h"

/* Of the rows with ids above after_id, up to the next identity's. */
typedef struct record_identity {
    int64_t after_id;
    char id_prefix[20]; /* "xxxxxxxx-xxxx-8xxx-": the part of a derived event id that all its rows share */
} record_identity;

typedef struct record_maker {
    record_identity newest, *older; /* those the newest first */
    size_t n_identities;
    const char *id_header, *type_header, *relayed_at_header; /* NULL: no such header */
    size_t id_header_size, type_header_size, relayed_at_header_size;
    char now[21]; /* the value of relayed_at_header */
    size_t now_size;
    int64_t now_ms;
} record_maker;

/* Without an identity: one must be added before a row without an event id comes. */
void record_maker_init(record_maker *m, const config *cfg);
/* Forgets the identities. */
void record_maker_done(record_maker *m);
/* The next older identity. outbox_id: a UUID as text. false where it is none (or no memory). */
bool record_maker_add_identity(record_maker *m, int64_t after_id, const char *outbox_id);
/* The event id of a row that was given none; out takes 37 bytes. */
void record_derived_id(const record_maker *m, int64_t id, char *out);
/* The time that the headers of the next records tell, where they tell one: milliseconds since 1970. */
void record_maker_set_time(record_maker *m, int64_t wall_ms);
/* The headers of a record: the caller's, then the event id's, the type's and the time's unless the caller set one of that name. NULL where there are none
 * to be had; *ok is false where the stored headers are not an object of strings (or no memory). */
rd_kafka_headers_t *record_headers(const record_maker *m, const page_event *e, bool *ok);

#endif

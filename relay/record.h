/* A row of the outbox as a Kafka record's headers. */
#ifndef POSTBUS_RELAY_RECORD_H
#define POSTBUS_RELAY_RECORD_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config.h"
#include "page.h"

typedef struct record_maker {
    char id_prefix[20]; /* "xxxxxxxx-xxxx-8xxx-": the part of a derived event id that all rows share */
    const char *id_header, *type_header; /* NULL: no such header */
    size_t id_header_size, type_header_size;
} record_maker;

/* outbox_id: the UUID in postbus.instance, as text. false where it is none. */
bool record_maker_init(record_maker *m, const config *cfg, const char *outbox_id);
/* The event id of a row that was given none; out takes 37 bytes. */
void record_derived_id(const record_maker *m, int64_t id, char *out);
/* The headers of a record: the caller's, then the event id's and the type's unless the caller set one of that name. NULL where there are none
 * to be had; *ok is false where the stored headers are not an object of strings (or no memory). */
rd_kafka_headers_t *record_headers(const record_maker *m, const page_event *e, bool *ok);

#endif

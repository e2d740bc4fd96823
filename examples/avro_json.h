/* The values of a topic with an Avro schema, as JSON. */
#ifndef AVRO_JSON_H
#define AVRO_JSON_H

#include <stdbool.h>

#include <postbus/schema.h>

/* For values that were written with the schema of this .avsc file. NULL: it cannot be read; the reason is on stderr. */
pbus_decoder *avro_json_open(const char *path);

/* Appends a value, which is behind Confluent's frame, to *out. false: it is none; the reason is on stderr. */
bool avro_json(const pbus_decoder *decoder, const void *data, size_t size, pbus_buffer *out);

#endif

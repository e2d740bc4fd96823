/* How tail prints a record. */
#ifndef POSTBUS_CLI_TAIL_FORMAT_H
#define POSTBUS_CLI_TAIL_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include <librdkafka/rdkafka.h>

/* The default of --format. */
#define TAIL_FORMAT "%T %t/%p@%o %k %v\\n"

/* False: *out_wrong is the first thing in the format that means nothing. */
bool tail_format_check(const char *format, const char **out_wrong);

/* A value that is Avro, as JSON in UTF-8; NULL: it is printed as it is. */
typedef struct tail_avro {
    const char *json;
    size_t size;
} tail_avro;

/* Prints a record by a format that was checked. */
void tail_format_print(FILE *to, const char *format, const rd_kafka_message_t *record, const tail_avro *avro);

/* Prints a record as a JSON object on one line. Bytes that are no UTF-8 text are printed in base64, and the member's name tells it;
 * so does that of a value that is Avro. */
void tail_format_json(FILE *to, const rd_kafka_message_t *record, const tail_avro *avro);

#endif

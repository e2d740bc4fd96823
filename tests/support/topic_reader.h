/* A plain consumer that reads a topic into memory. Fails the running cmocka test where the broker cannot be asked. */
#ifndef POSTBUS_TEST_TOPIC_READER_H
#define POSTBUS_TEST_TOPIC_READER_H

#include <stddef.h>
#include <stdint.h>

typedef struct topic_header {
    char *name;
    char *value; /* followed by a zero byte; NULL where it has none */
    size_t value_size;
} topic_header;

typedef struct topic_record {
    char *key;   /* followed by a zero byte, so that texts can be compared; NULL = none */
    char *value; /* likewise; NULL = a tombstone */
    size_t key_size;
    size_t value_size;
    topic_header *headers;
    size_t n_headers;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
} topic_record;

typedef struct topic_records {
    topic_record *rows; /* each partition's in their order */
    size_t n_rows;
    size_t capacity;
} topic_records;

/* Reads all of a topic from its beginning: until there are at_least records and the end of each partition was reached, or
 * deadline_ms have passed. Release with topic_records_done. */
topic_records topic_read(const char *brokers, const char *topic, size_t at_least, int deadline_ms);

/* The same, without the records of transactions that were aborted or are open. topic_read has those too. */
topic_records topic_read_committed(const char *brokers, const char *topic, size_t at_least, int deadline_ms);

void topic_records_done(topic_records *records);

/* The value of the last header of this name as a string; NULL where the record has none. */
const char *topic_record_header(const topic_record *record, const char *name);

#endif

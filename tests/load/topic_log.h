/* The topics of a run: made before it, read to their end after it. */
#ifndef POSTBUS_LOAD_TOPIC_LOG_H
#define POSTBUS_LOAD_TOPIC_LOG_H

#include "stage.h"
#include "verdict.h"

typedef struct topic_log {
    log_record *records;
    size_t n;
    size_t capacity;
} topic_log;

/* Creates the plan's topics with STAGE_PARTITIONS partitions each. Says on stderr why not. */
bool topic_log_create_topics(const plan *p);

/* Reads every partition of the plan's topics from the first offset to the last. Says on stderr why not. */
bool topic_log_read(const plan *p, topic_log *out);
void topic_log_free(topic_log *log);

#endif

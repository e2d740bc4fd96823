/* The thread of a subscription that reads Kafka. */
#ifndef POSTBUS_WORKER_READER_H
#define POSTBUS_WORKER_READER_H

#include "feed.h"

/* Whether librdkafka takes the worker's settings, and none of them would break a promise. */
PBUS_MUST_USE pbus_status reader_check(const worker_config *cfg, pbus_error *err);

/* false: the thread could not be started. */
bool reader_start(feed *f);
void reader_join(feed *f);

#endif

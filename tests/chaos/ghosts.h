/* Events of transactions that a failover lost: Kafka may have them, the database has not. */
#ifndef POSTBUS_CHAOS_GHOSTS_H
#define POSTBUS_CHAOS_GHOSTS_H

#include "topic_log.h"

typedef struct ghosts {
    uint64_t *tokens; /* sorted */
    size_t n;
} ghosts;

/* Reads tokens, one a line, of what committed on lost servers and not on the present one. Says on stderr why not. */
bool ghosts_read(const char *path, ghosts *out);
void ghosts_free(ghosts *g);

/* Takes them out of the log; how many records. */
int64_t ghosts_remove(const ghosts *g, topic_log *log);

/* Events that came under an event id which another event in the log has: a subscriber would take them for a repetition. -1: no memory. */
int64_t ghosts_shared_ids(const topic_log *log);

#endif

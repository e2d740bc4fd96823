/* The figures that a process does not have by itself: what waits and what is dead, from the database, and the partitions' ends, from the brokers. Asked
 * by a thread and a session of its own, while somebody wants to know. */
#ifndef POSTBUS_WORKER_CENSUS_H
#define POSTBUS_WORKER_CENSUS_H

#include "cancel.h"
#include "feed.h"
#include "session.h"

/* What is older is not told any more, of the database where its next answer is overdue. */
enum { CENSUS_FRESH_MS = 60000 };

/* What the database said of one subscription. */
typedef struct census_answer {
    int64_t known_at_ms, known_until_ms; /* by feed_now_ms; 0: it has never answered */
    double waiting_events, waiting_oldest_age_s, dead_letters, members;
} census_answer;

typedef struct census {
    const worker_config *cfg;
    feed *feeds;
    size_t n_feeds;
    session session; /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool started, stopping, ended;
    int64_t wanted_at_ms; /* when somebody asked last; 0: nobody has */
    cancel *cancel;       /* of the session, which is open while there is one */
    int socket; /* its own descriptor of the session's socket: libpq may close the other at any time; -1 */
    census_answer *answers; /* one for each feed */
    size_t *ask_from;       /* likewise, the thread's: with which partition the brokers are asked first */
} census;

/* Without a thread. false: no memory; census_done is to follow all the same. */
bool census_init(census *c, const worker_config *cfg, feed *feeds, size_t n_feeds);
/* Nothing new is begun. Never waits. */
void census_stop(census *c);
/* Stops, ends what the database was asked, and waits for the thread. */
void census_done(census *c);

/* Somebody wants to know: starts the thread with the first call, and has it ask soon. Never waits. */
void census_want(census *c);
/* What is known of the feed i. */
census_answer census_read(census *c, size_t i);

#endif

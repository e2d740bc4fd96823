/* Where the outbox is at home, and whether it is found there: after a failover, a restore, a copy, an upgrade. */
#ifndef POSTBUS_RELAY_HOME_H
#define POSTBUS_RELAY_HOME_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* What this process has seen of the outbox, over all its sessions: how far it was settled, under which identity. The one thing that outlives a
 * session, and only to be compared with. */
typedef struct home {
    char identity[37]; /* the newest when it was noted; "": nothing is known yet */
    uint64_t x;
    int64_t l;
} home;

typedef enum home_answer {
    HOME_FINE,
    HOME_LOST_COMMITS, /* what was settled is not there, and the identity is a new one: a failover, a recovery, a rebase */
    HOME_WENT_BACK, /* what was settled is not there, and nothing tells why */
} home_answer;

#define HOME_REMEDY                                                                                          \
    "with all relays stopped, run `postbus rebase`; after pg_upgrade, `postbus rebase --upgraded`"

/* A position (the second fence and the last id drawn with it) that is durable in the database. */
void home_note(home *h, uint64_t x, int64_t l);
/* What to think of a database that is found with this identity and position; notes them. */
home_answer home_compare(home *h, const char *identity, uint64_t x, int64_t l);

/* Logs what the answer to home.sql says. The reason why no relay may lead here; NULL: there is none. */
const char *home_judge(const PGresult *res);

#endif

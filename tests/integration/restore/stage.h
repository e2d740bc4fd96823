/* The stage of the tests of failovers and restores: outboxes on servers that come and go, one topic each, and what Kafka has of them in the end. */
#ifndef POSTBUS_TEST_RESTORE_STAGE_H
#define POSTBUS_TEST_RESTORE_STAGE_H

#include "kafka_fixture.h"
#include "pg_fixture.h"
#include "proc_fixture.h"

#include <libpq-fe.h>
#include <stddef.h>

enum { SOON_MS = 120000 };

extern kafka_fixture *stage_kafka;

/* Group fixtures. */
int stage_open(void **state);
int stage_close(void **state);

/* A server with the database "shop", a fresh outbox in it, and the role relay. settings as pg_fixture_new has them. */
pg_fixture *shop_new(const char *const *settings);
/* The role relay on a server where "shop" was restored: roles are not part of a dump. */
void shop_roles(const pg_fixture *pg);
PGconn *shop_connect(const pg_fixture *pg);
/* pg_upgrade, with the programs of `to`, which is new and empty: stops both, and starts `to` with what `from` had. */
void upgrade(pg_fixture *from, pg_fixture *to);
/* A streaming standby of a server with "shop", once it streams. */
pg_fixture *shop_follow(const pg_fixture *primary);
/* All standbys have replayed what the primary has flushed. */
void expect_caught_up(PGconn *primary);
/* A topic of the test's own, for the caller to free. */
char *topic_new(void);

/* Publishes n events of five keys, each with a value that no other event of the program has: singly, in one transaction, in batches, by plain INSERTs,
 * in turn. */
void publish(PGconn *conn, const char *topic, int n);

/* A relay on one server, or on whichever of two takes writes; flags: further ones, ends with NULL (NULL: none). */
proc_fixture *relay_start(const pg_fixture *pg, const pg_fixture *or_else);
proc_fixture *relay_start_with(const pg_fixture *pg, const pg_fixture *or_else, const char *const *flags);
void relay_expect_leading(proc_fixture *relay);
void relay_stop(proc_fixture *relay);
void relay_kill(proc_fixture *relay);
/* It must end with 1, and say so. */
void relay_expect_refusal(proc_fixture *relay, const char *sentence);

/* Waits until nothing is pending. */
void expect_drained(PGconn *conn);
/* Waits until a query's first column is not zero. */
void expect_sql(PGconn *conn, const char *sql);

typedef struct found {
    size_t n_records, n_events, n_repeated; /* records, different event ids, records that came again */
} found;

/* Compares the topic with the outbox's rows: no two different events have one event id (their values tell), each row is there under the id that the
 * database tells, and each key's rows came first in the order in which they were published. */
found expect_whole(PGconn *conn, const char *topic);

/* postbus rebase with these flags (ends with NULL) on the server; its exit code, and what it said in *out_text (NULL: is not wanted). */
int rebase(const pg_fixture *pg, const char *const *flags, char **out_text);
/* The same beside an open transaction that has published: commits it once the rebase waits. conn looks on. */
int rebase_that_waits(const pg_fixture *pg, const char *const *flags, PGconn *conn, PGconn *open,
                      char **out_text);
#define REBASE_FLAGS(...)                                                                                    \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

#endif

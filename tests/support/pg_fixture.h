/* A private PostgreSQL server for one test program. Fails the running cmocka test where something goes wrong.
 *
 * POSTBUS_TEST_PG_BIN chooses the binaries. The server has durable commits (fsync = on), wal_level = replica and prepared
 * transactions, listens on 127.0.0.1 and on a socket, and lets everybody in. It dies with the test program. */
#ifndef POSTBUS_TEST_PG_FIXTURE_H
#define POSTBUS_TEST_PG_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

typedef struct pg_fixture pg_fixture;

typedef enum pg_fixture_stop_mode { PG_STOP_FAST, PG_STOP_IMMEDIATE } pg_fixture_stop_mode;

/* Creates and starts one. settings: "name=value" of postgresql.conf, ends with NULL; NULL = none. */
pg_fixture *pg_fixture_new(const char *const *settings);

/* The same of another PostgreSQL: the directory of its programs. */
pg_fixture *pg_fixture_new_of(const char *bin, const char *const *settings);

/* That directory, for the caller to free, of a version that has all programs, pg_upgrade too. NULL: it cannot be had here, and why was printed. */
char *pg_fixture_whole_bin(const char *version);

/* A streaming standby of a running server, started and following. */
pg_fixture *pg_fixture_new_standby(const pg_fixture *primary);

/* A base backup of a running server, not started: what becomes of it is for settings to say. As it is, it would be a streaming standby. */
pg_fixture *pg_fixture_new_backup(const pg_fixture *primary);

/* Adds "name = 'value'" lines to postgresql.conf; they hold from the next start on (or SELECT pg_reload_conf()). */
void pg_fixture_configure(const pg_fixture *pg, const char *name, const char *value);

/* From its return on all commits of the server wait (wait_event SyncRep) for a standby that never comes, but those with synchronous_commit = local. */
void pg_fixture_hold_commits(const pg_fixture *pg);
void pg_fixture_release_commits(const pg_fixture *pg);

/* Ends a standby's recovery and returns when it takes writes. */
void pg_fixture_promote(const pg_fixture *pg);

/* A line of shell, run as the servers' user; $DIR is this server's directory, $BIN the one of its programs. Its exit code. */
int pg_fixture_shell(const pg_fixture *pg, const char *line);

/* Stops it at once and removes its data. NULL is taken. */
void pg_fixture_free(pg_fixture *pg);

void pg_fixture_start(pg_fixture *pg);
void pg_fixture_stop(pg_fixture *pg, pg_fixture_stop_mode mode);
void pg_fixture_restart(pg_fixture *pg, pg_fixture_stop_mode mode);

int pg_fixture_port(const pg_fixture *pg);
const char *pg_fixture_directory(const pg_fixture *pg); /* also that of the socket */
int pg_fixture_version(const pg_fixture *pg);           /* 150020 */

/* A connection string for a database and role; NULL = "postgres". For the caller to free. */
char *pg_fixture_conninfo(const pg_fixture *pg, const char *database, const char *role);

/* An open connection with its notices silenced; PQfinish it. */
PGconn *pg_fixture_connect(const pg_fixture *pg, const char *database, const char *role);

/* Creates a new, empty database, dropping an older one of that name. */
void pg_fixture_create_database(const pg_fixture *pg, const char *database);

/* Runs the embedded migrations, each in a transaction, in a database that has none. (`postbus migrate` has tests of its own.) */
void pg_fixture_migrate(const pg_fixture *pg, const char *database);
/* The same over a connection, as its role. */
void pg_fixture_migrate_over(PGconn *conn);

/* create_database and migrate in one: a fresh outbox for a test. */
void pg_fixture_create_outbox(const pg_fixture *pg, const char *database);

#endif

/* The doorbell's two sides on real sessions; it must never hide an error of a statement. */
#include "bell.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "postbus_sql.h"

#define BELL "8101821198368076544"
#define ANSWER_MS 30000

static char directory[] = "/tmp/postbus-doorbell.XXXXXX";
static char database[512];

static bool run_support(const char *command, char *line, size_t size)
{
    char text[1024];
    FILE *out;

    snprintf(text, sizeof text, POSTBUS_SUPPORT "/pg-cluster %s", command);
    out = popen(text, "r");
    if (!out)
        return false;
    if (line && !fgets(line, (int)size, out))
        line[0] = '\0';
    while (fgetc(out) != EOF) {}
    return pclose(out) == 0;
}

static void migrate(void)
{
    PGconn *conn = bell_connect();

    for (const sql_migration *m = sql_migrations; m->name; m++)
        bell_run(conn, m->text);
    PQfinish(conn);
}

int bell_server_start(void **state)
{
    char command[256], port[64] = "";

    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(command, sizeof command,
             "start %s --set fsync=off --set autovacuum=off >%s/started 2>&1; cat %s/port", directory,
             directory, directory);
    if (!run_support(command, port, sizeof port) || atoi(port) == 0)
        return -1;
    snprintf(database, sizeof database, "host=%s port=%d user=postgres dbname=postgres", directory,
             atoi(port));
    migrate();
    return 0;
}

int bell_server_stop(void **state)
{
    char command[256];

    (void)state;
    snprintf(command, sizeof command, "stop %s --mode immediate; rm -rf %s", directory, directory);
    return run_support(command, NULL, 0) ? 0 : -1;
}

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

PGconn *bell_connect(void)
{
    PGconn *conn = PQconnectdb(database);

    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    return conn;
}

void bell_run(PGconn *conn, const char *sql)
{
    PGresult *r = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(r);

    PQclear(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%.200s: %s", sql, PQerrorMessage(conn));
}

void bell_run_refused(PGconn *conn, const char *sql, const char *sqlstate)
{
    PGresult *r = PQexec(conn, sql);
    const char *given = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    assert_string_equal(given ? given : "no error", sqlstate);
    PQclear(r);
}

int64_t bell_number(PGconn *conn, const char *sql)
{
    PGresult *r = PQexec(conn, sql);
    int64_t number;

    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) < 1)
        fail_msg("%.200s: %s", sql, PQerrorMessage(conn));
    number = PQgetvalue(r, 0, 0)[0] == 't' ? 1 : strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return number;
}

PGconn *bell_relay_connect(void)
{
    PGconn *relay = bell_connect();

    bell_run(relay, "LISTEN postbus; LISTEN until_here");
    return relay;
}

bool bell_try_arm(PGconn *relay)
{
    return bell_number(relay, "SELECT pg_try_advisory_lock(" BELL ")") == 1;
}

void bell_disarm(PGconn *relay)
{
    assert_int_equal(bell_number(relay, "SELECT pg_advisory_unlock(" BELL ")"), 1);
}

/* Rings among what has arrived; *until_here when the message to itself was there. */
static int take_rings(PGconn *relay, bool *until_here)
{
    PGnotify *message;
    int rings = 0;

    while ((message = PQnotifies(relay))) {
        if (strcmp(message->relname, "postbus") == 0)
            rings++;
        else
            *until_here = true;
        PQfreemem(message);
    }
    return rings;
}

int bell_rings(PGconn *relay)
{
    bool until_here = false;
    int rings;

    bell_run(relay, "NOTIFY until_here");
    rings = take_rings(relay, &until_here);
    while (!until_here) {
        struct pollfd socket = {.fd = PQsocket(relay), .events = POLLIN};

        assert_true(poll(&socket, 1, ANSWER_MS) > 0 && PQconsumeInput(relay));
        rings += take_rings(relay, &until_here);
    }
    return rings;
}

int64_t bell_sharers(PGconn *any)
{
    return bell_number(
        any, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
             " AND (classid::bigint << 32 | objid::bigint) = " BELL);
}

/* Reads the truth from the tables; it must never change an event. */
#include "truth.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scenario.h"

#define CONNECT_PATIENCE_MS 30000

static PGconn *connect(const plan *p)
{
    PGconn *conn = session_connect_by(p->database, "torture-truth", now_ms() + CONNECT_PATIENCE_MS);

    if (!conn)
        fprintf(stderr, "torture: the database cannot be reached\n");
    return conn;
}

static bool run(PGconn *conn, const char *sql)
{
    PGresult *r = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(r);

    PQclear(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return true;
    fprintf(stderr, "torture: %s", PQerrorMessage(conn));
    return false;
}

static void commit_prepared(PGconn *conn)
{
    PGresult *r = PQexec(conn, "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'torture-%'");
    char sql[192];

    for (int i = 0; i < PQntuples(r); i++) {
        snprintf(sql, sizeof sql, "COMMIT PREPARED '%s'", PQgetvalue(r, i, 0));
        run(conn, sql);
    }
    PQclear(r);
}

static bool insert_keys(PGconn *conn, const plan *p)
{
    char sql[512];
    bool ok = true;

    for (int i = 0; ok && i < STAGE_TOPICS; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO torture.key (topic, key) SELECT '%s', 'hot-' || g FROM generate_series(0, %d) g"
                 " UNION ALL SELECT '%s', 'writer-' || g FROM generate_series(0, %d) g",
                 p->topics[i], p->n_hot_keys - 1, p->topics[i], p->n_writers - 1);
        ok = run(conn, sql);
    }
    return ok;
}

bool truth_prepare(const plan *p)
{
    PGconn *conn = connect(p);
    bool ok = false;

    if (conn) {
        commit_prepared(conn);
        ok = run(conn, "SET client_min_messages = warning") && run(conn, scenario_tables) &&
             insert_keys(conn, p);
    }
    PQfinish(conn);
    return ok;
}

static bool take_rows(const PGresult *r, truth *out)
{
    size_t n = (size_t)PQntuples(r);

    if (out->n + n > out->capacity) {
        size_t capacity = (out->n + n) * 2;
        truth_event *grown = realloc(out->events, capacity * sizeof *grown);

        if (!grown)
            return false;
        out->events = grown;
        out->capacity = capacity;
    }
    for (int i = 0; i < (int)n; i++) {
        const char *key = PQgetisnull(r, i, 2) ? NULL : PQgetvalue(r, i, 2);
        const char *id = PQgetvalue(r, i, 4);

        out->events[out->n++] = (truth_event){
            .token = strtoull(PQgetvalue(r, i, 0), NULL, 10),
            .stream = stream_hash(PQgetvalue(r, i, 1), key, key ? strlen(key) : 0),
            .seq = key ? strtoll(PQgetvalue(r, i, 3), NULL, 10) : -1,
            .identity = bytes_hash(0, id, strlen(id)),
        };
    }
    return true;
}

/* By a cursor: a long run has millions of rows. */
static bool read_rows(PGconn *conn, truth *out)
{
    int n = 1;
    bool ok = run(conn, "BEGIN") &&
              run(conn, "DECLARE c NO SCROLL CURSOR FOR SELECT t.token, t.topic, t.key, t.seq,"
                        " coalesce(o.event_id, postbus.event_id(t.id))::text"
                        " FROM torture.truth t LEFT JOIN postbus.outbox o USING (id)");

    while (ok && n > 0) {
        PGresult *r = PQexec(conn, "FETCH 50000 FROM c");

        ok = PQresultStatus(r) == PGRES_TUPLES_OK && take_rows(r, out);
        n = PQntuples(r);
        PQclear(r);
    }
    return ok && run(conn, "COMMIT");
}

bool truth_read(const plan *p, truth *out)
{
    PGconn *conn = connect(p);
    bool ok = false;

    memset(out, 0, sizeof *out);
    if (conn)
        ok = read_rows(conn, out);
    PQfinish(conn);
    return ok;
}

void truth_free(truth *t)
{
    free(t->events);
    memset(t, 0, sizeof *t);
}

bool truth_wait_published(const plan *p, int64_t deadline_ms)
{
    PGconn *conn = connect(p);
    bool done = false;

    if (conn)
        commit_prepared(conn);
    while (conn && !done && now_ms() < deadline_ms) {
        PGresult *r = PQexec(conn, "SELECT pending = 0 FROM postbus.backlog()");

        done = PQntuples(r) == 1 && PQgetvalue(r, 0, 0)[0] == 't';
        PQclear(r);
        if (!done)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    PQfinish(conn);
    return done;
}

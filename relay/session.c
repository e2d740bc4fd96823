/* Owns the connection and matches answers to callbacks; must never block and must never go on after an error. */
#include "session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

#define LISTEN_AFTER_US 100000

typedef struct pending {
    session_result_cb *on_result;
    session_committed_cb *on_commit;
    void *arg;
} pending;

struct session {
    PGconn *conn;
    session_state state;
    PostgresPollingStatusType polling;
    bool want_write;
    bool wish;      /* a notification told of one */
    pending *queue; /* a ring */
    size_t cap, head, n;
    int64_t heard_us; /* when it last got on, or began to owe an answer */
    int fd;           /* while connecting: the address that is tried */
    char error[512];
    char sqlstate[6];
};

static void lose(session *s, const char *message, const char *sqlstate)
{
    if (s->state == SESSION_LOST)
        return;
    s->state = SESSION_LOST;
    size_t n = strcspn(message, "\n");
    if (n >= sizeof s->error)
        n = sizeof s->error - 1;
    memcpy(s->error, message, n);
    s->error[n] = '\0';
    if (sqlstate)
        memcpy(s->sqlstate, sqlstate, 5);
}

/* libpq's keepalives notice a dead server; tcp_user_timeout inside options makes the server notice a dead relay. A keyword without a value
 * is left to conninfo; those behind it override it. */
static session *session_start(const char *conninfo, const char *host, const char *address, const char *port)
{
    const char *keys[] = {"keepalives_idle",
                          "keepalives_interval",
                          "keepalives_count",
                          "tcp_user_timeout",
                          "connect_timeout",
                          "fallback_application_name",
                          "dbname",
                          "host",
                          "hostaddr",
                          "port",
                          NULL};
    const char *values[] = {"5",      "2",  "3",     "10000", "10", "postbus-relay",
                            conninfo, host, address, port,    NULL};
    session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->state = SESSION_CONNECTING;
    s->heard_us = clock_now_us();
    s->polling = PGRES_POLLING_WRITING;
    s->conn = PQconnectStartParams(keys, values, 1);
    if (!s->conn)
        lose(s, "out of memory", NULL);
    else if (PQstatus(s->conn) == CONNECTION_BAD)
        lose(s, PQerrorMessage(s->conn), NULL);
    return s;
}

session *session_new(const char *conninfo)
{
    return session_start(conninfo, NULL, NULL, NULL);
}

session *session_new_beside(const session *other, const char *conninfo)
{
    const char *address = PQhostaddr(other->conn);
    return session_start(conninfo, PQhost(other->conn), address && *address ? address : NULL,
                         PQport(other->conn));
}

void session_free(session *s)
{
    if (!s)
        return;
    PQfinish(s->conn);
    free(s->queue);
    free(s);
}

int session_fd(const session *s)
{
    return s->state == SESSION_LOST ? -1 : PQsocket(s->conn);
}

short session_events(const session *s)
{
    if (s->state == SESSION_CONNECTING)
        return s->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    return (short)(POLLIN | (s->want_write ? POLLOUT : 0));
}

session_state session_get_state(const session *s)
{
    return s->state;
}

bool session_is_silent(const session *s, int64_t now_us, int64_t for_us)
{
    bool owes = s->state == SESSION_CONNECTING || (s->state == SESSION_READY && s->n > 0);
    return owes && now_us - s->heard_us >= for_us;
}

int64_t session_heard_us(const session *s)
{
    return s->heard_us;
}

const char *session_error(const session *s)
{
    return s->error;
}

const char *session_sqlstate(const session *s)
{
    return s->sqlstate;
}

PGconn *session_conn(const session *s)
{
    return s->conn;
}

/* PQconnectPoll knows no deadline. Each address of several is given its time: the kernel ends a vain attempt after tcp_user_timeout. */
static void process_connect(session *s)
{
    ConnStatusType before = PQstatus(s->conn);
    s->polling = PQconnectPoll(s->conn);
    if (PQstatus(s->conn) != before || PQsocket(s->conn) != s->fd)
        s->heard_us = clock_now_us();
    s->fd = PQsocket(s->conn);
    if (s->polling == PGRES_POLLING_FAILED)
        lose(s, PQerrorMessage(s->conn), NULL);
    else if (s->polling == PGRES_POLLING_OK) {
        if (PQsetnonblocking(s->conn, 1) != 0 || PQenterPipelineMode(s->conn) != 1)
            lose(s, PQerrorMessage(s->conn), NULL);
        else
            s->state = SESSION_READY;
    }
}

static pending pop(session *s)
{
    pending p = s->queue[s->head];
    s->head = (s->head + 1) % s->cap;
    s->n--;
    return p;
}

static void take_error(session *s, PGresult *res)
{
    char text[400];
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    strncpy(text, message ? message : PQresultErrorMessage(res), sizeof text - 1);
    text[sizeof text - 1] = '\0';
    lose(s, text, PQresultErrorField(res, PG_DIAG_SQLSTATE));
    PQclear(res);
}

/* One answer; false when there is none to be had now. In pipeline mode each statement's result is followed by a NULL. */
static bool process_one(session *s)
{
    if (s->n == 0 || PQisBusy(s->conn))
        return false;
    PGresult *res = PQgetResult(s->conn);
    if (!res)
        return true;
    switch (PQresultStatus(res)) {
    case PGRES_PIPELINE_SYNC: {
        PQclear(res);
        pending p = pop(s);
        if (p.on_commit)
            p.on_commit(p.arg);
        return true;
    }
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK: {
        pending p = pop(s);
        if (p.on_result)
            p.on_result(p.arg, res);
        else
            PQclear(res);
        return true;
    }
    default:
        take_error(s, res);
        return false;
    }
}

/* Whether something is to be read. Asked only when it was long ago: answers that are whole tell by themselves. */
static bool has_come(const session *s)
{
    char byte;
    return s->n > 0 && clock_now_us() - s->heard_us > LISTEN_AFTER_US &&
           recv(PQsocket(s->conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

session_state session_process(session *s)
{
    if (s->state == SESSION_CONNECTING)
        process_connect(s);
    if (s->state != SESSION_READY)
        return s->state;
    bool hears = has_come(s);
    if (PQconsumeInput(s->conn) != 1) {
        lose(s, PQerrorMessage(s->conn), NULL);
        return s->state;
    }
    if (hears) /* a part of a long answer is a sign of life, too */
        s->heard_us = clock_now_us();
    while (s->state == SESSION_READY && process_one(s))
        s->heard_us = clock_now_us();
    if (s->state == SESSION_READY && PQstatus(s->conn) == CONNECTION_BAD)
        lose(s, PQerrorMessage(s->conn), NULL);
    if (s->state == SESSION_READY) {
        int flushed = PQflush(s->conn);
        if (flushed < 0)
            lose(s, PQerrorMessage(s->conn), NULL);
        s->want_write = flushed == 1;
    }
    return s->state;
}

static void push(session *s, pending p)
{
    if (s->n == 0)
        s->heard_us = clock_now_us();
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        pending *bigger = malloc(cap * sizeof *bigger);
        if (!bigger) {
            lose(s, "out of memory", NULL);
            return;
        }
        for (size_t i = 0; i < s->n; i++)
            bigger[i] = s->queue[(s->head + i) % s->cap];
        free(s->queue);
        s->queue = bigger;
        s->cap = cap;
        s->head = 0;
    }
    s->queue[(s->head + s->n++) % s->cap] = p;
}

static void sent(session *s, int ok, pending p)
{
    if (ok)
        push(s, p);
    else
        lose(s, PQerrorMessage(s->conn), NULL);
}

void session_query(session *s, const char *sql, int n, const char *const *values, bool binary,
                   session_result_cb *cb, void *arg)
{
    if (s->state == SESSION_READY)
        sent(s, PQsendQueryParams(s->conn, sql, n, NULL, values, NULL, NULL, binary),
             (pending){.on_result = cb, .arg = arg});
}

void session_prepare(session *s, const char *name, const char *sql)
{
    if (s->state == SESSION_READY)
        sent(s, PQsendPrepare(s->conn, name, sql, 0, NULL), (pending){0});
}

void session_execute(session *s, const char *name, int n, const char *const *values, bool binary,
                     session_result_cb *cb, void *arg)
{
    if (s->state == SESSION_READY)
        sent(s, PQsendQueryPrepared(s->conn, name, n, values, NULL, NULL, binary),
             (pending){.on_result = cb, .arg = arg});
}

void session_execute_formats(session *s, const char *name, int n, const char *const *values,
                             const int *lengths, const int *formats, session_result_cb *cb, void *arg)
{
    if (s->state == SESSION_READY)
        sent(s, PQsendQueryPrepared(s->conn, name, n, values, lengths, formats, 0),
             (pending){.on_result = cb, .arg = arg});
}

void session_commit(session *s, session_committed_cb *cb, void *arg)
{
    if (s->state != SESSION_READY)
        return;
    sent(s, PQpipelineSync(s->conn), (pending){.on_commit = cb, .arg = arg});
    if (s->state == SESSION_READY)
        s->want_write = PQflush(s->conn) == 1;
}

int session_take_rings(session *s)
{
    int n = 0;
    PGnotify *note;
    if (s->state != SESSION_READY)
        return 0;
    while ((note = PQnotifies(s->conn))) {
        n++;
        s->wish |= strcmp(note->extra, "parked") == 0;
        PQfreemem(note);
    }
    return n;
}

bool session_take_wish(session *s)
{
    bool wish = s->wish;
    s->wish = false;
    return wish;
}

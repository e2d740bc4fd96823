/* Sends each event when it is due, by a transaction or straight to the broker; must never send one early. */
#include "publisher.h"

#include <errno.h>
#include <libpq-fe.h>
#include <string.h>

static void wait_until_due(int64_t at_ns)
{
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

/* The value says which event it is: 16 hexadecimal digits of the run, 8 of the event, then text. */
static void fill(const timeline *line, size_t i, char value[TIMELINE_VALUE_BYTES + 1], char key[16])
{
    memset(value, '.', TIMELINE_VALUE_BYTES);
    value[TIMELINE_VALUE_BYTES] = '\0';
    int length = snprintf(value, TIMELINE_VALUE_BYTES, "%016llx%08zx", (unsigned long long)line->nonce, i);
    value[length] = ' ';
    snprintf(key, 16, "k%zu", i * 7919 % 1000);
}

static bool command(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

static bool publish(PGconn *conn, timeline *line, size_t i, const char *value, const char *key)
{
    const char *params[] = {line->call->topic, value, key};
    if (!command(conn, "BEGIN"))
        return false;
    PGresult *result = PQexecPrepared(conn, "publish", 3, params, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    line->sent_ns[i] = bench_now_ns();
    ok = command(conn, "COMMIT") && ok;
    line->committed_ns[i] = bench_now_ns();
    return ok;
}

static bool produce(rd_kafka_t *producer, timeline *line, size_t i, char *value, char *key)
{
    line->sent_ns[i] = line->committed_ns[i] = bench_now_ns();
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "id", 2, "00000000-0000-8000-8000-000000000000", 36);
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = line->call->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = value, .size = TIMELINE_VALUE_BYTES}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key, .size = strlen(key)}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(producer, vus, sizeof vus / sizeof vus[0]);
    if (error)
        rd_kafka_headers_destroy(headers);
    bool ok = !error;
    rd_kafka_error_destroy(error);
    rd_kafka_poll(producer, 0);
    return ok;
}

static PGconn *connect_to(const bench_call *c)
{
    PGconn *conn = PQconnectdb(c->database ? c->database : "");
    PGresult *result =
        PQprepare(conn, "publish", "SELECT postbus.publish($1::text, $2::text, $3::text)", 0, NULL);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok)
        bench_fault("no publisher: %s", PQerrorMessage(conn));
    PQclear(result);
    if (ok)
        return conn;
    PQfinish(conn);
    return NULL;
}

void *publisher_main(void *arg)
{
    publisher *p = arg;
    timeline *line = p->line;
    PGconn *conn = p->producer ? NULL : connect_to(line->call);
    bool ok = p->producer || conn;
    for (size_t i = (size_t)p->number; ok && i < line->n; i += (size_t)line->call->threads) {
        char value[TIMELINE_VALUE_BYTES + 1], key[16];
        fill(line, i, value, key);
        wait_until_due(line->start_ns + line->due_ns[i]);
        ok = p->producer ? produce(p->producer, line, i, value, key) : publish(conn, line, i, value, key);
    }
    if (!ok)
        atomic_store(&line->failed, true);
    atomic_fetch_sub(&line->n_publishing, 1);
    if (conn)
        PQfinish(conn);
    return NULL;
}

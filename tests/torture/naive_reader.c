/* The naive cursor, "id > last": it loses what commits late, and must never be more than a proof that the
 * verdict sees so. */
#include "naive_reader.h"

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define FLUSH_MS 30000

struct naive_reader {
    PGconn *conn;
    rd_kafka_t *producer;
    char last_id[24];
};

static rd_kafka_t *producer_new(const char *brokers)
{
    static const char *const settings[][2] = {{"enable.idempotence", "true"},
                                              {"partitioner", "murmur2_random"},
                                              {"queue.buffering.max.messages", "2000000"},
                                              {"log_level", "2"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
}

naive_reader *naive_reader_new(const plan *p)
{
    naive_reader *r = calloc(1, sizeof *r);
    PGresult *last;

    if (!r)
        return NULL;
    r->conn = session_connect_by(p->database, "torture-naive", now_ms() + 10000);
    r->producer = producer_new(p->brokers);
    last = PQexec(r->conn, "SELECT coalesce(max(id), 0) FROM postbus.outbox");
    if (r->producer && PQntuples(last) == 1) {
        snprintf(r->last_id, sizeof r->last_id, "%s", PQgetvalue(last, 0, 0));
        PQclear(last);
        return r;
    }
    PQclear(last);
    naive_reader_close(r);
    return NULL;
}

static bool produce(rd_kafka_t *producer, const PGresult *rows, int i)
{
    bool no_key = PQgetisnull(rows, i, 2);
    char *id = PQgetvalue(rows, i, 4);
    const rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = PQgetvalue(rows, i, 1)},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {no_key ? NULL : PQgetvalue(rows, i, 2), no_key ? 0 : (size_t)PQgetlength(rows, i, 2)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {PQgetvalue(rows, i, 3), (size_t)PQgetlength(rows, i, 3)}},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"id", id, (ssize_t)strlen(id)}},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(producer, record, sizeof record / sizeof *record);

    if (error)
        fprintf(stderr, "torture: not produced: %s\n", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return !error;
}

int64_t naive_reader_step(naive_reader *r)
{
    const char *const values[] = {r->last_id};
    PGresult *rows = PQexecParams(r->conn,
                                  "SELECT id, topic, convert_from(key, 'UTF8'), convert_from(value, 'UTF8'),"
                                  " coalesce(event_id, postbus.event_id(id))::text"
                                  " FROM postbus.outbox WHERE id > $1::bigint ORDER BY id LIMIT 20000",
                                  1, NULL, values, NULL, NULL, 0);
    int n = PQntuples(rows);
    bool ok = PQresultStatus(rows) == PGRES_TUPLES_OK;

    for (int i = 0; ok && i < n; i++)
        ok = produce(r->producer, rows, i);
    if (ok && n > 0)
        snprintf(r->last_id, sizeof r->last_id, "%s", PQgetvalue(rows, n - 1, 0));
    PQclear(rows);
    rd_kafka_poll(r->producer, 0);
    return ok ? n : -1;
}

bool naive_reader_close(naive_reader *r)
{
    bool ok = !r->producer || !rd_kafka_flush(r->producer, FLUSH_MS);

    if (r->producer)
        rd_kafka_destroy(r->producer);
    PQfinish(r->conn);
    free(r);
    return ok;
}

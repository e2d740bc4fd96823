/* The raw producer: the events of the outbox as records, from memory to the broker; must never read the database while the time runs. */
#include "bench.h"
#include "producer.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PAGE_ROWS 10000
#define SERVE_EVERY 256

enum { COLUMN_ID, COLUMN_KEY, COLUMN_VALUE, COLUMN_CREATED_MS, COLUMN_EVENT_ID };

static const char page_sql[] = "SELECT id, key, value, (extract(epoch FROM created_at) * 1000)::bigint, "
                               "coalesce(event_id, postbus.event_id(id))::text"
                               "  FROM postbus.outbox WHERE id > $1::bigint ORDER BY id LIMIT $2::int";

/* The pages stay as libpq left them: the records are produced from there, without a copy, as the relay does it. */
typedef struct loaded {
    PGresult **pages;
    size_t n_pages;
    int64_t n_rows;
} loaded;

typedef struct tally {
    int64_t n_delivered, n_failed;
} tally;

static int64_t number_at(const PGresult *page, int row, int column)
{
    uint32_t halves[2];
    memcpy(halves, PQgetvalue(page, row, column), sizeof halves);
    return (int64_t)((uint64_t)ntohl(halves[0]) << 32 | ntohl(halves[1]));
}

static bool load_page(PGconn *conn, loaded *all, int64_t *after, int limit)
{
    char id[32], rows[32];
    snprintf(id, sizeof id, "%lld", (long long)*after);
    snprintf(rows, sizeof rows, "%d", limit);
    const char *params[] = {id, rows};
    PGresult *page = PQexecParams(conn, page_sql, 2, NULL, params, NULL, NULL, 1);
    int n = PQntuples(page);
    if (PQresultStatus(page) != PGRES_TUPLES_OK || n == 0) {
        if (n == 0 && PQresultStatus(page) != PGRES_TUPLES_OK)
            bench_fault("reading the outbox: %s", PQerrorMessage(conn));
        PQclear(page);
        return false;
    }
    *after = number_at(page, n - 1, COLUMN_ID);
    all->pages = realloc(all->pages, (all->n_pages + 1) * sizeof *all->pages);
    all->pages[all->n_pages++] = page;
    all->n_rows += n;
    return true;
}

static bool load(const bench_call *c, loaded *all)
{
    PGconn *conn = PQconnectdb(c->database ? c->database : "");
    bool ok = PQstatus(conn) == CONNECTION_OK;
    if (!ok)
        bench_fault("no database: %s", PQerrorMessage(conn));
    int64_t after = 0;
    while (ok && (c->limit == 0 || all->n_rows < c->limit)) {
        int64_t wanted = c->limit == 0 ? PAGE_ROWS : c->limit - all->n_rows;
        ok = load_page(conn, all, &after, wanted < PAGE_ROWS ? (int)wanted : PAGE_ROWS);
    }
    PQfinish(conn);
    return all->n_rows > 0;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *m, void *arg)
{
    (void)producer;
    tally *t = arg;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset >= 0)
        t->n_delivered++;
    else
        t->n_failed++;
}

static rd_kafka_error_t *produce_row(rd_kafka_t *producer, rd_kafka_topic_t *topic, const PGresult *page,
                                     int row)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "id", 2, PQgetvalue(page, row, COLUMN_EVENT_ID),
                        PQgetlength(page, row, COLUMN_EVENT_ID));
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = PQgetvalue(page, row, COLUMN_VALUE),
                   .size = (size_t)PQgetlength(page, row, COLUMN_VALUE)}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = PQgetvalue(page, row, COLUMN_KEY),
                   .size = (size_t)PQgetlength(page, row, COLUMN_KEY)}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = number_at(page, row, COLUMN_CREATED_MS)},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(producer, vus, sizeof vus / sizeof vus[0]);
    if (error)
        rd_kafka_headers_destroy(headers);
    return error;
}

static bool produce_page(rd_kafka_t *producer, rd_kafka_topic_t *topic, const PGresult *page)
{
    int n = PQntuples(page);
    for (int row = 0; row < n;) {
        rd_kafka_error_t *error = produce_row(producer, topic, page, row);
        rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_error_destroy(error);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(producer, 10);
        else if (code)
            return bench_fault("a record was refused: %s", rd_kafka_err2str(code)) == 0;
        else if (++row % SERVE_EVERY == 0)
            rd_kafka_poll(producer, 0);
    }
    return true;
}

static double produce_all(rd_kafka_t *producer, const bench_call *c, const loaded *all, int64_t start_ns)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, c->topic, NULL);
    bool ok = true;
    for (size_t i = 0; ok && i < all->n_pages; i++)
        ok = produce_page(producer, topic, all->pages[i]);
    while (ok && rd_kafka_outq_len(producer) > 0)
        rd_kafka_poll(producer, 100);
    double seconds = (double)(bench_now_ns() - start_ns) / 1e9;
    rd_kafka_topic_destroy(topic);
    return ok ? seconds : 0;
}

int bench_produce(const bench_call *c)
{
    loaded all = {0};
    if (!load(c, &all))
        return bench_fault("the outbox is empty");
    tally t = {0};
    int64_t start_ns = bench_now_ns();
    double start_cpu = cpu_seconds();
    rd_kafka_t *producer = producer_new(c, on_report, &t);
    double seconds = producer ? produce_all(producer, c, &all, start_ns) : 0;
    double cpu = cpu_seconds() - start_cpu;
    if (producer)
        rd_kafka_destroy(producer);
    for (size_t i = 0; i < all.n_pages; i++)
        PQclear(all.pages[i]);
    free(all.pages);
    if (seconds <= 0 || t.n_failed > 0 || t.n_delivered != all.n_rows)
        return bench_fault("%lld of %lld records were delivered", (long long)t.n_delivered,
                           (long long)all.n_rows);
    printf("{\"records\": %lld, \"seconds\": %.4f, \"per_second\": %.0f, \"cpu_us_per_record\": %.3f}\n",
           (long long)all.n_rows, seconds, (double)all.n_rows / seconds, cpu * 1e6 / (double)all.n_rows);
    return 0;
}

/* Latency from a commit, or from a produce, to the subscriber, or to the row that it writes: an open loop, so that a slow answer delays no later event. */
#include "bench.h"
#include "handling.h"
#include "producer.h"
#include "publisher.h"
#include "quantile.h"
#include "subscriber.h"

#include <libpq-fe.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAST_RECORDS_NS INT64_C(15000000000)
#define MOST_THREADS 64

/* Exponential gaps make a Poisson process; the seed is the same in each run, so both sides get the same arrivals. */
static void schedule(timeline *line)
{
    const bench_call *c = line->call;
    unsigned short seed[3] = {7, 11, 13};
    double at = 0;
    for (size_t i = 0; i < line->n; i++) {
        line->due_ns[i] = (int64_t)(at * 1e9);
        at += c->even ? 1 / c->rate : -log(1 - erand48(seed)) / c->rate;
    }
}

static bool timeline_init(timeline *line, const bench_call *c)
{
    size_t n = (size_t)(c->rate * (c->warm_seconds + c->seconds));
    *line = (timeline){.call = c, .n = n, .nonce = (uint64_t)bench_now_ns() << 8 ^ (uint64_t)getpid()};
    line->due_ns = calloc(n, sizeof(int64_t));
    line->sent_ns = calloc(n, sizeof(int64_t));
    line->committed_ns = calloc(n, sizeof(int64_t));
    line->received_ns = calloc(n, sizeof *line->received_ns);
    if (n == 0 || !line->due_ns || !line->sent_ns || !line->committed_ns || !line->received_ns)
        return false;
    schedule(line);
    return true;
}

static void timeline_done(timeline *line)
{
    free(line->due_ns);
    free(line->sent_ns);
    free(line->committed_ns);
    free((void *)line->received_ns);
}

static PGconn *listen_for_rings(const bench_call *c)
{
    if (!c->count_rings)
        return NULL;
    PGconn *conn = PQconnectdb(c->database);
    PQclear(PQexec(conn, "LISTEN postbus"));
    return conn;
}

static int64_t count_rings(PGconn *conn)
{
    int64_t n = 0;
    if (!conn)
        return 0;
    PQconsumeInput(conn);
    for (PGnotify *ring; (ring = PQnotifies(conn)); n++)
        PQfreemem(ring);
    return n;
}

/* Until the publishers are done (they may be late), then until what is under way has arrived. */
static int64_t watch(timeline *line, PGconn *listener)
{
    int64_t n_rings = 0, until_ns = 0;
    while (until_ns == 0 || (atomic_load(&line->n_received) < line->n && bench_now_ns() < until_ns)) {
        usleep(20000);
        n_rings += count_rings(listener);
        if (until_ns == 0 && atomic_load(&line->n_publishing) == 0)
            until_ns = bench_now_ns() + LAST_RECORDS_NS;
        if (atomic_load(&line->failed))
            break;
    }
    return n_rings;
}

static json_t *quantiles_from(const timeline *line, const int64_t *from_ns)
{
    int64_t *took_ns = calloc(line->n, sizeof *took_ns);
    size_t n = 0;
    for (size_t i = 0; took_ns && i < line->n; i++)
        if ((double)line->due_ns[i] >= line->call->warm_seconds * 1e9 && line->received_ns[i] != 0)
            took_ns[n++] = line->received_ns[i] - from_ns[i];
    json_t *out = quantiles_of(took_ns, n);
    free(took_ns);
    return out;
}

/* Names the gap, so that a look into the database and the topic can tell who lost it. */
static int fault_of_missing(const timeline *line, size_t n_missing)
{
    size_t first = line->n, last = 0;
    for (size_t i = 0; i < line->n; i++)
        if (line->received_ns[i] == 0) {
            first = i < first ? i : first;
            last = i;
        }
    double second = first < line->n ? (double)(line->committed_ns[first] - line->start_ns) / 1e9 : 0;
    return bench_fault(
        "%zu of %zu events did not arrive: of numbers %zu to %zu, the first committed at second %.3f",
        n_missing, line->n, first, last, second);
}

static int report(timeline *line, int64_t n_rings)
{
    size_t n_received = atomic_load(&line->n_received);
    int64_t last_ns = 0;
    for (size_t i = 0; i < line->n; i++)
        if (line->committed_ns[i] > last_ns)
            last_ns = line->committed_ns[i];
    json_t *out =
        json_pack("{s:I, s:I, s:I, s:f, s:I, s:o, s:o}", "events", (json_int_t)line->n, "missing",
                  (json_int_t)(line->n - n_received), "twice", (json_int_t)atomic_load(&line->n_twice),
                  "rate", (double)line->n / ((double)(last_ns - line->start_ns) / 1e9), "rings",
                  (json_int_t)n_rings, "from_commit", quantiles_from(line, line->committed_ns),
                  "from_before_commit", quantiles_from(line, line->sent_ns));
    json_dumpf(out, stdout, JSON_REAL_PRECISION(6) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(out);
    return n_received == line->n ? 0 : fault_of_missing(line, line->n - n_received);
}

/* A receiving end: the worker's threads, or one of our own with a consumer. */
typedef struct receiver {
    pbus_worker *worker;
    subscriber plain;
    pthread_t thread;
} receiver;

static bool receiver_init(receiver *r, timeline *line)
{
    const bench_call *c = line->call;
    *r = (receiver){.plain.line = line};
    if (c->handle && strcmp(c->handle, "worker") == 0)
        return (r->worker = handling_start(line)) != NULL;
    if (c->handle && strcmp(c->handle, "plain") != 0)
        return bench_fault("handle: worker or plain") == 0;
    r->plain.conn = c->handle ? PQconnectdb(c->database) : NULL;
    if (r->plain.conn && PQstatus(r->plain.conn) != CONNECTION_OK)
        return bench_fault("no consumer: %s", PQerrorMessage(r->plain.conn)) == 0;
    return (r->plain.consumer = subscriber_new(c)) != NULL;
}

static void receiver_start(receiver *r)
{
    if (r->plain.consumer)
        pthread_create(&r->thread, NULL, subscriber_main, &r->plain);
}

static void receiver_join(receiver *r)
{
    if (r->plain.consumer)
        pthread_join(r->thread, NULL);
}

static void receiver_done(receiver *r)
{
    pbus_worker_free(r->worker);
    PQfinish(r->plain.conn);
    if (r->plain.consumer)
        rd_kafka_destroy(r->plain.consumer);
}

static int run(timeline *line, rd_kafka_t *producer, receiver *r)
{
    pthread_t threads[MOST_THREADS];
    publisher publishers[MOST_THREADS];
    PGconn *listener = listen_for_rings(line->call);
    atomic_store(&line->n_publishing, line->call->threads);
    line->start_ns = bench_now_ns() + 300000000; /* connections and the first fetch come before */
    receiver_start(r);
    for (int i = 0; i < line->call->threads; i++) {
        publishers[i] = (publisher){.line = line, .number = i, .producer = producer};
        pthread_create(&threads[i], NULL, publisher_main, &publishers[i]);
    }
    int64_t n_rings = watch(line, listener);
    for (int i = 0; i < line->call->threads; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&line->over, true);
    receiver_join(r);
    n_rings += count_rings(listener);
    PQfinish(listener);
    return report(line, n_rings);
}

int bench_latency(const bench_call *c)
{
    timeline line;
    receiver r = {.worker = NULL};
    if (c->threads < 1 || c->threads > MOST_THREADS)
        return bench_fault("threads: 1 to %d", MOST_THREADS);
    if (!timeline_init(&line, c))
        return bench_fault("rate and seconds make no events");
    rd_kafka_t *producer = c->direct ? producer_new(c, NULL, NULL) : NULL;
    bool ready = (producer || !c->direct) && receiver_init(&r, &line);
    int code = ready ? run(&line, producer, &r) : 1;
    if (producer) {
        rd_kafka_flush(producer, 5000);
        rd_kafka_destroy(producer);
    }
    receiver_done(&r);
    timeline_done(&line);
    return code;
}

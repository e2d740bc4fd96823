/* The plain consumer: librdkafka, and a PostgreSQL transaction for each event, or nothing at all; must never do more than it takes for that. */
#include "effect.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdlib.h>

#define MOST_THREADS 64
#define LONGEST_SILENCE_MS 30000

typedef struct consumers {
    const bench_call *call;
    _Atomic int64_t first_ns;
    atomic_llong n_done;
    atomic_bool failed;
} consumers;

typedef struct one {
    consumers *all;
    int number;
} one;

static rd_kafka_t *consumer_new(const one *o)
{
    char reason[256];
    const bench_call *c = o->all->call;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", c->brokers, reason, sizeof reason);
    rd_kafka_conf_set(conf, "group.id", "bench-plain", reason, sizeof reason);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", reason, sizeof reason);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!rk)
        return NULL;
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(c->partitions);
    for (int i = o->number; i < c->partitions; i += c->threads)
        rd_kafka_topic_partition_list_add(list, c->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static bool run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

static bool handle(PGconn *conn, const rd_kafka_message_t *m)
{
    return run(conn, "BEGIN") && effect_write(conn, m->key, m->key_len, m->payload, m->len) &&
           run(conn, "COMMIT");
}

static void consume(const one *o, rd_kafka_t *rk, PGconn *conn)
{
    consumers *all = o->all;
    int64_t heard_ns = bench_now_ns();
    while (atomic_load(&all->n_done) < all->call->limit && !atomic_load(&all->failed)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 20);
        if (m && !m->err) {
            effect_begin(&all->first_ns);
            heard_ns = bench_now_ns();
            if (conn && !handle(conn, m))
                atomic_store(&all->failed, true);
            atomic_fetch_add(&all->n_done, 1);
        } else if (bench_now_ns() - heard_ns > LONGEST_SILENCE_MS * INT64_C(1000000)) {
            atomic_store(&all->failed, true);
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
}

static void *consume_main(void *arg)
{
    const one *o = arg;
    const char *database = o->all->call->field ? NULL : o->all->call->database;
    rd_kafka_t *rk = consumer_new(o);
    PGconn *conn = database ? PQconnectdb(database) : NULL;
    if (!rk || (conn && PQstatus(conn) != CONNECTION_OK))
        atomic_store(&o->all->failed, true);
    else
        consume(o, rk, conn);
    PQfinish(conn);
    if (rk)
        rd_kafka_destroy(rk);
    return NULL;
}

int bench_consume(const bench_call *c)
{
    pthread_t threads[MOST_THREADS];
    one each[MOST_THREADS];
    consumers all = {.call = c};
    if (!c->brokers || !c->database || c->limit < 1 || c->threads < 1 || c->threads > MOST_THREADS)
        return bench_fault("consume: --database, --brokers, --limit, and up to %d threads", MOST_THREADS);
    for (int i = 0; i < c->threads; i++) {
        each[i] = (one){.all = &all, .number = i};
        pthread_create(&threads[i], NULL, consume_main, &each[i]);
    }
    while (atomic_load(&all.n_done) < c->limit && !atomic_load(&all.failed))
        bench_nap();
    int code = atomic_load(&all.failed)
                   ? bench_fault("consume: an event was not handled, or there were too few")
                   : effect_report(c->limit, atomic_load(&all.first_ns));
    for (int i = 0; i < c->threads; i++)
        pthread_join(threads[i], NULL);
    return code;
}

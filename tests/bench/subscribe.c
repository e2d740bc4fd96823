/* A subscription of libpostbus_worker whose handler writes one row, or whose filter lets nothing through; must never handle more events than it was told. */
#include "effect.h"

#include <arpa/inet.h>
#include <postbus/worker.h>

#define LONGEST_MS 600000

static _Atomic int64_t first_ns;

static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)arg;
    effect_begin(&first_ns);
    bool ok = effect_write(tx, event->key, event->key_size, event->value, event->value_size);
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

static bool put_field(PGconn *tx, const void *data, size_t size)
{
    uint32_t frame = htonl((uint32_t)size);
    return PQputCopyData(tx, (const char *)&frame, sizeof frame) == 1 &&
           PQputCopyData(tx, data, (int)size) == 1;
}

/* The rows of effect_write, in the binary format of COPY. */
static bool copy_all(PGconn *tx, const pbus_delivery *const *events, size_t n)
{
    static const char begin[19] = "PGCOPY\n\377\r\n", row[2] = {0, 2};
    bool ok = PQputCopyData(tx, begin, sizeof begin) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = PQputCopyData(tx, row, sizeof row) == 1 && put_field(tx, events[i]->key, events[i]->key_size) &&
             put_field(tx, events[i]->value, events[i]->value_size);
    return PQputCopyEnd(tx, NULL) == 1 && ok;
}

static pbus_outcome handle_all(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    (void)arg;
    effect_begin(&first_ns);
    PGresult *result = PQexec(tx, "COPY bench.effect (key, value) FROM STDIN (FORMAT binary)");
    bool ok = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    ok = ok && copy_all(tx, events, n);
    while ((result = PQgetResult(tx)) != NULL) {
        ok = ok && PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    if (notice->kind != PBUS_NOTICE_ASSIGNED && notice->kind != PBUS_NOTICE_REVOKED)
        fprintf(stderr, "%s\n", notice->message);
}

/* How many are done, be it by the filter; the time runs from the first, of which no handler tells there. */
static uint64_t n_done(const bench_call *c, const pbus_worker *worker)
{
    pbus_worker_counts counts = {0};
    pbus_worker_count(worker, "bench", &counts);
    if (counts.n_read > 0)
        effect_begin(&first_ns);
    return c->field ? counts.n_unwanted : counts.n_handled;
}

static int work(const bench_call *c, const pbus_worker_options *options)
{
    pbus_worker *worker;
    pbus_error err;
    if (pbus_worker_start(options, &worker, &err) != PBUS_OK)
        return bench_fault("%s", err.message);
    int64_t until_ns = bench_now_ns() + LONGEST_MS * INT64_C(1000000);
    uint64_t n;
    while ((n = n_done(c, worker)) < (uint64_t)c->limit && bench_now_ns() < until_ns)
        bench_nap();
    int code = n < (uint64_t)c->limit
                   ? bench_fault("%llu of %d events were handled", (unsigned long long)n, c->limit)
                   : effect_report(c->limit, atomic_load(&first_ns));
    pbus_worker_free(worker);
    return code;
}

int bench_subscribe(const bench_call *c)
{
    if (!c->brokers || !c->database || c->limit < 1)
        return bench_fault("subscribe: --database, --brokers and --limit");
    const pbus_condition never = {.field = c->field, .test = PBUS_TEST_EQUALS, .text = "of no event"};
    const pbus_subscription subscription = {.key = "bench",
                                            .topics = &c->topic,
                                            .n_topics = 1,
                                            .filter = c->field ? &never : NULL,
                                            .n_conditions = c->field ? 1 : 0,
                                            .handler = c->together ? NULL : handle,
                                            .batch_handler = c->together ? handle_all : NULL,
                                            .n_threads = c->threads,
                                            .batch_size = c->batch};
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = c->topic,
                                         .conninfo = c->database,
                                         .brokers = c->brokers,
                                         .subscriptions = &subscription,
                                         .n_subscriptions = 1,
                                         .notice = tell};
    return work(c, &options);
}

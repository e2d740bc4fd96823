/* Has libpostbus_worker handle the events of a latency run; must never let a run begin before its partitions are the worker's. */
#include "handling.h"

#include "effect.h"

#define LONGEST_START_NS INT64_C(60000000000)

static atomic_bool assigned;

static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *arg)
{
    if (!effect_write(tx, event->key, event->key_size, event->value, event->value_size))
        return pbus_retry(NULL, -1);
    timeline_receive(arg, event->value, event->value_size, bench_now_ns());
    return pbus_ack();
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    if (notice->kind == PBUS_NOTICE_ASSIGNED)
        atomic_store(&assigned, notice->number > 0);
    else if (notice->kind != PBUS_NOTICE_REVOKED)
        fprintf(stderr, "%s\n", notice->message);
}

pbus_worker *handling_start(timeline *line)
{
    pbus_worker *worker;
    pbus_error err;
    const bench_call *c = line->call;
    const pbus_subscription subscription = {
        .key = "bench", .topics = &c->topic, .n_topics = 1, .handler = handle, .arg = line, .n_threads = 1};
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = c->topic,
                                         .conninfo = c->database,
                                         .brokers = c->brokers,
                                         .subscriptions = &subscription,
                                         .n_subscriptions = 1,
                                         .notice = tell};
    if (pbus_worker_start(&options, &worker, &err) != PBUS_OK) {
        bench_fault("%s", err.message);
        return NULL;
    }
    int64_t until_ns = bench_now_ns() + LONGEST_START_NS;
    while (!atomic_load(&assigned) && bench_now_ns() < until_ns)
        bench_nap();
    if (atomic_load(&assigned))
        return worker;
    bench_fault("the worker was given no partitions");
    pbus_worker_free(worker);
    return NULL;
}

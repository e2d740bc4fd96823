/* postbus_bench: reads the command line; must never measure anything itself. */
#include "bench.h"

#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const bench_call *c);
} commands[] = {
    {"produce", bench_produce},           {"latency", bench_latency},
    {"consume", bench_consume},           {"subscribe", bench_subscribe},
    {"topic-create", bench_topic_create}, {"topic-delete", bench_topic_delete},
};

int bench_fault(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("postbus_bench: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

static int run(poptContext context, const bench_call *c)
{
    int parsed = poptGetNextOpt(context);
    if (parsed < -1)
        return bench_fault("%s: %s", poptBadOption(context, 0), poptStrerror(parsed));
    const char *name = poptGetArg(context);
    for (size_t i = 0; name && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(c);
    return bench_fault("usage: postbus_bench produce|latency|consume|subscribe|topic-create|topic-delete "
                       "--brokers … --topic …");
}

int main(int argc, const char **argv)
{
    bench_call c = {
        .topic = "bench", .rate = 500, .seconds = 10, .warm_seconds = 1, .threads = 1, .partitions = 8};
    struct poptOption options[] = {
        {"database", 0, POPT_ARG_STRING, &c.database, 0, "where the events are", "CONNINFO"},
        {"brokers", 0, POPT_ARG_STRING, &c.brokers, 0, "where the records go", "HOST:PORT"},
        {"topic", 0, POPT_ARG_STRING, &c.topic, 0, "the topic", "NAME"},
        {"kafka", 0, POPT_ARG_ARGV, &c.kafka, 0, "a setting of the producer, on top of the relay's",
         "NAME=VALUE"},
        {"limit", 0, POPT_ARG_INT, &c.limit, 0, "so many records; produce: at most", "N"},
        {"rate", 0, POPT_ARG_DOUBLE, &c.rate, 0, "latency: events a second", "N"},
        {"seconds", 0, POPT_ARG_DOUBLE, &c.seconds, 0, "latency: how long", "S"},
        {"warm-seconds", 0, POPT_ARG_DOUBLE, &c.warm_seconds, 0, "latency: how long before it counts", "S"},
        {"threads", 0, POPT_ARG_INT, &c.threads, 0, "latency: publishers; consume, subscribe: what handles",
         "N"},
        {"batch", 0, POPT_ARG_INT, &c.batch, 0, "subscribe: events in one transaction, at most", "N"},
        {"together", 0, POPT_ARG_NONE, &c.together, 0,
         "subscribe: the events of a transaction are handled by one call, with one statement", NULL},
        {"field", 0, POPT_ARG_STRING, &c.field, 0,
         "subscribe: of a filter that no event passes; consume: read only", "FIELD"},
        {"partitions", 0, POPT_ARG_INT, &c.partitions, 0, "of the topic", "N"},
        {"config", 0, POPT_ARG_ARGV, &c.config, 0, "topic-create: a setting of it", "NAME=VALUE"},
        {"direct", 0, POPT_ARG_NONE, &c.direct, 0, "latency: produce, instead of publishing in a transaction",
         NULL},
        {"even", 0, POPT_ARG_NONE, &c.even, 0, "latency: even arrivals instead of Poisson's", NULL},
        {"handle", 0, POPT_ARG_STRING, &c.handle, 0,
         "latency: to the row that is written for an event, by libpostbus_worker or by a plain consumer",
         "worker|plain"},
        {"count-rings", 0, POPT_ARG_NONE, &c.count_rings, 0, "latency: count notifications", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("postbus_bench", argc, argv, options, 0);
    int code = run(context, &c);
    poptFreeContext(context);
    return code;
}

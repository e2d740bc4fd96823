/* Writes the metrics in the text form of OpenMetrics 1.0; must never write a value that is not known as if it were zero. */
#include "metrics.h"

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "open_metrics.h"

static const void *at(const metrics *m, const metric *row)
{
    return (const char *)m + row->offset;
}

static uint64_t counter_of(const metrics *m, const metric *row)
{
    uint64_t n;
    memcpy(&n, at(m, row), sizeof n);
    return n;
}

static double number_of(const metrics *m, const metric *row)
{
    double n;
    memcpy(&n, at(m, row), sizeof n);
    return n;
}

const char *metric_type(const metric *row)
{
    switch (row->kind) {
    case METRIC_COUNTER:
    case METRIC_SECONDS:
        return "counter";
    case METRIC_EVENTS:
    case METRIC_TIMES:
        return "histogram";
    case METRIC_BUILD:
        return "info";
    default:
        return "gauge";
    }
}

/* A label without a value is left out: one database alone has no name. */
static void put_parked(FILE *to, const metrics *m, const metric *row)
{
    for (int i = 0; m->parked && i < m->parked->n_parked; i++) {
        const backlog_parked *group = &m->parked->parked[i];
        const open_label labels[] = {
            {"database", m->database}, {"topic", group->topic}, {"reason", group->reason}, {NULL, NULL}};
        open_metrics_number(to, row->name, "", labels, group->n_events);
    }
}

static void put_build(FILE *to, const metric *row)
{
    char libpq[24];
    int v = PQlibVersion();
    snprintf(libpq, sizeof libpq, "%d.%d", v / 10000, v % 10000);
    const open_label labels[] = {
        {"version", POSTBUS_VERSION}, {"librdkafka", rd_kafka_version_str()}, {"libpq", libpq}, {NULL, NULL}};
    open_metrics_count(to, row->name, "_info", labels, 1);
}

static void put_samples(FILE *to, const metrics *m, const metric *row)
{
    const open_label labels[] = {{"database", row->of_process ? NULL : m->database}, {NULL, NULL}};
    switch (row->kind) {
    case METRIC_COUNTER:
        open_metrics_count(to, row->name, "_total", labels, counter_of(m, row));
        break;
    case METRIC_SECONDS:
        open_metrics_number(to, row->name, "_total", labels, number_of(m, row));
        break;
    case METRIC_GAUGE:
        open_metrics_number(to, row->name, "", labels, number_of(m, row));
        break;
    case METRIC_EVENTS:
    case METRIC_TIMES:
        open_metrics_histogram(to, row->name, labels, at(m, row),
                               row->kind == METRIC_TIMES ? OPEN_TIMES : OPEN_EVENTS);
        break;
    case METRIC_BY_PARKED:
        put_parked(to, m, row);
        break;
    case METRIC_BUILD:
        put_build(to, row);
        break;
    }
}

static void put_head(FILE *to, const metric *row)
{
    open_metrics_head(to, row->name, metric_type(row), row->unit, row->help);
}

void metrics_write(const metrics *each, size_t n, FILE *to)
{
    for (const metric *row = metrics_table; row->name; row++) {
        put_head(to, row);
        for (size_t i = 0; i < (row->of_process ? 1 : n); i++)
            put_samples(to, &each[i], row);
    }
    fputs("# EOF\n", to);
}

void metrics_write_process(const metrics *m, FILE *to)
{
    for (const metric *row = metrics_table; row->name; row++)
        if (row->of_process) {
            put_head(to, row);
            put_samples(to, m, row);
        }
}

void metrics_read_process(metrics *m)
{
    struct rusage used;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    m->resident_bytes = NAN;
    if (statm && fscanf(statm, "%*d %ld", &pages) == 1)
        m->resident_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    if (statm)
        fclose(statm);
    getrusage(RUSAGE_SELF, &used);
    m->cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

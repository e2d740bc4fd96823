/* Writes the metrics in the text form of OpenMetrics 1.0; must never write a value that is not known as if it were zero. */
#include "metrics.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

static const void *pointer_of(const metrics *m, const metric *row)
{
    const void *p;
    memcpy(&p, at(m, row), sizeof p);
    return p;
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

/* As the form asks: \, " and the end of a line are escaped, in help and in labels alike. */
static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            fputs("\\n", to);
            continue;
        }
        if (*text == '\\' || *text == '"')
            fputc('\\', to);
        fputc(*text, to);
    }
}

static void put_head(FILE *to, const metric *row)
{
    fprintf(to, "# TYPE %s %s\n", row->name, metric_type(row));
    if (row->unit)
        fprintf(to, "# UNIT %s %s\n", row->name, row->unit);
    fprintf(to, "# HELP %s ", row->name);
    put_escaped(to, row->help);
    fputc('\n', to);
}

static void put_histogram(FILE *to, const metric *row, const histogram *h)
{
    double scale = row->kind == METRIC_TIMES ? 1e-3 : 1;
    uint64_t n = 0;
    for (int i = 0; i < HISTOGRAM_N_BOUNDS; i++) {
        n += h->counts[i];
        fprintf(to, "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", row->name, (double)histogram_bounds[i] * scale,
                n);
    }
    n += h->counts[HISTOGRAM_N_BOUNDS];
    fprintf(to, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_count %" PRIu64 "\n", row->name, n, row->name, n);
    fprintf(to, "%s_sum %.15g\n", row->name, (double)h->sum * (row->kind == METRIC_TIMES ? 1e-6 : 1));
}

static void put_parked(FILE *to, const metric *row, const backlog_numbers *known)
{
    for (int i = 0; known && i < known->n_parked; i++) {
        fprintf(to, "%s{topic=\"", row->name);
        put_escaped(to, known->parked[i].topic);
        fputs("\",reason=\"", to);
        put_escaped(to, known->parked[i].reason);
        fprintf(to, "\"} %.15g\n", known->parked[i].n_events);
    }
}

static void put_build(FILE *to, const metric *row)
{
    int v = PQlibVersion();
    fprintf(to, "%s_info{version=\"%s\",librdkafka=\"%s\",libpq=\"%d.%d\"} 1\n", row->name, POSTBUS_VERSION,
            rd_kafka_version_str(), v / 10000, v % 10000);
}

static void put_samples(FILE *to, const metrics *m, const metric *row)
{
    switch (row->kind) {
    case METRIC_COUNTER:
        fprintf(to, "%s_total %" PRIu64 "\n", row->name, counter_of(m, row));
        break;
    case METRIC_SECONDS:
        fprintf(to, "%s_total %.15g\n", row->name, number_of(m, row));
        break;
    case METRIC_GAUGE:
        if (!isnan(number_of(m, row)))
            fprintf(to, "%s %.15g\n", row->name, number_of(m, row));
        break;
    case METRIC_EVENTS:
    case METRIC_TIMES:
        put_histogram(to, row, pointer_of(m, row));
        break;
    case METRIC_BY_PARKED:
        put_parked(to, row, pointer_of(m, row));
        break;
    case METRIC_BUILD:
        put_build(to, row);
        break;
    }
}

void metrics_write(const metrics *m, FILE *to)
{
    for (const metric *row = metrics_table; row->name; row++) {
        put_head(to, row);
        put_samples(to, m, row);
    }
    fputs("# EOF\n", to);
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

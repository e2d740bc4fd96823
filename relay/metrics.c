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

/* The name of a sample with its labels, up to the value; le: of a bucket, or NULL. */
static void put_sample(FILE *to, const char *name, const char *ending, const char *database, const char *le)
{
    fprintf(to, "%s%s", name, ending);
    if (database) {
        fputs("{database=\"", to);
        put_escaped(to, database);
        fputs(le ? "\"," : "\"}", to);
    } else if (le) {
        fputc('{', to);
    }
    if (le)
        fprintf(to, "le=\"%s\"}", le);
    fputc(' ', to);
}

static void put_bucket(FILE *to, const metric *row, const char *database, const char *le, uint64_t n)
{
    put_sample(to, row->name, "_bucket", database, le);
    fprintf(to, "%" PRIu64 "\n", n);
}

static void put_histogram(FILE *to, const metrics *m, const metric *row)
{
    const histogram *h = at(m, row);
    double scale = row->kind == METRIC_TIMES ? 1e-3 : 1;
    uint64_t n = 0;
    for (int i = 0; i < HISTOGRAM_N_BOUNDS; i++) {
        char le[32];
        n += h->counts[i];
        snprintf(le, sizeof le, "%.15g", (double)histogram_bounds[i] * scale);
        put_bucket(to, row, m->database, le, n);
    }
    n += h->counts[HISTOGRAM_N_BOUNDS];
    put_bucket(to, row, m->database, "+Inf", n);
    put_sample(to, row->name, "_count", m->database, NULL);
    fprintf(to, "%" PRIu64 "\n", n);
    put_sample(to, row->name, "_sum", m->database, NULL);
    fprintf(to, "%.15g\n", (double)h->sum * (row->kind == METRIC_TIMES ? 1e-6 : 1));
}

static void put_parked(FILE *to, const metrics *m, const metric *row)
{
    for (int i = 0; m->parked && i < m->parked->n_parked; i++) {
        const backlog_parked *group = &m->parked->parked[i];
        fprintf(to, "%s{", row->name);
        if (m->database) {
            fputs("database=\"", to);
            put_escaped(to, m->database);
            fputs("\",", to);
        }
        fputs("topic=\"", to);
        put_escaped(to, group->topic);
        fputs("\",reason=\"", to);
        put_escaped(to, group->reason);
        fprintf(to, "\"} %.15g\n", group->n_events);
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
    const char *database = row->of_process ? NULL : m->database;
    switch (row->kind) {
    case METRIC_COUNTER:
        put_sample(to, row->name, "_total", database, NULL);
        fprintf(to, "%" PRIu64 "\n", counter_of(m, row));
        break;
    case METRIC_SECONDS:
        put_sample(to, row->name, "_total", database, NULL);
        fprintf(to, "%.15g\n", number_of(m, row));
        break;
    case METRIC_GAUGE:
        if (isnan(number_of(m, row)))
            break;
        put_sample(to, row->name, "", database, NULL);
        fprintf(to, "%.15g\n", number_of(m, row));
        break;
    case METRIC_EVENTS:
    case METRIC_TIMES:
        put_histogram(to, m, row);
        break;
    case METRIC_BY_PARKED:
        put_parked(to, m, row);
        break;
    case METRIC_BUILD:
        put_build(to, row);
        break;
    }
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

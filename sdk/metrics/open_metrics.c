/* Writes the text form of OpenMetrics 1.0; must never write a value that is not known as if it were zero. */
#include "open_metrics.h"

#include <inttypes.h>
#include <math.h>

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

void open_metrics_head(FILE *to, const char *name, const char *type, const char *unit, const char *help)
{
    fprintf(to, "# TYPE %s %s\n", name, type);
    if (unit)
        fprintf(to, "# UNIT %s %s\n", name, unit);
    fprintf(to, "# HELP %s ", name);
    put_escaped(to, help);
    fputc('\n', to);
}

static const char *put_label(FILE *to, const char *before, const char *name, const char *value)
{
    fprintf(to, "%s%s=\"", before, name);
    put_escaped(to, value);
    fputc('"', to);
    return ",";
}

/* le: of a bucket, or NULL. */
static void put_sample(FILE *to, const char *name, const char *ending, const open_label *labels,
                       const char *le)
{
    const char *before = "{";
    fprintf(to, "%s%s", name, ending);
    for (; labels && labels->name; labels++)
        if (labels->value)
            before = put_label(to, before, labels->name, labels->value);
    if (le)
        before = put_label(to, before, "le", le);
    fputs(*before == ',' ? "} " : " ", to);
}

void open_metrics_sample(FILE *to, const char *name, const char *ending, const open_label *labels)
{
    put_sample(to, name, ending, labels, NULL);
}

void open_metrics_count(FILE *to, const char *name, const char *ending, const open_label *labels, uint64_t n)
{
    put_sample(to, name, ending, labels, NULL);
    fprintf(to, "%" PRIu64 "\n", n);
}

void open_metrics_number(FILE *to, const char *name, const char *ending, const open_label *labels, double n)
{
    if (isnan(n))
        return;
    put_sample(to, name, ending, labels, NULL);
    fprintf(to, "%.15g\n", n);
}

static void put_bucket(FILE *to, const char *name, const open_label *labels, const char *le, uint64_t n)
{
    put_sample(to, name, "_bucket", labels, le);
    fprintf(to, "%" PRIu64 "\n", n);
}

void open_metrics_histogram(FILE *to, const char *name, const open_label *labels, const histogram *h,
                            open_scale scale)
{
    uint64_t n = 0;
    for (int i = 0; i < HISTOGRAM_N_BOUNDS; i++) {
        char le[32];
        n += h->counts[i];
        snprintf(le, sizeof le, "%.15g", (double)histogram_bounds[i] * (scale == OPEN_TIMES ? 1e-3 : 1));
        put_bucket(to, name, labels, le, n);
    }
    n += h->counts[HISTOGRAM_N_BOUNDS];
    put_bucket(to, name, labels, "+Inf", n);
    open_metrics_count(to, name, "_count", labels, n);
    open_metrics_number(to, name, "_sum", labels, (double)h->sum * (scale == OPEN_TIMES ? 1e-6 : 1));
}

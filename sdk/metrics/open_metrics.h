/* The text form of OpenMetrics 1.0: heads of families, and samples with labels. */
#ifndef POSTBUS_METRICS_OPEN_METRICS_H
#define POSTBUS_METRICS_OPEN_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "histogram.h"

/* A list of labels ends with one whose name is NULL; one whose value is NULL is left out. */
typedef struct open_label {
    const char *name, *value;
} open_label;

/* unit: the end of the name, or NULL. */
void open_metrics_head(FILE *to, const char *name, const char *type, const char *unit, const char *help);

/* A sample up to its value; ending: "", "_total" …. labels: NULL is none. */
void open_metrics_sample(FILE *to, const char *name, const char *ending, const open_label *labels);
void open_metrics_count(FILE *to, const char *name, const char *ending, const open_label *labels, uint64_t n);
/* NAN: not known now, and then left out. */
void open_metrics_number(FILE *to, const char *name, const char *ending, const open_label *labels, double n);

typedef enum open_scale { OPEN_EVENTS, OPEN_TIMES } open_scale;
void open_metrics_histogram(FILE *to, const char *name, const open_label *labels, const histogram *h,
                            open_scale scale);

#endif

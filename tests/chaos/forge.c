/* Forges logs in memory and judges them; it must never write to a topic. */
#include "forge.h"

#include <stdlib.h>
#include <string.h>

typedef struct forger {
    truth *committed;
    log_record *records; /* room for one more than n */
    size_t n;
    size_t first, second; /* records of two events that follow each other in their stream, each seen once */
} forger;

static bool seen_once(const forger *f, uint64_t token, size_t *out_at)
{
    int n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (f->records[i].token == token) {
            *out_at = i;
            n++;
        }
    return n == 1;
}

/* The truth is sorted by stream and place. */
static bool find_neighbours(forger *f)
{
    const truth_event *events = f->committed->events;

    for (size_t i = 0; i + 1 < f->committed->n; i++)
        if (events[i].stream == events[i + 1].stream && events[i].seq >= 0 &&
            seen_once(f, events[i].token, &f->first) && seen_once(f, events[i + 1].token, &f->second))
            return true;
    return false;
}

static verdict judge(const forger *f, size_t n_records)
{
    verdict v = {0};

    verdict_reach(f->committed->events, f->committed->n, f->records, n_records, &v);
    return v;
}

static bool a_missing_record_is_lost(forger *f, const verdict *honest)
{
    size_t behind = f->n - f->first - 1;
    log_record missing = f->records[f->first];

    memmove(&f->records[f->first], &f->records[f->first + 1], behind * sizeof missing);
    verdict v = judge(f, f->n - 1);
    memmove(&f->records[f->first + 1], &f->records[f->first], behind * sizeof missing);
    f->records[f->first] = missing;
    return v.lost == honest->lost + 1;
}

static bool a_foreign_record_is_extra(forger *f, const verdict *honest)
{
    f->records[f->n] = f->records[f->first];
    f->records[f->n].token = UINT64_MAX;
    return judge(f, f->n + 1).extra == honest->extra + 1;
}

static bool a_repeated_record_is_a_duplicate(forger *f, const verdict *honest)
{
    f->records[f->n] = f->records[f->second];
    return judge(f, f->n + 1).duplicates == honest->duplicates + 1;
}

static bool swapped_records_are_misordered(forger *f, const verdict *honest)
{
    log_record first = f->records[f->first];

    f->records[f->first] = f->records[f->second];
    f->records[f->second] = first;
    verdict v = judge(f, f->n);
    f->records[f->second] = f->records[f->first];
    f->records[f->first] = first;
    return v.overtaken > honest->overtaken;
}

int forge_all(truth *committed, const topic_log *log, const verdict *honest)
{
    forger f = {.committed = committed, .records = malloc((log->n + 1) * sizeof *log->records), .n = log->n};
    int n_caught = -1;

    if (f.records && log->n > 0) {
        memcpy(f.records, log->records, log->n * sizeof *log->records);
        if (find_neighbours(&f))
            n_caught = a_missing_record_is_lost(&f, honest) + a_foreign_record_is_extra(&f, honest) +
                       a_repeated_record_is_a_duplicate(&f, honest) +
                       swapped_records_are_misordered(&f, honest);
    }
    free(f.records);
    return n_caught;
}

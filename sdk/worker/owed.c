/* Keeps what is still to be written down of events, by what they are; must never hold on to an event, which is freed and read again. */
#include "owed.h"

#include <stdlib.h>
#include <string.h>

#include "attempt.h"

typedef struct owed_entry {
    int source;
    pbus_uuid identity;
    attempt what;
} owed_entry;

void owed_done(owed *o)
{
    while (o->n > 0)
        free(o->entries[--o->n]);
}

static void drop(owed *o, size_t i)
{
    free(o->entries[i]);
    o->n--;
    memmove(&o->entries[i], &o->entries[i + 1], (o->n - i) * sizeof(owed_entry *));
}

/* o->n: it is not there. */
static size_t find(const owed *o, const event *e)
{
    size_t i = 0;
    while (i < o->n && (o->entries[i]->source != e->source ||
                        memcmp(&o->entries[i]->identity, &e->identity, sizeof e->identity) != 0))
        i++;
    return i;
}

bool owed_add(owed *o, const attempt *a)
{
    owed_entry *entry = malloc(sizeof *entry);
    if (!entry)
        return false;
    *entry = (owed_entry){.source = a->e->source, .identity = a->e->identity, .what = *a};
    entry->what.e = NULL;
    size_t at = find(o, a->e);
    if (at < o->n || o->n == OWED_MOST)
        drop(o, at < o->n ? at : 0);
    o->entries[o->n++] = entry;
    return true;
}

bool owed_has(const owed *o, const event *e)
{
    return find(o, e) < o->n;
}

bool owed_take(owed *o, const event *e, attempt *out)
{
    size_t at = find(o, e);
    if (at == o->n)
        return false;
    *out = o->entries[at]->what;
    drop(o, at);
    return true;
}

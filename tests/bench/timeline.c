/* Tells which event of a run a record is, by its value; must never take one of another run for it. */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

void timeline_receive(timeline *line, const void *value, size_t size, int64_t now_ns)
{
    char text[25];
    if (size != TIMELINE_VALUE_BYTES)
        return;
    memcpy(text, value, 24);
    text[24] = '\0';
    size_t i = strtoull(text + 16, NULL, 16);
    text[16] = '\0';
    if (strtoull(text, NULL, 16) != line->nonce || i >= line->n)
        return;
    int64_t before = 0;
    if (atomic_compare_exchange_strong(&line->received_ns[i], &before, now_ns))
        atomic_fetch_add(&line->n_received, 1);
    else
        atomic_fetch_add(&line->n_twice, 1);
}

/* A pg_snapshot as PostgreSQL prints it, "xmin:xmax:xip,xip,…". Immutable and shared by count. */
#ifndef POSTBUS_RELAY_SNAPSHOT_H
#define POSTBUS_RELAY_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct snapshot {
    int refs;
    char *text;
    uint64_t xmin; /* every transaction below it has ended */
    uint64_t xmax; /* none at or above it is visible */
    size_t n_xip;
    uint64_t xip[]; /* still running, ascending, within [xmin, xmax) */
} snapshot;

/* NULL for a text that is not a snapshot (or no memory). */
snapshot *snapshot_parse(const char *text);
snapshot *snapshot_ref(snapshot *s);
void snapshot_unref(snapshot *s);
/* What it takes of memory. */
size_t snapshot_bytes(const snapshot *s);
bool snapshot_sees(const snapshot *s, uint64_t xid);

/* The transactions below an xid that s does not see, as an array literal, "{7,9}"; the caller frees it. NULL: no memory. */
char *snapshot_unseen_array(const snapshot *s, uint64_t before);

#endif

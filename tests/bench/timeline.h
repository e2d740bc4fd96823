/* When each event of a latency run was due, sent, committed and received: filled by several threads, an element each. */
#ifndef POSTBUS_BENCH_TIMELINE_H
#define POSTBUS_BENCH_TIMELINE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bench.h"

#define TIMELINE_VALUE_BYTES 200

typedef struct timeline {
    const bench_call *call;
    size_t n;
    uint64_t nonce;        /* in each value, so that records of earlier runs are not counted */
    int64_t *due_ns;       /* since start_ns */
    int64_t *sent_ns;      /* before COMMIT was sent, or before the record was produced */
    int64_t *committed_ns; /* when COMMIT was answered; the same as sent_ns for a direct record */
    _Atomic int64_t *received_ns;
    int64_t start_ns;
    atomic_size_t n_received, n_twice;
    atomic_int n_publishing;
    atomic_bool failed, over;
} timeline;

/* Notes that an event is received, or was handled; what is none of this run is passed over. */
void timeline_receive(timeline *line, const void *value, size_t size, int64_t now_ns);

#endif

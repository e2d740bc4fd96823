/* The verdict over a run, computed from two lists in memory; it must never ask a server. */
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

typedef struct token_place {
    uint64_t token;
    size_t at;
} token_place;

typedef struct event_state {
    int64_t rank;
    size_t stream_at; /* index of the stream's first event: where the stream's state is kept */
    int64_t times_seen;
    int64_t previous; /* of the stream: rank of its last record, -1 before the first */
    int64_t next;     /* of the stream: the lowest rank that no record so far reached */
    uint32_t place;
    bool placed;
} event_state;

uint64_t bytes_hash(uint64_t start, const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    uint64_t h = start ^ 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < size; i++)
        h = (h ^ b[i]) * 0x100000001b3ULL;
    return h;
}

uint64_t stream_hash(const char *topic, const void *key, size_t key_size)
{
    uint64_t h = bytes_hash(0, topic, strlen(topic) + 1);

    return key ? bytes_hash(bytes_hash(h, "k", 1), key, key_size) : h;
}

static int by_stream(const void *a, const void *b)
{
    const truth_event *x = a, *y = b;

    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static int by_token(const void *a, const void *b)
{
    const token_place *x = a, *y = b;

    return (x->token > y->token) - (x->token < y->token);
}

static const token_place *place_of(const token_place *places, size_t n, uint64_t token)
{
    const token_place wanted = {.token = token};

    return bsearch(&wanted, places, n, sizeof *places, by_token);
}

static void count_presence(const truth_event *truth, const token_place *places, size_t n, event_state *states,
                           const log_record *log, size_t n_log, verdict *v)
{
    for (size_t i = 0; i < n_log; i++) {
        const token_place *p = place_of(places, n, log[i].token);

        if (!p) {
            if (v->extra++ == 0)
                v->first_extra = log[i].token;
            continue;
        }
        if (states[p->at].times_seen++ > 0)
            v->duplicates++;
        if (truth[p->at].stream != log[i].stream || truth[p->at].identity != log[i].identity)
            v->altered++;
    }
}

/* Lost events get no rank: each fault is counted once, as what it is. */
static void rank_events(const truth_event *truth, size_t n, event_state *states, verdict *v)
{
    size_t stream_at = 0;
    int64_t rank = 0;

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || truth[i].stream != truth[i - 1].stream) {
            stream_at = i;
            rank = 0;
            states[i].previous = -1;
        } else if (truth[i].seq >= 0 && truth[i].seq == truth[i - 1].seq) {
            v->ambiguous++;
        }
        states[i].stream_at = stream_at;
        if (states[i].times_seen > 0) {
            states[i].rank = rank++;
        } else if (v->lost++ == 0) {
            v->first_lost = truth[i].token;
        }
    }
}

static void follow(event_state *stream, int64_t rank, const log_record *record, verdict *v)
{
    if (!stream->placed) {
        stream->placed = true;
        stream->place = record->place;
    } else if (stream->place != record->place) {
        v->scattered++;
    }
    if (rank > stream->next) {
        if (v->overtaken++ == 0)
            v->first_overtaken = record->token;
    } else if (rank > stream->previous + 1) {
        v->broken_replay++;
    }
    stream->previous = rank;
    if (rank >= stream->next)
        stream->next = rank + 1;
}

bool verdict_reach(truth_event *truth, size_t n_truth, const log_record *log, size_t n_log, verdict *out)
{
    token_place *places = calloc(n_truth + 1, sizeof *places);
    event_state *states = calloc(n_truth + 1, sizeof *states);
    bool ok = places && states;

    memset(out, 0, sizeof *out);
    if (ok) {
        out->events = (int64_t)n_truth;
        out->records = (int64_t)n_log;
        qsort(truth, n_truth, sizeof *truth, by_stream);
        for (size_t i = 0; i < n_truth; i++)
            places[i] = (token_place){.token = truth[i].token, .at = i};
        qsort(places, n_truth, sizeof *places, by_token);
        count_presence(truth, places, n_truth, states, log, n_log, out);
        rank_events(truth, n_truth, states, out);
        for (size_t i = 0; i < n_log; i++) {
            const token_place *p = place_of(places, n_truth, log[i].token);

            if (p && truth[p->at].seq >= 0)
                follow(&states[states[p->at].stream_at], states[p->at].rank, &log[i], out);
        }
    }
    free(places);
    free(states);
    return ok;
}

bool verdict_is_clean(const verdict *v)
{
    return v->lost == 0 && v->extra == 0 && v->overtaken == 0 && v->broken_replay == 0 && v->altered == 0 &&
           v->scattered == 0 && v->ambiguous == 0;
}

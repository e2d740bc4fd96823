/* Keeps decoders; must never keep for long that a schema is unknown, nor at all where nobody could be asked. */
#include "decoders.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"

typedef struct known {
    struct known *next;
    char *topic;
    pbus_frame frame;
    pbus_decoder *decoder;
} known;

void decoders_init(decoders *d, const schema_lookup *lookup, pbus_schema *reader, bool stays_connected)
{
    *d = (decoders){
        .lookup = *lookup, .reader = pbus_schema_share(reader), .stays_connected = stays_connected};
    d->lookup.ending = &d->ending;
    pthread_mutex_init(&d->asking, NULL);
    pthread_mutex_init(&d->looking, NULL);
}

void decoders_interrupt(decoders *d)
{
    atomic_store(&d->ending, true);
}

static void known_free(known *one)
{
    if (!one)
        return;
    pbus_decoder_free(one->decoder);
    free(one->topic);
    free(one);
}

void decoders_done(decoders *d)
{
    for (known *next; d->known; d->known = next) {
        next = d->known->next;
        known_free(d->known);
    }
    for (size_t i = 0; i < DECODERS_MISSED; i++)
        free(d->missed[i].topic);
    schema_lookup_rest(&d->lookup);
    pbus_schema_free(d->reader);
    pthread_mutex_destroy(&d->asking);
    pthread_mutex_destroy(&d->looking);
}

/* The topic counts: a registry's ids and the database's may be the same number. */
static bool is_same(const char *topic_a, const pbus_frame *a, const char *topic_b, const pbus_frame *b)
{
    return a->framing == b->framing &&
           (a->framing == PBUS_FRAMING_CONFLUENT ? a->schema_id == b->schema_id
                                                 : a->fingerprint == b->fingerprint) &&
           strcmp(topic_a, topic_b) == 0;
}

/* With `looking` held. NULL: there is none that still counts. */
static decoders_miss *find_missed(decoders *d, const char *topic, const pbus_frame *frame, int64_t since_ms)
{
    int64_t now_ms = schema_lookup_now_ms();
    for (size_t i = 0; i < DECODERS_MISSED; i++) {
        decoders_miss *m = &d->missed[i];
        if (m->topic && m->asked_ms > since_ms && now_ms - m->asked_ms < SCHEMA_LOOKUP_PAUSE_MS &&
            is_same(m->topic, &m->frame, topic, frame))
            return m;
    }
    return NULL;
}

/* false: nothing is known. A decoder that is there stays as it is until the end. */
static bool find(decoders *d, const char *topic, const pbus_frame *frame, int64_t since_ms,
                 const pbus_decoder **out, pbus_error *err)
{
    pthread_mutex_lock(&d->looking);
    const known *one = d->known;
    while (one && !is_same(one->topic, &one->frame, topic, frame))
        one = one->next;
    const decoders_miss *missed = one ? NULL : find_missed(d, topic, frame, since_ms);
    if (one)
        *out = one->decoder;
    if (missed)
        *err = missed->why;
    pthread_mutex_unlock(&d->looking);
    return one || missed;
}

static void add(decoders *d, known *one)
{
    pthread_mutex_lock(&d->looking);
    one->next = d->known;
    d->known = one;
    pthread_mutex_unlock(&d->looking);
}

/* Takes the place of the oldest. What cannot be kept for want of memory is asked for again. */
static void note_missed(decoders *d, const char *topic, const pbus_frame *frame, int64_t asked_ms,
                        const pbus_error *why)
{
    char *name = strdup(topic);
    pthread_mutex_lock(&d->looking);
    decoders_miss *m = &d->missed[d->next_missed++ % DECODERS_MISSED];
    free(m->topic);
    *m = (decoders_miss){.topic = name, .frame = *frame, .asked_ms = asked_ms, .why = *why};
    pthread_mutex_unlock(&d->looking);
}

static pbus_status make_decoder(decoders *d, const char *topic, const pbus_frame *frame, pbus_decoder **out,
                                pbus_error *err)
{
    pbus_schema *writer = NULL;
    pbus_status status = schema_lookup_find(&d->lookup, topic, frame, &writer, err);
    if (!d->stays_connected)
        schema_lookup_rest(&d->lookup);
    if (status == PBUS_OK)
        status = pbus_decoder_new(writer, d->reader ? d->reader : writer, NULL, out, err);
    pbus_schema_free(writer);
    return status;
}

/* With `asking` held. */
static pbus_status learn(decoders *d, const char *topic, const pbus_frame *frame, const pbus_decoder **out,
                         pbus_error *err)
{
    int64_t asked_ms = schema_lookup_now_ms(); /* what is added while the answer is on its way is not in it */
    known *one = calloc(1, sizeof *one);
    if (!one || !(one->topic = strdup(topic))) {
        known_free(one);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a decoder");
    }
    one->frame = *frame;
    pbus_status status = make_decoder(d, topic, frame, &one->decoder, err);
    if (status == PBUS_OK) {
        *out = one->decoder;
        add(d, one);
        return status;
    }
    known_free(one);
    if (!schema_lookup_failed(status))
        note_missed(d, topic, frame, asked_ms, err);
    return status;
}

pbus_status decoders_find(decoders *d, const char *topic, const pbus_frame *frame, bool may_ask,
                          int64_t since_ms, const pbus_decoder **out, pbus_error *err)
{
    pbus_error own = {.status = PBUS_OK};
    err = err ? err : &own;
    *out = NULL;
    if (find(d, topic, frame, since_ms, out, err))
        return *out ? PBUS_OK : err->status;
    if (!may_ask)
        return PBUS_OK;
    pthread_mutex_lock(&d->asking);
    pbus_status status;
    if (find(d, topic, frame, since_ms, out, err)) /* somebody may have asked meanwhile */
        status = *out ? PBUS_OK : err->status;
    else
        status = learn(d, topic, frame, out, err);
    pthread_mutex_unlock(&d->asking);
    return status;
}

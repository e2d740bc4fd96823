/* Keeps decoders; must never keep that a schema is unknown because nobody could be asked. */
#include "decoders.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"

typedef struct known {
    struct known *next;
    char *topic;
    pbus_frame frame;
    pbus_decoder *decoder; /* NULL: there is none, and the status says why */
    pbus_status status;
} known;

void decoders_init(decoders *d, const schema_lookup *lookup, pbus_schema *reader, bool keeps_all)
{
    *d = (decoders){.lookup = *lookup, .reader = pbus_schema_share(reader), .keeps_all = keeps_all};
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
    schema_lookup_rest(&d->lookup);
    pbus_schema_free(d->reader);
    pthread_mutex_destroy(&d->asking);
    pthread_mutex_destroy(&d->looking);
}

/* The topic counts: a registry's ids and the database's may be the same number. */
static bool is_same(const known *a, const char *topic, const pbus_frame *frame)
{
    return a->frame.framing == frame->framing &&
           (frame->framing == PBUS_FRAMING_CONFLUENT ? a->frame.schema_id == frame->schema_id
                                                     : a->frame.fingerprint == frame->fingerprint) &&
           strcmp(a->topic, topic) == 0;
}

/* What is there stays as it is until the end. */
static const known *find(decoders *d, const char *topic, const pbus_frame *frame)
{
    pthread_mutex_lock(&d->looking);
    const known *one = d->known;
    while (one && !is_same(one, topic, frame))
        one = one->next;
    pthread_mutex_unlock(&d->looking);
    return one;
}

static pbus_status answer(const known *one, const pbus_decoder **out, pbus_error *err)
{
    *out = one->decoder;
    return one->decoder ? PBUS_OK : failure(err, one->status, "the schema was not found before");
}

static void add(decoders *d, known *one)
{
    pthread_mutex_lock(&d->looking);
    one->next = d->known;
    d->known = one;
    pthread_mutex_unlock(&d->looking);
}

static pbus_status make_decoder(decoders *d, const char *topic, const pbus_frame *frame, pbus_decoder **out,
                                pbus_error *err)
{
    pbus_schema *writer = NULL;
    pbus_status status = schema_lookup_find(&d->lookup, topic, frame, &writer, err);
    if (!d->keeps_all)
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
    known *one = calloc(1, sizeof *one);
    if (!one || !(one->topic = strdup(topic))) {
        known_free(one);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a decoder");
    }
    one->frame = *frame;
    one->status = make_decoder(d, topic, frame, &one->decoder, err);
    pbus_status status = one->status;
    if (status == PBUS_OK || (d->keeps_all && !schema_lookup_failed(status))) {
        *out = one->decoder;
        add(d, one);
    } else
        known_free(one);
    return status;
}

pbus_status decoders_find(decoders *d, const char *topic, const pbus_frame *frame, bool may_ask,
                          const pbus_decoder **out, pbus_error *err)
{
    *out = NULL;
    const known *one = find(d, topic, frame);
    if (one)
        return answer(one, out, err);
    if (!may_ask)
        return PBUS_OK;
    pthread_mutex_lock(&d->asking);
    one = find(d, topic, frame); /* somebody may have asked meanwhile */
    pbus_status status = one ? answer(one, out, err) : learn(d, topic, frame, out, err);
    pthread_mutex_unlock(&d->asking);
    return status;
}

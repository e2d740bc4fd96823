/* The life of a decoder; must never change it once others can see it. */
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"
#include "failure.h"

/* The first fault, and how many there are. */
typedef struct hopeless {
    place_text path;
    char reason[256];
    size_t n;
} hopeless;

static bool hopeless_note(void *context, const place *at, const char *reason)
{
    hopeless *h = context;
    if (h->n++ == 0) {
        h->path = place_show(at);
        snprintf(h->reason, sizeof h->reason, "%s", reason);
    }
    return true;
}

static pbus_status decoder_judge(const pbus_decoder *d, pbus_error *err)
{
    hopeless h = {.n = 0};
    char more[64] = "";
    if (!d->root->hopeless)
        return PBUS_OK;
    plan_each_fault(d->root, hopeless_note, &h);
    if (h.n > 1)
        snprintf(more, sizeof more, " (and %zu more)", h.n - 1);
    return failure(err, PBUS_ERROR_INCOMPATIBLE, "%s: %s%s", h.path.text, h.reason, more);
}

static pbus_status decoder_set_limits(pbus_decoder *d, const pbus_decode_limits *limits, pbus_error *err)
{
    d->max_depth = PBUS_SCHEMA_MAX_DEPTH;
    if (!limits)
        return PBUS_OK;
    if (limits->size < sizeof *limits)
        return failure(err, PBUS_ERROR_ARGUMENT, "limits->size is %zu; start from PBUS_DECODE_LIMITS_INIT",
                       limits->size);
    if (limits->max_depth > PBUS_SCHEMA_MAX_DEPTH)
        return failure(err, PBUS_ERROR_ARGUMENT, "limits->max_depth is %u; the most is %u",
                       (unsigned)limits->max_depth, PBUS_SCHEMA_MAX_DEPTH);
    if (limits->max_depth)
        d->max_depth = limits->max_depth;
    d->max_values = limits->max_values;
    return PBUS_OK;
}

static pbus_status decoder_fill(pbus_decoder *d, const pbus_decode_limits *limits, pbus_error *err)
{
    pbus_status status = decoder_set_limits(d, limits, err);
    if (status != PBUS_OK)
        return status;
    d->plans.err = err;
    d->root = plan_make(&d->plans, d->writer->root, d->reader->root);
    d->plans.err = NULL;
    return d->root ? decoder_judge(d, err) : d->plans.status;
}

pbus_status pbus_decoder_new(pbus_schema *writer, pbus_schema *reader, const pbus_decode_limits *limits,
                             pbus_decoder **out, pbus_error *err)
{
    if (!writer || !reader || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL",
                       !writer   ? "the writer's schema"
                       : !reader ? "the reader's schema"
                                 : "out");
    pbus_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the decoder");
    d->writer = pbus_schema_share(writer);
    d->reader = pbus_schema_share(reader);
    pbus_status status = decoder_fill(d, limits, err);
    if (status == PBUS_OK)
        *out = d;
    else
        pbus_decoder_free(d);
    return status;
}

void pbus_decoder_free(pbus_decoder *decoder)
{
    if (!decoder)
        return;
    plans_done(&decoder->plans);
    pbus_schema_free(decoder->writer);
    pbus_schema_free(decoder->reader);
    free(decoder);
}

pbus_status decode_check(const pbus_decoder *decoder, const void *data, size_t size, pbus_error *err)
{
    if (!decoder)
        return failure(err, PBUS_ERROR_ARGUMENT, "the decoder is NULL");
    if (!data && size > 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "the bytes are NULL but there are %zu", size);
    return PBUS_OK;
}

pbus_status pbus_decoder_visit(const pbus_decoder *decoder, const void *data, size_t size,
                               pbus_visitor *visit, void *context, pbus_error *err)
{
    pbus_error why = {.status = PBUS_OK};
    pbus_status status = decode_check(decoder, data, size, err);
    if (status == PBUS_OK && !visit)
        status = failure(err, PBUS_ERROR_ARGUMENT, "the visitor is NULL");
    if (status != PBUS_OK)
        return status;
    status = decode_bytes(decoder, data, size, visit, context, &why);
    if (status != PBUS_OK && why.status != status)
        return failure(err, status, "the visitor ended the decoding");
    if (status != PBUS_OK && err)
        *err = why;
    return status;
}

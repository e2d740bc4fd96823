/* Reads Avro values; must never call a value unreadable because its schema could not be asked for. */
#include "value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "decoders.h"
#include "event.h"
#include "failure.h"

struct value_reader {
    char *conninfo;
    pbus_registry *registry;
    decoders of_frames;
    /* Of values that were written with one schema: no frame says which. */
    pbus_decoder *of_all; /* NULL: frames do */
    uint64_t fingerprint;
};

static pbus_status check(const pbus_avro *given, pbus_error *err)
{
    bool framed = given->conninfo || given->registry;
    if (!framed && !given->schema)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "avro says nowhere that schemas are; give conninfo, registry or schema");
    if (framed && given->schema)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "avro has a schema for all values, and where to find the one that each names: one of "
                       "the two is possible");
    return PBUS_OK;
}

/* NULL stays NULL. */
static pbus_status parse(const char *what, const char *text, pbus_schema **out, pbus_error *err)
{
    pbus_error why;
    *out = NULL;
    if (!text)
        return PBUS_OK;
    pbus_status status = pbus_schema_parse(text, strlen(text), NULL, 0, out, &why);
    if (status == PBUS_ERROR_MEMORY)
        return failure(err, status, "%s", why.message);
    return status == PBUS_OK ? status : failure(err, PBUS_ERROR_ARGUMENT, "%s: %s", what, why.message);
}

static pbus_status make_decoder(value_reader *r, pbus_schema *writer, pbus_schema *reader, pbus_error *err)
{
    pbus_error why;
    r->fingerprint = pbus_schema_fingerprint(writer);
    pbus_status status = pbus_decoder_new(writer, reader ? reader : writer, NULL, &r->of_all, &why);
    if (status == PBUS_OK || status == PBUS_ERROR_MEMORY)
        return status == PBUS_OK ? status : failure(err, status, "%s", why.message);
    return failure(err, PBUS_ERROR_ARGUMENT, "avro.reader_schema cannot read avro.schema: %s", why.message);
}

static pbus_status prepare(value_reader *r, const pbus_avro *given, pbus_error *err)
{
    pbus_schema *writer = NULL, *reader = NULL;
    pbus_status status = parse("avro.schema", given->schema, &writer, err);
    if (status == PBUS_OK)
        status = parse("avro.reader_schema", given->reader_schema, &reader, err);
    if (status == PBUS_OK && given->registry)
        status = pbus_registry_new(given->registry, &r->registry, err);
    if (status == PBUS_OK && given->conninfo && !(r->conninfo = strdup(given->conninfo)))
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for a subscription");
    const schema_lookup lookup = {
        .conninfo = r->conninfo, .name = "postbus schemas", .registry = r->registry};
    decoders_init(&r->of_frames, &lookup, reader, false);
    if (status == PBUS_OK && writer)
        status = make_decoder(r, writer, reader, err);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
    return status;
}

pbus_status value_reader_new(const pbus_avro *given, value_reader **out, pbus_error *err)
{
    pbus_status status = check(given, err);
    if (status != PBUS_OK)
        return status;
    value_reader *r = calloc(1, sizeof *r);
    if (!r)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a subscription");
    status = prepare(r, given, err);
    if (status == PBUS_OK)
        *out = r;
    else
        value_reader_free(r);
    return status;
}

void value_reader_free(value_reader *r)
{
    if (!r)
        return;
    decoders_done(&r->of_frames);
    pbus_decoder_free(r->of_all);
    pbus_registry_free(r->registry);
    free(r->conninfo);
    free(r);
}

void value_reader_interrupt(value_reader *r)
{
    if (r)
        decoders_interrupt(&r->of_frames);
}

/* What had waited may be redriven because its schema is known now: an earlier answer does not count. */
static int64_t since(event *e)
{
    if (e->n && !e->looked_ms)
        e->looked_ms = schema_lookup_now_ms();
    return e->looked_ms;
}

/* Puts down the decoder, and where the value begins. *out NULL with PBUS_OK: somebody would have to be asked. */
static pbus_status find(value_reader *r, event *e, bool may_ask, const pbus_decoder **out, pbus_error *err)
{
    const unsigned char *data = e->view.value;
    pbus_frame frame = pbus_frame_guess(data, e->view.value_size);
    pbus_status status = PBUS_OK;
    if (r->of_all) {
        *out = r->of_all;
        if (frame.framing != PBUS_FRAMING_SINGLE_OBJECT || frame.fingerprint != r->fingerprint)
            frame.size_bytes = 0;
    } else if (frame.framing == PBUS_FRAMING_NONE)
        status = pbus_frame_read(data, e->view.value_size, PBUS_FRAMING_CONFLUENT, &frame, err);
    else
        status = decoders_find(&r->of_frames, e->view.topic, &frame, may_ask, since(e), out, err);
    e->view.avro = data + frame.size_bytes;
    e->view.avro_size = e->view.value_size - frame.size_bytes;
    return status;
}

/* A NUL behind it, which does not count. */
static pbus_status to_json(event *e, const pbus_decoder *decoder, pbus_error *err)
{
    pbus_buffer json = PBUS_BUFFER_INIT;
    pbus_status status =
        pbus_decoder_json(decoder, e->view.avro, e->view.avro_size, PBUS_JSON_PLAIN, &json, err);
    char *text = status == PBUS_OK ? realloc(json.data, json.size + 1) : NULL;
    if (!text) {
        pbus_buffer_done(&json);
        return status == PBUS_OK ? failure(err, PBUS_ERROR_MEMORY, "no memory for a value") : status;
    }
    text[json.size] = '\0';
    e->json = text;
    e->view.value_json = text;
    e->view.value_json_size = json.size;
    e->view.decoder = decoder;
    return PBUS_OK;
}

/* Without memory to say why, it is said that there was none for it. */
static value_state unreadable(event *e, const pbus_error *err)
{
    e->unreadable = true;
    e->why = strdup(err->message);
    return VALUE_UNREADABLE;
}

value_state value_read(value_reader *r, event *e, bool may_ask, pbus_error *err)
{
    const pbus_decoder *decoder = NULL;
    if (!r || !e->view.value || e->json)
        return VALUE_READ;
    if (e->unreadable)
        return VALUE_UNREADABLE;
    pbus_status status = find(r, e, may_ask, &decoder, err);
    if (status == PBUS_OK && decoder)
        status = to_json(e, decoder, err);
    else if (status == PBUS_OK)
        return VALUE_LATER;
    if (status == PBUS_OK)
        return VALUE_READ;
    e->view.avro = NULL;
    e->view.avro_size = 0;
    return schema_lookup_failed(status) ? VALUE_LATER : unreadable(e, err);
}

/* Writes decoded values as JSON; must never write what the encoder would refuse in the same form. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "bytes.h"
#include "decimal.h"
#include "decode.h"
#include "failure.h"
#include "human.h"
#include "number.h"
#include "text.h"

typedef struct shower {
    bytes out;
    pbus_json_form form;
    bool first;      /* of a container's members */
    unsigned n_tags; /* how deep the unions are */
    pbus_error *err;
    /* Whether each open union was tagged, and each other container is a record, map or array: how it is closed. */
    char closers[DECODE_MAX_OPEN];
    unsigned depth;
} shower;

static void put_text(shower *s, const char *text)
{
    bytes_put(&s->out, text, strlen(text));
}

static void put_quoted(shower *s, const char *text, size_t size)
{
    bytes_put_u8(&s->out, '"');
    bytes_put(&s->out, text, size);
    bytes_put_u8(&s->out, '"');
}

static void put_escape(shower *s, unsigned character)
{
    static const char short_ones[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char escape[8];
    for (size_t i = 0; short_ones[i]; i += 2)
        if ((unsigned char)short_ones[i] == character) {
            const char two[2] = {'\\', short_ones[i + 1]};
            bytes_put(&s->out, two, 2);
            return;
        }
    snprintf(escape, sizeof escape, "\\u%04x", character & 0xFFFF);
    bytes_put(&s->out, escape, 6);
}

/* As a JSON string: UTF-8 as it is; with `latin`, each byte as the character of its number. */
static void put_string(shower *s, const unsigned char *data, size_t size, bool latin)
{
    size_t from = 0;
    bytes_reserve(&s->out, size + 2);
    bytes_put_u8(&s->out, '"');
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0x20 && data[i] != '"' && data[i] != '\\' && data[i] != 0x7F &&
            (!latin || data[i] < 0x80))
            continue;
        bytes_put(&s->out, data + from, i - from);
        put_escape(s, data[i]);
        from = i + 1;
    }
    bytes_put(&s->out, data + from, size - from);
    bytes_put_u8(&s->out, '"');
}

static void put_integer(shower *s, const pbus_datum *d)
{
    char text[HUMAN_TEXT_BYTES];
    size_t size = s->form == PBUS_JSON_PLAIN && human_is_time(d->logical)
                      ? human_put_time(d->logical, d->integer, text)
                      : 0;
    if (size > 0)
        put_quoted(s, text, size);
    else
        bytes_put(&s->out, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)d->integer));
}

static void put_real(shower *s, const pbus_datum *d)
{
    char text[NUMBER_TEXT_BYTES];
    const char *word = number_word(d->real);
    if (word)
        put_quoted(s, word, strlen(word));
    else
        bytes_put(&s->out, text, number_put(text, d->real, d->kind == PBUS_DATUM_FLOAT));
}

static pbus_status put_content(shower *s, const pbus_datum *d)
{
    char text[DECIMAL_TEXT_BYTES];
    size_t size = 0;
    if (s->form == PBUS_JSON_AVRO) {
        put_string(s, d->data, d->data_size, true);
        return PBUS_OK;
    }
    if (d->logical == PBUS_LOGICAL_DECIMAL) {
        size = decimal_to_text(d->data, d->data_size, d->precision, d->scale, text);
        if (size == 0)
            return failure(s->err, PBUS_ERROR_CORRUPT, "a decimal has more than its %d digits", d->precision);
    } else if (d->logical == PBUS_LOGICAL_UUID) {
        size = human_put_uuid(d->data, text);
    } else if (d->logical == PBUS_LOGICAL_DURATION) {
        size = human_put_duration(d->data, text);
    }
    if (size > 0) {
        put_quoted(s, text, size);
        return PBUS_OK;
    }
    bytes_put_u8(&s->out, '"');
    base64_put(&s->out, d->data, d->data_size);
    bytes_put_u8(&s->out, '"');
    return PBUS_OK;
}

static pbus_status put_open(shower *s, char open, char closer)
{
    if (s->depth == sizeof s->closers)
        return failure(s->err, PBUS_ERROR_LIMIT, "values are nested deeper than %u", DECODE_MAX_OPEN);
    if (open)
        bytes_put_u8(&s->out, (uint8_t)open);
    s->closers[s->depth++] = closer;
    s->first = true;
    return PBUS_OK;
}

static void put_member(shower *s)
{
    if (!s->first)
        bytes_put_u8(&s->out, ',');
    s->first = false;
}

static pbus_status put_union(shower *s, const pbus_datum *d)
{
    bool tagged = s->form == PBUS_JSON_AVRO && strcmp(d->name, "null") != 0;
    pbus_status status = put_open(s, tagged ? '{' : 0, tagged ? '}' : 0);
    if (status == PBUS_OK && tagged) {
        put_quoted(s, d->name, strlen(d->name));
        bytes_put_u8(&s->out, ':');
    }
    return status;
}

static void put_end(shower *s)
{
    char closer = s->closers[--s->depth];
    if (closer)
        bytes_put_u8(&s->out, (uint8_t)closer);
    s->first = false;
}

static void put_field(shower *s, const pbus_datum *d)
{
    put_member(s);
    put_quoted(s, d->name, strlen(d->name));
    bytes_put_u8(&s->out, ':');
}

static void put_key(shower *s, const pbus_datum *d)
{
    put_member(s);
    put_string(s, d->data, d->data_size, false);
    bytes_put_u8(&s->out, ':');
}

static pbus_status show_datum(shower *s, const pbus_datum *d)
{
    switch (d->kind) {
    case PBUS_DATUM_NULL:
        return put_text(s, "null"), PBUS_OK;
    case PBUS_DATUM_BOOLEAN:
        return put_text(s, d->boolean ? "true" : "false"), PBUS_OK;
    case PBUS_DATUM_INT:
    case PBUS_DATUM_LONG:
        return put_integer(s, d), PBUS_OK;
    case PBUS_DATUM_FLOAT:
    case PBUS_DATUM_DOUBLE:
        return put_real(s, d), PBUS_OK;
    case PBUS_DATUM_BYTES:
    case PBUS_DATUM_FIXED:
        return put_content(s, d);
    case PBUS_DATUM_STRING:
        return put_string(s, d->data, d->data_size, false), PBUS_OK;
    case PBUS_DATUM_ENUM:
        return put_quoted(s, d->name, strlen(d->name)), PBUS_OK;
    case PBUS_DATUM_RECORD:
    case PBUS_DATUM_MAP:
        return put_open(s, '{', '}');
    case PBUS_DATUM_ARRAY:
        return put_open(s, '[', ']');
    case PBUS_DATUM_FIELD:
        return put_field(s, d), PBUS_OK;
    case PBUS_DATUM_KEY:
        return put_key(s, d), PBUS_OK;
    case PBUS_DATUM_ITEM:
        return put_member(s), PBUS_OK;
    case PBUS_DATUM_UNION:
        return put_union(s, d);
    case PBUS_DATUM_END:
        return put_end(s), PBUS_OK;
    }
    return PBUS_OK;
}

static pbus_status show_visit(void *context, const pbus_datum *d)
{
    shower *s = context;
    pbus_status status = show_datum(s, d);
    if (s->out.failed)
        return failure(s->err, PBUS_ERROR_MEMORY, "no memory for the value's JSON");
    if (s->out.size > PBUS_SCHEMA_MAX_VALUE_BYTES)
        return failure(s->err, PBUS_ERROR_LIMIT, "the value's JSON has more than %u bytes",
                       PBUS_SCHEMA_MAX_VALUE_BYTES);
    return status;
}

pbus_status pbus_decoder_json(const pbus_decoder *decoder, const void *data, size_t size, pbus_json_form form,
                              pbus_buffer *out, pbus_error *err)
{
    pbus_status status = decode_check(decoder, data, size, err);
    if (status == PBUS_OK && (!out || (form != PBUS_JSON_AVRO && form != PBUS_JSON_PLAIN)))
        status = out ? failure(err, PBUS_ERROR_ARGUMENT, "%d is no form of JSON", (int)form)
                     : failure(err, PBUS_ERROR_ARGUMENT, "out is NULL");
    if (status != PBUS_OK)
        return status;
    shower s = {
        .out = {.data = out->data, .size = out->size, .capacity = out->capacity}, .form = form, .err = err};
    status = decode_bytes(decoder, data, size, show_visit, &s, err);
    *out = (pbus_buffer){s.out.data, status == PBUS_OK ? s.out.size : out->size, s.out.capacity};
    return status;
}

/* Encodes JSON as Avro, and refuses what does not fit; must never round, cut off or guess. */
#include "encode.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "decimal.h"
#include "failure.h"
#include "human.h"
#include "number.h"
#include "text.h"
#include "varint.h"

bool encode_refuse(encoding *e, const place *at, const char *format, ...)
{
    char reason[512];
    va_list args;
    if (e->status != PBUS_OK)
        return false;
    e->status = PBUS_ERROR_MISFIT;
    if (!e->err)
        return false;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    e->status = failure(e->err, PBUS_ERROR_MISFIT, "%s: %s", place_show(at).text, reason);
    return false;
}

encode_shown encode_show(encoding *e, const json_t *json)
{
    encode_shown shown = {""};
    char number[NUMBER_TEXT_BYTES];
    const char *written;
    size_t size;
    switch (json_typeof(json)) {
    case JSON_STRING: {
        text_shown text = text_show(json_string_value(json), json_string_length(json));
        snprintf(shown.text, sizeof shown.text, strlen(text.text) > 50 ? "\"%.50s..." : "\"%.60s\"",
                 text.text);
        break;
    }
    case JSON_INTEGER:
        snprintf(shown.text, sizeof shown.text, "%lld", (long long)json_integer_value(json));
        break;
    case JSON_REAL:
        if (e->numbers && reals_find(e->numbers, json, &written, &size)) {
            snprintf(shown.text, sizeof shown.text, "%.*s", size < 60 ? (int)size : 60, written);
        } else {
            number_put(number, json_real_value(json), false);
            snprintf(shown.text, sizeof shown.text, "%s", number);
        }
        break;
    default:
        snprintf(shown.text, sizeof shown.text, "%s",
                 json_is_object(json)  ? "an object"
                 : json_is_array(json) ? "an array"
                 : json_is_null(json)  ? "null"
                 : json_is_true(json)  ? "true"
                                       : "false");
    }
    return shown;
}

static bool put_long(encoding *e, int64_t value)
{
    unsigned char wire[VARINT_MAX_BYTES];
    bytes_put(&e->out, wire, varint_put(wire, value));
    return true;
}

static bool put_sized(encoding *e, const void *data, size_t size)
{
    put_long(e, (int64_t)size);
    bytes_put(&e->out, data, size);
    return true;
}

/* A real number as it was written: the double that was read of it can be another. */
static bool real_text(encoding *e, const json_t *json, const char **out, size_t *out_size)
{
    if (!reals_find(e->numbers, json, out, out_size))
        e->status = failure(e->err, PBUS_ERROR_MEMORY, "no memory for the value");
    return e->status == PBUS_OK;
}

/* An integer, which in the plain form may be written as 5.0. */
static bool integer_of(encoding *e, const json_t *json, int64_t *out)
{
    const char *text;
    size_t size;
    if (json_is_integer(json)) {
        *out = json_integer_value(json);
        return true;
    }
    return e->form == ENCODE_PLAIN && json_is_real(json) && real_text(e, json, &text, &size) &&
           decimal_number_to_integer(text, size, out);
}

static bool encode_integer(encoding *e, const type *t, const json_t *json, const place *at)
{
    int64_t value;
    if (e->form == ENCODE_PLAIN && json_is_string(json) && human_is_time(t->logical)) {
        if (!human_read_time(t->logical, json_string_value(json), json_string_length(json), &value))
            return encode_refuse(e, at, "%s is not of the form \"%s\"", encode_show(e, json).text,
                                 human_sample(t->logical));
    } else if (!integer_of(e, json, &value)) {
        return encode_refuse(e, at, "%s is no %s", encode_show(e, json).text, t->name);
    }
    if (t->kind == TYPE_INT && (value < INT32_MIN || value > INT32_MAX))
        return encode_refuse(e, at, "%s does not fit an int of 32 bits", encode_show(e, json).text);
    return put_long(e, value);
}

static void put_little_endian(encoding *e, uint64_t wire, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        bytes_put_u8(&e->out, (uint8_t)(wire >> (8 * i)));
}

static bool encode_real(encoding *e, const type *t, const json_t *json, const place *at)
{
    double value;
    if (json_is_number(json))
        value = json_number_value(json);
    else if (!json_is_string(json) ||
             !number_of_word(json_string_value(json), json_string_length(json), &value))
        return encode_refuse(e, at, "%s is no %s", encode_show(e, json).text, t->name);
    if (t->kind == TYPE_DOUBLE) {
        uint64_t wire;
        memcpy(&wire, &value, sizeof wire);
        put_little_endian(e, wire, 8);
        return true;
    }
    if (isfinite(value) && isinf((float)value))
        return encode_refuse(e, at, "%s is too large for a float", encode_show(e, json).text);
    float single = (float)value;
    uint32_t wire;
    memcpy(&wire, &single, sizeof wire);
    put_little_endian(e, wire, 4);
    return true;
}

/* Characters U+0000 to U+00FF, each a byte. */
static bool put_characters(encoding *e, const json_t *json, const place *at)
{
    const char *text = json_string_value(json);
    size_t size = json_string_length(json);
    uint32_t character;
    for (size_t i = 0; i < size;) {
        if (!text_next(text, size, &i, &character) || character > 0xFF)
            return encode_refuse(e, at,
                                 "%s holds a character above U+00FF; in this form each character is a byte",
                                 encode_show(e, json).text);
        bytes_put_u8(&e->out, (uint8_t)character);
    }
    return true;
}

static void put_repeated(encoding *e, int byte, size_t n)
{
    bytes_reserve(&e->out, n);
    if (e->out.failed)
        return;
    memset(e->out.data + e->out.size, byte, n);
    e->out.size += n;
}

static decimal_fault decimal_of(encoding *e, const type *t, const json_t *json,
                                unsigned char wire[DECIMAL_MAX_BYTES], size_t *out_size)
{
    char integer[24];
    const char *text = integer;
    size_t size;
    if (json_is_string(json))
        return decimal_from_text(json_string_value(json), json_string_length(json), t->precision, t->scale,
                                 wire, out_size);
    if (json_is_integer(json))
        size = (size_t)snprintf(integer, sizeof integer, "%lld", (long long)json_integer_value(json));
    else if (!json_is_real(json) || !real_text(e, json, &text, &size))
        return DECIMAL_NO_NUMBER;
    return decimal_from_number(text, size, t->precision, t->scale, wire, out_size);
}

/* A decimal in plain form, as the bytes of its number. */
static bool put_decimal(encoding *e, const type *t, const json_t *json, const place *at)
{
    unsigned char wire[DECIMAL_MAX_BYTES];
    size_t size;
    decimal_fault fault = decimal_of(e, t, json, wire, &size);
    if (fault == DECIMAL_NO_NUMBER)
        return encode_refuse(e, at, "%s is no decimal number", encode_show(e, json).text);
    if (fault == DECIMAL_TOO_FINE)
        return encode_refuse(e, at, "%s has more than %d digits behind the point", encode_show(e, json).text,
                             t->scale);
    if (fault == DECIMAL_TOO_LARGE)
        return encode_refuse(e, at, "%s has more digits than a decimal(%d, %d) holds",
                             encode_show(e, json).text, t->precision, t->scale);
    if (t->kind == TYPE_FIXED && !encode_spare(e, t->size, at))
        return false;
    if (t->kind == TYPE_FIXED && size < t->size)
        put_repeated(e, wire[0] & 0x80 ? 0xFF : 0, t->size - size);
    bytes_put(&e->out, wire, size);
    return true;
}

/* The bytes of a value, without the length in front. */
static bool put_content(encoding *e, const type *t, const json_t *json, const place *at)
{
    const char *text = json_string_value(json);
    size_t size = json_string_length(json);
    unsigned char wire[16];
    if (e->form == ENCODE_PLAIN && t->logical == PBUS_LOGICAL_DECIMAL)
        return put_decimal(e, t, json, at);
    if (!text)
        return encode_refuse(e, at, "%s is no string for %s", encode_show(e, json).text, t->name);
    if (e->form != ENCODE_PLAIN)
        return put_characters(e, json, at);
    if (t->logical == PBUS_LOGICAL_UUID) {
        if (!human_read_uuid(text, size, wire))
            return encode_refuse(e, at, "%s is no UUID", encode_show(e, json).text);
        bytes_put(&e->out, wire, 16);
        return true;
    }
    if (t->logical == PBUS_LOGICAL_DURATION) {
        if (!human_read_duration(text, size, wire))
            return encode_refuse(e, at, "%s is not of the form \"P1M2DT3.004S\"", encode_show(e, json).text);
        bytes_put(&e->out, wire, HUMAN_DURATION_BYTES);
        return true;
    }
    return base64_read(&e->out, text, size) ||
           encode_refuse(e, at, "%s is no base64", encode_show(e, json).text);
}

static bool encode_bytes(encoding *e, const type *t, const json_t *json, const place *at)
{
    size_t start = e->out.size;
    unsigned char length[VARINT_MAX_BYTES];
    if (!put_content(e, t, json, at))
        return false;
    if (e->out.failed)
        return true;
    size_t size = e->out.size - start, n = varint_put(length, (int64_t)size);
    bytes_put(&e->out, length, n);
    if (!e->out.failed && size > 0) {
        memmove(e->out.data + start + n, e->out.data + start, size);
        memcpy(e->out.data + start, length, n);
    }
    return true;
}

static bool encode_fixed(encoding *e, const type *t, const json_t *json, const place *at)
{
    size_t start = e->out.size;
    if (!put_content(e, t, json, at))
        return false;
    if (!e->out.failed && e->out.size - start != t->size)
        return encode_refuse(e, at, "%s is %zu bytes, and the fixed %s has %zu", encode_show(e, json).text,
                             e->out.size - start, t->name, t->size);
    return true;
}

static bool encode_string(encoding *e, const type *t, const json_t *json, const place *at)
{
    unsigned char uuid[16];
    if (!json_is_string(json))
        return encode_refuse(e, at, "%s is no string", encode_show(e, json).text);
    if (e->form == ENCODE_PLAIN && t->logical == PBUS_LOGICAL_UUID &&
        !human_read_uuid(json_string_value(json), json_string_length(json), uuid))
        return encode_refuse(e, at, "%s is no UUID", encode_show(e, json).text);
    return put_sized(e, json_string_value(json), json_string_length(json));
}

static bool encode_enum(encoding *e, const type *t, const json_t *json, const place *at)
{
    const char *symbol = json_string_value(json);
    size_t index =
        symbol && strlen(symbol) == json_string_length(json) ? type_find_symbol(t, symbol) : t->n_symbols;
    if (index == t->n_symbols)
        return encode_refuse(e, at, "%s is no symbol of the enum %s", encode_show(e, json).text, t->name);
    return put_long(e, (int64_t)index);
}

/* Names a field that the record does not have. */
static bool refuse_unknown_field(encoding *e, const type *t, const json_t *json, const place *at)
{
    const char *name;
    const json_t *value;
    json_object_foreach(
        (json_t *)json, name,
        value) if (type_find_field(t, name) ==
                   t->n_fields) return encode_refuse(e, at, "the record %s has no field \"%s\"", t->name,
                                                     text_show(name, strlen(name)).text);
    return true;
}

static bool encode_record(encoding *e, const type *t, const json_t *json, const place *at)
{
    size_t n_given = 0;
    if (!json_is_object(json))
        return encode_refuse(e, at, "%s is no object for the record %s", encode_show(e, json).text, t->name);
    for (size_t i = 0; i < t->n_fields; i++) {
        const field *f = &t->fields[i];
        const json_t *value = json_object_get(json, f->name);
        const place within = {.up = at, .kind = PLACE_FIELD, .name = f->name};
        n_given += value != NULL;
        if (value || (e->form == ENCODE_DEFAULT && f->default_json)) {
            if (!encode_json(e, f->type, value ? value : f->default_json, &within))
                return false;
        } else if (e->form == ENCODE_PLAIN && f->default_bytes) {
            bytes_put(&e->out, f->default_bytes, f->default_size);
        } else {
            return encode_refuse(e, &within, "the field is missing%s",
                                 f->default_json ? ", and this form has no defaults" : " and has no default");
        }
    }
    return n_given == json_object_size(json) || refuse_unknown_field(e, t, json, at);
}

static bool encode_array(encoding *e, const type *t, const json_t *json, const place *at)
{
    size_t n = json_array_size(json);
    if (!json_is_array(json))
        return encode_refuse(e, at, "%s is no array", encode_show(e, json).text);
    if (n > 0)
        put_long(e, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        const place within = {.up = at, .kind = PLACE_ITEM, .index = i};
        if (!encode_json(e, t->items, json_array_get(json, i), &within))
            return false;
    }
    return put_long(e, 0);
}

static bool encode_map(encoding *e, const type *t, const json_t *json, const place *at)
{
    size_t n = json_object_size(json);
    const char *key;
    size_t key_size;
    json_t *value;
    if (!json_is_object(json))
        return encode_refuse(e, at, "%s is no object for a map", encode_show(e, json).text);
    if (n > 0)
        put_long(e, (int64_t)n);
    json_object_keylen_foreach((json_t *)json, key, key_size, value)
    {
        const place within = {.up = at, .kind = PLACE_KEY, .name = key, .size = key_size};
        put_sized(e, key, key_size);
        if (!encode_json(e, t->items, value, &within))
            return false;
    }
    return put_long(e, 0);
}

static bool encode_kind(encoding *e, const type *t, const json_t *json, const place *at)
{
    switch (t->kind) {
    case TYPE_NULL:
        return json_is_null(json) || encode_refuse(e, at, "%s is not null", encode_show(e, json).text);
    case TYPE_BOOLEAN:
        if (!json_is_boolean(json))
            return encode_refuse(e, at, "%s is neither true nor false", encode_show(e, json).text);
        bytes_put_u8(&e->out, json_is_true(json));
        return true;
    case TYPE_INT:
    case TYPE_LONG:
        return encode_integer(e, t, json, at);
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return encode_real(e, t, json, at);
    case TYPE_BYTES:
        return encode_bytes(e, t, json, at);
    case TYPE_STRING:
        return encode_string(e, t, json, at);
    case TYPE_RECORD:
        return encode_record(e, t, json, at);
    case TYPE_ENUM:
        return encode_enum(e, t, json, at);
    case TYPE_FIXED:
        return encode_fixed(e, t, json, at);
    case TYPE_ARRAY:
        return encode_array(e, t, json, at);
    case TYPE_MAP:
        return encode_map(e, t, json, at);
    case TYPE_UNION:
        return encode_union(e, t, json, at);
    }
    return false;
}

bool encode_spare(encoding *e, size_t more, const place *at)
{
    if (e->status == PBUS_OK && (e->out.size > e->most_bytes || more > e->most_bytes - e->out.size))
        e->status = failure(e->err, PBUS_ERROR_LIMIT, "%s: the value takes more than %u bytes",
                            place_show(at).text, PBUS_SCHEMA_MAX_VALUE_BYTES);
    return e->status == PBUS_OK;
}

bool encode_json(encoding *e, const type *t, const json_t *json, const place *at)
{
    if (e->depth >= PBUS_SCHEMA_MAX_DEPTH)
        e->status = failure(e->err, PBUS_ERROR_LIMIT, "%s: values are nested deeper than %u",
                            place_show(at).text, PBUS_SCHEMA_MAX_DEPTH);
    else if (e->values_left == 0)
        e->status = failure(e->err, PBUS_ERROR_LIMIT, "%s: the value takes more steps than are allowed",
                            place_show(at).text);
    else if (e->out.failed)
        e->status = failure(e->err, PBUS_ERROR_MEMORY, "no memory for the value");
    if (e->status != PBUS_OK)
        return false;
    e->values_left--;
    e->depth++;
    bool good = encode_kind(e, t, json, at);
    e->depth--;
    return good && encode_spare(e, 0, at);
}

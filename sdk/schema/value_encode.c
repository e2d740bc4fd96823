/* Encodes avro-c's values in one pass that checks them; must never write what avro-c's own writer would not, nor trust that a value is
 * of the schema. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "avro_c.h"
#include "bytes.h"
#include "failure.h"
#include "place.h"
#include "utf8.h"
#include "varint.h"

typedef struct writer {
    bytes out;
    unsigned depth;
    pbus_error *err;
    pbus_status status;
} writer;

static bool refuse(writer *w, const place *at, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold, noinline));

static bool refuse(writer *w, const place *at, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    w->status = failure(w->err, PBUS_ERROR_MISFIT, "%s: %s", place_show(at).text, reason);
    return false;
}

static bool refuse_access(writer *w, const place *at, const type *t)
{
    return refuse(w, at, "avro-c does not give the value of the %s", t->name);
}

/* Room is there most of the time, and a call to find that out would cost as much as the number. */
static inline bool make_room(writer *w, size_t more)
{
    if (w->out.capacity - w->out.size < more)
        bytes_reserve(&w->out, more);
    return !w->out.failed;
}

static inline bool put_long(writer *w, int64_t value)
{
    if (make_room(w, VARINT_MAX_BYTES))
        w->out.size += varint_put(w->out.data + w->out.size, value);
    return true;
}

static inline bool put_raw(writer *w, const void *data, size_t size)
{
    if (size > 0 && make_room(w, size)) {
        memcpy(w->out.data + w->out.size, data, size);
        w->out.size += size;
    }
    return true;
}

static bool put_little_endian(writer *w, uint64_t wire, size_t n_bytes)
{
    unsigned char out[8];
    for (size_t i = 0; i < n_bytes; i++)
        out[i] = (unsigned char)(wire >> (8 * i));
    return put_raw(w, out, n_bytes);
}

static bool put_text(writer *w, const char *text, size_t size, const place *at)
{
    size_t fault = utf8_find_fault(text, size);
    if (fault != SIZE_MAX)
        return refuse(w, at, "the string is no UTF-8 at its byte %zu", fault);
    return put_long(w, (int64_t)size) && put_raw(w, text, size);
}

static bool write_value(writer *w, const type *t, const avro_value_t *value, const place *at);

static bool write_float(writer *w, const avro_value_t *value)
{
    float number = 0;
    uint32_t wire;
    if (avro_value_get_float(value, &number) != 0)
        return false;
    memcpy(&wire, &number, sizeof wire);
    return put_little_endian(w, wire, 4);
}

static bool write_double(writer *w, const avro_value_t *value)
{
    double number = 0;
    uint64_t wire;
    if (avro_value_get_double(value, &number) != 0)
        return false;
    memcpy(&wire, &number, sizeof wire);
    return put_little_endian(w, wire, 8);
}

static bool write_string(writer *w, const avro_value_t *value, const place *at)
{
    const char *text = NULL;
    size_t size = 0;
    if (avro_value_get_string(value, &text, &size) != 0)
        return false;
    /* The size counts the NUL; a value that was never set has none. */
    return size ? put_text(w, text, size - 1, at) : put_long(w, 0);
}

static inline bool write_scalar(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    const void *data = NULL;
    size_t size = 0;
    int truth = 0;
    int32_t number = 0;
    int64_t large = 0;
    switch (t->kind) {
    case TYPE_NULL:
        return true;
    case TYPE_BOOLEAN:
        return avro_value_get_boolean(value, &truth) == 0 && put_raw(w, truth ? "\1" : "\0", 1);
    case TYPE_INT:
        return avro_value_get_int(value, &number) == 0 && put_long(w, number);
    case TYPE_LONG:
        return avro_value_get_long(value, &large) == 0 && put_long(w, large);
    case TYPE_FLOAT:
        return write_float(w, value);
    case TYPE_DOUBLE:
        return write_double(w, value);
    case TYPE_BYTES:
        return avro_value_get_bytes(value, &data, &size) == 0 && put_long(w, (int64_t)size) &&
               put_raw(w, data, size);
    default:
        return write_string(w, value, at);
    }
}

static bool write_enum(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    int index = 0;
    avro_schema_t schema = avro_value_get_schema(value);
    if (avro_value_get_enum(value, &index) != 0 || !schema)
        return refuse_access(w, at, t);
    const char *symbol = index >= 0 ? avro_schema_enum_get(schema, index) : NULL;
    if (index < 0 || (size_t)index >= t->n_symbols || !symbol || strcmp(symbol, t->symbols[index]) != 0)
        return refuse(w, at, "the enum %s has no symbol %d%s%s", t->name, index, symbol ? ", " : "",
                      symbol ? symbol : "");
    return put_long(w, index);
}

static bool write_fixed(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    const void *data = NULL;
    size_t size = 0;
    if (avro_value_get_fixed(value, &data, &size) != 0 || (!data && size > 0))
        return refuse_access(w, at, t);
    if (size != t->size)
        return refuse(w, at, "%zu bytes are given, and the fixed %s has %zu", size, t->name, t->size);
    return put_raw(w, data, size);
}

/* Names are short: a call of strcmp would cost more than the comparison. */
static inline bool same_name(const char *one, const char *other)
{
    for (; *one == *other; one++, other++)
        if (!*one)
            return true;
    return false;
}

static bool write_record(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    size_t n = 0;
    if (avro_value_get_size(value, &n) != 0)
        return refuse_access(w, at, t);
    if (n != t->n_fields)
        return refuse(w, at, "the value has %zu fields, and the record %s has %zu", n, t->name, t->n_fields);
    place within = {.up = at, .kind = PLACE_FIELD};
    for (size_t i = 0; i < n; i++) {
        avro_value_t child;
        const char *name = NULL;
        within.name = t->fields[i].name;
        if (avro_value_get_by_index(value, i, &child, &name) != 0)
            return refuse_access(w, &within, t);
        if (!name || !same_name(name, t->fields[i].name))
            return refuse(w, &within, "the value has the field \"%s\" in its place", name ? name : "?");
        if (!write_value(w, t->fields[i].type, &child, &within))
            return false;
    }
    return true;
}

static bool write_items(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    size_t n = 0;
    if (avro_value_get_size(value, &n) != 0)
        return refuse_access(w, at, t);
    if (n > 0)
        put_long(w, (int64_t)n);
    place within = {.up = at, .kind = t->kind == TYPE_MAP ? PLACE_KEY : PLACE_ITEM};
    for (size_t i = 0; i < n; i++) {
        avro_value_t child;
        const char *key = NULL;
        within.index = i;
        if (avro_value_get_by_index(value, i, &child, &key) != 0 || (t->kind == TYPE_MAP && !key))
            return refuse_access(w, &within, t);
        if (t->kind == TYPE_MAP) {
            within.name = key;
            within.size = strlen(key);
            if (!put_text(w, key, within.size, &within))
                return false;
        }
        if (!write_value(w, t->items, &child, &within))
            return false;
    }
    return put_long(w, 0);
}

static bool write_union(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    avro_value_t branch;
    int index = -1;
    if (avro_value_get_discriminant(value, &index) != 0)
        return refuse_access(w, at, t);
    if (index < 0)
        return refuse(w, at, "no branch of the union is set");
    if ((size_t)index >= t->n_branches)
        return refuse(w, at, "the branch %d of the union is set, and there are %zu", index, t->n_branches);
    if (avro_value_get_current_branch(value, &branch) != 0)
        return refuse_access(w, at, t);
    return put_long(w, index) && write_value(w, t->branches[index], &branch, at);
}

static inline bool write_kind(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    switch (t->kind) {
    case TYPE_RECORD:
        return write_record(w, t, value, at);
    case TYPE_ENUM:
        return write_enum(w, t, value, at);
    case TYPE_FIXED:
        return write_fixed(w, t, value, at);
    case TYPE_ARRAY:
    case TYPE_MAP:
        return write_items(w, t, value, at);
    case TYPE_UNION:
        return write_union(w, t, value, at);
    default:
        return write_scalar(w, t, value, at) || w->status != PBUS_OK || refuse_access(w, at, t);
    }
}

static bool write_value(writer *w, const type *t, const avro_value_t *value, const place *at)
{
    if (avro_value_get_type(value) != avro_c_type(t->kind))
        return refuse(w, at, "the value of avro-c is not of the type %s", t->name);
    if (w->depth >= PBUS_SCHEMA_MAX_DEPTH || w->out.size > PBUS_SCHEMA_MAX_VALUE_BYTES) {
        w->status = failure(w->err, PBUS_ERROR_LIMIT,
                            "%s: the value is nested deeper than %u, or has more than %u bytes",
                            place_show(at).text, PBUS_SCHEMA_MAX_DEPTH, PBUS_SCHEMA_MAX_VALUE_BYTES);
        return false;
    }
    w->depth++;
    bool good = write_kind(w, t, value, at);
    w->depth--;
    return good && w->status == PBUS_OK;
}

pbus_status pbus_schema_encode_value(const pbus_schema *schema, const struct avro_value *value,
                                     pbus_buffer *out, pbus_error *err)
{
    if (!schema || !value || !value->iface || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL",
                       !schema ? "the schema"
                       : !out  ? "out"
                               : "the value");
    writer w = {.out = {.data = out->data, .size = out->size, .capacity = out->capacity}, .err = err};
    write_value(&w, schema->root, value, NULL);
    if (w.status == PBUS_OK && w.out.failed)
        w.status = failure(err, PBUS_ERROR_MEMORY, "no memory for the value");
    *out = (pbus_buffer){w.out.data, w.status == PBUS_OK ? w.out.size : out->size, w.out.capacity};
    return w.status;
}

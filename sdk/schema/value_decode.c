/* Puts decoded values into avro-c's; must never ask avro-c for a field, branch or symbol that the value does not have: it does not
 * look. */
#include <string.h>

#include "avro_c.h"
#include "bytes.h"
#include "decode.h"
#include "failure.h"

/* A record, array, map or union that is being filled. */
typedef struct frame {
    avro_value_t value;
    size_t n_fields;
} frame;

typedef struct filler {
    avro_value_t next; /* where the next value goes */
    frame frames[DECODE_MAX_OPEN];
    unsigned depth;
    bytes text; /* a string with the NUL that avro-c wants */
    pbus_error *err;
} filler;

static pbus_status fill_fails(filler *f, const char *what, const char *name)
{
    return failure(f->err, PBUS_ERROR_ARGUMENT,
                   "the value of avro-c has no %s%s%s; it must be made with the reader's schema", what,
                   name ? " " : "", name ? name : "");
}

static pbus_status fill_open(filler *f, const pbus_datum *d, avro_type_t wanted)
{
    frame *opened = &f->frames[f->depth];
    if (avro_value_get_type(&f->next) != wanted)
        return fill_fails(f, "place for this value", NULL);
    if (f->depth == DECODE_MAX_OPEN)
        return failure(f->err, PBUS_ERROR_LIMIT, "values are nested deeper than %u", DECODE_MAX_OPEN);
    opened->value = f->next;
    opened->n_fields = 0;
    f->depth++;
    if (d->kind == PBUS_DATUM_RECORD && avro_value_get_size(&f->next, &opened->n_fields) != 0)
        return fill_fails(f, "fields", NULL);
    return PBUS_OK;
}

static pbus_status fill_field(filler *f, const pbus_datum *d)
{
    frame *top = &f->frames[f->depth - 1];
    const char *name = NULL;
    if (d->index >= top->n_fields || avro_value_get_by_index(&top->value, d->index, &f->next, &name) != 0 ||
        !name || strcmp(name, d->name) != 0)
        return fill_fails(f, "field", d->name);
    return PBUS_OK;
}

/* The bytes with a NUL behind them; NULL: refused. */
static char *fill_text(filler *f, const pbus_datum *d, pbus_status *status)
{
    f->text.size = 0;
    if (d->data_size > 0 && memchr(d->data, 0, d->data_size)) {
        *status = failure(f->err, PBUS_ERROR_CORRUPT, "a string holds a NUL, which avro-c cannot");
        return NULL;
    }
    bytes_put(&f->text, d->data, d->data_size);
    bytes_put_u8(&f->text, 0);
    if (f->text.failed)
        *status = failure(f->err, PBUS_ERROR_MEMORY, "no memory for a string");
    return f->text.failed ? NULL : (char *)f->text.data;
}

static pbus_status fill_key(filler *f, const pbus_datum *d)
{
    pbus_status status = PBUS_OK;
    const char *key = fill_text(f, d, &status);
    size_t index;
    int is_new;
    if (key && avro_value_add(&f->frames[f->depth - 1].value, key, &f->next, &index, &is_new) != 0)
        status = failure(f->err, PBUS_ERROR_MEMORY, "avro-c does not take a map's entry");
    /* A key that comes twice: the last value is the one that counts, without what the first left. */
    else if (key && !is_new)
        avro_value_reset(&f->next);
    return status;
}

static pbus_status fill_union(filler *f, const pbus_datum *d)
{
    pbus_status status = fill_open(f, d, AVRO_UNION);
    if (status != PBUS_OK)
        return status;
    avro_schema_t schema = avro_value_get_schema(&f->next);
    if (!schema || d->index >= avro_schema_union_size(schema) ||
        avro_value_set_branch(&f->frames[f->depth - 1].value, (int)d->index, &f->next) != 0)
        return fill_fails(f, "branch", d->name);
    return PBUS_OK;
}

static int fill_enum(filler *f, const pbus_datum *d)
{
    avro_schema_t schema =
        avro_value_get_type(&f->next) == AVRO_ENUM ? avro_value_get_schema(&f->next) : NULL;
    const char *symbol = schema ? avro_schema_enum_get(schema, (int)d->index) : NULL;
    return symbol && strcmp(symbol, d->name) == 0 ? avro_value_set_enum(&f->next, (int)d->index) : -1;
}

static pbus_status fill_string(filler *f, const pbus_datum *d)
{
    pbus_status status = PBUS_OK;
    char *text = fill_text(f, d, &status);
    if (text && avro_value_set_string_len(&f->next, text, d->data_size + 1) != 0)
        status = fill_fails(f, "place for a string", NULL);
    return status;
}

static int fill_scalar(filler *f, const pbus_datum *d)
{
    switch (d->kind) {
    case PBUS_DATUM_NULL:
        return avro_value_set_null(&f->next);
    case PBUS_DATUM_BOOLEAN:
        return avro_value_set_boolean(&f->next, d->boolean);
    case PBUS_DATUM_INT:
        return avro_value_set_int(&f->next, (int32_t)d->integer);
    case PBUS_DATUM_LONG:
        return avro_value_set_long(&f->next, d->integer);
    case PBUS_DATUM_FLOAT:
        return avro_value_set_float(&f->next, (float)d->real);
    case PBUS_DATUM_DOUBLE:
        return avro_value_set_double(&f->next, d->real);
    case PBUS_DATUM_BYTES:
        return avro_value_set_bytes(&f->next, (void *)d->data, d->data_size);
    case PBUS_DATUM_FIXED:
        return avro_value_set_fixed(&f->next, (void *)d->data, d->data_size);
    default:
        return fill_enum(f, d);
    }
}

static pbus_status fill_visit(void *context, const pbus_datum *d)
{
    filler *f = context;
    switch (d->kind) {
    case PBUS_DATUM_RECORD:
        return fill_open(f, d, AVRO_RECORD);
    case PBUS_DATUM_ARRAY:
        return fill_open(f, d, AVRO_ARRAY);
    case PBUS_DATUM_MAP:
        return fill_open(f, d, AVRO_MAP);
    case PBUS_DATUM_UNION:
        return fill_union(f, d);
    case PBUS_DATUM_FIELD:
        return fill_field(f, d);
    case PBUS_DATUM_KEY:
        return fill_key(f, d);
    case PBUS_DATUM_ITEM:
        if (avro_value_append(&f->frames[f->depth - 1].value, &f->next, NULL) != 0)
            return failure(f->err, PBUS_ERROR_MEMORY, "avro-c does not take an array's item");
        return PBUS_OK;
    case PBUS_DATUM_STRING:
        return fill_string(f, d);
    case PBUS_DATUM_END:
        f->depth--;
        return PBUS_OK;
    default:
        return fill_scalar(f, d) == 0 ? PBUS_OK : fill_fails(f, "place for this value", NULL);
    }
}

pbus_status pbus_decoder_value(const pbus_decoder *decoder, const void *data, size_t size,
                               struct avro_value *value, pbus_error *err)
{
    pbus_status status = decode_check(decoder, data, size, err);
    if (status != PBUS_OK)
        return status;
    if (!value || !value->iface)
        return failure(err, PBUS_ERROR_ARGUMENT, "the value is NULL");
    if (avro_value_reset(value) != 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "the value cannot be reset");
    filler f;
    f.next = *value;
    f.depth = 0;
    f.text = (bytes){0};
    f.err = err;
    status = decode_bytes(decoder, data, size, fill_visit, &f, err);
    bytes_done(&f.text);
    return status;
}

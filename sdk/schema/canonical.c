/* Writes schemas in the form by which the world compares them; must never leave out or add what changes the bytes of values. */
#include "canonical.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

typedef struct canonical {
    bytes *out;
    bool *written; /* by the type's id */
    unsigned depth;
    bool too_deep;
} canonical;

static void put_text(canonical *c, const char *text)
{
    bytes_put(c->out, text, strlen(text));
}

/* Names need no escapes. */
static void put_name(canonical *c, const char *name)
{
    bytes_put_u8(c->out, '"');
    put_text(c, name);
    bytes_put_u8(c->out, '"');
}

static void put_type(canonical *c, const type *t);

static void put_fields(canonical *c, const type *t)
{
    put_text(c, ",\"fields\":[");
    for (size_t i = 0; i < t->n_fields; i++) {
        put_text(c, i ? ",{\"name\":" : "{\"name\":");
        put_name(c, t->fields[i].name);
        put_text(c, ",\"type\":");
        put_type(c, t->fields[i].type);
        put_text(c, "}");
    }
    put_text(c, "]}");
}

static void put_symbols(canonical *c, const type *t)
{
    put_text(c, ",\"symbols\":[");
    for (size_t i = 0; i < t->n_symbols; i++) {
        put_text(c, i ? "," : "");
        put_name(c, t->symbols[i]);
    }
    put_text(c, "]}");
}

static void put_named(canonical *c, const type *t)
{
    if (c->written[t->id]) {
        put_name(c, t->name);
        return;
    }
    c->written[t->id] = true;
    put_text(c, "{\"name\":");
    put_name(c, t->name);
    put_text(c, ",\"type\":");
    put_name(c, type_word(t->kind));
    if (t->kind == TYPE_RECORD) {
        put_fields(c, t);
    } else if (t->kind == TYPE_ENUM) {
        put_symbols(c, t);
    } else {
        char size[40];
        snprintf(size, sizeof size, ",\"size\":%zu}", t->size);
        put_text(c, size);
    }
}

static void put_unnamed(canonical *c, const type *t)
{
    if (t->kind < TYPE_N_PRIMITIVE) {
        put_name(c, t->name);
    } else if (t->kind == TYPE_UNION) {
        put_text(c, "[");
        for (size_t i = 0; i < t->n_branches; i++) {
            put_text(c, i ? "," : "");
            put_type(c, t->branches[i]);
        }
        put_text(c, "]");
    } else {
        put_text(c,
                 t->kind == TYPE_ARRAY ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
        put_type(c, t->items);
        put_text(c, "}");
    }
}

static void put_type(canonical *c, const type *t)
{
    if (c->depth > 2 * PBUS_SCHEMA_MAX_DEPTH || c->too_deep) {
        c->too_deep = true;
        return;
    }
    c->depth++;
    if (type_is_named(t))
        put_named(c, t);
    else
        put_unnamed(c, t);
    c->depth--;
}

pbus_status canonical_put(bytes *out, const pbus_schema *schema, pbus_error *err)
{
    canonical c = {.out = out, .written = calloc(schema->n_types, sizeof(bool))};
    if (!c.written)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the canonical form");
    put_type(&c, schema->root);
    bytes_put_u8(out, 0);
    free(c.written);
    if (c.too_deep)
        return failure(err, PBUS_ERROR_LIMIT,
                       "the schema's definitions stand in one another deeper than %u types",
                       2 * PBUS_SCHEMA_MAX_DEPTH);
    return PBUS_OK;
}

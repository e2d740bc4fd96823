/* Turns the defaults of fields into bytes, once; must never let one through that does not fit its field. */
#include <string.h>

#include "encode.h"
#include "parser.h"

/* All defaults of a schema together: a few lines of text can ask for any number, by records whose defaults have defaults. */
#define DEFAULTS_MAX_VALUES 1000000u
#define DEFAULTS_MAX_BYTES 16777216u
#define LEAST_MAX_DEPTH 64u /* what is nested deeper counts as nothing, which is right as a lower bound */

static bool parse_default(parser *p, field *f, encoding *e, const place *at)
{
    e->out.size = 0;
    if (!encode_json(e, f->type, f->default_json, at) && e->status == PBUS_ERROR_MISFIT) {
        pbus_error why = *e->err;
        return parser_refuse(p, at, "the default does not fit%s: %s",
                             f->type->kind == TYPE_UNION ? " the first branch of the union" : "",
                             why.message);
    }
    if (e->status != PBUS_OK || e->out.failed) {
        if (p->err)
            *p->err = *e->err;
        p->status = e->status;
        return e->out.failed ? parser_no_memory(p) : false;
    }
    f->default_bytes =
        (unsigned char *)arena_copy(&p->schema->memory, (const char *)e->out.data, e->out.size);
    f->default_size = e->out.size;
    return f->default_bytes || parser_no_memory(p);
}

bool parse_defaults(parser *p)
{
    pbus_error why;
    encoding e = {.form = ENCODE_DEFAULT,
                  .most_bytes = PBUS_SCHEMA_MAX_VALUE_BYTES,
                  .values_left = DEFAULTS_MAX_VALUES,
                  .err = &why};
    size_t total = 0;
    bool good = true;
    for (size_t i = 0; i < p->schema->n_types && good; i++) {
        const type *t = p->schema->types[i];
        const place record = {.kind = PLACE_FIELD, .name = t->name};
        for (size_t j = 0; j < t->n_fields && good; j++) {
            field *f = &t->fields[j];
            const place at = {.up = &record, .kind = PLACE_FIELD, .name = f->name};
            if (!f->default_json)
                continue;
            good = parse_default(p, f, &e, &at);
            total += f->default_size;
            if (good && total > DEFAULTS_MAX_BYTES)
                good = parser_refuse(p, &at, "the defaults take more than %u bytes", DEFAULTS_MAX_BYTES);
        }
    }
    bytes_done(&e.out);
    return good;
}

typedef enum least_state { LEAST_UNKNOWN, LEAST_BUSY, LEAST_KNOWN } least_state;

static size_t least_of(const type *t, type *const *types, unsigned char *states, unsigned depth)
{
    if (states[t->id] == LEAST_KNOWN)
        return t->least_bytes;
    if (states[t->id] == LEAST_BUSY || depth == LEAST_MAX_DEPTH)
        return 0;
    states[t->id] = LEAST_BUSY;
    size_t least = 1;
    if (t->kind == TYPE_NULL)
        least = 0;
    else if (t->kind == TYPE_FLOAT || t->kind == TYPE_DOUBLE)
        least = t->kind == TYPE_FLOAT ? 4 : 8;
    else if (t->kind == TYPE_FIXED)
        least = t->size;
    else if (t->kind == TYPE_RECORD) {
        least = 0;
        for (size_t i = 0; i < t->n_fields; i++) {
            size_t more = least_of(t->fields[i].type, types, states, depth + 1);
            least = more > SIZE_MAX - least ? SIZE_MAX : least + more;
        }
    }
    types[t->id]->least_bytes = least;
    states[t->id] = LEAST_KNOWN;
    return least;
}

void parse_least_bytes(pbus_schema *schema)
{
    unsigned char *states = arena_alloc(&schema->memory, schema->n_types, 1);
    if (!states)
        return; /* every type's stays 0, a lower bound too */
    for (size_t i = 0; i < schema->n_types; i++)
        least_of(schema->types[i], schema->types, states, 0);
}

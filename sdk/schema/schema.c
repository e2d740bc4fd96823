/* The life of a schema, from its text to its last holder; must never change it once others can see it. */
#include <stdlib.h>
#include <string.h>

#include "canonical.h"
#include "failure.h"
#include "json_text.h"
#include "parser.h"

void pbus_buffer_done(pbus_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (pbus_buffer){0};
}

pbus_schema *pbus_schema_share(pbus_schema *schema)
{
    if (schema)
        atomic_fetch_add(&schema->holders, 1);
    return schema;
}

void pbus_schema_free(pbus_schema *schema)
{
    if (!schema || atomic_fetch_sub(&schema->holders, 1) != 1)
        return;
    for (size_t i = 0; i < schema->n_known; i++)
        pbus_schema_free(schema->known[i]);
    json_decref(schema->json);
    free(schema->types);
    arena_done(&schema->memory);
    free(schema);
}

static bool schema_knows(const pbus_schema *s, const pbus_schema *other)
{
    for (size_t i = 0; i < s->n_known; i++)
        if (s->known[i] == other || json_equal(s->known[i]->json, other->json))
            return true;
    return false;
}

/* Notes all that the known ones know, and then they themselves, each once: in an order in which they can be read. */
static bool schema_note_known(pbus_schema *s, pbus_schema *const *known, size_t n_known)
{
    size_t most = 0;
    for (size_t i = 0; i < n_known; i++)
        most += known[i]->n_known + 1;
    s->known = arena_alloc(&s->memory, most, sizeof(pbus_schema *));
    if (!s->known)
        return false;
    for (size_t i = 0; i < n_known; i++)
        for (size_t j = 0; j <= known[i]->n_known; j++) {
            pbus_schema *one = j < known[i]->n_known ? known[i]->known[j] : known[i];
            if (!schema_knows(s, one))
                s->known[s->n_known++] = pbus_schema_share(one);
        }
    return true;
}

static pbus_status schema_read_json(pbus_schema *s, pbus_error *err)
{
    json_error_t why;
    s->json = json_text_read(s->text, s->text_size, &why);
    if (s->json)
        return PBUS_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the schema");
    return failure(err, PBUS_ERROR_AVRO_SCHEMA, "the schema is no JSON: %s, at line %d, column %d", why.text,
                   why.line, why.column);
}

static bool schema_read_types(parser *p)
{
    pbus_schema *s = p->schema;
    for (size_t i = 0; i < s->n_known; i++)
        if (!parse_schema(p, s->known[i]->json, NULL))
            return false;
    s->root = parse_schema(p, s->json, NULL);
    return s->root && parse_defaults(p);
}

static pbus_status schema_read(pbus_schema *s, pbus_error *err)
{
    parser p = {.schema = s, .names = json_object(), .space = "", .err = err};
    bytes form = {0};
    if (!p.names)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the schema");
    bool good = schema_read_types(&p);
    json_decref(p.names);
    if (!good)
        return p.status;
    parse_least_bytes(s);
    pbus_status status = canonical_put(&form, s, err);
    if (status == PBUS_OK) {
        s->canonical = form.failed ? NULL : arena_copy(&s->memory, (const char *)form.data, form.size);
        if (!s->canonical)
            status = failure(err, PBUS_ERROR_MEMORY, "no memory for the canonical form");
        else
            s->fingerprint = fingerprint_of(s->canonical, form.size - 1);
    }
    bytes_done(&form);
    return status;
}

static pbus_status schema_check_arguments(const char *text, size_t size, pbus_schema *const *known,
                                          size_t n_known, pbus_schema **out, pbus_error *err)
{
    if (!text || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", text ? "out" : "the schema's text");
    for (size_t i = 0; i < n_known; i++)
        if (!known || !known[i])
            return failure(err, PBUS_ERROR_ARGUMENT, "the known schema %zu is NULL", i);
    if (size > PBUS_SCHEMA_MAX_BYTES)
        return failure(err, PBUS_ERROR_LIMIT, "the schema has %zu bytes; the most is %u", size,
                       PBUS_SCHEMA_MAX_BYTES);
    return PBUS_OK;
}

pbus_status pbus_schema_parse(const char *text, size_t size, pbus_schema *const *known, size_t n_known,
                              pbus_schema **out, pbus_error *err)
{
    pbus_status status = schema_check_arguments(text, size, known, n_known, out, err);
    if (status != PBUS_OK)
        return status;
    pbus_schema *s = calloc(1, sizeof *s);
    if (!s)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the schema");
    atomic_init(&s->holders, 1);
    s->text = arena_copy(&s->memory, text, size);
    s->text_size = size;
    if (!s->text || !schema_note_known(s, known, n_known))
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for the schema");
    if (status == PBUS_OK)
        status = schema_read_json(s, err);
    if (status == PBUS_OK)
        status = schema_read(s, err);
    if (status == PBUS_OK)
        *out = s;
    else
        pbus_schema_free(s);
    return status;
}

const char *pbus_schema_name(const pbus_schema *schema)
{
    return schema->root->name;
}

const char *pbus_schema_text(const pbus_schema *schema, size_t *out_size)
{
    if (out_size)
        *out_size = schema->text_size;
    return schema->text;
}

const char *pbus_schema_canonical(const pbus_schema *schema)
{
    return schema->canonical;
}

uint64_t pbus_schema_fingerprint(const pbus_schema *schema)
{
    return schema->fingerprint;
}

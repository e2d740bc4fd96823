/* Makes the tree of types from a schema's JSON; must never take what the specification refuses, nor recurse without a bound. */
#include "parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "names.h"
#include "text.h"

bool parser_refuse(parser *p, const place *at, const char *format, ...)
{
    char reason[512];
    va_list args;
    if (p->status != PBUS_OK)
        return false;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    p->status =
        failure(p->err, PBUS_ERROR_AVRO_SCHEMA, "%s: %s", at ? place_show(at).text : "the schema", reason);
    return false;
}

bool parser_no_memory(parser *p)
{
    if (p->status == PBUS_OK)
        p->status = failure(p->err, PBUS_ERROR_MEMORY, "no memory for the schema");
    return false;
}

const char *parser_text(const json_t *json)
{
    const char *text = json_string_value(json);
    return text && strlen(text) == json_string_length(json) ? text : NULL;
}

type *parser_type(parser *p, type_kind kind)
{
    pbus_schema *s = p->schema;
    if (s->n_types == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 16;
        type **types = realloc(s->types, capacity * sizeof(type *));
        if (!types)
            return parser_no_memory(p), NULL;
        s->types = types;
        p->capacity = capacity;
    }
    type *t = arena_alloc(&s->memory, 1, sizeof *t);
    if (!t)
        return parser_no_memory(p), NULL;
    t->kind = kind;
    t->id = s->n_types;
    t->name = t->short_name = type_word(kind);
    s->types[s->n_types++] = t;
    return t;
}

static const type *parse_defined(parser *p, const char *full)
{
    const json_t *at = json_object_get(p->names, full);
    return at ? p->schema->types[json_integer_value(at)] : NULL;
}

/* A word: a primitive type, or the name of one that was defined before. */
static const type *parse_name(parser *p, const char *word, const place *at)
{
    type_kind kind = name_primitive(word);
    if (kind < TYPE_N_PRIMITIVE)
        return parser_type(p, kind);
    const char *full = name_join(&p->schema->memory, p->space, word);
    if (!full)
        return parser_no_memory(p), NULL;
    const type *t = parse_defined(p, full);
    /* Java's parser looks there too, and schemas rely on it. */
    if (!t)
        t = parse_defined(p, word);
    if (t)
        return t;
    text_shown shown = text_show(word, strlen(word));
    bool is_complex = false;
    for (int k = TYPE_RECORD; k <= TYPE_MAP; k++)
        is_complex |= strcmp(word, type_word((type_kind)k)) == 0;
    if (is_complex)
        parser_refuse(p, at, "\"%s\" alone is no type; write {\"type\": \"%s\", ...}", word, word);
    else
        parser_refuse(
            p, at,
            "the type \"%s\" is not known; a named type has to be defined before it is used, in this "
            "schema or in one of those it is given to know",
            shown.text);
    return NULL;
}

static const type *parse_union(parser *p, const json_t *json, const place *at)
{
    size_t n = json_array_size(json);
    type *t = parser_type(p, TYPE_UNION);
    json_t *seen = json_object();
    if (t && seen)
        t->branches = arena_alloc(&p->schema->memory, n, sizeof *t->branches);
    if (!t || !seen || !t->branches)
        parser_no_memory(p);
    for (size_t i = 0; i < n && p->status == PBUS_OK; i++) {
        const type *branch = parse_schema(p, json_array_get(json, i), at);
        if (!branch)
            break;
        if (branch->kind == TYPE_UNION)
            parser_refuse(
                p, at,
                "a union stands directly in a union; write the inner one's branches into the outer one");
        else if (json_object_get(seen, branch->name))
            parser_refuse(p, at, "the union has \"%s\" twice", branch->name);
        else if (json_object_set_new(seen, branch->name, json_true()) != 0)
            parser_no_memory(p);
        t->branches[t->n_branches++] = branch;
    }
    json_decref(seen);
    return p->status == PBUS_OK ? t : NULL;
}

/* The full name that a definition gives itself; NULL: noted. */
static const char *parse_own_name(parser *p, const json_t *json, const place *at)
{
    const json_t *name_json = json_object_get(json, "name"), *space_json = json_object_get(json, "namespace");
    if (json_is_null(space_json)) /* as for Java's parser, whose programs write it: none is given */
        space_json = NULL;
    const char *name = parser_text(name_json), *space = p->space;
    if (!name)
        return parser_refuse(p, at, "the %s has no \"name\"",
                             json_string_value(json_object_get(json, "type"))),
               NULL;
    if (space_json && !parser_text(space_json))
        return parser_refuse(p, at, "\"namespace\" of \"%s\" is no string",
                             text_show(name, strlen(name)).text),
               NULL;
    if (space_json)
        space = parser_text(space_json);
    if (!name_is_full(name))
        return parser_refuse(
                   p, at,
                   "\"%s\" is no name; names are letters, digits and _, no digit first, with dots between",
                   text_show(name, strlen(name)).text),
               NULL;
    if (!strchr(name, '.') && *space && !name_is_full(space))
        return parser_refuse(p, at, "\"%s\" is no namespace", text_show(space, strlen(space)).text), NULL;
    const char *full = name_join(&p->schema->memory, space, name);
    if (!full)
        return parser_no_memory(p), NULL;
    if (name_primitive(name_short(full)) < TYPE_N_PRIMITIVE)
        return parser_refuse(p, at, "\"%s\" is the name of a primitive type and cannot be defined", full),
               NULL;
    if (parse_defined(p, full))
        return parser_refuse(p, at, "\"%s\" is defined twice", full), NULL;
    return full;
}

static bool parse_size(parser *p, type *t, const json_t *json, const place *at)
{
    const json_t *size = json_object_get(json, "size");
    if (!json_is_integer(size) || json_integer_value(size) < 0 ||
        json_integer_value(size) > PBUS_SCHEMA_MAX_VALUE_BYTES)
        return parser_refuse(p, at, "the fixed \"%s\" needs a \"size\", an integer from 0 to %u", t->name,
                             PBUS_SCHEMA_MAX_VALUE_BYTES);
    t->size = (size_t)json_integer_value(size);
    return true;
}

static const type *parse_named(parser *p, type_kind kind, const json_t *json, const place *at)
{
    const char *full = parse_own_name(p, json, at), *outer = p->space;
    type *t = full ? parser_type(p, kind) : NULL;
    if (!t)
        return NULL;
    t->name = full;
    t->short_name = name_short(full);
    p->space = name_space(&p->schema->memory, full);
    /* Known before its fields are read: they may name it. */
    if (!p->space || json_object_set_new(p->names, full, json_integer((json_int_t)t->id)) != 0)
        return parser_no_memory(p), NULL;
    bool good = parse_aliases(p, json_object_get(json, "aliases"), p->space, at, &t->aliases, &t->n_aliases);
    if (good && kind == TYPE_RECORD)
        good = parse_fields(p, t, json, at);
    else if (good && kind == TYPE_ENUM)
        good = parse_symbols(p, t, json, at);
    else if (good)
        good = parse_size(p, t, json, at);
    p->space = outer;
    return good && parse_logical(p, t, json, at) ? t : NULL;
}

static const type *parse_container(parser *p, type_kind kind, const json_t *json, const place *at)
{
    const char *word = kind == TYPE_ARRAY ? "items" : "values";
    const json_t *items = json_object_get(json, word);
    const place within = {.up = at, .kind = PLACE_ANY};
    type *t = parser_type(p, kind);
    if (!t)
        return NULL;
    if (!items)
        return parser_refuse(p, at, "the %s has no \"%s\"", type_word(kind), word), NULL;
    t->items = parse_schema(p, items, &within);
    return t->items ? t : NULL;
}

static const type *parse_object(parser *p, const json_t *json, const place *at)
{
    const json_t *type_json = json_object_get(json, "type");
    const char *word = parser_text(type_json);
    if (!type_json)
        return parser_refuse(p, at, "a schema that is an object needs \"type\""), NULL;
    if (!word)
        return parser_refuse(p, at, "\"type\" of a schema is no word; write the inner schema itself"), NULL;
    for (int kind = TYPE_RECORD; kind <= TYPE_MAP; kind++)
        if (strcmp(word, type_word((type_kind)kind)) == 0)
            return kind <= TYPE_FIXED ? parse_named(p, (type_kind)kind, json, at)
                                      : parse_container(p, (type_kind)kind, json, at);
    if (strcmp(word, "error") == 0)
        return parser_refuse(p, at, "\"error\" stands in protocols only; write \"record\""), NULL;
    type_kind primitive = name_primitive(word);
    if (primitive == TYPE_N_PRIMITIVE)
        return parse_name(p, word, at);
    type *t = parser_type(p, primitive);
    return t && parse_logical(p, t, json, at) ? t : NULL;
}

const type *parse_schema(parser *p, const json_t *json, const place *at)
{
    const type *t = NULL;
    if (p->depth == PBUS_SCHEMA_MAX_DEPTH) {
        if (p->status == PBUS_OK)
            p->status = failure(p->err, PBUS_ERROR_LIMIT, "%s: the schema is nested deeper than %u types",
                                place_show(at).text, PBUS_SCHEMA_MAX_DEPTH);
        return NULL;
    }
    p->depth++;
    if (parser_text(json))
        t = parse_name(p, parser_text(json), at);
    else if (json_is_array(json))
        t = parse_union(p, json, at);
    else if (json_is_object(json))
        t = parse_object(p, json, at);
    else
        parser_refuse(p, at, "a schema is a name, an object or an array, and not %s",
                      json_is_null(json) ? "null" : "this");
    p->depth--;
    return p->status == PBUS_OK ? t : NULL;
}

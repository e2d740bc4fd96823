/* Reading a schema's JSON: what its parts share. */
#ifndef POSTBUS_SCHEMA_PARSER_H
#define POSTBUS_SCHEMA_PARSER_H

#include "place.h"
#include "type.h"

typedef struct parser {
    pbus_schema *schema;
    json_t *names;     /* full names of the types that are defined, with their index in schema->types */
    const char *space; /* the namespace around */
    unsigned depth;
    size_t capacity; /* of schema->types */
    pbus_error *err;
    pbus_status status;
} parser;

/* Notes the first fault, with its place; false, so that a function can `return parser_refuse(…)`. */
bool parser_refuse(parser *p, const place *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool parser_no_memory(parser *p);

/* A JSON string as a C string; NULL where it is none, or holds a NUL. */
const char *parser_text(const json_t *json);

/* A new type in the schema's list; NULL: noted. */
type *parser_type(parser *p, type_kind kind);
/* Whatever a schema can be; NULL: noted. */
const type *parse_schema(parser *p, const json_t *json, const place *at);

/* The parts of records and enums (parse_members.c); false: noted. */
bool parse_fields(parser *p, type *record, const json_t *json, const place *at);
bool parse_symbols(parser *p, type *enumeration, const json_t *json, const place *at);
/* Aliases as full names within the namespace, or as they are where space is NULL. */
bool parse_aliases(parser *p, const json_t *json, const char *space, const place *at, const char ***out,
                   size_t *out_n);
/* The logical type that the attributes ask for, if the type can have it. */
bool parse_logical(parser *p, type *t, const json_t *json, const place *at);

/* Once all types are there (defaults.c): the bytes of each default. False: noted. */
bool parse_defaults(parser *p);
/* And how few bytes a value of each type can have. */
void parse_least_bytes(pbus_schema *schema);

#endif

/* The tree of a schema's types. It is written while the schema is read, and never again. */
#ifndef POSTBUS_SCHEMA_TYPE_H
#define POSTBUS_SCHEMA_TYPE_H

#include <postbus/schema.h>

#include <jansson.h>
#include <stdatomic.h>

#include "arena.h"

typedef enum type_kind {
    TYPE_NULL,
    TYPE_BOOLEAN,
    TYPE_INT,
    TYPE_LONG,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_BYTES,
    TYPE_STRING, /* the last of the primitive ones */
    TYPE_RECORD,
    TYPE_ENUM,
    TYPE_FIXED,
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_UNION,
} type_kind;
#define TYPE_N_PRIMITIVE (TYPE_STRING + 1)

typedef struct field {
    const char *name;
    const char **aliases;
    size_t n_aliases;
    const struct type *type;
    const json_t *default_json; /* NULL: none; borrowed from the schema's text */
    const unsigned char *default_bytes;
    size_t default_size;
} field;

typedef struct type {
    type_kind kind;
    pbus_logical logical;
    int precision, scale; /* of a decimal */
    size_t id;            /* its place in the schema's list of types */
    const char *name;     /* full; of an unnamed type the word, such as "array": what tags a union's branch */
    const char *short_name;
    const char **aliases; /* full */
    size_t n_aliases;
    size_t least_bytes; /* no value takes fewer */

    field *fields; /* of a record */
    size_t n_fields;
    const char **symbols; /* of an enum */
    size_t n_symbols;
    size_t default_symbol;        /* n_symbols: none */
    const uint32_t *by_name;      /* indexes of fields or symbols, in the order of their names */
    const struct type **branches; /* of a union */
    size_t n_branches;
    const struct type *items; /* of an array; a map's values */
    size_t size;              /* of a fixed, in bytes */
} type;

struct pbus_schema {
    atomic_size_t holders;
    arena memory;
    json_t *json; /* its text, parsed */
    const char *text;
    size_t text_size;
    pbus_schema **known; /* those it names types of */
    size_t n_known;
    const type *root;
    type **types; /* in the order of their definition; from malloc */
    size_t n_types;
    const char *canonical;
    uint64_t fingerprint;
};

/* "int"; of the kinds that schemas name by a word all of them. */
const char *type_word(type_kind kind);

/* n_fields or n_symbols where there is none of the name. */
size_t type_find_field(const type *record, const char *name);
size_t type_find_symbol(const type *enumeration, const char *name);

static inline bool type_is_named(const type *t)
{
    return t->kind == TYPE_RECORD || t->kind == TYPE_ENUM || t->kind == TYPE_FIXED;
}

#endif

/* Finds what a type has by name; must never change the type. */
#include "type.h"

#include <string.h>

const char *type_word(type_kind kind)
{
    static const char *const words[] = {"null",   "boolean", "int",  "long",  "float", "double", "bytes",
                                        "string", "record",  "enum", "fixed", "array", "map",    "union"};
    return words[kind];
}

static const char *type_name_at(const type *t, size_t at)
{
    return t->kind == TYPE_RECORD ? t->fields[at].name : t->symbols[at];
}

static size_t type_find(const type *t, size_t n, const char *name)
{
    size_t low = 0;
    for (size_t high = n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(type_name_at(t, t->by_name[middle]), name);
        if (order == 0)
            return t->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return n;
}

size_t type_find_field(const type *record, const char *name)
{
    return type_find(record, record->n_fields, name);
}

size_t type_find_symbol(const type *enumeration, const char *name)
{
    return type_find(enumeration, enumeration->n_symbols, name);
}

/* Tells which types can be read as which, by the specification's rules of schema resolution; must never look at values. */
#include <string.h>

#include "plan.h"

bool match_names(const type *writer, const type *reader)
{
    if (strcmp(writer->short_name, reader->short_name) == 0)
        return true;
    for (size_t i = 0; i < reader->n_aliases; i++)
        if (strcmp(writer->name, reader->aliases[i]) == 0)
            return true;
    return false;
}

static bool match_promotes(type_kind writer, type_kind reader)
{
    switch (reader) {
    case TYPE_LONG:
        return writer == TYPE_INT;
    case TYPE_FLOAT:
        return writer == TYPE_INT || writer == TYPE_LONG;
    case TYPE_DOUBLE:
        return writer == TYPE_INT || writer == TYPE_LONG || writer == TYPE_FLOAT;
    case TYPE_STRING:
        return writer == TYPE_BYTES;
    case TYPE_BYTES:
        return writer == TYPE_STRING;
    default:
        return false;
    }
}

bool match_is_allowed(const type *writer, const type *reader)
{
    if (writer->kind == TYPE_UNION || reader->kind == TYPE_UNION)
        return true;
    if (writer->kind != reader->kind)
        return match_promotes(writer->kind, reader->kind);
    if (writer->kind == TYPE_ARRAY || writer->kind == TYPE_MAP)
        return match_is_allowed(writer->items, reader->items);
    if (writer->kind == TYPE_FIXED && writer->size != reader->size)
        return false;
    return !type_is_named(writer) || match_names(writer, reader);
}

bool match_is_exact(const type *writer, const type *reader)
{
    return writer->kind == reader->kind && match_is_allowed(writer, reader) &&
           (!type_is_named(writer) || strcmp(writer->name, reader->name) == 0);
}

/* Turns rows into JSON and text, by the types of their columns; must never print what was not asked for. */
#include "row_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_JSONB = 3802 };

/* bytea comes as \x and hex. */
static json_t *bytes_json(const char *hex)
{
    size_t n;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)hex, &n);
    json_t *text = bytes ? json_stringn((const char *)bytes, n) : NULL; /* NULL where it is no UTF-8 */
    PQfreemem(bytes);
    return text ? text : json_string(hex);
}

static json_t *value_json(const PGresult *rows, int row, int column)
{
    const char *text = PQgetvalue(rows, row, column);
    if (PQgetisnull(rows, row, column))
        return json_null();
    switch (PQftype(rows, column)) {
    case OID_INT4:
    case OID_INT8:
        return json_integer(strtoll(text, NULL, 10));
    case OID_BYTEA:
        return bytes_json(text);
    case OID_JSONB:
        return json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    default:
        return json_string(text);
    }
}

json_t *row_json(const PGresult *rows, int row)
{
    json_t *all = json_object();
    for (int i = 0; i < PQnfields(rows); i++)
        if (strcmp(PQfname(rows, i), "total") != 0)
            json_object_set_new(all, PQfname(rows, i), value_json(rows, row, i));
    return all;
}

void row_print_json(const PGresult *rows, int row)
{
    json_t *all = row_json(rows, row);
    json_dumpf(all, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
}

char *row_text(const PGresult *rows, int row, int column)
{
    if (PQgetisnull(rows, row, column))
        return strdup("-");
    if (PQftype(rows, column) != OID_BYTEA)
        return strdup(PQgetvalue(rows, row, column));
    json_t *text = bytes_json(PQgetvalue(rows, row, column));
    char *out = json_dumps(text, JSON_ENCODE_ANY);
    json_decref(text);
    return out;
}

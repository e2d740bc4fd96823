/* Turns rows into JSON and text, by the types of their columns; must never print what was not asked for. */
#include "row_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_JSONB = 3802 };

/* bytea comes as \x and hex. NULL where it is no UTF-8. */
static json_t *utf8_json(const char *hex)
{
    size_t n;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)hex, &n);
    json_t *text = bytes ? json_stringn((const char *)bytes, n) : NULL;
    PQfreemem(bytes);
    return text;
}

static json_t *bytes_json(const char *hex)
{
    json_t *text = utf8_json(hex);
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

/* Control characters must not command the terminal. The connection's text is UTF-8, in which those above U+007F begin with 0xC2. */
static void show(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool high = byte == 0xC2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xA0;
        if (high)
            byte = (unsigned char)*++text;
        if (byte == '\n')
            fputs("\\n", out);
        else if (high || byte < 0x20 || byte == 0x7F)
            fprintf(out, "\\x%02X", byte);
        else
            putc(byte, out);
    }
}

/* For the caller to free; NULL: no memory. */
static char *shown(const char *text)
{
    char *all = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&all, &size);
    if (!out)
        return NULL;
    show(out, text);
    if (fclose(out) == 0)
        return all;
    free(all);
    return NULL;
}

void row_print_text(const char *text)
{
    show(stdout, text);
}

char *row_bytes_text(const char *hex)
{
    json_t *text = utf8_json(hex);
    char *all = text ? json_dumps(text, JSON_ENCODE_ANY) : strdup(hex);
    char *out = all ? shown(all) : NULL;
    json_decref(text);
    free(all);
    return out;
}

char *row_text(const PGresult *rows, int row, int column)
{
    if (PQgetisnull(rows, row, column))
        return strdup("-");
    if (PQftype(rows, column) != OID_BYTEA)
        return shown(PQgetvalue(rows, row, column));
    return row_bytes_text(PQgetvalue(rows, row, column));
}

void row_print_rest(const PGresult *rows)
{
    long long rest = strtoll(PQgetvalue(rows, 0, PQfnumber(rows, "total")), NULL, 10) - PQntuples(rows);
    if (rest > 0)
        printf("and %lld more; --limit shows them\n", rest);
}

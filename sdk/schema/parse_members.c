/* Reads what stands in records, enums and logical types; must never take a name twice. */
#include "parser.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "names.h"
#include "text.h"

typedef struct member {
    const char *name;
    uint32_t at;
} member;

static int member_order(const void *a, const void *b)
{
    return strcmp(((const member *)a)->name, ((const member *)b)->name);
}

/* The order of the names, in which no two may be the same. */
static const uint32_t *parse_order(parser *p, const char *what, member *members, size_t n, const place *at)
{
    uint32_t *order = arena_alloc(&p->schema->memory, n, sizeof *order);
    if (!order)
        return parser_no_memory(p), NULL;
    qsort(members, n, sizeof *members, member_order);
    for (size_t i = 0; i < n; i++) {
        order[i] = members[i].at;
        if (i > 0 && strcmp(members[i - 1].name, members[i].name) == 0)
            return parser_refuse(p, at, "the %s \"%s\" is there twice", what, members[i].name), NULL;
    }
    return order;
}

bool parse_aliases(parser *p, const json_t *json, const char *space, const place *at, const char ***out,
                   size_t *out_n)
{
    size_t n = json_array_size(json);
    if (json && !json_is_array(json))
        return parser_refuse(p, at, "\"aliases\" is no array");
    const char **aliases = arena_alloc(&p->schema->memory, n, sizeof *aliases);
    if (!aliases)
        return parser_no_memory(p);
    for (size_t i = 0; i < n; i++) {
        const char *alias = parser_text(json_array_get(json, i));
        if (!alias || !(space ? name_is_full(alias) : name_is_simple(alias, strlen(alias))))
            return parser_refuse(p, at, "the alias %zu, \"%s\", is no name", i,
                                 alias ? text_show(alias, strlen(alias)).text : "?");
        aliases[i] = space ? name_join(&p->schema->memory, space, alias) : alias;
        if (!aliases[i])
            return parser_no_memory(p);
    }
    *out = aliases;
    *out_n = n;
    return true;
}

static bool parse_field(parser *p, field *f, const json_t *json, size_t index, const place *at)
{
    const char *name = parser_text(json_object_get(json, "name"));
    const char *order = parser_text(json_object_get(json, "order"));
    const json_t *type_json = json_object_get(json, "type");
    if (!json_is_object(json) || !name)
        return parser_refuse(p, at, "the field %zu is no object with a \"name\"", index);
    if (!name_is_simple(name, strlen(name)))
        return parser_refuse(p, at, "\"%s\" is no field's name; it is letters, digits and _, no digit first",
                             text_show(name, strlen(name)).text);
    const place within = {.up = at, .kind = PLACE_FIELD, .name = name};
    if (!type_json)
        return parser_refuse(p, &within, "the field has no \"type\"");
    if (json_object_get(json, "order") &&
        (!order || (strcmp(order, "ascending") != 0 && strcmp(order, "descending") != 0 &&
                    strcmp(order, "ignore") != 0)))
        return parser_refuse(p, &within, "\"order\" is ascending, descending or ignore, and not \"%s\"",
                             order ? text_show(order, strlen(order)).text : "?");
    f->name = name;
    f->default_json = json_object_get(json, "default");
    f->type = parse_schema(p, type_json, &within);
    return f->type &&
           parse_aliases(p, json_object_get(json, "aliases"), NULL, &within, &f->aliases, &f->n_aliases);
}

bool parse_fields(parser *p, type *record, const json_t *json, const place *at)
{
    const json_t *fields = json_object_get(json, "fields");
    size_t n = json_array_size(fields);
    if (!json_is_array(fields))
        return parser_refuse(p, at, "the record \"%s\" has no \"fields\", an array", record->name);
    record->fields = arena_alloc(&p->schema->memory, n, sizeof *record->fields);
    member *members = calloc(n ? n : 1, sizeof *members);
    bool good = (record->fields && members) || parser_no_memory(p);
    for (size_t i = 0; i < n && good; i++) {
        good = parse_field(p, &record->fields[i], json_array_get(fields, i), i, at);
        members[i] = (member){record->fields[i].name, (uint32_t)i};
    }
    if (good)
        record->by_name = parse_order(p, "field", members, n, at);
    record->n_fields = good ? n : 0;
    free(members);
    return good && record->by_name;
}

static bool parse_default_symbol(parser *p, type *t, const json_t *json, const place *at)
{
    const char *symbol = parser_text(json);
    t->default_symbol = symbol ? type_find_symbol(t, symbol) : t->n_symbols;
    if (json && !json_is_null(json) &&
        t->default_symbol == t->n_symbols) /* null: none, as for Java's parser */
        return parser_refuse(p, at, "the default of the enum \"%s\" is none of its symbols", t->name);
    return true;
}

bool parse_symbols(parser *p, type *enumeration, const json_t *json, const place *at)
{
    const json_t *symbols = json_object_get(json, "symbols");
    size_t n = json_array_size(symbols);
    if (!json_is_array(symbols))
        return parser_refuse(p, at, "the enum \"%s\" has no \"symbols\", an array", enumeration->name);
    enumeration->symbols = arena_alloc(&p->schema->memory, n, sizeof *enumeration->symbols);
    member *members = calloc(n ? n : 1, sizeof *members);
    bool good = (enumeration->symbols && members) || parser_no_memory(p);
    for (size_t i = 0; i < n && good; i++) {
        const char *symbol = parser_text(json_array_get(symbols, i));
        if (!symbol || !name_is_simple(symbol, strlen(symbol)))
            good = parser_refuse(p, at, "the symbol %zu of \"%s\", \"%s\", is no name", i, enumeration->name,
                                 symbol ? text_show(symbol, strlen(symbol)).text : "?");
        enumeration->symbols[i] = symbol;
        members[i] = (member){symbol, (uint32_t)i};
    }
    if (good)
        enumeration->by_name = parse_order(p, "symbol", members, n, at);
    enumeration->n_symbols = n;
    free(members);
    return good && enumeration->by_name &&
           parse_default_symbol(p, enumeration, json_object_get(json, "default"), at);
}

/* The most digits that a fixed of so many bytes can hold: floor(log10(2^(8n - 1) - 1)). */
static size_t decimal_digits(size_t n_bytes)
{
    return n_bytes ? (size_t)((double)(8 * n_bytes - 1) * 0.30102999566398119521) : 0;
}

static bool parse_decimal(parser *p, type *t, const json_t *json, const place *at)
{
    const json_t *precision = json_object_get(json, "precision"), *scale = json_object_get(json, "scale");
    json_int_t digits = json_integer_value(precision), behind = json_integer_value(scale);
    if (t->kind != TYPE_BYTES && t->kind != TYPE_FIXED)
        return true;
    if (!json_is_integer(precision) || digits < 1 || (scale && !json_is_integer(scale)) || behind < 0 ||
        behind > digits)
        return true;
    if (t->kind == TYPE_FIXED && (size_t)digits > decimal_digits(t->size))
        return true;
    if (digits > DECIMAL_MAX_PRECISION)
        return parser_refuse(p, at, "a decimal of %lld digits is above the limit of %d", (long long)digits,
                             DECIMAL_MAX_PRECISION);
    t->logical = PBUS_LOGICAL_DECIMAL;
    t->precision = (int)digits;
    t->scale = (int)behind;
    return true;
}

bool parse_logical(parser *p, type *t, const json_t *json, const place *at)
{
    static const struct {
        const char *word;
        type_kind kind;
        size_t size;
        pbus_logical logical;
    } table[] = {
        {"uuid", TYPE_STRING, 0, PBUS_LOGICAL_UUID},
        {"uuid", TYPE_FIXED, 16, PBUS_LOGICAL_UUID},
        {"date", TYPE_INT, 0, PBUS_LOGICAL_DATE},
        {"time-millis", TYPE_INT, 0, PBUS_LOGICAL_TIME_MILLIS},
        {"time-micros", TYPE_LONG, 0, PBUS_LOGICAL_TIME_MICROS},
        {"timestamp-millis", TYPE_LONG, 0, PBUS_LOGICAL_TIMESTAMP_MILLIS},
        {"timestamp-micros", TYPE_LONG, 0, PBUS_LOGICAL_TIMESTAMP_MICROS},
        {"local-timestamp-millis", TYPE_LONG, 0, PBUS_LOGICAL_LOCAL_TIMESTAMP_MILLIS},
        {"local-timestamp-micros", TYPE_LONG, 0, PBUS_LOGICAL_LOCAL_TIMESTAMP_MICROS},
        {"duration", TYPE_FIXED, 12, PBUS_LOGICAL_DURATION},
    };
    const char *word = parser_text(json_object_get(json, "logicalType"));
    if (!word)
        return true;
    if (strcmp(word, "decimal") == 0)
        return parse_decimal(p, t, json, at);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(word, table[i].word) == 0 && t->kind == table[i].kind && t->size == table[i].size)
            t->logical = table[i].logical;
    return true;
}

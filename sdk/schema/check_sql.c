/* Writes the SQL functions that judge JSON by a schema as encode.c does; must never write a name that the parser has not taken for one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "failure.h"
#include "human.h"
#include "type.h"

typedef struct script {
    bytes out;
    const char *prefix;
    const type **queue; /* types that have a function of their own, in the order of their first use */
    bool *queued;       /* by the type's id */
    size_t n_queued;
} script;

static void put(script *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(script *s, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        s->out.failed = true;
    else
        bytes_reserve(&s->out, (size_t)n + 1);
    if (!s->out.failed) {
        vsnprintf((char *)s->out.data + s->out.size, (size_t)n + 1, format, again);
        s->out.size += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

static void put_text(script *s, const char *text)
{
    bytes_put(&s->out, text, strlen(text));
}

static void put_call(script *s, const type *t, const char *value, const char *depth)
{
    if (!s->queued[t->id]) {
        s->queued[t->id] = true;
        s->queue[s->n_queued++] = t;
    }
    put(s, "%s_%zu(%s, %s)", s->prefix, t->id, value, depth);
}

/* A list of names as an array's literal, without those that are NULL. */
static void put_names(script *s, size_t n, const char *(*name_of)(const type *, size_t), const type *t)
{
    const char *between = "";
    put_text(s, "'{");
    for (size_t i = 0; i < n; i++) {
        const char *name = name_of(t, i);
        if (!name)
            continue;
        put(s, "%s\"%s\"", between, name);
        between = ",";
    }
    put_text(s, "}'::text[]");
}

static const char *symbol_name(const type *t, size_t i)
{
    return t->symbols[i];
}

static const char *field_name(const type *t, size_t i)
{
    return t->fields[i].name;
}

static void put_integer(script *s, const type *t, const char *value)
{
    if (human_is_time(t->logical))
        put(s, "postbus.avro_integer(%s, '%s', '%s', '%s')", value, t->name, human_name(t->logical),
            human_sample(t->logical));
    else
        put(s, "postbus.avro_integer(%s, '%s', NULL, NULL)", value, t->name);
}

static void put_bytes(script *s, const type *t, const char *value)
{
    if (t->logical == PBUS_LOGICAL_DECIMAL)
        put(s, "postbus.avro_decimal(%s, %d, %d)", value, t->precision, t->scale);
    else if (t->logical == PBUS_LOGICAL_DURATION)
        put(s, "postbus.avro_duration(%s)", value);
    else if (t->logical == PBUS_LOGICAL_UUID)
        put(s, "postbus.avro_uuid(%s)", value);
    else if (t->kind == TYPE_FIXED)
        put(s, "postbus.avro_bytes(%s, '%s', %zu)", value, t->name, t->size);
    else
        put(s, "postbus.avro_bytes(%s, 'bytes', NULL)", value);
}

/* An expression that is NULL where the value fits, else what stands behind its path. */
static void put_check(script *s, const type *t, const char *value, const char *depth)
{
    switch (t->kind) {
    case TYPE_NULL:
    case TYPE_BOOLEAN:
        put(s, "postbus.avro_%s(%s)", t->name, value);
        break;
    case TYPE_INT:
    case TYPE_LONG:
        put_integer(s, t, value);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        put(s, "postbus.avro_real(%s, '%s')", value, t->name);
        break;
    case TYPE_STRING:
        put(s, "postbus.avro_%s(%s)", t->logical == PBUS_LOGICAL_UUID ? "uuid" : "string", value);
        break;
    case TYPE_BYTES:
    case TYPE_FIXED:
        put_bytes(s, t, value);
        break;
    case TYPE_ENUM:
        put(s, "postbus.avro_enum(%s, '%s', ", value, t->name);
        put_names(s, t->n_symbols, symbol_name, t);
        put_text(s, ")");
        break;
    case TYPE_RECORD:
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_UNION:
        put_call(s, t, value, depth);
        break;
    }
}

static void put_refusal(script *s, const char *json_type, const char *reason, const char *name)
{
    put(s, "IF jsonb_typeof(v) <> '%s' THEN RETURN ': ' || postbus.avro_shown(v) || '%s", json_type, reason);
    put(s, "%s'; END IF;\n", name);
}

static void put_record(script *s, const type *t)
{
    put_refusal(s, "object", " is no object for the record ", t->name);
    for (size_t i = 0; i < t->n_fields; i++) {
        const field *f = &t->fields[i];
        put(s, "f := v -> '%s';\n", f->name);
        if (!f->default_bytes)
            put(s, "IF f IS NULL THEN RETURN '.%s: the field is missing and has no default'; END IF;\n",
                f->name);
        put_text(s, f->default_bytes ? "e := CASE WHEN f IS NOT NULL THEN " : "e := ");
        put_check(s, f->type, "f", "depth + 1");
        put(s, "%s;\nIF e IS NOT NULL THEN RETURN '.%s' || e; END IF;\n", f->default_bytes ? " END" : "",
            f->name);
    }
    put_text(s, "f := v - ");
    put_names(s, t->n_fields, field_name, t);
    put(s, ";\nIF f <> '{}' THEN RETURN ': the record %s has no field ' ||", t->name);
    put_text(s, " (SELECT to_json(min(n))::text FROM jsonb_object_keys(f) n); END IF;\n");
}

static void put_array(script *s, const type *t)
{
    put_refusal(s, "array", " is no array", "");
    put_text(s, "FOR i IN 0 .. jsonb_array_length(v) - 1 LOOP\nf := v -> i;\ne := ");
    put_check(s, t->items, "f", "depth + 1");
    put_text(s, ";\nIF e IS NOT NULL THEN RETURN '[' || i || ']' || e; END IF;\nEND LOOP;\n");
}

static void put_map(script *s, const type *t)
{
    put_refusal(s, "object", " is no object for a map", "");
    put_text(s, "FOR k, f IN SELECT m.key, m.value FROM jsonb_each(v) m LOOP\ne := ");
    put_check(s, t->items, "f", "depth + 1");
    put_text(s, ";\nIF e IS NOT NULL THEN RETURN '[' || to_json(k) || ']' || e; END IF;\nEND LOOP;\n");
}

/* ---- unions ---- */

/* What a branch's own refusal has in front of it. */
static void put_branch_path(script *s, const type *t, const type *branch)
{
    if (t->n_branches > 2 && branch->kind != TYPE_NULL)
        put(s, "'|%s' || ", branch->name);
}

/* Whether a tag may be a branch's short name: no full name is the same, nor another's short one. */
static bool short_name_tells(const type *t, size_t branch)
{
    for (size_t i = 0; i < t->n_branches; i++)
        if (strcmp(t->branches[i]->name, t->branches[branch]->short_name) == 0 ||
            (i != branch && strcmp(t->branches[i]->short_name, t->branches[branch]->short_name) == 0))
            return false;
    return true;
}

static void put_tag(script *s, const type *t, const type *branch, const char *tag)
{
    put(s, "IF v ? '%s' AND v - '%s' = '{}' THEN\nf := v -> '%s';\ntagged := ", tag, tag, tag);
    put_check(s, branch, "f", "depth + 1");
    put_text(s, ";\nIF tagged IS NULL THEN RETURN NULL; END IF;\n");
    if (t->n_branches > 2 && branch->kind != TYPE_NULL)
        put(s, "tagged := '|%s' || tagged;\n", branch->name);
    put_text(s, "END IF;\n");
}

typedef bool branch_test(const type *branch);

static bool takes_null(const type *b)
{
    return b->kind == TYPE_NULL;
}

static bool takes_boolean(const type *b)
{
    return b->kind == TYPE_BOOLEAN;
}

static bool takes_array(const type *b)
{
    return b->kind == TYPE_ARRAY;
}

static bool takes_object(const type *b)
{
    return b->kind == TYPE_MAP || b->kind == TYPE_RECORD;
}

static bool takes_string(const type *b)
{
    return human_is_time(b->logical) || b->kind == TYPE_BYTES || b->kind == TYPE_STRING ||
           b->kind == TYPE_ENUM || b->kind == TYPE_FIXED;
}

static bool takes_number(const type *b)
{
    return b->kind == TYPE_INT || b->kind == TYPE_LONG || b->kind == TYPE_FLOAT || b->kind == TYPE_DOUBLE;
}

static bool takes_real(const type *b)
{
    return b->kind == TYPE_FLOAT || b->kind == TYPE_DOUBLE;
}

static bool takes_decimal(const type *b)
{
    return (b->kind == TYPE_BYTES || b->kind == TYPE_FIXED) && b->logical == PBUS_LOGICAL_DECIMAL;
}

static size_t count_branches(const type *t, branch_test *test, const type **out_only)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_branches; i++)
        if (test(t->branches[i])) {
            *out_only = t->branches[i];
            n++;
        }
    return n;
}

static const char *required_name(const type *t, size_t i)
{
    return t->fields[i].default_bytes ? NULL : t->fields[i].name;
}

/* Spares calls that end deep within, as encode_union.c's could_be_record: true where no field lacks and none is strange. */
static void put_could_be_record(script *s, const type *t, const char *value)
{
    put(s, "%s ?& ", value);
    put_names(s, t->n_fields, required_name, t);
    put(s, " AND %s - ", value);
    put_names(s, t->n_fields, field_name, t);
    put_text(s, " = '{}'");
}

/* The kinds of JSON that a scalar may be, as a list of jsonb_typeof's words. */
static const char *kinds_of_scalar(const type *t)
{
    if (takes_real(t))
        return "'number', 'string'";
    if (takes_number(t))
        return takes_string(t) ? "'number', 'string'" : "'number'";
    if (takes_string(t))
        return takes_decimal(t) ? "'number', 'string'" : "'string'";
    return t->kind == TYPE_NULL ? "'null'" : "'boolean'";
}

static void put_could_be(script *s, const type *t, const char *value)
{
    if (t->kind == TYPE_RECORD) {
        put(s, "CASE WHEN jsonb_typeof(%s) <> 'object' THEN false ELSE ", value);
        put_could_be_record(s, t, value);
        put_text(s, " END");
    } else if (t->kind == TYPE_UNION) {
        put(s, "jsonb_typeof(%s) = 'object'", value); /* with a tag, any branch may be */
        for (size_t i = 0; i < t->n_branches; i++) {
            put_text(s, " OR ");
            put_could_be(s, t->branches[i], value);
        }
    } else if (t->kind == TYPE_ARRAY || t->kind == TYPE_MAP) {
        put(s, "jsonb_typeof(%s) = '%s'", value, t->kind == TYPE_ARRAY ? "array" : "object");
    } else {
        put(s, "jsonb_typeof(%s) IN (%s)", value, kinds_of_scalar(t));
    }
}

/* Whether a branch that takes objects is worth a call. */
static void put_guard(script *s, const type *branch)
{
    put_text(s, "IF ");
    if (branch->kind == TYPE_RECORD) {
        put_could_be_record(s, branch, "v");
    } else {
        put_text(s, "NOT EXISTS (SELECT FROM jsonb_each(v) m WHERE NOT (");
        put_could_be(s, branch->items, "m.value");
        put_text(s, "))");
    }
    put_text(s, " THEN\n");
}

/* Of these branches the encoder has an order, so that any that fits will do. */
static void put_any(script *s, const type *t, branch_test *test)
{
    for (size_t i = 0; i < t->n_branches; i++) {
        if (!test(t->branches[i]))
            continue;
        put_text(s, "IF ");
        put_check(s, t->branches[i], "v", "depth + 1");
        put_text(s, " IS NULL THEN RETURN NULL; END IF;\n");
    }
}

/* Of these it has none: a value may fit one of them only. */
static void put_one(script *s, const type *t, branch_test *test)
{
    for (size_t i = 0; i < t->n_branches; i++) {
        if (!test(t->branches[i]))
            continue;
        bool guarded = takes_object(t->branches[i]);
        if (guarded)
            put_guard(s, t->branches[i]);
        put_text(s, "IF ");
        put_check(s, t->branches[i], "v", "depth + 1");
        put(s, " IS NULL THEN\nIF one IS NULL THEN one := '%s';", t->branches[i]->name);
        put(s, " ELSE other := '%s'; END IF;\nEND IF;\n", t->branches[i]->name);
        put_text(s, guarded ? "END IF;\n" : "");
    }
    put_text(s,
             "IF other IS NOT NULL THEN RETURN format(': %s fits the branches %s and %s; write {\"%s\": ...} "
             "or {\"%s\": ...}', postbus.avro_shown(v), one, other, one, other); END IF;\n"
             "IF one IS NOT NULL THEN RETURN NULL; END IF;\n");
}

/* The branches that a kind of JSON value can be for: first those that the encoder prefers, by its own order, then the others, of which only
 * one may fit. A single one tells itself why it does not. */
static void put_kind(script *s, const type *t, const char *json_type, branch_test *any, branch_test *one)
{
    const type *only = NULL;
    size_t n_any = any ? count_branches(t, any, &only) : 0, n_one = count_branches(t, one, &only);
    if (n_any + n_one == 0)
        return;
    put(s, "WHEN '%s' THEN\n", json_type);
    if (n_any + n_one == 1) {
        put_text(s, "IF tagged IS NULL THEN RETURN ");
        put_branch_path(s, t, only);
        put_check(s, only, "v", "depth + 1");
        put_text(s, "; END IF;\n");
    }
    if (n_any > 0)
        put_any(s, t, any);
    if (n_one > 0)
        put_one(s, t, one);
}

/* "NaN" and its like are numbers where nothing else takes them. */
static void put_words(script *s, const type *t)
{
    const type *only = NULL;
    if (count_branches(t, takes_real, &only) == 0)
        return;
    put_text(s, "IF jsonb_typeof(v) = 'string' AND (v #>> '{}') IN ('NaN', 'Infinity', '-Infinity') THEN\n");
    if (count_branches(t, takes_string, &only) > 0)
        put_one(s, t, takes_string);
    put_any(s, t, takes_real);
    put_text(s, "END IF;\n");
}

static void put_union(script *s, const type *t)
{
    put_text(s, "IF jsonb_typeof(v) = 'object' THEN\n");
    for (size_t i = 0; i < t->n_branches; i++) {
        put_tag(s, t, t->branches[i], t->branches[i]->name);
        if (short_name_tells(t, i))
            put_tag(s, t, t->branches[i], t->branches[i]->short_name);
    }
    put_text(s, "END IF;\n");
    put_words(s, t);
    put_text(s, t->n_branches ? "CASE jsonb_typeof(v)\n" : "");
    put_kind(s, t, "null", NULL, takes_null);
    put_kind(s, t, "boolean", NULL, takes_boolean);
    put_kind(s, t, "string", NULL, takes_string);
    put_kind(s, t, "number", takes_number, takes_decimal);
    put_kind(s, t, "array", NULL, takes_array);
    put_kind(s, t, "object", NULL, takes_object);
    put_text(s, t->n_branches ? "ELSE NULL;\nEND CASE;\n" : "");
    put_text(s, "IF tagged IS NOT NULL THEN RETURN tagged; END IF;\n"
                "RETURN ': ' || postbus.avro_shown(v) || ' fits no branch of the union of ");
    for (size_t i = 0; i < t->n_branches; i++)
        put(s, "%s%s", i ? ", " : "", t->branches[i]->name);
    put_text(s, t->n_branches ? "';\n" : "nothing';\n");
}

/* ---- functions ---- */

static void put_function(script *s, const type *t)
{
    put(s,
        "CREATE OR REPLACE FUNCTION %s_%zu(v jsonb, depth int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS "
        "$avro$\n",
        s->prefix, t->id);
    put(s,
        "DECLARE e text; f jsonb; k text; tagged text; one text; other text;\nBEGIN\n"
        "IF depth >= %u THEN RETURN ': values are nested deeper than %u'; END IF;\n",
        PBUS_SCHEMA_MAX_DEPTH - 1, PBUS_SCHEMA_MAX_DEPTH); /* what stands in it is one deeper */
    if (t->kind == TYPE_RECORD)
        put_record(s, t);
    else if (t->kind == TYPE_ARRAY)
        put_array(s, t);
    else if (t->kind == TYPE_MAP)
        put_map(s, t);
    else
        put_union(s, t);
    if (t->kind != TYPE_UNION)
        put_text(s, "RETURN NULL;\n");
    put(s, "END $avro$;\nREVOKE ALL ON FUNCTION %s_%zu(jsonb, int) FROM PUBLIC;\n", s->prefix, t->id);
}

static void put_script(script *s, const type *root)
{
    put(s, "CREATE OR REPLACE FUNCTION %s(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $avro$\n",
        s->prefix);
    put_text(s, "DECLARE e text := ");
    put_check(s, root, "v", "0");
    put(s,
        ";\nBEGIN\nRETURN CASE left(e, 1) WHEN ':' THEN 'the value' || e WHEN '.' THEN substr(e, 2) ELSE e "
        "END;\n"
        "END $avro$;\nREVOKE ALL ON FUNCTION %s(jsonb) FROM PUBLIC;\n",
        s->prefix);
    for (size_t i = 0; i < s->n_queued && !s->out.failed; i++)
        put_function(s, s->queue[i]);
}

pbus_status pbus_schema_check_sql(const pbus_schema *schema, const char *function, pbus_buffer *out,
                                  pbus_error *err)
{
    if (!schema || !function || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL",
                       !schema     ? "the schema"
                       : !function ? "the function's name"
                                   : "out");
    if (strspn(function, "abcdefghijklmnopqrstuvwxyz0123456789_.") != strlen(function) ||
        strlen(function) > 48 || !*function)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "\"%.60s\" is no function's name of a-z, 0-9, _ and . of up to 48 letters", function);
    script s = {.out = {.data = out->data, .size = out->size, .capacity = out->capacity}, .prefix = function};
    s.queue = calloc(schema->n_types + 1, sizeof(type *));
    s.queued = calloc(schema->n_types + 1, sizeof(bool));
    s.out.failed = !s.queue || !s.queued;
    if (!s.out.failed)
        put_script(&s, schema->root);
    free(s.queue);
    free(s.queued);
    bytes_put_u8(&s.out, '\0'); /* not counted */
    size_t kept = s.out.failed ? out->size : s.out.size - 1;
    *out = (pbus_buffer){s.out.data, kept, s.out.capacity};
    return s.out.failed ? failure(err, PBUS_ERROR_MEMORY, "no memory for the functions") : PBUS_OK;
}

/* Random schemas and random JSON, mostly for them: what the check in the database takes is what the encoder takes. */
#include "avro_subject.h"
#include "stage.h"

#include <inttypes.h>
#include <jansson.h>
#include <postbus/schema.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20261130u
#define N_SCHEMAS 100
#define N_VALUES 60
#define MAX_DEPTH 4
#define MAX_SHOWN 20

/* POSTBUS_TEST_SEED and POSTBUS_TEST_ROUNDS: another beginning, and how many schemas. */
static uint64_t of_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

typedef struct dice {
    uint64_t state;
    int n_names; /* that were given to types */
} dice;

static unsigned roll(dice *d, unsigned n)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (unsigned)((d->state >> 11) % n);
}

#define ONE_OF(d, list) (list)[roll(d, sizeof(list) / sizeof *(list))]

/* ---- schemas ---- */

static json_t *draw_type(dice *d, unsigned depth, bool in_union);

static const char *draw_name(dice *d, char name[24])
{
    snprintf(name, 24, "%sT%d", roll(d, 3) ? "" : "x.", d->n_names++);
    return name;
}

static json_t *draw_logical(dice *d)
{
    static const char *const types[][2] = {
        {"int", "date"},
        {"int", "time-millis"},
        {"long", "time-micros"},
        {"long", "timestamp-millis"},
        {"long", "timestamp-micros"},
        {"long", "local-timestamp-millis"},
        {"long", "local-timestamp-micros"},
        {"string", "uuid"},
        {"bytes", "uuid"},
        {"int", "timestamp-millis"},
    };
    const char *const *type = ONE_OF(d, types);
    return json_pack("{s:s,s:s}", "type", type[0], "logicalType", type[1]);
}

static json_t *draw_decimal(dice *d)
{
    static const int precisions[] = {1, 2, 4, 15, 16, 19, 20, 30, 309, 400, 1000};
    int precision = ONE_OF(d, precisions), scale = roll(d, 2) ? 0 : (int)roll(d, (unsigned)precision + 1);
    char name[24];
    json_t *type =
        json_pack("{s:s,s:i,s:i}", "logicalType", "decimal", "precision", precision, "scale", scale);
    json_object_set_new(type, "type", json_string(roll(d, 2) ? "bytes" : "fixed"));
    if (strcmp(json_string_value(json_object_get(type, "type")), "fixed") == 0) {
        json_object_set_new(type, "name", json_string(draw_name(d, name)));
        json_object_set_new(type, "size", json_integer(precision / 2 + 2));
    }
    return type;
}

static json_t *draw_fixed(dice *d)
{
    static const struct {
        int size;
        const char *logical;
    } types[] = {{0, NULL}, {2, NULL}, {12, "duration"}, {16, "uuid"}, {12, NULL}};
    char name[24];
    unsigned i = roll(d, sizeof types / sizeof *types);
    return json_pack("{s:s,s:s,s:i,s:s*}", "type", "fixed", "name", draw_name(d, name), "size", types[i].size,
                     "logicalType", types[i].logical);
}

static json_t *draw_enum(dice *d)
{
    char name[24];
    return json_pack("{s:s,s:s,s:[s,s]}", "type", "enum", "name", draw_name(d, name), "symbols", "A",
                     roll(d, 2) ? "NaN" : "B");
}

static json_t *draw_record(dice *d, unsigned depth)
{
    static const char *const names[] = {"a", "b", "c", "int", "map"};
    char name[24];
    json_t *fields = json_array();
    json_t *record =
        json_pack("{s:s,s:s,s:o}", "type", "record", "name", draw_name(d, name), "fields", fields);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (roll(d, 2))
            continue;
        json_t *field = json_pack("{s:s}", "name", names[i]);
        switch (roll(d, 4)) {
        case 0: /* with a default */
            json_object_set_new(field, "type", json_pack("[s,o]", "null", draw_type(d, 0, true)));
            json_object_set_new(field, "default", json_null());
            break;
        default:
            json_object_set_new(field, "type", draw_type(d, depth, false));
        }
        json_array_append_new(fields, field);
    }
    return record;
}

static json_t *draw_union(dice *d, unsigned depth)
{
    json_t *branches = json_array();
    for (unsigned n = roll(d, 5); n > 0; n--)
        json_array_append_new(branches, draw_type(d, depth, true));
    return branches;
}

static json_t *draw_type(dice *d, unsigned depth, bool in_union)
{
    static const char *const primitive[] = {"null",  "boolean", "int",   "long",
                                            "float", "double",  "bytes", "string"};
    switch (roll(d, depth > 0 ? 12 : 8)) {
    case 0:
    case 1:
    case 2:
        return json_string(ONE_OF(d, primitive));
    case 3:
        return draw_logical(d);
    case 4:
    case 5:
        return draw_decimal(d);
    case 6:
        return draw_fixed(d);
    case 7:
        return draw_enum(d);
    case 8:
        return json_pack("{s:s,s:o}", "type", "array", "items", draw_type(d, depth - 1, false));
    case 9:
        return json_pack("{s:s,s:o}", "type", "map", "values", draw_type(d, depth - 1, false));
    case 10:
        return draw_record(d, depth - 1);
    default:
        return in_union ? draw_record(d, depth - 1) : draw_union(d, depth - 1);
    }
}

/* Unions may come out with a type twice: those are drawn again. */
static char *draw_schema(dice *d)
{
    for (;;) {
        pbus_schema *schema = NULL;
        pbus_error err;
        json_t *type = draw_type(d, MAX_DEPTH, false);
        char *text = json_dumps(type, JSON_ENCODE_ANY | JSON_COMPACT);
        json_decref(type);
        assert_non_null(text);
        pbus_status status = pbus_schema_parse(text, strlen(text), NULL, 0, &schema, &err);
        pbus_schema_free(schema);
        if (status == PBUS_OK)
            return text;
        free(text);
    }
}

/* ---- values ---- */

static void put_digits(dice *d, FILE *out, unsigned most)
{
    unsigned n = 1 + roll(d, most), kind = roll(d, 3);
    for (unsigned i = 0; i < n; i++)
        fputc(kind == 0            ? '9'
              : kind == 1 && i > 0 ? '0'
              : i > 0              ? (int)('0' + roll(d, 10))
                                   : (int)('1' + roll(d, 9)),
              out);
}

static void put_number(dice *d, FILE *out)
{
    static const char *const edges[] = {
        "0",
        "-0",
        "-0.0",
        "0e5",
        "1",
        "5.0",
        "-1.50",
        "0.05",
        "127",
        "-128",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "2147483647.0",
        "21474836470e-1",
        "9007199254740992.0",
        "9007199254740993.0",
        "9007199254740993e0",
        "-9007199254740993e0",
        "9007199254740992.9",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "9223372036854775807.0",
        "9223372036854775807e0",
        "-9223372036854775808.0",
        "922337203685477580.7e1",
        "1e18",
        "1e19",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "-1.7976931348623158e308",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "1e-310",
        "5e-324",
        "4.9e-324",
        "1e-330",
        "-1e-330",
        "1e-400",
        "3.4028234663852886e38",
        "3.4028235677973366e38",
        "3.4028235677973365e38",
        "1.00000000000000000000000001",
        "0.1000000000000000055511151231257827",
        "1e0000000000000000000001",
        "0.30000000000000004",
        "123456789012345678.9e1",
        "0.00000000000000000000000000000000000000000000000000000000000000000000000000001e77",
    };
    if (roll(d, 2)) {
        fputs(ONE_OF(d, edges), out);
        return;
    }
    fputs(roll(d, 3) ? "" : "-", out);
    if (roll(d, 4))
        put_digits(d, out, roll(d, 8) ? 20 : 320);
    else
        fputc('0', out);
    if (roll(d, 2)) {
        fputc('.', out);
        for (unsigned zeros = roll(d, 3) ? 0 : roll(d, 20); zeros > 0; zeros--)
            fputc('0', out);
        put_digits(d, out, 20);
    }
    if (roll(d, 2))
        fprintf(out, "%s%u", roll(d, 2) ? "e" : roll(d, 2) ? "E-" : "e+", roll(d, roll(d, 6) ? 22 : 340));
}

static void put_text(dice *d, FILE *out)
{
    static const char *const texts[] = {
        "",
        "a",
        "A",
        "B",
        "C",
        "NaN",
        "Infinity",
        "-Infinity",
        "AP8=",
        "AP8A",
        "AAAA",
        "AAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "AB==",
        "\\u00e9",
        "\\u0001",
        "\\ud83d\\ude00",
        "1970-01-01",
        "2024-02-29",
        "2023-02-29",
        "14:03:05",
        "14:03:05.123",
        "14:03:05.123456",
        "2026-11-25T14:03:05Z",
        "2026-11-25 14:03:05.123+01:00",
        "2026-11-25T14:03:05",
        "2026-11-25T14:03:05.1234560",
        "00000000-0000-0000-0000-00000000000a",
        "00000000-0000-0000-0000-00000000000",
        "P1M2DT3.004S",
        "P1Y",
        "PT",
        "P4294967296D",
        "1234e-2",
        "+1",
        ".5",
        "5.",
        "1e",
        "-0",
        " 1",
        "1\\n",
        "AP8=\\n",
        "1970-01-01\\n",
    };
    fputc('"', out);
    if (roll(d, 4))
        fputs(ONE_OF(d, texts), out);
    else
        put_number(d, out);
    fputc('"', out);
}

static void put_any(dice *d, FILE *out, unsigned depth)
{
    static const char *const simple[] = {"null", "true", "false", "{}", "[]"};
    static const char *const keys[] = {"a",      "b",     "int",  "long", "map",  "array", "string",
                                       "double", "bytes", "null", "T0",   "x.T1", "T2"};
    switch (roll(d, depth > 0 ? 5 : 3)) {
    case 0:
        fputs(ONE_OF(d, simple), out);
        break;
    case 1:
        put_number(d, out);
        break;
    case 2:
        put_text(d, out);
        break;
    case 3:
        fprintf(out, "{\"%s\":", ONE_OF(d, keys));
        put_any(d, out, depth - 1);
        fputc('}', out);
        break;
    default:
        fputc('[', out);
        put_any(d, out, depth - 1);
        fputc(']', out);
    }
}

static void put_value(dice *d, FILE *out, const json_t *type);

static void put_record(dice *d, FILE *out, const json_t *type)
{
    size_t i;
    const json_t *field;
    const char *comma = "";
    fputc('{', out);
    json_array_foreach(json_object_get(type, "fields"), i, field)
    {
        if (roll(d, 8) == 0)
            continue;
        fprintf(out, "%s\"%s\":", comma, json_string_value(json_object_get(field, "name")));
        put_value(d, out, json_object_get(field, "type"));
        comma = ",";
    }
    fputs(roll(d, 16) ? "}" : *comma ? ",\"z\":0}" : "\"z\":0}", out);
}

static void put_items(dice *d, FILE *out, const json_t *type, bool keys)
{
    static const char *const names[] = {"a", "string", "map"};
    unsigned n = roll(d, 3);
    fputc(keys ? '{' : '[', out);
    for (unsigned i = 0; i < n; i++) {
        if (keys)
            fprintf(out, "%s\"%s\":", i ? "," : "", names[(i + n) % 3]);
        else
            fputs(i ? "," : "", out);
        put_value(d, out, type);
    }
    fputc(keys ? '}' : ']', out);
}

static const char *tag_of(const json_t *branch)
{
    const char *name = json_string_value(json_object_get(branch, "name"));
    if (name)
        return name;
    return json_string_value(json_is_string(branch) ? branch : json_object_get(branch, "type"));
}

static void put_union(dice *d, FILE *out, const json_t *type)
{
    if (json_array_size(type) == 0) {
        put_any(d, out, 1);
        return;
    }
    const json_t *branch = json_array_get(type, roll(d, (unsigned)json_array_size(type)));
    bool tagged = roll(d, 3) == 0;
    const char *tag = tag_of(branch), *dot = strchr(tag, '.');
    if (tagged)
        fprintf(out, "{\"%s\":", dot && roll(d, 2) ? dot + 1 : tag);
    put_value(d, out, branch);
    fputs(tagged ? "}" : "", out);
}

static void put_word(dice *d, FILE *out, const char *word)
{
    if (strcmp(word, "null") == 0)
        fputs("null", out);
    else if (strcmp(word, "boolean") == 0)
        fputs(roll(d, 2) ? "true" : "false", out);
    else if (strcmp(word, "string") == 0 || strcmp(word, "bytes") == 0 || strcmp(word, "fixed") == 0 ||
             strcmp(word, "enum") == 0)
        put_text(d, out);
    else
        put_number(d, out);
}

static void put_value(dice *d, FILE *out, const json_t *type)
{
    const char *word = json_string_value(json_is_object(type) ? json_object_get(type, "type") : type);
    if (roll(d, 12) == 0)
        put_any(d, out, 2);
    else if (json_is_array(type))
        put_union(d, out, type);
    else if (strcmp(word, "record") == 0)
        put_record(d, out, type);
    else if (strcmp(word, "array") == 0)
        put_items(d, out, json_object_get(type, "items"), false);
    else if (strcmp(word, "map") == 0)
        put_items(d, out, json_object_get(type, "values"), true);
    else if (json_is_object(type) && json_object_get(type, "logicalType") && roll(d, 2))
        roll(d, 2) ? put_number(d, out) : put_text(d, out);
    else
        put_word(d, out, word);
}

static char *draw_value(dice *d, const json_t *type)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    put_value(d, out, type);
    fclose(out);
    return text;
}

/* ---- judgement ---- */

typedef struct verdicts {
    uint64_t n_taken, n_different;
} verdicts;

static void judge(PGconn *conn, const pbus_schema *schema, const char *schema_text, const char *value,
                  verdicts *v)
{
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_error err = {.message = "it fits"};
    pbus_status status = pbus_schema_encode_json(schema, value, strlen(value), PBUS_JSON_PLAIN, &bytes, &err);
    PGresult *row = PQexecPrepared(conn, "judge", 1, &value, NULL, NULL, 0);
    if (PQresultStatus(row) != PGRES_TUPLES_OK)
        fail_msg("%s of %s: %s", value, schema_text, PQerrorMessage(conn));
    const char *said = PQgetisnull(row, 0, 0) ? "it fits" : PQgetvalue(row, 0, 0);
    v->n_taken += status == PBUS_OK;
    if ((status == PBUS_OK) != PQgetisnull(row, 0, 0) && v->n_different++ < MAX_SHOWN)
        print_error("%s of %s: the database says: %s; the encoder: %s\n", value, schema_text, said,
                    status == PBUS_OK ? "it fits" : err.message);
    PQclear(row);
    pbus_buffer_done(&bytes);
}

static void what_the_database_takes_is_what_the_encoder_takes(void **state)
{
    (void)state;
    dice d = {.state = of_environment("POSTBUS_TEST_SEED", SEED) * 2654435769u + 1};
    uint64_t n_schemas = of_environment("POSTBUS_TEST_ROUNDS", N_SCHEMAS);
    verdicts v = {0};
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "SET search_path = pg_catalog, pg_temp; SET check_function_bodies = off");
    for (uint64_t i = 0; i < n_schemas; i++) {
        d.n_names = 0;
        char *text = draw_schema(&d);
        json_t *type = json_loads(text, JSON_DECODE_ANY, NULL);
        pbus_schema *schema = avro_schema(text);
        avro_make_check(owner, schema, "postbus.avro_0");
        pg_run(owner, "DEALLOCATE ALL; PREPARE judge (text) AS SELECT postbus.avro_0($1::jsonb)");
        for (int j = 0; j < N_VALUES; j++) {
            char *value = draw_value(&d, type);
            judge(owner, schema, text, value, &v);
            free(value);
        }
        pbus_schema_free(schema);
        json_decref(type);
        free(text);
    }
    print_message("%" PRIu64 " of %" PRIu64 " values fit\n", v.n_taken, n_schemas * N_VALUES);
    assert_int_equal(v.n_different, 0);
    assert_true(v.n_taken > n_schemas * N_VALUES / 5); /* else they prove little */
    assert_true(v.n_taken < n_schemas * N_VALUES * 4 / 5);
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_database_takes_is_what_the_encoder_takes),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}

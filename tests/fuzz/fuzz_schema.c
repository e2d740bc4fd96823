/* Reads any text as an Avro schema: what is taken has a canonical form that is its own, can read itself, and its defaults decode. Behind a NUL
 * an earlier schema may stand: the two are compared, and what is compatible can be decoded. */
#include <postbus/schema.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Whether the canonical form defines types both with a namespace and without one. The latter may stand within the former, where the form, which
 * has no namespaces but those of names, reads as another. */
static bool mixes_namespaces(const char *form)
{
    static const char *const words[] = {"\",\"type\":\"record\"", "\",\"type\":\"enum\"",
                                        "\",\"type\":\"fixed\""};
    bool with = false, without = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (const char *end = form; (end = strstr(end, words[i])); end++) {
            const char *from = end;
            while (from[-1] != '"')
                from--;
            bool dot = memchr(from, '.', (size_t)(end - from)) != NULL;
            with |= dot;
            without |= !dot;
        }
    return with && without;
}

static void check_canonical(const pbus_schema *schema)
{
    const char *form = pbus_schema_canonical(schema);
    pbus_schema *again = NULL;
    pbus_error err;
    if (mixes_namespaces(form))
        return;
    pbus_status status = pbus_schema_parse(form, strlen(form), NULL, 0, &again, &err);
    /* The canonical form may have more nesting than the text: each definition is written where it is first used. */
    must(status == PBUS_OK || status == PBUS_ERROR_LIMIT);
    if (status == PBUS_OK) {
        must(strcmp(pbus_schema_canonical(again), form) == 0);
        must(pbus_schema_fingerprint(again) == pbus_schema_fingerprint(schema));
    }
    pbus_schema_free(again);
}

static void check(pbus_schema *schema)
{
    const pbus_schema *earlier[] = {schema};
    pbus_decoder *decoder = NULL;
    pbus_error err;
    check_canonical(schema);
    pbus_status status =
        pbus_schema_compare(schema, earlier, 1, PBUS_COMPATIBILITY_FULL_TRANSITIVE, NULL, &err);
    must(status == PBUS_OK || status == PBUS_ERROR_LIMIT);
    must(pbus_decoder_new(schema, schema, NULL, &decoder, &err) == status);
    pbus_decoder_free(decoder);
}

/* What is told has a path and a reason, and is of these two; of a schema and itself nothing is. */
static size_t check_meaning(const pbus_schema *schema, const pbus_schema *earlier)
{
    pbus_incompatibilities shifts = {0};
    pbus_error err;
    pbus_status status =
        pbus_schema_compare_meaning(schema, &earlier, 1, PBUS_COMPATIBILITY_FULL, &shifts, &err);
    must(status == PBUS_OK || status == PBUS_ERROR_LIMIT);
    must(status == PBUS_OK || shifts.n_items == 0);
    size_t n = shifts.n_items;
    for (size_t i = 0; i < n; i++)
        must(shifts.items[i].earlier == 0 && shifts.items[i].path[0] && shifts.items[i].reason[0]);
    must(schema != earlier || n == 0);
    pbus_incompatibilities_done(&shifts);
    return n;
}

static void check_pair(pbus_schema *schema, pbus_schema *earlier)
{
    const pbus_schema *one = earlier;
    pbus_incompatibilities found = {0};
    pbus_decoder *decoder = NULL;
    pbus_error err;
    must(check_meaning(schema, earlier) == check_meaning(earlier, schema));
    pbus_status status = pbus_schema_compare(schema, &one, 1, PBUS_COMPATIBILITY_BACKWARD, &found, &err);
    must(status == PBUS_OK || status == PBUS_ERROR_LIMIT || status == PBUS_ERROR_INCOMPATIBLE);
    must((status == PBUS_ERROR_INCOMPATIBLE) == (found.n_items > 0));
    pbus_incompatibilities_done(&found);
    pbus_status made = pbus_decoder_new(earlier, schema, NULL, &decoder, &err);
    must(made == status ||
         status == PBUS_ERROR_INCOMPATIBLE); /* some values of which may decode all the same */
    must(made == PBUS_OK || made == PBUS_ERROR_LIMIT || made == PBUS_ERROR_INCOMPATIBLE);
    pbus_decoder_free(decoder);
}

static pbus_schema *read_schema(const uint8_t *data, size_t size)
{
    pbus_schema *schema = NULL;
    pbus_error err;
    pbus_status status = pbus_schema_parse((const char *)data, size, NULL, 0, &schema, &err);
    if (status != PBUS_OK) {
        must(status == PBUS_ERROR_AVRO_SCHEMA || status == PBUS_ERROR_LIMIT);
        must(err.status == status && err.message[0]);
        return NULL;
    }
    check(schema);
    check_meaning(schema, schema);
    return schema;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t first = end ? (size_t)(end - data) : size;
    pbus_schema *schema = read_schema(data, first);
    if (schema && end) {
        pbus_schema *earlier = read_schema(end + 1, size - first - 1);
        if (earlier)
            check_pair(schema, earlier);
        pbus_schema_free(earlier);
    }
    pbus_schema_free(schema);
    return 0;
}

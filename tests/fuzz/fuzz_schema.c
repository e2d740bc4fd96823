/* Reads any text as an Avro schema: what is taken has a canonical form that is its own, can read itself, and its defaults decode. */
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

static void check(pbus_schema *schema)
{
    const char *form = pbus_schema_canonical(schema);
    const pbus_schema *earlier[] = {schema};
    pbus_schema *again = NULL;
    pbus_decoder *decoder = NULL;
    pbus_error err;
    pbus_status status = pbus_schema_parse(form, strlen(form), NULL, 0, &again, &err);
    /* The canonical form may have more nesting than the text: each definition is written where it is first used. */
    must(status == PBUS_OK || status == PBUS_ERROR_LIMIT);
    if (status == PBUS_OK) {
        must(strcmp(pbus_schema_canonical(again), form) == 0);
        must(pbus_schema_fingerprint(again) == pbus_schema_fingerprint(schema));
    }
    pbus_schema_free(again);
    status = pbus_schema_compare(schema, earlier, 1, PBUS_COMPATIBILITY_FULL_TRANSITIVE, NULL, &err);
    must(status == PBUS_OK || status == PBUS_ERROR_LIMIT);
    must(pbus_decoder_new(schema, schema, NULL, &decoder, &err) == status);
    pbus_decoder_free(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pbus_schema *schema = NULL;
    pbus_error err;
    pbus_status status = pbus_schema_parse((const char *)data, size, NULL, 0, &schema, &err);
    if (status == PBUS_OK) {
        check(schema);
        pbus_schema_free(schema);
    } else {
        must(status == PBUS_ERROR_AVRO_SCHEMA || status == PBUS_ERROR_LIMIT);
        must(err.status == status && err.message[0]);
    }
    return 0;
}

/* Encodes any text as JSON by several schemas (the first byte chooses schema and form): it is refused, or decodes to JSON that encodes to the same bytes. */
#include <postbus/schema.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "avro_pairs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pbus_schema *schemas[AVRO_N_PAIRS];
static pbus_decoder *decoders[AVRO_N_PAIRS];

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void begin(void)
{
    pbus_error err;
    for (size_t i = 0; i < AVRO_N_PAIRS && !schemas[i]; i++) {
        const char *text = avro_pairs[i][1];
        must(pbus_schema_parse(text, strlen(text), NULL, 0, &schemas[i], &err) == PBUS_OK);
        must(pbus_decoder_new(schemas[i], schemas[i], NULL, &decoders[i], &err) == PBUS_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pbus_buffer bytes = PBUS_BUFFER_INIT, json = PBUS_BUFFER_INIT, again = PBUS_BUFFER_INIT;
    pbus_error err;
    begin();
    if (size == 0)
        return 0;
    size_t at = data[0] % AVRO_N_PAIRS;
    pbus_json_form form = data[0] & 0x80 ? PBUS_JSON_PLAIN : PBUS_JSON_AVRO;
    pbus_status status =
        pbus_schema_encode_json(schemas[at], (const char *)data + 1, size - 1, form, &bytes, &err);
    must(status == PBUS_OK || status == PBUS_ERROR_MISFIT || status == PBUS_ERROR_LIMIT);
    if (status == PBUS_OK) {
        /* Avro's form, which is never ambiguous, whatever form came in. What is nested deepest for the encoder is too deep for the decoder. */
        status = pbus_decoder_json(decoders[at], bytes.data, bytes.size, PBUS_JSON_AVRO, &json, &err);
        must(status == PBUS_OK || status == PBUS_ERROR_LIMIT);
    }
    if (status == PBUS_OK) {
        must(pbus_schema_encode_json(schemas[at], (const char *)json.data, json.size, PBUS_JSON_AVRO, &again,
                                     &err) == PBUS_OK);
        must(again.size == bytes.size &&
             (bytes.size == 0 || memcmp(again.data, bytes.data, bytes.size) == 0));
    }
    pbus_buffer_done(&bytes);
    pbus_buffer_done(&json);
    pbus_buffer_done(&again);
    return 0;
}

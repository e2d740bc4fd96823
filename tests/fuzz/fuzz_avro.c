/* Decodes any bytes by pairs of schemas (the first byte chooses): they are refused, or become JSON that encodes and decodes to the same again. */
#include <postbus/schema.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "avro_pairs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pbus_schema *readers[AVRO_N_PAIRS];
static pbus_decoder *decoders[AVRO_N_PAIRS], *own[AVRO_N_PAIRS];

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void begin(void)
{
    pbus_decode_limits limits = PBUS_DECODE_LIMITS_INIT;
    pbus_error err;
    limits.max_values = 100000;
    for (size_t i = 0; i < AVRO_N_PAIRS && !readers[i]; i++) {
        pbus_schema *writer;
        const char *const *pair = avro_pairs[i];
        must(pbus_schema_parse(pair[0], strlen(pair[0]), NULL, 0, &writer, &err) == PBUS_OK);
        must(pbus_schema_parse(pair[1], strlen(pair[1]), NULL, 0, &readers[i], &err) == PBUS_OK);
        must(pbus_decoder_new(writer, readers[i], &limits, &decoders[i], &err) == PBUS_OK);
        must(pbus_decoder_new(readers[i], readers[i], NULL, &own[i], &err) == PBUS_OK);
        pbus_schema_free(writer);
    }
}

static bool same(const pbus_buffer *a, const pbus_buffer *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* What the decoder wrote must be taken by the encoder, and its bytes must stay the same from then on; the JSON may not: it has the fields in the
 * order of the bytes, and those of the writer had another. A key that comes twice in the bytes, or holds a NUL, is the only thing that JSON cannot
 * say; and a plain union can be ambiguous. */
static void check_again(size_t pair, const pbus_buffer *json, pbus_json_form form)
{
    pbus_buffer bytes = PBUS_BUFFER_INIT, again = PBUS_BUFFER_INIT, bytes_again = PBUS_BUFFER_INIT;
    pbus_error err;
    pbus_status status =
        pbus_schema_encode_json(readers[pair], (const char *)json->data, json->size, form, &bytes, &err);
    if (status == PBUS_OK) {
        must(pbus_decoder_json(own[pair], bytes.data, bytes.size, form, &again, &err) == PBUS_OK);
        status = pbus_schema_encode_json(readers[pair], (const char *)again.data, again.size, form,
                                         &bytes_again, &err);
        must(form == PBUS_JSON_PLAIN || (status == PBUS_OK && same(&bytes, &bytes_again)));
    } else {
        must(status == PBUS_ERROR_MISFIT && (form == PBUS_JSON_PLAIN || strstr(err.message, "no JSON")));
    }
    pbus_buffer_done(&bytes);
    pbus_buffer_done(&again);
    pbus_buffer_done(&bytes_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    if (size == 0)
        return 0;
    size_t pair = data[0] % AVRO_N_PAIRS;
    /* Of their own size, so that a byte read behind them is seen. */
    unsigned char *bytes = malloc(size);
    must(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    for (int form = PBUS_JSON_AVRO; form <= PBUS_JSON_PLAIN; form++) {
        pbus_buffer json = PBUS_BUFFER_INIT;
        pbus_error err;
        pbus_status status =
            pbus_decoder_json(decoders[pair], bytes, size - 1, (pbus_json_form)form, &json, &err);
        if (status == PBUS_OK)
            check_again(pair, &json, (pbus_json_form)form);
        else
            must((status == PBUS_ERROR_CORRUPT || status == PBUS_ERROR_LIMIT ||
                  status == PBUS_ERROR_INCOMPATIBLE) &&
                 json.size == 0);
        pbus_buffer_done(&json);
    }
    free(bytes);
    return 0;
}

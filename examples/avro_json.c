/* Decodes with one schema; it looks up no other, whatever id the frame has. */
#include "avro_json.h"

#include <stdio.h>

#define MOST_BYTES 65536

pbus_decoder *avro_json_open(const char *path)
{
    static char text[MOST_BYTES];
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return NULL;
    }
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    pbus_error err;
    pbus_schema *schema = NULL;
    pbus_decoder *decoder = NULL;
    if (pbus_schema_parse(text, size, NULL, 0, &schema, &err) != PBUS_OK ||
        pbus_decoder_new(schema, schema, NULL, &decoder, &err) != PBUS_OK)
        fprintf(stderr, "%s: %s\n", path, err.message);
    pbus_schema_free(schema);
    return decoder;
}

bool avro_json(const pbus_decoder *decoder, const void *data, size_t size, pbus_buffer *out)
{
    pbus_frame frame;
    pbus_error err;
    if (pbus_frame_read(data, size, PBUS_FRAMING_CONFLUENT, &frame, &err) == PBUS_OK &&
        pbus_decoder_json(decoder, (const char *)data + frame.size_bytes, size - frame.size_bytes,
                          PBUS_JSON_PLAIN, out, &err) == PBUS_OK)
        return true;
    fprintf(stderr, "a value cannot be decoded: %s\n", err.message);
    return false;
}

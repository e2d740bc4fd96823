/* The public way from JSON to bytes; must leave the caller's buffer as it was where the value is refused. */
#include <string.h>

#include "encode.h"
#include "failure.h"
#include "json_text.h"

/* Steps that a text may take, trials of unions' branches included: honest ones take a few for each value, and a value has a byte at least. */
#define ENCODE_STEPS 1000000u
#define ENCODE_STEPS_A_BYTE 64u

static pbus_status encode_text(const pbus_schema *schema, const char *json, size_t size, encoding *e)
{
    json_error_t why;
    json_t *value = json_text_read(json, size, &why);
    if (!value && json_error_code(&why) == json_error_out_of_memory)
        return failure(e->err, PBUS_ERROR_MEMORY, "no memory for the value");
    if (!value)
        return failure(e->err, PBUS_ERROR_MISFIT, "the value is no JSON: %s, at line %d, column %d", why.text,
                       why.line, why.column);
    reals numbers = {.root = value, .text = json, .size = size};
    e->numbers = &numbers;
    if (encode_json(e, schema->root, value, NULL) && e->out.failed)
        e->status = failure(e->err, PBUS_ERROR_MEMORY, "no memory for the value");
    e->numbers = NULL;
    reals_done(&numbers);
    json_decref(value);
    return e->status;
}

pbus_status pbus_schema_encode_json(const pbus_schema *schema, const char *json, size_t size,
                                    pbus_json_form form, pbus_buffer *out, pbus_error *err)
{
    if (!schema || !json || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL",
                       !schema ? "the schema"
                       : !json ? "the JSON"
                               : "out");
    if (form != PBUS_JSON_AVRO && form != PBUS_JSON_PLAIN)
        return failure(err, PBUS_ERROR_ARGUMENT, "%d is no form of JSON", (int)form);
    encoding e = {.out = {.data = out->data, .size = 0, .capacity = 0},
                  .form = form == PBUS_JSON_AVRO ? ENCODE_AVRO : ENCODE_PLAIN,
                  .values_left = ENCODE_STEPS + (uint64_t)size * ENCODE_STEPS_A_BYTE,
                  .err = err};
    e.out.size = out->size;
    e.most_bytes = out->size + PBUS_SCHEMA_MAX_VALUE_BYTES;
    e.out.capacity = out->capacity;
    pbus_status status = encode_text(schema, json, size, &e);
    size_t kept = status == PBUS_OK ? e.out.size : out->size;
    *out = (pbus_buffer){e.out.data, kept, e.out.capacity};
    return status;
}

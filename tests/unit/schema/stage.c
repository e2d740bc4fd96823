/* Runs schemas on texts; must never hide a failure. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

static char said[65536];

static const char *stage_failure(pbus_status status, const pbus_error *err)
{
    assert_int_equal(err->status, status);
    snprintf(said, sizeof said, "%s: %s", pbus_status_name(status) + strlen("PBUS_ERROR_"), err->message);
    return said;
}

pbus_schema *stage_schema(const char *text)
{
    pbus_schema *schema = NULL;
    pbus_error err;
    if (pbus_schema_parse(text, strlen(text), NULL, 0, &schema, &err) != PBUS_OK)
        fail_msg("%s: %s", text, err.message);
    return schema;
}

const char *stage_refusal(const char *text)
{
    pbus_schema *schema = NULL;
    pbus_error err;
    pbus_status status = pbus_schema_parse(text, strlen(text), NULL, 0, &schema, &err);
    if (status != PBUS_OK)
        return stage_failure(status, &err);
    pbus_schema_free(schema);
    return "taken";
}

static const char *stage_hex(const pbus_buffer *bytes)
{
    assert_true(bytes->size * 2 < sizeof said);
    for (size_t i = 0; i < bytes->size; i++)
        sprintf(said + 2 * i, "%02x", bytes->data[i]);
    said[2 * bytes->size] = '\0';
    return said;
}

const char *stage_encode(const char *schema_text, const char *json, pbus_json_form form)
{
    pbus_schema *schema = stage_schema(schema_text);
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_error err;
    pbus_status status = pbus_schema_encode_json(schema, json, strlen(json), form, &bytes, &err);
    const char *result = status == PBUS_OK ? stage_hex(&bytes) : stage_failure(status, &err);
    if (status != PBUS_OK)
        assert_int_equal(bytes.size, 0);
    pbus_buffer_done(&bytes);
    pbus_schema_free(schema);
    return result;
}

size_t stage_bytes(const char *hex, unsigned char *out)
{
    size_t n = 0;
    unsigned byte;
    for (int used; sscanf(hex, " %2x%n", &byte, &used) == 1; hex += used)
        out[n++] = (unsigned char)byte;
    return n;
}

/* The bytes are in memory of their exact size, so that a sanitizer sees what is read behind them. */
static const char *stage_read(pbus_schema *writer, pbus_schema *reader, const unsigned char *data,
                              size_t size, pbus_json_form form)
{
    pbus_buffer json = PBUS_BUFFER_INIT;
    pbus_decoder *decoder = NULL;
    pbus_error err;
    unsigned char *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, data, size);
    pbus_status status = pbus_decoder_new(writer, reader, NULL, &decoder, &err);
    if (status == PBUS_OK)
        status = pbus_decoder_json(decoder, exact, size, form, &json, &err);
    const char *result = said;
    if (status == PBUS_OK)
        snprintf(said, sizeof said, "%.*s", (int)json.size, (char *)json.data);
    else
        result = stage_failure(status, &err);
    pbus_decoder_free(decoder);
    pbus_buffer_done(&json);
    free(exact);
    return result;
}

const char *stage_decode(const char *writer, const char *reader, const char *hex, pbus_json_form form)
{
    pbus_schema *w = stage_schema(writer), *r = stage_schema(reader);
    unsigned char data[4096];
    size_t size = stage_bytes(hex, data);
    const char *result = stage_read(w, r, data, size, form);
    pbus_schema_free(w);
    pbus_schema_free(r);
    return result;
}

const char *stage_resolve(const char *writer, const char *reader, const char *json)
{
    pbus_schema *w = stage_schema(writer), *r = stage_schema(reader);
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_error err;
    if (pbus_schema_encode_json(w, json, strlen(json), PBUS_JSON_PLAIN, &bytes, &err) != PBUS_OK)
        fail_msg("%s as %s: %s", json, writer, err.message);
    const char *result =
        stage_read(w, r, bytes.data ? bytes.data : (const unsigned char *)"", bytes.size, PBUS_JSON_PLAIN);
    pbus_buffer_done(&bytes);
    pbus_schema_free(w);
    pbus_schema_free(r);
    return result;
}

void stage_expect_failure(const char *name, const char *text, const char *status, const char *part)
{
    size_t size = strlen(status);
    if (strncmp(text, status, size) != 0 || text[size] != ':' || !strstr(text, part))
        fail_msg("%s: wanted %s with \"%s\", got: %s", name, status, part, text);
}

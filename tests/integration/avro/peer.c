/* Does what another program asks for, a line of JSON each, by libpostbus_schema: so that tests in any language can use it. */
#include <jansson.h>
#include <postbus/schema.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *word(const json_t *ask, const char *name)
{
    const char *text = json_string_value(json_object_get(ask, name));
    return text ? text : "";
}

static json_t *fault(const pbus_error *err)
{
    return json_pack("{s:s, s:s}", "status", pbus_status_name(err->status), "error", err->message);
}

static pbus_schema *schema_of(const json_t *ask, const char *name, pbus_error *err)
{
    pbus_schema *schema = NULL;
    const char *text = word(ask, name);
    return pbus_schema_parse(text, strlen(text), NULL, 0, &schema, err) == PBUS_OK ? schema : NULL;
}

static pbus_json_form form_of(const json_t *ask)
{
    return strcmp(word(ask, "form"), "plain") == 0 ? PBUS_JSON_PLAIN : PBUS_JSON_AVRO;
}

static json_t *hex_of(const pbus_buffer *bytes)
{
    char *text = malloc(bytes->size * 2 + 1);
    for (size_t i = 0; text && i < bytes->size; i++)
        sprintf(text + 2 * i, "%02x", bytes->data[i]);
    if (text)
        text[bytes->size * 2] = '\0';
    json_t *answer = json_pack("{s:s}", "hex", text ? text : "");
    free(text);
    return answer;
}

static size_t bytes_of(const char *hex, unsigned char *out)
{
    size_t n = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (unsigned char)byte;
    return n;
}

static json_t *encode(const json_t *ask)
{
    pbus_error err;
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_frame frame = {.framing = (pbus_framing)json_integer_value(json_object_get(ask, "framing")),
                        .schema_id = (int32_t)json_integer_value(json_object_get(ask, "id"))};
    pbus_schema *schema = schema_of(ask, "schema", &err);
    if (!schema)
        return fault(&err);
    frame.fingerprint = pbus_schema_fingerprint(schema);
    pbus_status status = pbus_frame_put(&frame, &bytes, &err);
    if (status == PBUS_OK)
        status = pbus_schema_encode_json(schema, word(ask, "json"), strlen(word(ask, "json")), form_of(ask),
                                         &bytes, &err);
    json_t *answer = status == PBUS_OK ? hex_of(&bytes) : fault(&err);
    pbus_buffer_done(&bytes);
    pbus_schema_free(schema);
    return answer;
}

static pbus_status read_value(const json_t *ask, pbus_schema *writer, pbus_schema *reader, pbus_buffer *json,
                              pbus_frame *frame, pbus_error *err)
{
    pbus_decoder *decoder = NULL;
    unsigned char *data = malloc(strlen(word(ask, "hex")) / 2 + 1);
    if (!data)
        return err->status = PBUS_ERROR_MEMORY;
    size_t size = bytes_of(word(ask, "hex"), data);
    pbus_status status = pbus_frame_read(
        data, size, (pbus_framing)json_integer_value(json_object_get(ask, "framing")), frame, err);
    if (status == PBUS_OK)
        status = pbus_decoder_new(writer, reader, NULL, &decoder, err);
    if (status == PBUS_OK)
        status = pbus_decoder_json(decoder, data + frame->size_bytes, size - frame->size_bytes, form_of(ask),
                                   json, err);
    pbus_decoder_free(decoder);
    free(data);
    return status;
}

static json_t *decode(const json_t *ask)
{
    pbus_error err;
    pbus_frame frame;
    pbus_buffer json = PBUS_BUFFER_INIT;
    pbus_schema *writer = schema_of(ask, "schema", &err);
    pbus_schema *reader = writer ? schema_of(ask, "reader", &err) : NULL;
    json_t *answer = NULL;
    if (!reader)
        answer = fault(&err);
    else if (read_value(ask, writer, reader, &json, &frame, &err) == PBUS_OK)
        answer = json_pack("{s:s%, s:i, s:b}", "json", json.data, json.size, "id", (int)frame.schema_id,
                           "own", frame.fingerprint == pbus_schema_fingerprint(writer));
    else
        answer = fault(&err);
    pbus_buffer_done(&json);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
    return answer;
}

static json_t *describe(const json_t *ask)
{
    pbus_error err;
    char fingerprint[17];
    pbus_schema *schema = schema_of(ask, "schema", &err);
    if (!schema)
        return fault(&err);
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)pbus_schema_fingerprint(schema));
    json_t *answer =
        json_pack("{s:s, s:s}", "canonical", pbus_schema_canonical(schema), "fingerprint", fingerprint);
    pbus_schema_free(schema);
    return answer;
}

static json_t *compare(const json_t *ask)
{
    pbus_error err;
    pbus_schema *writer = schema_of(ask, "schema", &err);
    pbus_schema *reader = writer ? schema_of(ask, "reader", &err) : NULL;
    const pbus_schema *earlier[] = {writer};
    json_t *answer;
    if (!reader ||
        (pbus_schema_compare(reader, earlier, 1, PBUS_COMPATIBILITY_BACKWARD, NULL, &err) != PBUS_OK))
        answer = fault(&err);
    else
        answer = json_pack("{s:b}", "compatible", 1);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
    return answer;
}

static json_t *answer_to(const json_t *ask)
{
    static const struct {
        const char *name;
        json_t *(*run)(const json_t *ask);
    } table[] = {{"encode", encode}, {"decode", decode}, {"describe", describe}, {"compare", compare}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(word(ask, "op"), table[i].name) == 0)
            return table[i].run(ask);
    return NULL;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        json_t *ask = json_loads(line, 0, NULL), *answer = answer_to(ask);
        char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
        if (!text)
            return 1;
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(ask);
    }
    free(line);
    return 0;
}

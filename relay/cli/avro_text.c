/* Decodes Avro for the eye; must never take for Avro what is not wholly a value of a schema that is known. */
#include "avro_text.h"

#include "database.h"
#include "registry_client.h"
#include "schema.h"

#include <stdlib.h>
#include <string.h>

static pbus_decoder *decoder_of(pbus_schema *schema)
{
    pbus_decoder *decoder = NULL;
    if (schema && pbus_decoder_new(schema, schema, NULL, &decoder, NULL) != PBUS_OK)
        decoder = NULL;
    pbus_schema_free(schema);
    return decoder;
}

int avro_text_start(avro_text *a, const call *c, const char *database, const char *file)
{
    schema_lookup lookup = {.conninfo = database && *database ? database : NULL};
    *a = (avro_text){.c = c};
    snprintf(a->session_name, sizeof a->session_name, "postbus %s", c->command->name);
    int code = registry_client_open(c, &a->registry);
    lookup.registry = a->registry;
    lookup.name = a->session_name;
    decoders_init(&a->of_frames, &lookup, NULL, true);
    if (code != EXIT_OK || !file)
        return code;
    a->of_file = decoder_of(schema_of_file(c, file));
    return a->of_file ? EXIT_OK : EXIT_FAULT;
}

void avro_text_done(avro_text *a)
{
    decoders_done(&a->of_frames);
    pbus_decoder_free(a->of_file);
    pbus_registry_free(a->registry);
    pbus_buffer_done(&a->shown);
    *a = (avro_text){.c = NULL};
}

/* Once for each of the two. A registry is asked again with the next value, a database is not. */
static void tell_failed(avro_text *a, pbus_status status, const pbus_error *err)
{
    bool is_registry = status == PBUS_ERROR_REGISTRY;
    char said[PBUS_ERROR_MESSAGE_SIZE];
    one_line(err->message, said, sizeof said);
    if (!is_registry)
        a->of_frames.lookup.conninfo = NULL;
    if (!is_registry || !a->registry_failed)
        fprintf(stderr, "postbus %s: values that are Avro are printed as they are%s: %s\n",
                a->c->command->name, is_registry ? " while this lasts" : "", said);
    a->registry_failed = a->registry_failed || is_registry;
}

/* NULL: none was found. */
static const pbus_decoder *decoder_of_frame(avro_text *a, const char *topic, const pbus_frame *frame)
{
    pbus_error err;
    const pbus_decoder *found = NULL;
    const schema_lookup *lookup = &a->of_frames.lookup;
    if (frame->framing == PBUS_FRAMING_NONE)
        return a->of_file;
    while (lookup->conninfo || lookup->registry) {
        pbus_status status = decoders_find(&a->of_frames, topic, frame, true, 0, &found, &err);
        if (!schema_lookup_failed(status) || status == PBUS_ERROR_MEMORY)
            return found;
        tell_failed(a, status, &err);
        if (status == PBUS_ERROR_REGISTRY)
            return NULL;
    }
    return a->of_file;
}

static bool decode(avro_text *a, const pbus_decoder *decoder, const unsigned char *data, size_t size)
{
    a->shown.size = 0;
    return decoder && pbus_decoder_json(decoder, data, size, PBUS_JSON_PLAIN, &a->shown, NULL) == PBUS_OK;
}

/* A NUL behind the JSON. */
static bool end_text(pbus_buffer *text)
{
    if (text->size == text->capacity) {
        unsigned char *data = realloc(text->data, text->capacity + 1);
        if (!data)
            return false;
        text->data = data;
        text->capacity++;
    }
    text->data[text->size] = '\0';
    return true;
}

/* A value without a frame may begin like one: then the file's schema decides. */
const char *avro_text_of(avro_text *a, const char *topic, const void *data, size_t size, size_t *out_size)
{
    const unsigned char *bytes = data;
    if (!data || (!a->of_frames.lookup.conninfo && !a->of_file && !a->registry))
        return NULL;
    const pbus_frame frame = pbus_frame_guess(data, size);
    if (!decode(a, decoder_of_frame(a, topic, &frame), bytes + frame.size_bytes, size - frame.size_bytes) &&
        !decode(a, a->of_file, bytes, size))
        return NULL;
    if (!end_text(&a->shown))
        return NULL;
    *out_size = a->shown.size;
    return (const char *)a->shown.data;
}

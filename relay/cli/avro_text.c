/* Decodes Avro for the eye; must never take for Avro what is not wholly a value of a schema that is known. */
#include "avro_text.h"

#include "database.h"
#include "postbus_sql.h"
#include "registry_client.h"
#include "schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct known {
    struct known *next;
    char *topic;
    pbus_frame frame;
    pbus_decoder *decoder; /* NULL: no schema was found */
} known;

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
    *a = (avro_text){.c = c, .database = database && *database ? database : NULL};
    int code = registry_client_open(c, &a->registry);
    if (code != EXIT_OK || !file)
        return code;
    a->of_file = decoder_of(schema_of_file(c, file));
    return a->of_file ? EXIT_OK : EXIT_FAULT;
}

void avro_text_done(avro_text *a)
{
    for (known *next; a->known; a->known = next) {
        next = a->known->next;
        pbus_decoder_free(a->known->decoder);
        free(a->known->topic);
        free(a->known);
    }
    pbus_decoder_free(a->of_file);
    pbus_registry_free(a->registry);
    pbus_buffer_done(&a->shown);
    PQfinish(a->conn);
    *a = (avro_text){.c = NULL};
}

/* Once. What stands against it is said, and frames are looked up nowhere from then on. */
static void connect_once(avro_text *a)
{
    if (a->conn || !a->database)
        return;
    call to = *a->c;
    to.cfg.database = (char *)(uintptr_t)a->database;
    a->conn = database_connect(&to);
    if (PQstatus(a->conn) == CONNECTION_OK)
        return;
    char said[1024];
    one_line(a->conn ? PQerrorMessage(a->conn) : "out of memory", said, sizeof said);
    fprintf(stderr, "postbus %s: values that are Avro are printed as they are: %s\n", a->c->command->name,
            said);
    PQfinish(a->conn);
    a->conn = NULL;
    a->database = NULL;
}

/* Among the schemas of the database; NULL: none, and the value may be printed as it is. With a registry at hand, the ids of topics that are
 * not bound are not ours. */
static pbus_schema *ask_database(avro_text *a, const char *topic, const pbus_frame *frame,
                                 bool registry_at_hand)
{
    char id[16], fingerprint[24];
    connect_once(a);
    if (!a->conn)
        return NULL;
    snprintf(id, sizeof id, "%" PRId32, frame->schema_id);
    snprintf(fingerprint, sizeof fingerprint, "%" PRId64, (int64_t)frame->fingerprint);
    bool by_id = frame->framing == PBUS_FRAMING_CONFLUENT;
    const char *params[] = {by_id ? id : NULL, by_id ? NULL : fingerprint, topic,
                            registry_at_hand ? "t" : "f"};
    PGresult *row = PQexecParams(a->conn, sql_query("schema_of_frame"), 4, NULL, params, NULL, NULL, 0);
    pbus_schema *schema = NULL;
    if (PQresultStatus(row) == PGRES_TUPLES_OK && PQntuples(row) == 1 &&
        pbus_schema_parse(PQgetvalue(row, 0, 0), (size_t)PQgetlength(row, 0, 0), NULL, 0, &schema, NULL) !=
            PBUS_OK)
        schema = NULL;
    PQclear(row);
    return schema;
}

/* PBUS_OK, and NULL where the registry has no such schema; else it could not be asked, which is said once. */
static pbus_status ask_registry(avro_text *a, int32_t id, pbus_schema **out)
{
    pbus_error err;
    *out = NULL;
    pbus_status status = pbus_registry_schema(a->registry, id, out, &err);
    if (status != PBUS_ERROR_REGISTRY && status != PBUS_ERROR_MEMORY)
        return PBUS_OK;
    if (status == PBUS_ERROR_REGISTRY && !a->registry_failed) {
        fprintf(stderr, "postbus %s: values that are Avro are printed as they are while this lasts: %s\n",
                a->c->command->name, err.message);
        a->registry_failed = true;
    }
    return status;
}

/* The database, the registry, and then the database once more, for ids of ours in a topic that is not bound any more. */
static pbus_status look_up(avro_text *a, const char *topic, const pbus_frame *frame, pbus_schema **out)
{
    bool registry = a->registry && frame->framing == PBUS_FRAMING_CONFLUENT;
    *out = ask_database(a, topic, frame, registry);
    if (*out || !registry)
        return PBUS_OK;
    pbus_status status = ask_registry(a, frame->schema_id, out);
    if (status == PBUS_OK && !*out)
        *out = ask_database(a, topic, frame, false);
    return status;
}

static bool is_same(const known *a, const char *topic, const pbus_frame *frame)
{
    return a->frame.framing == frame->framing && strcmp(a->topic, topic) == 0 &&
           (frame->framing == PBUS_FRAMING_CONFLUENT ? a->frame.schema_id == frame->schema_id
                                                     : a->frame.fingerprint == frame->fingerprint);
}

/* What a registry that is away might know is asked for again with the next value. */
static const pbus_decoder *learn(avro_text *a, const char *topic, const pbus_frame *frame)
{
    pbus_schema *schema;
    if (look_up(a, topic, frame, &schema) != PBUS_OK)
        return NULL;
    known *one = calloc(1, sizeof *one);
    if (!one || !(one->topic = strdup(topic))) {
        pbus_schema_free(schema);
        free(one);
        return NULL;
    }
    one->frame = *frame;
    one->decoder = decoder_of(schema);
    one->next = a->known;
    a->known = one;
    return one->decoder;
}

static const pbus_decoder *decoder_of_frame(avro_text *a, const char *topic, const pbus_frame *frame)
{
    if (frame->framing == PBUS_FRAMING_NONE)
        return a->of_file;
    for (const known *one = a->known; one; one = one->next)
        if (is_same(one, topic, frame))
            return one->decoder;
    if (!a->registry) {
        connect_once(a);
        if (!a->conn)
            return a->of_file;
    }
    return learn(a, topic, frame);
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
    if (!data || (!a->database && !a->of_file && !a->registry))
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

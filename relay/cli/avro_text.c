/* Decodes Avro for the eye; must never take for Avro what is not wholly a value of a schema that is known. */
#include "avro_text.h"

#include "database.h"
#include "postbus_sql.h"
#include "schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct known {
    struct known *next;
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
    if (!file)
        return EXIT_OK;
    a->of_file = decoder_of(schema_of_file(c, file));
    return a->of_file ? EXIT_OK : EXIT_FAULT;
}

void avro_text_done(avro_text *a)
{
    for (known *next; a->known; a->known = next) {
        next = a->known->next;
        pbus_decoder_free(a->known->decoder);
        free(a->known);
    }
    pbus_decoder_free(a->of_file);
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

/* What stands against the look-up is that the value is printed as it is. */
static pbus_decoder *look_up(const avro_text *a, const pbus_frame *frame)
{
    char id[16], fingerprint[24];
    snprintf(id, sizeof id, "%" PRId32, frame->schema_id);
    snprintf(fingerprint, sizeof fingerprint, "%" PRId64, (int64_t)frame->fingerprint);
    bool by_id = frame->framing == PBUS_FRAMING_CONFLUENT;
    const char *params[] = {by_id ? id : NULL, by_id ? NULL : fingerprint};
    PGresult *row = PQexecParams(a->conn, sql_query("schema_of_frame"), 2, NULL, params, NULL, NULL, 0);
    pbus_schema *schema = NULL;
    if (PQresultStatus(row) == PGRES_TUPLES_OK && PQntuples(row) == 1 &&
        pbus_schema_parse(PQgetvalue(row, 0, 0), (size_t)PQgetlength(row, 0, 0), NULL, 0, &schema, NULL) !=
            PBUS_OK)
        schema = NULL;
    PQclear(row);
    return decoder_of(schema);
}

static bool is_same(const pbus_frame *a, const pbus_frame *b)
{
    return a->framing == b->framing &&
           (a->framing == PBUS_FRAMING_CONFLUENT ? a->schema_id == b->schema_id
                                                 : a->fingerprint == b->fingerprint);
}

static const pbus_decoder *decoder_of_frame(avro_text *a, const pbus_frame *frame)
{
    if (frame->framing != PBUS_FRAMING_NONE)
        connect_once(a);
    if (frame->framing == PBUS_FRAMING_NONE || !a->conn)
        return a->of_file;
    for (known *one = a->known; one; one = one->next)
        if (is_same(&one->frame, frame))
            return one->decoder;
    known *one = calloc(1, sizeof *one);
    if (!one)
        return NULL;
    *one = (known){.next = a->known, .frame = *frame, .decoder = look_up(a, frame)};
    a->known = one;
    return one->decoder;
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
const char *avro_text_of(avro_text *a, const void *data, size_t size, size_t *out_size)
{
    const unsigned char *bytes = data;
    if (!data || (!a->database && !a->of_file))
        return NULL;
    const pbus_frame frame = pbus_frame_guess(data, size);
    if (!decode(a, decoder_of_frame(a, &frame), bytes + frame.size_bytes, size - frame.size_bytes) &&
        !decode(a, a->of_file, bytes, size))
        return NULL;
    if (!end_text(&a->shown))
        return NULL;
    *out_size = a->shown.size;
    return (const char *)a->shown.data;
}

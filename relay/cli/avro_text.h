/* Avro values as the JSON that people read: the schema is found by a value's frame, in the database or a registry, or is a file's. */
#ifndef POSTBUS_CLI_AVRO_TEXT_H
#define POSTBUS_CLI_AVRO_TEXT_H

#include "command.h"
#include "decoders.h"

typedef struct avro_text {
    const call *c;
    char session_name[64];
    pbus_registry *registry; /* NULL: none is given */
    bool registry_failed;    /* it was said that it does not answer */
    decoders of_frames;
    pbus_decoder *of_file; /* of values without a frame, and of frames that are looked up nowhere */
    pbus_buffer shown;
} avro_text;

/* Both may be NULL; a registry is the configuration's. The file's schema is that of values without a frame, and of frames where there is no database. EXIT_OK, or the reason was
 * printed. The database is borrowed. */
int avro_text_start(avro_text *a, const call *c, const char *database, const char *file);
void avro_text_done(avro_text *a);

/* A value of the topic that is Avro as JSON in one line with a NUL behind it, borrowed until the next call; NULL: it is none that a schema was found for. */
const char *avro_text_of(avro_text *a, const char *topic, const void *data, size_t size, size_t *out_size);

#endif

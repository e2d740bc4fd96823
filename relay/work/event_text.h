/* An event as a program in another language gets it: a JSON document, and variables of the environment. */
#ifndef POSTBUS_WORK_EVENT_TEXT_H
#define POSTBUS_WORK_EVENT_TEXT_H

#include <jansson.h>

#include <postbus/worker.h>

/* How a value stands in the document. */
typedef enum value_form {
    VALUE_NONE,   /* a tombstone: null */
    VALUE_JSON,   /* JSON: as it is, to the digit */
    VALUE_TEXT,   /* other UTF-8: a string */
    VALUE_AVRO,   /* Avro that was read: the JSON of it */
    VALUE_BASE64, /* anything else: a string in base64 */
} value_form;

value_form event_value_form(const pbus_delivery *event);
const char *value_form_name(value_form form);

/* What tells a repetition: the event id, or TOPIC/PARTITION/OFFSET where the record has none. */
#define EVENT_IDENTITY_SIZE 300
void event_identity(const pbus_delivery *event, char out[EVENT_IDENTITY_SIZE]);

/* One line of JSON with a line feed, for the caller to free; *out_size without the NUL behind it. deadline_ms: since 1970, 0 = none.
 * NULL: no memory. */
char *event_document(const pbus_delivery *event, int64_t deadline_ms, size_t *out_size);

/* The object, which is not empty, with the value as one more member, in one line with a line feed; otherwise as event_document. */
char *event_text_join(const json_t *object, const char *name, const pbus_delivery *event, value_form form,
                      size_t *out_size);

/* The environment of a program: that of this process without what configures postbus, then POSTBUS_APPLICATION and
 * POSTBUS_SUBSCRIPTION, and with an event all of its metadata; deadline_ms 0: there is none. Ends with NULL; for event_environment_free. NULL: no memory. */
char **event_environment(const char *application, const char *subscription, const pbus_delivery *event,
                         int64_t deadline_ms);
void event_environment_free(char **environment);

#endif

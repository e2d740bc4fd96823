/* Writes an event down for programs in other languages; must never change a digit or a byte of a value. */
#include "event_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes_json.h"

enum {
    N_VARIABLES = 13,
    LONGEST_VARIABLE = 32768, /* execve refuses one above 128 KiB, and all of them above a few MiB */
};

static bool is_json(const void *bytes, size_t size)
{
    json_t *json = json_loadb(bytes, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    json_decref(json);
    return json != NULL;
}

static bool is_text(const void *bytes, size_t size)
{
    json_t *text = json_stringn(bytes, size);
    json_decref(text);
    return text != NULL;
}

value_form event_value_form(const pbus_delivery *event)
{
    if (!event->value)
        return VALUE_NONE;
    if (event->value_json)
        return VALUE_AVRO;
    if (is_json(event->value, event->value_size))
        return VALUE_JSON;
    return is_text(event->value, event->value_size) ? VALUE_TEXT : VALUE_BASE64;
}

const char *value_form_name(value_form form)
{
    static const char *const names[] = {"none", "json", "text", "avro", "base64"};
    return names[form];
}

void event_identity(const pbus_delivery *event, char out[EVENT_IDENTITY_SIZE])
{
    if (event->event_id)
        pbus_uuid_format(event->event_id, out);
    else
        snprintf(out, EVENT_IDENTITY_SIZE, "%s/%" PRId32 "/%" PRId64, event->topic, event->partition,
                 event->offset);
}

static json_t *headers_json(const pbus_delivery *event)
{
    json_t *list = json_array();
    for (size_t i = 0; i < event->n_headers; i++) {
        const pbus_record_header *h = &event->headers[i];
        json_t *header = json_object();
        bytes_json_set(header, "name", h->name, strlen(h->name));
        bytes_json_set(header, "value", h->value, h->value_size);
        json_array_append_new(list, header);
    }
    return list;
}

static json_t *metadata_json(const pbus_delivery *event, int64_t deadline_ms, value_form form)
{
    char identity[EVENT_IDENTITY_SIZE];
    event_identity(event, identity);
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I}", "id", identity, "application",
                               event->application, "subscription", event->subscription, "topic", event->topic,
                               "partition", (int)event->partition, "offset", (json_int_t)event->offset);
    bytes_json_set(object, "key", event->key, event->key_size);
    bytes_json_set(object, "type", event->type, event->type ? strlen(event->type) : 0);
    json_object_set_new(object, "timestamp_ms",
                        event->timestamp_ms < 0 ? json_null() : json_integer(event->timestamp_ms));
    json_object_set_new(object, "attempt", json_integer(event->attempt));
    json_object_set_new(object, "deadline_ms", deadline_ms ? json_integer(deadline_ms) : json_null());
    json_object_set_new(object, "headers", headers_json(event));
    json_object_set_new(object, "value_form", json_string(value_form_name(form)));
    return object;
}

/* JSON goes through as it is, so that no number is rounded; between its tokens a line feed becomes a space: the document is one line. */
static void put_verbatim(FILE *to, const char *json, size_t size)
{
    for (size_t i = 0; i < size; i++)
        fputc(json[i] == '\n' || json[i] == '\r' ? ' ' : json[i], to);
}

static void put_value(FILE *to, const pbus_delivery *event, value_form form)
{
    if (form == VALUE_JSON || form == VALUE_AVRO) {
        bool avro = form == VALUE_AVRO;
        put_verbatim(to, avro ? event->value_json : event->value,
                     avro ? event->value_json_size : event->value_size);
        return;
    }
    json_t *value = form == VALUE_TEXT     ? json_stringn(event->value, event->value_size)
                    : form == VALUE_BASE64 ? bytes_base64_json(event->value, event->value_size)
                                           : json_null();
    json_dumpf(value, to, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(value);
}

char *event_text_join(const json_t *object, const char *name, const pbus_delivery *event, value_form form,
                      size_t *out_size)
{
    char *rest = object ? json_dumps(object, JSON_COMPACT) : NULL, *text = NULL;
    FILE *to = rest ? open_memstream(&text, out_size) : NULL;
    if (to) {
        fwrite(rest, 1, strlen(rest) - 1, to); /* without its brace */
        fprintf(to, ",\"%s\":", name);
        put_value(to, event, form);
        fputs("}\n", to);
        if (fclose(to) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(rest);
    return text;
}

char *event_document(const pbus_delivery *event, int64_t deadline_ms, size_t *out_size)
{
    value_form form = event_value_form(event);
    json_t *object = metadata_json(event, deadline_ms, form);
    const char *name = form == VALUE_AVRO ? "value_avro" : "value";
    char *text = event_text_join(object, name, event, form, out_size);
    json_decref(object);
    return text;
}

static bool add(char **environment, size_t *n, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool add(char **environment, size_t *n, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    bool ok = vasprintf(&environment[*n], format, ap) >= 0;
    va_end(ap);
    if (ok)
        ++*n;
    else
        environment[*n] = NULL;
    return ok;
}

static bool fits(const void *bytes, size_t size)
{
    return bytes && size <= LONGEST_VARIABLE && !memchr(bytes, '\0', size);
}

static bool add_event(char **environment, size_t *n, const pbus_delivery *e, int64_t deadline_ms)
{
    char identity[EVENT_IDENTITY_SIZE];
    event_identity(e, identity);
    bool ok = add(environment, n, "POSTBUS_ID=%s", identity) &&
              add(environment, n, "POSTBUS_TOPIC=%s", e->topic) &&
              add(environment, n, "POSTBUS_PARTITION=%" PRId32, e->partition) &&
              add(environment, n, "POSTBUS_OFFSET=%" PRId64, e->offset) &&
              add(environment, n, "POSTBUS_ATTEMPT=%d", e->attempt) &&
              add(environment, n, "POSTBUS_VALUE_FORM=%s", value_form_name(event_value_form(e)));
    if (ok && fits(e->key, e->key_size))
        ok = add(environment, n, "POSTBUS_KEY=%.*s", (int)e->key_size, (const char *)e->key);
    if (ok && e->type && fits(e->type, strlen(e->type)))
        ok = add(environment, n, "POSTBUS_TYPE=%s", e->type);
    if (ok && e->timestamp_ms >= 0)
        ok = add(environment, n, "POSTBUS_TIMESTAMP_MS=%" PRId64, e->timestamp_ms);
    if (ok && deadline_ms)
        ok = add(environment, n, "POSTBUS_DEADLINE_MS=%" PRId64, deadline_ms);
    return ok;
}

char **event_environment(const char *application, const char *subscription, const pbus_delivery *event,
                         int64_t deadline_ms)
{
    size_t n_own = 0, n = 0;
    while (environ[n_own])
        n_own++;
    char **environment = calloc(n_own + N_VARIABLES, sizeof *environment);
    bool ok = environment != NULL;
    for (size_t i = 0; ok && i < n_own; i++)
        if (strncmp(environ[i], "POSTBUS_", 8) != 0) /* may hold passwords, and is not for the program */
            ok = add(environment, &n, "%s", environ[i]);
    ok = ok && add(environment, &n, "POSTBUS_APPLICATION=%s", application) &&
         add(environment, &n, "POSTBUS_SUBSCRIPTION=%s", subscription) &&
         (!event || add_event(environment, &n, event, deadline_ms));
    if (ok)
        return environment;
    event_environment_free(environment);
    return NULL;
}

void event_environment_free(char **environment)
{
    for (char **each = environment; each && *each; each++)
        free(*each);
    free(environment);
}

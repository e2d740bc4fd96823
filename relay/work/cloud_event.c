/* Makes CloudEvents of events; must never let a byte of an event become another header, nor change one of its value. */
#include "cloud_event.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bytes_json.h"
#include "event_text.h"

#define STRUCTURED_TYPE "application/cloudevents+json; charset=utf-8"
#define NO_TYPE "postbus.event"
#define TYPE_SIZE 200

/* ---- attributes ---- */

/* CloudEvents' strings are Unicode without control characters, and those of ours not empty. */
static json_t *attribute_text(const void *bytes, size_t size)
{
    const unsigned char *text = bytes;
    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] == 0x7f ||
            (text[i] == 0xc2 && i + 1 < size && text[i + 1] >= 0x80 && text[i + 1] < 0xa0))
            return NULL;
    return size > 0 ? json_stringn(bytes, size) : NULL;
}

static bool put_bytes(json_t *to, const char *name, const void *bytes, size_t size)
{
    json_t *text = bytes ? attribute_text(bytes, size) : NULL;
    return text && json_object_set_new(to, name, text) == 0;
}

static bool put_text(json_t *to, const char *name, const char *text)
{
    return text && put_bytes(to, name, text, strlen(text));
}

/* As RFC 3339 has it. */
static void put_time(json_t *to, const char *name, int64_t ms)
{
    char text[64];
    struct tm utc;
    time_t s = ms / 1000;
    size_t n = gmtime_r(&s, &utc) ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) : 0;
    if (n == 0 || utc.tm_year > 8099)
        return;
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
    put_text(to, name, text);
}

static const pbus_record_header *header_find(const pbus_delivery *e, const char *name)
{
    for (size_t i = 0; i < e->n_headers; i++)
        if (strcasecmp(e->headers[i].name, name) == 0 && e->headers[i].value)
            return &e->headers[i];
    return NULL;
}

/* The attribute that a record's header is, in CloudEvents' form for Kafka or as W3C's trace context; NULL: it is none. */
static const char *attribute_of(const char *header, bool is_cloud_event)
{
    if (strcmp(header, "traceparent") == 0 || strcmp(header, "tracestate") == 0)
        return header;
    if (!is_cloud_event || strncasecmp(header, "ce_", 3) != 0)
        return NULL;
    const char *name = header + 3;
    bool is_ours = strcmp(name, "specversion") == 0 || strcmp(name, "datacontenttype") == 0 ||
                   strcmp(name, "data") == 0 || strncmp(name, "postbus", 7) == 0;
    return *name && !is_ours && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789")] ? name : NULL;
}

static void put_own(json_t *to, const pbus_delivery *e, int64_t deadline_ms)
{
    char offset[24];
    snprintf(offset, sizeof offset, "%" PRId64, e->offset); /* their integers have 32 bits */
    put_text(to, "postbusapplication", e->application);
    put_text(to, "postbussubscription", e->subscription);
    put_text(to, "postbustopic", e->topic);
    json_object_set_new(to, "postbuspartition", json_integer(e->partition));
    put_text(to, "postbusoffset", offset);
    json_object_set_new(to, "postbusattempt", json_integer(e->attempt));
    if (deadline_ms)
        put_time(to, "postbusdeadline", deadline_ms);
    if (!e->value)
        json_object_set_new(to, "postbustombstone", json_true());
    if (e->key && !json_object_get(to, "partitionkey"))
        json_object_set_new(to, "postbuskeybase64", bytes_base64_json(e->key, e->key_size));
}

/* NULL: no memory. */
static json_t *attributes(const pbus_delivery *e, const char *source, const char *content_type,
                          int64_t deadline_ms)
{
    char identity[EVENT_IDENTITY_SIZE], own_source[EVENT_IDENTITY_SIZE];
    json_t *a = json_object();
    bool is_cloud_event = header_find(e, "ce_specversion") != NULL;
    event_identity(e, identity);
    snprintf(own_source, sizeof own_source, "/postbus/%s", e->topic);
    bool ok = put_text(a, "specversion", "1.0") && put_text(a, "id", identity) &&
              put_text(a, "source", *source ? source : own_source) &&
              (put_text(a, "type", e->type) || put_text(a, "type", NO_TYPE));
    if (e->timestamp_ms >= 0)
        put_time(a, "time", e->timestamp_ms);
    put_bytes(a, "partitionkey", e->key, e->key_size);
    for (size_t i = 0; i < e->n_headers; i++) {
        const pbus_record_header *h = &e->headers[i];
        const char *name = attribute_of(h->name, is_cloud_event);
        if (name)
            put_bytes(a, name, h->value, h->value_size);
    }
    put_text(a, "datacontenttype", content_type);
    put_own(a, e, deadline_ms);
    if (ok)
        return a;
    json_decref(a);
    return NULL;
}

/* ---- what the value is ---- */

/* Whether the record's header can be the Content-Type. By one that begins so a server knows a structured event, or a batch: it would take the id, type and
 * source that stand in the value for ours. */
static bool is_usable_type(const pbus_record_header *h)
{
    static const char reserved[] = "application/cloudevents";
    const char *text = h->value;
    if (h->value_size == 0 || h->value_size >= TYPE_SIZE || !memchr(text, '/', h->value_size) ||
        *text == ' ' ||
        (h->value_size >= strlen(reserved) && strncasecmp(text, reserved, strlen(reserved)) == 0))
        return false;
    for (size_t i = 0; i < h->value_size; i++)
        if (!isprint((unsigned char)text[i]))
            return false;
    return true;
}

static bool type_of_header(const pbus_delivery *e, char out[TYPE_SIZE])
{
    const pbus_record_header *h = header_find(e, "content-type");
    if (!h || !is_usable_type(h))
        return false;
    memcpy(out, h->value, h->value_size);
    out[h->value_size] = '\0';
    return true;
}

/* NULL: a tombstone has no content. */
static const char *content_type_of(const pbus_delivery *e, value_form form, char room[TYPE_SIZE])
{
    static const char *const types[] = {[VALUE_NONE] = NULL,
                                        [VALUE_JSON] = "application/json",
                                        [VALUE_AVRO] = "application/json",
                                        [VALUE_TEXT] = "text/plain; charset=utf-8",
                                        [VALUE_BASE64] = "application/octet-stream"};
    /* Of Avro the header speaks of bytes that are not sent. */
    return form != VALUE_NONE && form != VALUE_AVRO && type_of_header(e, room) ? room : types[form];
}

static bool is_json_type(const char *type)
{
    size_t n = strcspn(type, "; ");
    return (n == 16 && strncasecmp(type, "application/json", n) == 0) ||
           (n == 9 && strncasecmp(type, "text/json", n) == 0) ||
           (n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0);
}

/* How the value stands in a structured event: JSON for what is said to be JSON, a string for other text. */
static value_form data_form(value_form form, const char *type)
{
    if (form == VALUE_JSON || form == VALUE_TEXT)
        return is_json_type(type) ? (form == VALUE_JSON ? VALUE_JSON : VALUE_BASE64) : VALUE_TEXT;
    return form;
}

/* ---- headers ---- */

static bool is_token(unsigned char c)
{
    return isalnum(c) || strchr("!#$&'*+-.^_`|~", c);
}

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"';
}

/* Percent-encodes '%' and all that is not wanted. */
static void put_encoded(FILE *to, const void *bytes, size_t size, bool (*is_wanted)(unsigned char))
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = ((const unsigned char *)bytes)[i];
        if (c && c != '%' && is_wanted(c))
            fputc(c, to);
        else
            fprintf(to, "%%%02X", c);
    }
}

/* Takes the line; NULL: there was no memory for it. */
static bool add_line(struct curl_slist **headers, char *line)
{
    struct curl_slist *grown = line ? curl_slist_append(*headers, line) : NULL;
    free(line);
    *headers = grown ? grown : *headers;
    return grown;
}

/* A header without a value is one to libcurl only where a semicolon stands for the colon. */
static bool add_encoded(struct curl_slist **headers, const char *prefix, const char *name, const void *value,
                        size_t size)
{
    char *line = NULL;
    size_t line_size;
    FILE *to = open_memstream(&line, &line_size);
    if (!to)
        return false;
    fputs(prefix, to);
    put_encoded(to, name, strlen(name), is_token);
    fputs(size > 0 ? ": " : ";", to);
    put_encoded(to, value, size, is_plain);
    if (fclose(to) != 0) {
        free(line);
        line = NULL;
    }
    return add_line(headers, line);
}

bool cloud_event_header(struct curl_slist **headers, const char *name, const char *value)
{
    char *line = NULL;
    return add_line(headers, asprintf(&line, "%s: %s", name, value) < 0 ? NULL : line);
}

static bool add_attribute(struct curl_slist **headers, const char *name, const json_t *value)
{
    char number[32];
    if (strcmp(name, "datacontenttype") == 0)
        return cloud_event_header(headers, "Content-Type", json_string_value(value));
    if (json_is_string(value))
        return add_encoded(headers, "ce-", name, json_string_value(value), json_string_length(value));
    if (json_is_true(value))
        return add_encoded(headers, "ce-", name, "true", strlen("true"));
    int n = snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return add_encoded(headers, "ce-", name, number, (size_t)n);
}

/* The relay's stands behind those of the publisher, of which one may have the same value. NULL: the event has no id. */
static const pbus_record_header *id_header_of(const pbus_delivery *e)
{
    pbus_uuid id;
    for (size_t i = e->event_id ? e->n_headers : 0; i > 0; i--) {
        const pbus_record_header *h = &e->headers[i - 1];
        if (h->value && pbus_uuid_parse(h->value, &id, NULL) == PBUS_OK &&
            memcmp(&id, e->event_id, sizeof id) == 0)
            return h;
    }
    return NULL;
}

/* What became an attribute, the Content-Type among them, is not sent a second time. */
static bool is_taken(const pbus_delivery *e, const pbus_record_header *h, const json_t *a)
{
    const char *name = attribute_of(h->name, header_find(e, "ce_specversion") != NULL);
    return (name && json_object_get(a, name)) || h == id_header_of(e) || (e->type && h->value == e->type) ||
           (h == header_find(e, "content-type") && is_usable_type(h));
}

static bool add_record_headers(struct curl_slist **headers, const pbus_delivery *e, const json_t *a)
{
    bool ok = true;
    for (size_t i = 0; ok && i < e->n_headers; i++) {
        const pbus_record_header *h = &e->headers[i];
        if (!is_taken(e, h, a))
            ok = add_encoded(headers, "postbus-header-", h->name, h->value, h->value ? h->value_size : 0);
    }
    return ok;
}

/* ---- both modes ---- */

static bool make_binary(cloud_event *out, const pbus_delivery *e, json_t *a)
{
    const char *name;
    json_t *value;
    bool ok = true;
    json_object_foreach(a, name, value) ok = ok && add_attribute(&out->headers, name, value);
    if (ok && !json_object_get(a, "datacontenttype"))
        ok = add_line(&out->headers, strdup("Content-Type:")); /* takes libcurl's own away */
    out->body = e->value_json ? e->value_json : e->value ? e->value : "";
    out->body_size = e->value_json ? e->value_json_size : e->value ? e->value_size : 0;
    return ok;
}

static bool make_structured(cloud_event *out, const pbus_delivery *e, value_form form, const char *type,
                            json_t *a)
{
    if (form == VALUE_NONE) {
        out->document = json_dumps(a, JSON_COMPACT);
        out->body_size = out->document ? strlen(out->document) : 0;
    } else {
        value_form data = data_form(form, type);
        out->document =
            event_text_join(a, data == VALUE_BASE64 ? "data_base64" : "data", e, data, &out->body_size);
    }
    out->body = out->document;
    return out->document && cloud_event_header(&out->headers, "Content-Type", STRUCTURED_TYPE);
}

bool cloud_event_make(cloud_event *out, const pbus_delivery *event, bool structured, const char *source,
                      int64_t deadline_ms)
{
    char room[TYPE_SIZE];
    value_form form = event_value_form(event);
    const char *type = content_type_of(event, form, room);
    json_t *a = attributes(event, source, type, deadline_ms);
    *out = (cloud_event){0};
    bool ok = a && (structured ? make_structured(out, event, form, type, a) : make_binary(out, event, a)) &&
              add_record_headers(&out->headers, event, a);
    json_decref(a);
    if (!ok)
        cloud_event_done(out);
    return ok;
}

void cloud_event_done(cloud_event *c)
{
    curl_slist_free_all(c->headers);
    free(c->document);
    *c = (cloud_event){0};
}

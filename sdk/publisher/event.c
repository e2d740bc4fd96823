/* Checks the caller's events and writes their headers; must never touch a connection. */
#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "json.h"
#include "text.h"

/* Which event a message speaks of: "event 3 of 10: ", or nothing where there is only one. */
typedef struct event_place {
    char text[64];
} event_place;

static event_place event_place_of(size_t at, size_t n_events)
{
    event_place place = {""};
    if (n_events > 1)
        snprintf(place.text, sizeof place.text, "event %zu of %zu: ", at, n_events);
    return place;
}

static bool event_add(size_t *total, size_t more, pbus_status *status)
{
    if (size_add(total, more))
        return true;
    *status = PBUS_ERROR_TOO_LARGE;
    return false;
}

static pbus_status event_check_topic(const pbus_event *event, const char *place, pbus_error *err)
{
    if (!event->topic || !*event->topic)
        return failure(err, PBUS_ERROR_TOPIC,
                       "%sthe topic is %s; name the Kafka topic the event goes to: 1 to 249 of the "
                       "characters a-z A-Z 0-9 . _ -",
                       place, event->topic ? "empty" : "NULL");
    size_t size = strlen(event->topic);
    if (!text_is_ascii(event->topic, size))
        return failure(
            err, PBUS_ERROR_TOPIC,
            "%s\"%s\" is not a topic name; a topic is 1 to 249 of the characters a-z A-Z 0-9 . _ -", place,
            text_show(event->topic, size).text);
    return PBUS_OK;
}

static pbus_status event_check_bytes(const pbus_event *event, const char *place, pbus_error *err)
{
    if (!event->value && event->value_size)
        return failure(err, PBUS_ERROR_ARGUMENT, "%svalue is NULL but value_size is %zu; a tombstone has 0",
                       place, event->value_size);
    if (!event->key && event->key_size)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "%skey is NULL but key_size is %zu; an event without a key has 0", place,
                       event->key_size);
    if (!event->headers && event->n_headers)
        return failure(err, PBUS_ERROR_ARGUMENT, "%sheaders is NULL but n_headers is %zu", place,
                       event->n_headers);
    return PBUS_OK;
}

static pbus_status event_check_type(const pbus_event *event, bool ascii_only, const char *place,
                                    pbus_error *err)
{
    if (!event->type)
        return PBUS_OK;
    size_t size = strlen(event->type);
    size_t fault = text_find_fault(event->type, size);
    if (fault != SIZE_MAX)
        return failure(err, PBUS_ERROR_TYPE, "%sthe type \"%s\" is not UTF-8 at byte %zu; pass it in UTF-8",
                       place, text_show(event->type, size).text, fault);
    if (ascii_only && !text_is_ascii(event->type, size))
        return failure(
            err, PBUS_ERROR_TYPE,
            "%sthe type \"%s\" cannot be sent, because the connection's client_encoding is not UTF8; "
            "call PQsetClientEncoding(conn, \"UTF8\") or use ASCII",
            place, text_show(event->type, size).text);
    return PBUS_OK;
}

static pbus_status event_check_header(const pbus_header *header, const char *place, size_t *size,
                                      pbus_error *err)
{
    if (!header->name || !*header->name)
        return failure(err, PBUS_ERROR_HEADERS, "%sa header has %s; give each header a name", place,
                       header->name ? "the empty name \"\"" : "NULL for its name");
    size_t name_size = strlen(header->name);
    text_shown name = text_show(header->name, name_size);
    size_t name_json = json_string_size(header->name, name_size);
    if (!name_json)
        return failure(err, PBUS_ERROR_HEADERS,
                       "%sthe header name \"%s\" is not UTF-8 at byte %zu; pass it in UTF-8", place,
                       name.text, text_find_fault(header->name, name_size));
    if (!header->value)
        return failure(err, PBUS_ERROR_HEADERS,
                       "%sthe header \"%s\" has NULL for its value; leave the header out, or pass \"\"",
                       place, name.text);
    size_t value_size = strlen(header->value);
    size_t value_json = json_string_size(header->value, value_size);
    if (!value_json)
        return failure(err, PBUS_ERROR_HEADERS,
                       "%sthe header \"%s\" has the value \"%s\", which is not UTF-8 at byte %zu; pass "
                       "it in UTF-8, or as text that stands for the bytes",
                       place, name.text, text_show(header->value, value_size).text,
                       text_find_fault(header->value, value_size));
    /* "name":"value", and a comma or a brace */
    if (!size_add(size, name_json) || !size_add(size, value_json) || !size_add(size, 2))
        return failure(err, PBUS_ERROR_TOO_LARGE, "%sthe headers are larger than the address space", place);
    return PBUS_OK;
}

static int event_compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static pbus_status event_check_names(const pbus_event *event, const char *place, pbus_error *err)
{
    const char *few[16];
    const char **names = few;
    if (event->n_headers > sizeof few / sizeof *few)
        names = calloc(event->n_headers, sizeof *names);
    if (!names)
        return failure(err, PBUS_ERROR_MEMORY, "%sno memory to compare the names of %zu headers", place,
                       event->n_headers);
    for (size_t i = 0; i < event->n_headers; i++)
        names[i] = event->headers[i].name;
    qsort(names, event->n_headers, sizeof *names, event_compare_names);
    const char *twice = NULL;
    for (size_t i = 1; i < event->n_headers && !twice; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            twice = names[i];
    if (names != few)
        free(names);
    if (twice)
        return failure(err, PBUS_ERROR_HEADERS, "%sthe header \"%s\" is given twice; give each name once",
                       place, text_show(twice, strlen(twice)).text);
    return PBUS_OK;
}

static pbus_status event_check_headers(const pbus_event *event, const char *place, size_t *size,
                                       pbus_error *err)
{
    if (event->n_headers == 0)
        return PBUS_OK;
    pbus_status status = PBUS_OK;
    if (!size_add(size, 1)) /* the brace that opens */
        status = failure(err, PBUS_ERROR_TOO_LARGE, "%sthe headers are larger than the address space", place);
    for (size_t i = 0; i < event->n_headers && status == PBUS_OK; i++)
        status = event_check_header(&event->headers[i], place, size, err);
    if (status == PBUS_OK && event->n_headers > 1)
        status = event_check_names(event, place, err);
    return status;
}

pbus_status event_check(const pbus_event *event, size_t at, size_t n_events, bool ascii_only,
                        event_sizes *sizes, pbus_error *err)
{
    event_place place = event_place_of(at, n_events);
    pbus_status status = event_check_topic(event, place.text, err);
    if (status == PBUS_OK)
        status = event_check_bytes(event, place.text, err);
    if (status == PBUS_OK)
        status = event_check_type(event, ascii_only, place.text, err);
    if (status == PBUS_OK)
        status = event_check_headers(event, place.text, &sizes->headers, err);
    if (status != PBUS_OK)
        return status;

    if (!event_add(&sizes->topic, strlen(event->topic), &status) ||
        !event_add(&sizes->value, event->value_size, &status) ||
        !event_add(&sizes->key, event->key_size, &status) ||
        !event_add(&sizes->type, event->type ? strlen(event->type) : 0, &status) ||
        !event_add(&sizes->event_id, event->event_id ? sizeof event->event_id->bytes : 0, &status))
        return failure(err, status,
                       "%sthe events are larger than the address space; publish them in smaller batches",
                       place.text);
    sizes->any_key |= event->key != NULL;
    sizes->any_type |= event->type != NULL;
    sizes->any_headers |= event->n_headers > 0;
    sizes->any_event_id |= event->event_id != NULL;
    return PBUS_OK;
}

size_t event_headers_size(const pbus_event *event)
{
    size_t size = event->n_headers ? 1 : 0;
    for (size_t i = 0; i < event->n_headers; i++)
        size += json_string_size(event->headers[i].name, strlen(event->headers[i].name)) +
                json_string_size(event->headers[i].value, strlen(event->headers[i].value)) + 2;
    return size;
}

void event_put_headers(bytes *out, const pbus_event *event)
{
    for (size_t i = 0; i < event->n_headers; i++) {
        const pbus_header *header = &event->headers[i];
        bytes_put_u8(out, i == 0 ? '{' : ',');
        json_put_string(out, header->name, strlen(header->name));
        bytes_put_u8(out, ':');
        json_put_string(out, header->value, strlen(header->value));
    }
    if (event->n_headers)
        bytes_put_u8(out, '}');
}

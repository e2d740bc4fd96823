/* Makes events of any records, as a worker reads them: of each all is there, and what is told of it is what its headers say. The headers are librdkafka's own; the
 * record that has them is this program's.
 *
 * The input: a byte of choices, then key, value, and names and values of headers, each behind its length (0xff: NULL). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
rd_kafka_resp_err_t __wrap_rd_kafka_message_headers(const rd_kafka_message_t *record,
                                                    rd_kafka_headers_t **out);
int64_t __wrap_rd_kafka_message_timestamp(const rd_kafka_message_t *record, rd_kafka_timestamp_type_t *how);

enum { NO_NAMES = 1, NO_HEADERS = 2 /* the next two bits: of the timestamp */ };

static rd_kafka_headers_t *headers;
static unsigned choices;

static void must(bool holds)
{
    if (!holds)
        abort();
}

rd_kafka_resp_err_t __wrap_rd_kafka_message_headers(const rd_kafka_message_t *record,
                                                    rd_kafka_headers_t **out)
{
    (void)record;
    *out = headers;
    return headers ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__NOENT;
}

int64_t __wrap_rd_kafka_message_timestamp(const rd_kafka_message_t *record, rd_kafka_timestamp_type_t *how)
{
    static const rd_kafka_timestamp_type_t all[] = {
        RD_KAFKA_TIMESTAMP_NOT_AVAILABLE, RD_KAFKA_TIMESTAMP_CREATE_TIME, RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME};
    (void)record;
    *how = all[(choices >> 2) % 3];
    return *how == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : 1764500000000;
}

typedef struct input {
    const uint8_t *at;
    size_t left;
} input;

/* A copy of its size, with a byte that is not NUL behind it; NULL: there is none. */
static char *take(input *in, size_t *out_size)
{
    *out_size = 0;
    if (in->left == 0)
        return NULL;
    size_t size = *in->at++;
    in->left--;
    if (size == 0xff)
        return NULL;
    if (size > in->left)
        size = in->left;
    char *copy = malloc(size + 1);
    memcpy(copy, in->at, size);
    copy[size] = 'x';
    in->at += size;
    in->left -= size;
    *out_size = size;
    return copy;
}

static void take_headers(input *in)
{
    headers = choices & NO_HEADERS ? NULL : rd_kafka_headers_new(4);
    while (headers && in->left > 0) {
        size_t name_size, value_size;
        char *name = take(in, &name_size), *value = take(in, &value_size);
        must(rd_kafka_header_add(headers, name ? name : "", (ssize_t)name_size, value, (ssize_t)value_size) ==
             RD_KAFKA_RESP_ERR_NO_ERROR);
        free(name);
        free(value);
    }
}

static void check_bytes(const void *is, size_t is_size, const void *was, size_t was_size)
{
    must(is_size == was_size && !is == !was);
    must(!is || (memcmp(is, was, was_size) == 0 && ((const char *)is)[is_size] == '\0'));
}

static void check_headers(const event *e)
{
    size_t n = headers ? rd_kafka_header_cnt(headers) : 0;
    must(e->view.n_headers == n);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t size;
        const pbus_record_header *h = &e->view.headers[i];
        must(rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR);
        must(strcmp(h->name, name) == 0);
        check_bytes(h->value, h->value_size, value, size);
    }
}

/* The last one of a name that has a value. */
static const pbus_record_header *last(const event *e, const char *name)
{
    const pbus_record_header *found = NULL;
    for (size_t i = 0; i < e->view.n_headers; i++)
        if (*name && e->view.headers[i].value && strcmp(e->view.headers[i].name, name) == 0)
            found = &e->view.headers[i];
    return found;
}

static void check_told(const event *e, const event_headers *names)
{
    const pbus_record_header *type = last(e, names->type), *id = last(e, names->id);
    pbus_uuid said;
    must(!e->view.type || (type && e->view.type == type->value && strlen(e->view.type) == type->value_size));
    must(!e->view.event_id || (id && pbus_uuid_parse(id->value, &said, NULL) == PBUS_OK &&
                               memcmp(&said, e->view.event_id, sizeof said) == 0));
    must(memcmp(&e->identity, &e->event_id, sizeof e->identity) == 0 || !e->view.event_id);
    must((e->identity.bytes[6] >> 4 == 0) == !e->view.event_id);
    must(e->relayed_ms >= -1 && e->published_ms >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char id[] = "id", type[] = "type", relayed_at[] = "relayed-at", none[] = "";
    if (size == 0)
        return 0;
    choices = data[0];
    const event_headers names =
        choices & NO_NAMES ? (event_headers){none, none, none} : (event_headers){id, type, relayed_at};
    input in = {data + 1, size - 1};
    rd_kafka_message_t record = {.partition = 3, .offset = 9};
    record.key = take(&in, &record.key_len);
    record.payload = take(&in, &record.len);
    take_headers(&in);
    event *e = event_from_record(&record, "orders", 1, &names);
    must(e != NULL);
    check_bytes(e->view.key, e->view.key_size, record.key, record.key_len);
    check_bytes(e->view.value, e->view.value_size, record.payload, record.len);
    check_headers(e);
    check_told(e, &names);
    event_free(e);
    free(record.key);
    free(record.payload);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return 0;
}

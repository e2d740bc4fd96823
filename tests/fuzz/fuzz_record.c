/* Makes record headers of any bytes in the place of a row's headers, type and event id: they are refused, or each header is there whole.
 *
 * The input: the lengths of type and event id (0xff: NULL), their bytes, and the headers. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static page_bytes take(const uint8_t **data, size_t *size, unsigned length)
{
    if (length == 0xff)
        return (page_bytes){0};
    if (length > *size)
        length = (unsigned)*size;
    page_bytes taken = {(const char *)*data, length};
    *data += length;
    *size -= length;
    return taken;
}

static void check(const rd_kafka_headers_t *headers, const page_event *e)
{
    const char *name;
    const void *value;
    size_t size, n = 0;
    for (; rd_kafka_header_get_all(headers, n, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; n++)
        must(name && value);
    json_t *callers = e->headers.data ? json_loadb(e->headers.data + 1, e->headers.size - 1, 0, NULL) : NULL;
    must(n >= json_object_size(callers) && n <= json_object_size(callers) + 2);
    must(rd_kafka_header_get_last(headers, "id", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR);
    must(json_object_get(callers, "id") || size == 36);
    must(!e->type.data ||
         rd_kafka_header_get_last(headers, "type", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR);
    json_decref(callers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char id_header[] = "id", type_header[] = "type";
    static const config cfg = {.id_header = id_header, .type_header = type_header};
    record_maker m;
    bool ok;
    record_maker_init(&m, &cfg);
    must(record_maker_add_identity(&m, 0, "aabbccdd-eeff-4123-9456-789abcdef012"));
    if (size < 2)
        return 0;
    unsigned type_size = data[0], event_id_size = data[1];
    data += 2;
    size -= 2;
    page_event e = {.id = 5};
    e.type = take(&data, &size, type_size);
    e.event_id = take(&data, &size, event_id_size);
    if (size > 0)
        e.headers = (page_bytes){(const char *)data, size};
    rd_kafka_headers_t *headers = record_headers(&m, &e, &ok);
    must(ok == (headers != NULL));
    if (headers) {
        check(headers, &e);
        rd_kafka_headers_destroy(headers);
    }
    return 0;
}

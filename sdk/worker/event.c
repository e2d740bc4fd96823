/* Makes events of records and of rows, each in one block of memory; must never keep a pointer into either. */
#include "event.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

/* The block behind the event is filled from its beginning. */
typedef struct block {
    char *at;
} block;

static const void *block_put(block *b, const void *data, size_t size)
{
    char *copy = b->at;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    b->at += size + 1;
    return copy;
}

static event *event_new(size_t n_headers, size_t data_bytes, block *out)
{
    size_t size = sizeof(event) + n_headers * sizeof(pbus_record_header) + data_bytes;
    event *e = malloc(size);
    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    e->size_bytes = size;
    e->view.headers = (pbus_record_header *)(e + 1);
    e->view.n_headers = n_headers;
    out->at = (char *)(e + 1) + n_headers * sizeof(pbus_record_header);
    return e;
}

/* FNV-1a over topic, a zero and key, then mixed, so that its low bits choose a thread evenly. It is stored: it must never change. */
static int64_t hash_of(const char *topic, const void *key, size_t key_size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const unsigned char *data = (const unsigned char *)topic;
    size_t topic_size = strlen(topic) + 1;
    for (size_t i = 0; i < topic_size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    data = key;
    for (size_t i = 0; i < key_size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return (int64_t)hash;
}

/* A UUID of version 0, of which there are none: no event id can be taken for it. */
static pbus_uuid identity_of_place(int32_t partition, int64_t offset, int incarnation)
{
    pbus_uuid id = {{0}};
    for (int i = 0; i < 4; i++)
        id.bytes[i] = (unsigned char)((uint32_t)partition >> (24 - 8 * i));
    id.bytes[4] = (unsigned char)(incarnation >> 8);
    id.bytes[5] = (unsigned char)incarnation;
    for (int i = 0; i < 8; i++)
        id.bytes[8 + i] = (unsigned char)((uint64_t)offset >> (56 - 8 * i));
    return id;
}

static const pbus_record_header *header_find(const event *e, const char *name)
{
    for (size_t i = *name ? e->view.n_headers : 0; i > 0; i--)
        if (e->view.headers[i - 1].value && strcmp(e->view.headers[i - 1].name, name) == 0)
            return &e->view.headers[i - 1];
    return NULL;
}

static void read_headers(event *e, const event_headers *names)
{
    const pbus_record_header *id = header_find(e, names->id), *type = header_find(e, names->type);
    if (type && strlen(type->value) == type->value_size)
        e->view.type = type->value;
    if (id && pbus_uuid_parse(id->value, &e->event_id, NULL) == PBUS_OK && e->event_id.bytes[6] >> 4 != 0)
        e->view.event_id = &e->event_id;
}

/* Milliseconds since 1970 in decimal; -1: it is something else. */
static int64_t time_of(const pbus_record_header *h)
{
    const char *text = h ? h->value : NULL;
    if (!text || h->value_size == 0 || h->value_size > 15 || strspn(text, "0123456789") != h->value_size)
        return -1;
    return strtoll(text, NULL, 10);
}

/* A producer's timestamp says when the event was published, the broker's when it had been relayed; which is of a topic's configuration. */
static void read_times(event *e, rd_kafka_timestamp_type_t how, const event_headers *names)
{
    e->relayed_ms = time_of(header_find(e, names->relayed_at));
    e->published_ms = how == RD_KAFKA_TIMESTAMP_CREATE_TIME ? e->view.timestamp_ms : -1;
    if (e->relayed_ms < 0 && how == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME)
        e->relayed_ms = e->view.timestamp_ms;
}

static size_t headers_bytes(const rd_kafka_headers_t *headers, size_t n)
{
    size_t total = 0, size;
    const char *name;
    const void *value;
    for (size_t i = 0; i < n && rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; i++)
        total += strlen(name) + 1 + size + 1;
    return total;
}

static void put_headers(event *e, const rd_kafka_headers_t *headers, block *b)
{
    pbus_record_header *to = (pbus_record_header *)(e + 1);
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; i < e->view.n_headers; i++) {
        if (rd_kafka_header_get_all(headers, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            size = 0, name = "", value = NULL;
        to[i].name = block_put(b, name, strlen(name));
        to[i].value = value ? block_put(b, value, size) : NULL;
        to[i].value_size = size;
    }
}

event *event_from_record(const rd_kafka_message_t *record, const char *topic, int incarnation,
                         const event_headers *names)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_timestamp_type_t how;
    size_t n_headers = rd_kafka_message_headers(record, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
                           ? rd_kafka_header_cnt(headers)
                           : 0;
    block b;
    event *e =
        event_new(n_headers, headers_bytes(headers, n_headers) + record->key_len + record->len + 2, &b);
    if (!e)
        return NULL;
    put_headers(e, headers, &b);
    e->view.topic = topic;
    e->view.partition = record->partition;
    e->view.offset = record->offset;
    e->view.key = record->key ? block_put(&b, record->key, record->key_len) : NULL;
    e->view.key_size = record->key_len;
    e->view.value = record->payload ? block_put(&b, record->payload, record->len) : NULL;
    e->view.value_size = record->len;
    e->view.timestamp_ms = rd_kafka_message_timestamp(record, &how);
    read_headers(e, names);
    read_times(e, how, names);
    e->identity =
        e->view.event_id ? e->event_id : identity_of_place(record->partition, record->offset, incarnation);
    e->queue = hash_of(topic, record->key, record->key ? record->key_len : 0);
    return e;
}

/* Columns of queries/take.sql; all but the arrays are binary, and so are they. */
enum {
    T_XID,
    T_N,
    T_SOURCE,
    T_TOPIC,
    T_PARTITION,
    T_OFFSET,
    T_IDENTITY,
    T_QUEUE,
    T_KEY,
    T_VALUE,
    T_RECORD_MS,
    T_ATTEMPTS,
    T_DEATHS,
    T_N_HEADERS,
    T_HEADERS /* names and values, each as a length (int4, -1: NULL) and bytes */
};

static uint32_t get_u32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t get_i64(const PGresult *row, int column)
{
    return (int64_t)bytes_get_u64(PQgetvalue(row, 0, column));
}

/* What the query wrote, it wrote for this: lengths are right. */
static void put_stored_headers(event *e, const char *at, block *b)
{
    pbus_record_header *to = (pbus_record_header *)(e + 1);
    for (size_t i = 0; i < e->view.n_headers; i++) {
        size_t size = get_u32(at);
        to[i].name = block_put(b, at + 4, size);
        at += 4 + size;
        int32_t value_size = (int32_t)get_u32(at);
        at += 4;
        to[i].value = value_size >= 0 ? block_put(b, at, (size_t)value_size) : NULL;
        to[i].value_size = value_size >= 0 ? (size_t)value_size : 0;
        at += to[i].value_size;
    }
}

static const void *put_column(const PGresult *row, int column, block *b, size_t *out_size)
{
    *out_size = (size_t)PQgetlength(row, 0, column);
    return PQgetisnull(row, 0, column) ? NULL : block_put(b, PQgetvalue(row, 0, column), *out_size);
}

event *event_from_row(const PGresult *row, const event_headers *names)
{
    size_t n_headers = get_u32(PQgetvalue(row, 0, T_N_HEADERS)), topic_size;
    size_t total = (size_t)PQgetlength(row, 0, T_KEY) + (size_t)PQgetlength(row, 0, T_VALUE) +
                   (size_t)PQgetlength(row, 0, T_TOPIC) + (size_t)PQgetlength(row, 0, T_HEADERS) + 3;
    block b;
    event *e = event_new(n_headers, total, &b);
    if (!e)
        return NULL;
    put_stored_headers(e, PQgetvalue(row, 0, T_HEADERS), &b);
    e->view.topic = put_column(row, T_TOPIC, &b, &topic_size);
    e->view.key = put_column(row, T_KEY, &b, &e->view.key_size);
    e->view.value = put_column(row, T_VALUE, &b, &e->view.value_size);
    e->view.partition = (int32_t)get_u32(PQgetvalue(row, 0, T_PARTITION));
    e->view.offset = get_i64(row, T_OFFSET);
    e->view.timestamp_ms = get_i64(row, T_RECORD_MS);
    e->view.attempt = (int)get_u32(PQgetvalue(row, 0, T_ATTEMPTS));
    e->deaths = (int)get_u32(PQgetvalue(row, 0, T_DEATHS));
    e->n = get_i64(row, T_N);
    e->source = (int)get_u32(PQgetvalue(row, 0, T_SOURCE));
    e->has_queue = !PQgetisnull(row, 0, T_QUEUE);
    e->queue = e->has_queue ? get_i64(row, T_QUEUE) : 0;
    memcpy(e->identity.bytes, PQgetvalue(row, 0, T_IDENTITY), sizeof e->identity.bytes);
    read_headers(e, names);
    return e;
}

void event_free(event *e)
{
    if (!e)
        return;
    free(e->json);
    free(e->why);
    free(e);
}

/* Builds the headers of a record; a record carries no header that nobody asked for. */
#include "record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

static const char *unless_empty(const char *name)
{
    return name && *name ? name : NULL;
}

void record_maker_init(record_maker *m, const config *cfg)
{
    *m = (record_maker){.id_header = unless_empty(cfg->id_header),
                        .type_header = unless_empty(cfg->type_header),
                        .relayed_at_header = unless_empty(cfg->relayed_at_header)};
    m->id_header_size = m->id_header ? strlen(m->id_header) : 0;
    m->type_header_size = m->type_header ? strlen(m->type_header) : 0;
    m->relayed_at_header_size = m->relayed_at_header ? strlen(m->relayed_at_header) : 0;
}

void record_maker_set_time(record_maker *m, int64_t wall_ms)
{
    if (wall_ms == m->now_ms)
        return;
    m->now_ms = wall_ms;
    m->now_size = (size_t)snprintf(m->now, sizeof m->now, "%" PRId64, wall_ms);
}

void record_maker_done(record_maker *m)
{
    free(m->older);
    m->older = NULL;
    m->n_identities = 0;
}

bool record_maker_add_identity(record_maker *m, int64_t after_id, const char *outbox_id)
{
    if (strlen(outbox_id) != 36)
        return false;
    record_identity *older = m->n_identities > 0 ? realloc(m->older, m->n_identities * sizeof *older) : NULL;
    if (m->n_identities > 0 && !older)
        return false;
    record_identity *one = older ? &older[m->n_identities - 1] : &m->newest;
    if (older)
        m->older = older;
    m->n_identities++;
    one->after_id = after_id;
    memcpy(one->id_prefix, outbox_id, 19);
    one->id_prefix[14] = '8';
    one->id_prefix[19] = '\0';
    return true;
}

/* Nearly always the newest. */
static const char *prefix_of(const record_maker *m, int64_t id)
{
    const record_identity *one = &m->newest;
    for (size_t i = 0; id <= one->after_id && i + 1 < m->n_identities; i++)
        one = &m->older[i];
    return one->id_prefix;
}

static void put_hex(char *out, uint64_t n, int digits)
{
    for (int i = digits - 1; i >= 0; i--, n >>= 4)
        out[i] = hex[n & 15];
}

void record_derived_id(const record_maker *m, int64_t id, char *out)
{
    uint64_t low = (uint64_t)id | 0x8000000000000000ULL;
    memcpy(out, prefix_of(m, id), 19);
    put_hex(out + 19, low >> 48, 4);
    out[23] = '-';
    put_hex(out + 24, low & 0xffffffffffffULL, 12);
    out[36] = '\0';
}

static void given_id(const page_bytes *uuid, char *out)
{
    static const char dash_after[16] = {[3] = 1, [5] = 1, [7] = 1, [9] = 1};
    for (size_t i = 0; i < 16; i++) {
        unsigned char c = (unsigned char)uuid->data[i];
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
        if (dash_after[i])
            *out++ = '-';
    }
    *out = '\0';
}

/* jsonb in binary is a version byte and JSON text. */
static bool add_callers(const page_bytes *headers, rd_kafka_headers_t *out)
{
    if (headers->size < 1 || headers->data[0] != 1)
        return false;
    json_t *object = json_loadb(headers->data + 1, headers->size - 1, 0, NULL);
    bool ok = json_is_object(object);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!json_is_string(value)) {
            ok = false;
            break;
        }
        rd_kafka_header_add(out, name, -1, json_string_value(value), (ssize_t)json_string_length(value));
    }
    json_decref(object);
    return ok;
}

/* Ours come last: of several headers of one name consumers take the last, and what tells a repeated event must be of one event only. */
rd_kafka_headers_t *record_headers(const record_maker *m, const page_event *e, bool *ok)
{
    *ok = true;
    if (!e->headers.data && !m->id_header && !(m->type_header && e->type.data) && !m->relayed_at_header)
        return NULL;
    rd_kafka_headers_t *out = rd_kafka_headers_new(3);
    if (!out || (e->headers.data && !add_callers(&e->headers, out))) {
        if (out)
            rd_kafka_headers_destroy(out);
        *ok = false;
        return NULL;
    }
    if (m->id_header) {
        char id[37];
        if (e->event_id.size == 16)
            given_id(&e->event_id, id);
        else
            record_derived_id(m, e->id, id);
        rd_kafka_header_add(out, m->id_header, (ssize_t)m->id_header_size, id, 36);
    }
    if (m->type_header && e->type.data)
        rd_kafka_header_add(out, m->type_header, (ssize_t)m->type_header_size, e->type.data,
                            (ssize_t)e->type.size);
    if (m->relayed_at_header)
        rd_kafka_header_add(out, m->relayed_at_header, (ssize_t)m->relayed_at_header_size, m->now,
                            (ssize_t)m->now_size);
    return out;
}

/* Builds the command that publishes events; must never touch a connection or split what the caller wants
 * whole. */
#include "command.h"

#include <string.h>

#include "array.h"
#include "event.h"
#include "failure.h"

/* Types by their numbers in pg_type, which are fixed for ever. */
enum {
    OID_BYTEA = 17,
    OID_TEXT = 25,
    OID_UUID = 2950,
    OID_JSONB = 3802,
    OID_BYTEA_ARRAY = 1001,
    OID_TEXT_ARRAY = 1009,
    OID_UUID_ARRAY = 2951,
    OID_JSONB_ARRAY = 3807
};

enum { TOPIC, VALUE, KEY, TYPE, HEADERS, EVENT_ID };

#define JSONB_VERSION 1 /* the byte that leads jsonb's binary format */
#define FRAME_BYTES 512 /* more than the SQL, the types and the lengths take */

/* Planning the derivation of an event id nearly doubles the server's work for one event (57 to 105
 * microseconds), so it is asked for only where somebody wants to be told what the caller does not know. */
static const char command_one_plain_sql[] = "SELECT postbus.publish($1, $2, $3, $4, $5, $6), $6";
static const char command_one_sql[] = "SELECT p.id, coalesce($6, postbus.event_id(p.id))"
                                      "  FROM postbus.publish($1, $2, $3, $4, $5, $6) AS p(id)";
static const char command_batch_sql[] =
    "SELECT id, event_id FROM postbus.publish_batch($1, $2, $3, $4, $5, $6)";

static const Oid command_one_types[COMMAND_PARAMETERS] = {OID_TEXT, OID_BYTEA, OID_BYTEA,
                                                          OID_TEXT, OID_JSONB, OID_UUID};
static const Oid command_batch_types[COMMAND_PARAMETERS] = {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY,
                                                            OID_TEXT_ARRAY, OID_JSONB_ARRAY, OID_UUID_ARRAY};
static const Oid command_element_types[COMMAND_PARAMETERS] = {OID_TEXT, OID_BYTEA, OID_BYTEA,
                                                              OID_TEXT, OID_JSONB, OID_UUID};

/* What the parts of one event are, in the order of the parameters; data NULL is an SQL NULL. Headers are
 * written apart. */
typedef struct part {
    const void *data;
    size_t size;
} part;

static part command_part(const pbus_event *event, int which)
{
    switch (which) {
    case TOPIC:
        return (part){event->topic, strlen(event->topic)};
    case VALUE:
        return (part){event->value, event->value_size};
    case KEY:
        return (part){event->key, event->key_size};
    case TYPE:
        return (part){event->type, event->type ? strlen(event->type) : 0};
    default:
        return (part){event->event_id ? event->event_id->bytes : NULL,
                      event->event_id ? sizeof event->event_id->bytes : 0};
    }
}

static void command_put_headers(bytes *out, const pbus_event *event)
{
    bytes_put_u8(out, JSONB_VERSION);
    event_put_headers(out, event);
}

static pbus_status command_check_owned(const command *cmd, pbus_error *err)
{
    for (int i = 0; i < COMMAND_PARAMETERS; i++)
        if (cmd->owned[i].failed)
            return failure(err, PBUS_ERROR_MEMORY,
                           "no memory for the command that publishes; publish in smaller batches");
    return PBUS_OK;
}

static pbus_status command_one(command *cmd, const pbus_event *event, bool tell_ids, pbus_error *err)
{
    cmd->sql = tell_ids && !event->event_id ? command_one_sql : command_one_plain_sql;
    memcpy(cmd->types, command_one_types, sizeof cmd->types);
    for (int i = 0; i < COMMAND_PARAMETERS; i++) {
        part p = {0};
        if (i != HEADERS) {
            p = command_part(event, i);
        } else if (event->n_headers) {
            command_put_headers(&cmd->owned[i], event);
            p = (part){cmd->owned[i].data, cmd->owned[i].size};
        }
        cmd->values[i] = p.data;
        cmd->sizes[i] = (int)p.size;
    }
    return command_check_owned(cmd, err);
}

static void command_put_array(bytes *out, int which, const pbus_event *events, size_t n_events)
{
    array_start(out, command_element_types[which], (uint32_t)n_events);
    for (size_t i = 0; i < n_events && !out->failed; i++) {
        if (which == HEADERS && events[i].n_headers) {
            array_put_size(out, event_headers_size(&events[i]) + 1);
            command_put_headers(out, &events[i]);
            continue;
        }
        part p = {0};
        if (which != HEADERS)
            p = command_part(&events[i], which);
        if (p.data)
            array_put(out, p.data, p.size);
        else
            array_put_null(out);
    }
}

/* A part that no event has is sent as NULL instead of an array of NULLs. */
static pbus_status command_batch(command *cmd, const pbus_event *events, size_t n_events,
                                 const event_sizes *sizes, pbus_error *err)
{
    const bool present[COMMAND_PARAMETERS] = {
        true, true, sizes->any_key, sizes->any_type, sizes->any_headers, sizes->any_event_id};
    const size_t data_bytes[COMMAND_PARAMETERS] = {sizes->topic, sizes->value,   sizes->key,
                                                   sizes->type,  sizes->headers, sizes->event_id};
    cmd->sql = command_batch_sql;
    memcpy(cmd->types, command_batch_types, sizeof cmd->types);
    for (int i = 0; i < COMMAND_PARAMETERS; i++) {
        if (!present[i])
            continue;
        bytes *out = &cmd->owned[i];
        size_t frames = ARRAY_HEADER_BYTES + n_events * (ARRAY_ELEMENT_BYTES + (i == HEADERS ? 1 : 0));
        bytes_reserve(out, data_bytes[i] + frames);
        command_put_array(out, i, events, n_events);
        cmd->values[i] = (const char *)out->data;
        cmd->sizes[i] = (int)out->size;
    }
    return command_check_owned(cmd, err);
}

/* All sizes together stay under PBUS_PUBLISH_MAX_BYTES, so that no sum, no int of libpq's and no message
 * overflows later. */
static pbus_status command_check_size(const event_sizes *sizes, size_t n_events, pbus_error *err)
{
    const size_t parts[] = {sizes->topic, sizes->value,   sizes->key,
                            sizes->type,  sizes->headers, sizes->event_id};
    const size_t frames_per_event = COMMAND_PARAMETERS * ARRAY_ELEMENT_BYTES + 1;
    size_t total = SIZE_MAX;
    if (n_events <= PBUS_PUBLISH_MAX_BYTES / frames_per_event)
        total = FRAME_BYTES + n_events * frames_per_event;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!size_add(&total, parts[i]))
            total = SIZE_MAX;
    if (total <= PBUS_PUBLISH_MAX_BYTES)
        return PBUS_OK;
    return failure(err, PBUS_ERROR_TOO_LARGE,
                   "%zu event(s) take %zu bytes to send, more than the %u of one call; publish smaller "
                   "batches in the same transaction, or a reference instead of a large value",
                   n_events, total, PBUS_PUBLISH_MAX_BYTES);
}

pbus_status command_build(command *cmd, const pbus_event *events, size_t n_events, bool tell_ids,
                          bool ascii_only, pbus_error *err)
{
    event_sizes sizes = {0};
    for (size_t i = 0; i < n_events; i++) {
        pbus_status status = event_check(&events[i], i, n_events, ascii_only, &sizes, err);
        if (status != PBUS_OK)
            return status;
    }
    pbus_status status = command_check_size(&sizes, n_events, err);
    if (status != PBUS_OK)
        return status;
    for (int i = 0; i < COMMAND_PARAMETERS; i++)
        cmd->formats[i] = 1;
    return n_events == 1 ? command_one(cmd, events, tell_ids, err)
                         : command_batch(cmd, events, n_events, &sizes, err);
}

void command_done(command *cmd)
{
    for (int i = 0; i < COMMAND_PARAMETERS; i++)
        bytes_done(&cmd->owned[i]);
}

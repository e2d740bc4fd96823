/* Keeps the bindings of topics to schemas, and encodes; must never let an event of a bound topic leave before its binding is known. */
#include "binding.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "postbus_sql.h"

#define NO_ID (-1)

typedef struct version {
    int32_t id;       /* of its frames */
    int32_t other_id; /* that its frames may have had under an earlier binding; NO_ID: none */
    pbus_schema *schema;
} version;

struct binding {
    binding *next;
    char *topic;
    pbus_framing framing;
    version *versions; /* the newest first */
    size_t n_versions, capacity;
};

enum column { B_CHANGE, B_TOPIC, B_FRAMING, B_SCHEMA_ID, B_OTHER_ID, B_TEXT, B_N_COLUMNS };

static void free_list(binding *list)
{
    for (binding *next; list; list = next) {
        next = list->next;
        for (size_t i = 0; i < list->n_versions; i++)
            pbus_schema_free(list->versions[i].schema);
        free(list->versions);
        free(list->topic);
        free(list);
    }
}

void bindings_drop(bindings *b)
{
    free(b->fault);
    b->fault = NULL;
    b->session = NULL;
    b->asked = false;
}

void bindings_done(bindings *b)
{
    bindings_drop(b);
    free_list(b->list);
    pbus_buffer_done(&b->scratch);
    *b = (bindings){.session = NULL};
}

static pbus_framing framing_of(const char *name)
{
    if (strcmp(name, "confluent") == 0)
        return PBUS_FRAMING_CONFLUENT;
    return strcmp(name, "single-object") == 0 ? PBUS_FRAMING_SINGLE_OBJECT : PBUS_FRAMING_NONE;
}

static binding *add_binding(binding **list, const char *topic, const char *framing)
{
    binding *one = calloc(1, sizeof *one);
    if (!one || !(one->topic = strdup(topic))) {
        free(one);
        return NULL;
    }
    one->framing = framing_of(framing);
    one->next = *list;
    *list = one;
    return one;
}

/* One that cannot be read is left out: postbus schema add takes none such. */
static bool add_version(binding *to, int32_t id, int32_t other_id, const char *text)
{
    pbus_schema *schema;
    pbus_error err;
    if (to->n_versions == to->capacity) {
        size_t capacity = to->capacity ? to->capacity * 2 : 4;
        version *versions = realloc(to->versions, capacity * sizeof *versions);
        if (!versions)
            return false;
        to->versions = versions;
        to->capacity = capacity;
    }
    pbus_status status = pbus_schema_parse(text, strlen(text), NULL, 0, &schema, &err);
    if (status == PBUS_OK)
        to->versions[to->n_versions++] = (version){.id = id, .other_id = other_id, .schema = schema};
    else if (status != PBUS_ERROR_MEMORY)
        log_event(LOG_LEVEL_ERROR, "schema.unreadable", "id=%d reason=%s", (int)id, err.message);
    return status != PBUS_ERROR_MEMORY;
}

static int32_t id_of(const PGresult *rows, int i, enum column column)
{
    return PQgetisnull(rows, i, column) ? NO_ID : (int32_t)strtol(PQgetvalue(rows, i, column), NULL, 10);
}

/* Rows come by topic, the newest version first. */
static bool take_rows(const PGresult *rows, binding **out)
{
    binding *last = NULL;
    for (int i = 0; i < PQntuples(rows); i++) {
        const char *topic = PQgetvalue(rows, i, B_TOPIC);
        if (PQgetisnull(rows, i, B_TOPIC))
            continue;
        if (!last || strcmp(last->topic, topic) != 0)
            last = add_binding(out, topic, PQgetvalue(rows, i, B_FRAMING));
        if (!last || !add_version(last, id_of(rows, i, B_SCHEMA_ID), id_of(rows, i, B_OTHER_ID),
                                  PQgetvalue(rows, i, B_TEXT)))
            return false;
    }
    return true;
}

static void on_bindings(void *arg, PGresult *rows)
{
    bindings *b = arg;
    binding *list = NULL;
    b->asked = false;
    if (PQnfields(rows) != B_N_COLUMNS || PQntuples(rows) == 0 || !take_rows(rows, &list)) {
        free_list(list);
        b->fault = b->fault ? b->fault : strdup("the bindings of topics cannot be read");
    } else {
        free_list(b->list);
        b->list = list;
        b->generation++;
        b->change = strtoll(PQgetvalue(rows, 0, B_CHANGE), NULL, 10);
        if (b->change > 0)
            log_event(LOG_LEVEL_INFO, "bindings.loaded", "change=%lld", (long long)b->change);
        bindings_seen(b, b->wanted);
    }
    PQclear(rows);
}

static void ask(bindings *b)
{
    b->asked = true;
    session_query(b->session, sql_query("bindings"), 0, NULL, false, on_bindings, b);
    session_commit(b->session, NULL, NULL);
}

/* Asked for at once: a batch of before, of which only a part was published, is read on without a snapshot of its own, and may be larger than memory. */
void bindings_start(bindings *b, session *pg)
{
    bindings_drop(b);
    b->session = pg;
    b->stale = true;
    b->change = -1;
    b->wanted = 0;
    ask(b);
}

void bindings_seen(bindings *b, int64_t change)
{
    b->wanted = change;
    b->stale = b->change < change;
    if (b->stale && !b->asked)
        ask(b);
}

const binding *bindings_find(const bindings *b, const char *topic)
{
    for (const binding *one = b->list; one; one = one->next)
        if (strcmp(one->topic, topic) == 0)
            return one;
    return NULL;
}

/* jsonb in binary is a version byte and JSON text. */
static bool says_avro(const page_bytes *headers)
{
    if (headers->size < 1)
        return false;
    json_t *object = json_loadb(headers->data + 1, headers->size - 1, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "content-type"));
    bool avro = type && strcmp(type, "avro/binary") == 0;
    json_decref(object);
    return avro;
}

/* As postbus.is_avro(): JSON begins with neither frame. */
static bool is_avro(pbus_framing framing, const page_event *e)
{
    const char *data = e->value.data;
    if (framing == PBUS_FRAMING_CONFLUENT)
        return e->value.size > 0 && data[0] == 0;
    if (framing == PBUS_FRAMING_SINGLE_OBJECT)
        return e->value.size > 1 && (unsigned char)data[0] == 0xC3 && data[1] == 1;
    return says_avro(&e->headers);
}

/* That a value has which was published under another framing. No JSON begins so. */
static bool begins_framed(const page_bytes *value)
{
    const unsigned char *data = (const unsigned char *)value->data;
    return value->size > 0 && (data[0] == 0 || (value->size > 1 && data[0] == 0xC3 && data[1] == 1));
}

/* The only version that a frame can name; NULL: none, or an id is one version's here and another's in a registry. */
static const version *named_by(const binding *to, const pbus_frame *frame)
{
    const version *found = NULL;
    for (size_t i = 0; i < to->n_versions; i++) {
        const version *one = &to->versions[i];
        if (frame->framing == PBUS_FRAMING_SINGLE_OBJECT) {
            if (pbus_schema_fingerprint(one->schema) == frame->fingerprint)
                return one;
        } else if (one->id == frame->schema_id || one->other_id == frame->schema_id) {
            if (found)
                return NULL;
            found = one;
        }
    }
    return found;
}

static pbus_status put_frame(pbus_buffer *out, pbus_framing framing, const version *by)
{
    const pbus_frame frame = {
        .framing = framing, .schema_id = by->id, .fingerprint = pbus_schema_fingerprint(by->schema)};
    out->size = 0;
    return pbus_frame_put(&frame, out, NULL);
}

static pbus_status encode(pbus_buffer *out, pbus_framing framing, const version *by, const page_bytes *json)
{
    pbus_status status = put_frame(out, framing, by);
    return status == PBUS_OK
               ? pbus_schema_encode_json(by->schema, json->data, json->size, PBUS_JSON_PLAIN, out, NULL)
               : status;
}

/* No bytes, as of a null without a frame, are no tombstone. */
static binding_answer encoded(const bindings *b, page_bytes *out)
{
    *out = (page_bytes){b->scratch.data ? (const char *)b->scratch.data : "", b->scratch.size};
    return BINDING_ENCODED;
}

static bool append(pbus_buffer *out, const char *data, size_t size)
{
    if (size > out->capacity - out->size) {
        void *grown = realloc(out->data, out->size + size);
        if (!grown)
            return false;
        out->data = grown;
        out->capacity = out->size + size;
    }
    if (size > 0)
        memcpy(out->data + out->size, data, size);
    out->size += size;
    return true;
}

/* Accepted under another framing, it leaves in today's; what today's subject does not know leaves as it is. */
static binding_answer reframe(bindings *b, const binding *to, const page_bytes *value, page_bytes *out)
{
    const pbus_frame frame = pbus_frame_guess(value->data, value->size);
    const version *by = frame.framing == PBUS_FRAMING_NONE ? NULL : named_by(to, &frame);
    if (!by)
        return BINDING_AS_IS;
    if (put_frame(&b->scratch, to->framing, by) != PBUS_OK ||
        !append(&b->scratch, value->data + frame.size_bytes, value->size - frame.size_bytes))
        return BINDING_NO_MEMORY;
    return encoded(b, out);
}

/* Avro of a framing without frames, which nothing but its header tells from JSON that does not fit. */
static bool is_bare_avro(const page_event *e)
{
    if (!says_avro(&e->headers))
        return false;
    json_t *json = json_loadb(e->value.data, e->value.size, JSON_DECODE_ANY, NULL);
    json_decref(json);
    return json == NULL;
}

binding_answer bindings_encode(bindings *b, const binding *to, const page_event *e, page_bytes *out)
{
    pbus_status status = PBUS_ERROR_MISFIT;
    if (!e->value.data || is_avro(to->framing, e))
        return BINDING_AS_IS;
    if (begins_framed(&e->value)) /* bare Avro may, too */
        return says_avro(&e->headers) ? BINDING_AS_IS : reframe(b, to, &e->value, out);
    for (size_t i = 0; i < to->n_versions && status != PBUS_OK; i++) {
        status = encode(&b->scratch, to->framing, &to->versions[i], &e->value);
        if (status == PBUS_ERROR_MEMORY)
            return BINDING_NO_MEMORY;
    }
    if (status == PBUS_OK)
        return encoded(b, out);
    return is_bare_avro(e) ? BINDING_AS_IS : BINDING_MISFIT;
}

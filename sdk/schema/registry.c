/* Asks a registry for ids and schemas, and keeps what it learnt; must never ask twice for what cannot change. */
#include "registry_http.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "text.h"

#define MOST_SUBJECT_BYTES 1000
#define MOST_REFERENCES 100 /* of one schema, with theirs */
#define N_MISSED 64

/* A schema and its id; of a subject where the id was asked for by the schema. */
typedef struct entry {
    struct entry *next;
    int32_t id;
    char *subject; /* NULL: asked for by the id */
    pbus_schema *schema;
} entry;

/* An id that the registry did not know a moment ago. */
typedef struct missed {
    int32_t id;
    int64_t until_ms;
    pbus_error why;
} missed;

struct pbus_registry {
    pthread_mutex_t known; /* of entries and missed; held for moments */
    pthread_mutex_t line;  /* of http; held while a request is under way */
    registry_http *http;
    entry *entries;
    missed missed[N_MISSED];
    size_t next_missed;
};

/* While a schema with references is fetched. */
typedef struct fetching {
    registry_http *http;
    int64_t until_ms;
    size_t n_left;
    pbus_error *err;
} fetching;

pbus_status pbus_registry_new(const pbus_registry_options *options, pbus_registry **out, pbus_error *err)
{
    if (!options || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", options ? "out" : "options");
    if (options->size != sizeof *options)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "options->size is %zu; start from PBUS_REGISTRY_OPTIONS_INIT", options->size);
    pbus_registry *r = calloc(1, sizeof *r);
    if (!r)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the registry");
    pbus_status status = registry_http_new(options, &r->http, err);
    if (status != PBUS_OK) {
        free(r);
        return status;
    }
    pthread_mutex_init(&r->known, NULL);
    pthread_mutex_init(&r->line, NULL);
    *out = r;
    return PBUS_OK;
}

void pbus_registry_free(pbus_registry *registry)
{
    if (!registry)
        return;
    for (entry *next, *e = registry->entries; e; e = next) {
        next = e->next;
        pbus_schema_free(e->schema);
        free(e->subject);
        free(e);
    }
    registry_http_free(registry->http);
    pthread_mutex_destroy(&registry->known);
    pthread_mutex_destroy(&registry->line);
    free(registry);
}

/* What cannot be kept for want of memory is asked for again. */
static void keep(pbus_registry *r, const char *subject, const pbus_schema *schema, int32_t id)
{
    entry *e = calloc(1, sizeof *e);
    char *name = subject ? strdup(subject) : NULL;
    if (!e || (subject && !name)) {
        free(e);
        free(name);
        return;
    }
    /* Sharing changes the count of holders alone, which is atomic. */
    *e = (entry){.id = id, .subject = name, .schema = pbus_schema_share((pbus_schema *)(uintptr_t)schema)};
    pthread_mutex_lock(&r->known);
    e->next = r->entries;
    r->entries = e;
    pthread_mutex_unlock(&r->known);
}

static bool has_text(const entry *e, const char *subject, const pbus_schema *schema)
{
    size_t a, b;
    const char *x = pbus_schema_text(e->schema, &a), *y = pbus_schema_text(schema, &b);
    return e->subject && strcmp(e->subject, subject) == 0 && a == b && memcmp(x, y, a) == 0;
}

static bool know_id(pbus_registry *r, const char *subject, const pbus_schema *schema, int32_t *out)
{
    pthread_mutex_lock(&r->known);
    const entry *e = r->entries;
    while (e && !has_text(e, subject, schema))
        e = e->next;
    if (e)
        *out = e->id;
    pthread_mutex_unlock(&r->known);
    return e != NULL;
}

/* PBUS_OK with *out NULL: nothing is known. */
static pbus_status know_schema(pbus_registry *r, int32_t id, pbus_schema **out, pbus_error *err)
{
    pbus_status status = PBUS_OK;
    int64_t now = registry_now_ms();
    *out = NULL;
    pthread_mutex_lock(&r->known);
    for (const entry *e = r->entries; e && !*out; e = e->next)
        if (e->id == id && !e->subject)
            *out = pbus_schema_share(e->schema);
    for (size_t i = 0; i < N_MISSED && !*out && status == PBUS_OK; i++)
        if (r->missed[i].id == id && r->missed[i].until_ms > now) {
            status = r->missed[i].why.status;
            if (err)
                *err = r->missed[i].why;
        }
    pthread_mutex_unlock(&r->known);
    return status;
}

static void note_missed(pbus_registry *r, int32_t id, const pbus_error *why)
{
    pthread_mutex_lock(&r->known);
    r->missed[r->next_missed] = (missed){id, registry_now_ms() + PBUS_REGISTRY_PAUSE_MS, *why};
    r->next_missed = (r->next_missed + 1) % N_MISSED;
    pthread_mutex_unlock(&r->known);
}

static pbus_status strange(const char *what, pbus_error *err)
{
    return failure(err, PBUS_ERROR_REGISTRY, "the registry's answer has no %s", what);
}

/* ---- by a schema ---- */

static pbus_status check_call(const pbus_registry *r, const char *subject, const pbus_schema *schema,
                              const void *out, pbus_error *err)
{
    size_t length = subject ? strlen(subject) : 0;
    if (!r || !schema || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL",
                       !r        ? "the registry"
                       : !schema ? "the schema"
                                 : "out_id");
    if (length == 0 || length > MOST_SUBJECT_BYTES || text_find_fault(subject, length) != SIZE_MAX)
        return failure(err, PBUS_ERROR_ARGUMENT, "the subject is \"%s\"; 1 to %d bytes of UTF-8 are possible",
                       subject ? text_show(subject, length).text : "(NULL)", MOST_SUBJECT_BYTES);
    return PBUS_OK;
}

/* POSTs the schema's text to a path with the subject in it. *out: the answer, for json_decref. */
static pbus_status post(pbus_registry *r, const char *path, const char *subject, const pbus_schema *schema,
                        json_t **out, pbus_error *err)
{
    size_t size;
    const char *text = pbus_schema_text(schema, &size);
    json_t *body = json_pack("{s:s%}", "schema", text, size);
    char *name = registry_http_escape(subject), *full = NULL;
    pbus_status status;
    if (!body || !name || asprintf(&full, path, name) < 0)
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for a request to the registry");
    else {
        pthread_mutex_lock(&r->line);
        status = registry_http_ask(r->http, registry_http_until_ms(r->http), full, body, out, err);
        pthread_mutex_unlock(&r->line);
        free(full);
    }
    registry_http_forget(name);
    json_decref(body);
    return status;
}

static pbus_status id_of(pbus_registry *r, const char *path, const char *subject, const pbus_schema *schema,
                         int32_t *out_id, pbus_error *err)
{
    json_t *said;
    pbus_error own = {.status = PBUS_OK};
    err = err ? err : &own;
    pbus_status status = check_call(r, subject, schema, out_id, err);
    if (status != PBUS_OK || know_id(r, subject, schema, out_id))
        return status;
    status = post(r, path, subject, schema, &said, err);
    if (status != PBUS_OK)
        return status;
    const json_t *id = json_object_get(said, "id");
    json_int_t number = json_integer_value(id);
    bool good = json_is_integer(id) && number >= 0 && number <= INT32_MAX;
    json_decref(said);
    if (!good)
        return strange("id", err);
    *out_id = (int32_t)number;
    keep(r, subject, schema, *out_id);
    return PBUS_OK;
}

pbus_status pbus_registry_register(pbus_registry *registry, const char *subject, const pbus_schema *schema,
                                   int32_t *out_id, pbus_error *err)
{
    return id_of(registry, "/subjects/%s/versions", subject, schema, out_id, err);
}

pbus_status pbus_registry_find(pbus_registry *registry, const char *subject, const pbus_schema *schema,
                               int32_t *out_id, pbus_error *err)
{
    return id_of(registry, "/subjects/%s", subject, schema, out_id, err);
}

static pbus_status first_message(const json_t *said, const char *subject, pbus_error *err)
{
    const char *message = json_string_value(json_array_get(json_object_get(said, "messages"), 0));
    char words[600];
    registry_http_quote(message ? message : "", words, sizeof words);
    return failure(err, PBUS_ERROR_INCOMPATIBLE,
                   "the registry finds it incompatible with the latest version of %s%s%s", subject,
                   *words ? ": " : "", words);
}

pbus_status pbus_registry_check(pbus_registry *registry, const char *subject, const pbus_schema *schema,
                                pbus_error *err)
{
    json_t *said;
    pbus_error own = {.status = PBUS_OK};
    err = err ? err : &own;
    pbus_status status = check_call(registry, subject, schema, subject, err);
    if (status != PBUS_OK)
        return status;
    status = post(registry, "/compatibility/subjects/%s/versions/latest?verbose=true", subject, schema, &said,
                  err);
    if (status != PBUS_OK) /* the first version of a subject stands against nothing */
        return status == PBUS_ERROR_UNKNOWN_SCHEMA ? PBUS_OK : status;
    const json_t *is = json_object_get(said, "is_compatible");
    if (!json_is_boolean(is))
        status = strange("is_compatible", err);
    else if (!json_is_true(is))
        status = first_message(said, subject, err);
    json_decref(said);
    return status;
}

/* ---- by an id ---- */

static pbus_status take_schema(fetching *f, const json_t *said, pbus_schema **out);

static pbus_status fetch_reference(fetching *f, const json_t *reference, pbus_schema **out)
{
    const char *subject = json_string_value(json_object_get(reference, "subject"));
    const json_t *version = json_object_get(reference, "version");
    char *name = NULL, *path = NULL;
    json_t *said = NULL;
    pbus_status status;
    if (f->n_left-- == 0)
        return failure(f->err, PBUS_ERROR_LIMIT, "the schema refers to more than %d others", MOST_REFERENCES);
    if (!subject || !json_is_integer(version))
        return strange("subject and version of a reference", f->err);
    name = registry_http_escape(subject);
    if (!name ||
        asprintf(&path, "/subjects/%s/versions/%" JSON_INTEGER_FORMAT, name, json_integer_value(version)) < 0)
        status = failure(f->err, PBUS_ERROR_MEMORY, "no memory for a request to the registry");
    else {
        status = registry_http_ask(f->http, f->until_ms, path, NULL, &said, f->err);
        free(path);
    }
    registry_http_forget(name);
    if (status == PBUS_OK)
        status = take_schema(f, said, out);
    json_decref(said);
    return status;
}

/* Of an answer that has text and references. */
static pbus_status take_schema(fetching *f, const json_t *said, pbus_schema **out)
{
    const json_t *text = json_object_get(said, "schema"), *references = json_object_get(said, "references");
    const char *type = json_string_value(json_object_get(said, "schemaType"));
    size_t n = json_array_size(references), n_known = 0;
    if (type && strcmp(type, "AVRO") != 0)
        return failure(f->err, PBUS_ERROR_AVRO_SCHEMA, "the schema is of the type %s and not AVRO",
                       text_show(type, strlen(type)).text);
    if (!json_is_string(text))
        return strange("schema", f->err);
    if (n > f->n_left)
        return failure(f->err, PBUS_ERROR_LIMIT, "the schema refers to more than %d others", MOST_REFERENCES);
    pbus_schema **known = calloc(n + 1, sizeof(pbus_schema *));
    pbus_status status = known ? PBUS_OK : failure(f->err, PBUS_ERROR_MEMORY, "no memory for a schema");
    while (status == PBUS_OK && n_known < n) {
        status = fetch_reference(f, json_array_get(references, n_known), &known[n_known]);
        n_known += status == PBUS_OK;
    }
    if (status == PBUS_OK)
        status =
            pbus_schema_parse(json_string_value(text), json_string_length(text), known, n_known, out, f->err);
    for (size_t i = 0; i < n_known; i++)
        pbus_schema_free(known[i]);
    free(known);
    return status;
}

static pbus_status fetch(pbus_registry *r, int32_t id, pbus_schema **out, pbus_error *err)
{
    char path[64];
    json_t *said = NULL;
    fetching f = {
        .http = r->http, .until_ms = registry_http_until_ms(r->http), .n_left = MOST_REFERENCES, .err = err};
    snprintf(path, sizeof path, "/schemas/ids/%" PRId32, id);
    pbus_status status = registry_http_ask(r->http, f.until_ms, path, NULL, &said, err);
    if (status == PBUS_OK)
        status = take_schema(&f, said, out);
    json_decref(said);
    return status;
}

pbus_status pbus_registry_schema(pbus_registry *registry, int32_t id, pbus_schema **out, pbus_error *err)
{
    pbus_error own = {.status = PBUS_OK};
    pbus_schema *schema;
    err = err ? err : &own;
    if (!registry || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", registry ? "out" : "the registry");
    if (id < 0) /* not every registry says so of what is no id at all */
        return failure(err, PBUS_ERROR_UNKNOWN_SCHEMA, "%" PRId32 " is no id of a registry", id);
    pbus_status status = know_schema(registry, id, &schema, err);
    if (status == PBUS_OK && !schema) {
        pthread_mutex_lock(&registry->line);
        /* Another thread may have asked while this one waited. */
        status = know_schema(registry, id, &schema, err);
        if (status == PBUS_OK && !schema) {
            status = fetch(registry, id, &schema, err);
            if (status == PBUS_OK)
                keep(registry, NULL, schema, id);
            else if (status == PBUS_ERROR_UNKNOWN_SCHEMA || status == PBUS_ERROR_AVRO_SCHEMA ||
                     status == PBUS_ERROR_LIMIT)
                note_missed(registry, id, err);
        }
        pthread_mutex_unlock(&registry->line);
    }
    if (status == PBUS_OK)
        *out = schema;
    return status;
}

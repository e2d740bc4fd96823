/* Finds the branch of a union that a JSON value is for; must never choose between two that it fits equally well. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "encode.h"
#include "human.h"
#include "number.h"
#include "varint.h"

#define NO_BRANCH SIZE_MAX
#define RANK_NEVER 100

static bool encode_branch(encoding *e, const type *t, size_t index, const json_t *json, const place *at)
{
    unsigned char wire[VARINT_MAX_BYTES];
    const type *branch = t->branches[index];
    const place within = {.up = at, .kind = PLACE_BRANCH, .name = branch->name};
    bytes_put(&e->out, wire, varint_put(wire, (int64_t)index));
    return encode_json(e, branch, json, branch->kind == TYPE_NULL || t->n_branches <= 2 ? at : &within);
}

static size_t branch_of_kind(const type *t, type_kind kind)
{
    for (size_t i = 0; i < t->n_branches; i++)
        if (t->branches[i]->kind == kind)
            return i;
    return NO_BRANCH;
}

/* The branch that the only key of an object names: by its full name or, where that may be, by its only short one. */
static size_t branch_of_tag(const type *t, const json_t *json, bool also_short, const json_t **out_value)
{
    size_t found = NO_BRANCH;
    if (json_object_size(json) != 1)
        return NO_BRANCH;
    void *only = json_object_iter((json_t *)json);
    const char *tag = json_object_iter_key(only);
    *out_value = json_object_iter_value(only);
    for (size_t i = 0; i < t->n_branches; i++)
        if (strcmp(t->branches[i]->name, tag) == 0)
            return i;
    for (size_t i = 0; i < t->n_branches && also_short; i++)
        if (strcmp(t->branches[i]->short_name, tag) == 0) {
            if (found != NO_BRANCH)
                return NO_BRANCH;
            found = i;
        }
    return found;
}

static int rank_of_string(const type *branch, const json_t *json)
{
    double number;
    switch (branch->kind) {
    case TYPE_INT:
    case TYPE_LONG:
        return human_is_time(branch->logical) ? 0 : RANK_NEVER;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return number_of_word(json_string_value(json), json_string_length(json), &number)
                   ? 8 + (branch->kind == TYPE_FLOAT)
                   : RANK_NEVER;
    case TYPE_BYTES:
    case TYPE_STRING:
    case TYPE_ENUM:
    case TYPE_FIXED:
        return 0;
    default:
        return RANK_NEVER;
    }
}

static int rank_of_number(const type *branch, const json_t *json)
{
    bool whole = json_is_integer(json);
    switch (branch->kind) {
    case TYPE_INT:
        return whole ? 0 : 3;
    case TYPE_LONG:
        return whole ? 1 : 4;
    case TYPE_DOUBLE:
        return whole ? 2 : 0;
    case TYPE_FLOAT:
        return whole ? 3 : 1;
    case TYPE_BYTES:
    case TYPE_FIXED:
        return branch->logical == PBUS_LOGICAL_DECIMAL ? 5 : RANK_NEVER;
    default:
        return RANK_NEVER;
    }
}

/* Spares trials that end deep within: an object that lacks a field, or has a strange one, is for another branch. */
static bool could_be_record(const type *record, const json_t *json)
{
    size_t n_given = 0;
    for (size_t i = 0; i < record->n_fields; i++) {
        bool given = json_object_get(json, record->fields[i].name) != NULL;
        if (!given && !record->fields[i].default_json)
            return false;
        n_given += given;
    }
    return n_given == json_object_size(json);
}

/* How far a value's kind is from a branch; RANK_NEVER: it cannot be for it. */
static int rank_of(const type *branch, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_NULL:
        return branch->kind == TYPE_NULL ? 0 : RANK_NEVER;
    case JSON_TRUE:
    case JSON_FALSE:
        return branch->kind == TYPE_BOOLEAN ? 0 : RANK_NEVER;
    case JSON_STRING:
        return rank_of_string(branch, json);
    case JSON_INTEGER:
    case JSON_REAL:
        return rank_of_number(branch, json);
    case JSON_ARRAY:
        return branch->kind == TYPE_ARRAY ? 0 : RANK_NEVER;
    case JSON_OBJECT:
        return branch->kind == TYPE_MAP || branch->kind == TYPE_RECORD ? 0 : RANK_NEVER;
    }
    return RANK_NEVER;
}

static bool could_be(const type *t, const json_t *json)
{
    const json_t *value;
    if (t->kind == TYPE_UNION) {
        for (size_t i = 0; i < t->n_branches; i++)
            if (could_be(t->branches[i], json))
                return true;
        return branch_of_tag(t, json, true, &value) != NO_BRANCH;
    }
    return rank_of(t, json) != RANK_NEVER && (t->kind != TYPE_RECORD || could_be_record(t, json));
}

/* As could_be_record: a record that is tried as a map would be encoded up to its first member of another kind, and so would all within it. */
static bool could_be_map(const type *map, const json_t *json)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value) if (!could_be(map->items, value)) return false;
    return true;
}

static bool worth_a_trial(const type *branch, const json_t *json)
{
    return branch->kind == TYPE_RECORD ? could_be_record(branch, json)
           : branch->kind == TYPE_MAP  ? could_be_map(branch, json)
                                       : true;
}

/* Encodes for a branch, or leaves the run as it was, and says why. A limit that is reached stays as the encoding's status. */
static bool try_branch(encoding *e, const type *t, size_t index, const json_t *json, const place *at,
                       pbus_error *why)
{
    pbus_error *err = e->err;
    size_t start = e->out.size;
    unsigned depth = e->depth;
    e->err = err ? why : NULL;
    bool fits = encode_branch(e, t, index, json, at);
    e->err = err;
    e->depth = depth;
    if (fits)
        return true;
    if (e->status == PBUS_ERROR_MISFIT)
        e->status = PBUS_OK;
    else if (err)
        *err = *why;
    e->out.size = start;
    return false;
}

/* What a trial has found against a value holds for good: to find it again would take twice as long with every level. */
static bool refuse_tagged(encoding *e, const pbus_error *why)
{
    e->status = PBUS_ERROR_MISFIT;
    if (e->err)
        *e->err = *why;
    return false;
}

static bool refuse_branches(encoding *e, const type *t, const json_t *json, const place *at)
{
    char names[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < t->n_branches && used < sizeof names; i++)
        used +=
            (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", t->branches[i]->name);
    return encode_refuse(e, at, "%s fits no branch of the union of %s", encode_show(e, json).text,
                         t->n_branches ? names : "nothing");
}

/* What the trials have found. Of the branches of the best rank, the bytes of one are at the run's end. */
typedef struct choice {
    size_t best, other; /* other: one that fits as well */
    int rank;
} choice;

static void choose(encoding *e, const type *t, const json_t *json, const place *at, choice *c)
{
    const size_t start = e->out.size;
    pbus_error why;
    for (size_t i = 0; i < t->n_branches && e->status == PBUS_OK; i++) {
        int rank = rank_of(t->branches[i], json);
        size_t kept = e->out.size;
        if (rank == RANK_NEVER || rank > c->rank || !worth_a_trial(t->branches[i], json) ||
            !try_branch(e, t, i, json, at, &why))
            continue;
        if (rank == c->rank) {
            c->other = i;
            e->out.size = kept;
            continue;
        }
        if (!e->out.failed && kept > start) {
            memmove(e->out.data + start, e->out.data + kept, e->out.size - kept);
            e->out.size -= kept - start;
        }
        *c = (choice){.best = i, .other = NO_BRANCH, .rank = rank};
    }
}

/* The only branch that the value's kind allows; NO_BRANCH for none or several. */
static size_t only_candidate(const type *t, const json_t *json)
{
    size_t found = NO_BRANCH;
    for (size_t i = 0; i < t->n_branches; i++)
        if (rank_of(t->branches[i], json) != RANK_NEVER) {
            if (found != NO_BRANCH)
                return NO_BRANCH;
            found = i;
        }
    return found;
}

static bool encode_plain_union(encoding *e, const type *t, const json_t *json, const place *at)
{
    const json_t *value = NULL;
    pbus_error why = {.status = PBUS_OK};
    size_t tagged = branch_of_tag(t, json, true, &value);
    if (tagged != NO_BRANCH && try_branch(e, t, tagged, value, at, &why))
        return true;
    if (e->status != PBUS_OK)
        return false;
    /* A single candidate is encoded for good: its own refusal says more than that nothing fits. */
    size_t only = only_candidate(t, json);
    if (only != NO_BRANCH && tagged == NO_BRANCH)
        return encode_branch(e, t, only, json, at);
    choice c = {.best = NO_BRANCH, .other = NO_BRANCH, .rank = RANK_NEVER};
    choose(e, t, json, at, &c);
    if (e->status != PBUS_OK)
        return false;
    if (c.other != NO_BRANCH)
        return encode_refuse(e, at, "%s fits the branches %s and %s; write {\"%s\": ...} or {\"%s\": ...}",
                             encode_show(e, json).text, t->branches[c.best]->name, t->branches[c.other]->name,
                             t->branches[c.best]->name, t->branches[c.other]->name);
    if (c.best == NO_BRANCH && tagged != NO_BRANCH)
        return refuse_tagged(e, &why);
    return c.best != NO_BRANCH || refuse_branches(e, t, json, at);
}

bool encode_union(encoding *e, const type *t, const json_t *json, const place *at)
{
    const json_t *value = json;
    size_t index = 0;
    if (e->form == ENCODE_PLAIN)
        return encode_plain_union(e, t, json, at);
    if (e->form == ENCODE_AVRO)
        index = json_is_null(json) ? branch_of_kind(t, TYPE_NULL) : branch_of_tag(t, json, false, &value);
    if (index == NO_BRANCH || index >= t->n_branches) {
        if (e->form == ENCODE_AVRO && !json_is_null(json) && t->n_branches)
            return encode_refuse(e, at, "%s is no union's value; write {\"%s\": ...}, with the branch's name",
                                 encode_show(e, json).text, t->branches[t->n_branches - 1]->name);
        return refuse_branches(e, t, json, at);
    }
    return encode_branch(e, t, index, value, at);
}

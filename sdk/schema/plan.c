/* Works out how values of one type are read as another; must never let pass what the specification calls an error. */
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

/* Types of two schemas of the largest text meet in far fewer pairs, unless somebody means harm. */
#define PLANS_MAX 200000u
#define PLANS_MAX_DEPTH (2 * PBUS_SCHEMA_MAX_DEPTH)
/* A pair costs as much as both types are large, and as the reader's have aliases: two texts within their limit could ask for gigabytes,
 * and for minutes. */
#define PLANS_MAX_BYTES 67108864u
#define PLANS_MAX_COMPARISONS 20000000u

struct plan_slot {
    plan *at;
};

static void *plan_alloc(plans *p, size_t n, size_t size)
{
    if (n > (PLANS_MAX_BYTES - p->n_bytes) / size) {
        if (p->status == PBUS_OK)
            p->status =
                failure(p->err, PBUS_ERROR_LIMIT,
                        "the schemas' types meet in so many ways that a decoder takes more than %u bytes",
                        PLANS_MAX_BYTES);
        return NULL;
    }
    p->n_bytes += n * size;
    void *piece = arena_alloc(&p->memory, n, size);
    if (!piece && p->status == PBUS_OK)
        p->status = failure(p->err, PBUS_ERROR_MEMORY, "no memory for the decoder");
    return piece;
}

void plans_done(plans *p)
{
    arena_done(&p->memory);
    free(p->slots);
    p->slots = NULL;
}

static struct plan_slot *plan_slot_of(struct plan_slot *slots, size_t n_slots, const type *writer,
                                      const type *reader)
{
    uint64_t hash = ((uint64_t)(uintptr_t)writer * UINT64_C(0x9E3779B97F4A7C15)) ^
                    ((uint64_t)(uintptr_t)reader * UINT64_C(0xC2B2AE3D27D4EB4F));
    size_t at = (size_t)(hash >> 32) & (n_slots - 1);
    while (slots[at].at && (slots[at].at->writer != writer || slots[at].at->reader != reader))
        at = (at + 1) & (n_slots - 1);
    return &slots[at];
}

static bool plan_make_room(plans *p)
{
    if (p->n_used < p->n_slots / 2)
        return true;
    size_t n_slots = p->n_slots ? p->n_slots * 2 : 64;
    struct plan_slot *slots = calloc(n_slots, sizeof *slots);
    if (!slots) {
        p->status = failure(p->err, PBUS_ERROR_MEMORY, "no memory for the decoder");
        return false;
    }
    for (size_t i = 0; i < p->n_slots; i++)
        if (p->slots[i].at)
            *plan_slot_of(slots, n_slots, p->slots[i].at->writer, p->slots[i].at->reader) = p->slots[i];
    free(p->slots);
    p->slots = slots;
    p->n_slots = n_slots;
    return true;
}

static plan *plan_new(plans *p, plan_kind kind, const type *writer, const type *reader)
{
    plan *made = plan_alloc(p, 1, sizeof *made);
    if (made)
        *made = (plan){.kind = kind, .writer = writer, .reader = reader};
    return made;
}

static bool plan_fails(plans *p, plan *made, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool plan_fails(plans *p, plan *made, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    char *copy = plan_alloc(p, strlen(reason) + 1, 1);
    if (!copy)
        return false;
    memcpy(copy, reason, strlen(reason) + 1);
    made->kind = PLAN_FAULT;
    made->reason = copy;
    made->hopeless = true;
    return true;
}

/* What it takes to look whether a type matches, in names. */
static uint64_t plan_names_of(const type *t)
{
    while (t->kind == TYPE_ARRAY || t->kind == TYPE_MAP)
        t = t->items;
    return 1 + t->n_aliases;
}

static bool plan_compares(plans *p, uint64_t n_names)
{
    p->n_comparisons += n_names;
    if (p->n_comparisons <= PLANS_MAX_COMPARISONS)
        return true;
    p->status =
        failure(p->err, PBUS_ERROR_LIMIT,
                "the schemas' types meet in so many ways that it takes more than %u comparisons of names",
                PLANS_MAX_COMPARISONS);
    return false;
}

/* For each of the reader's fields the written one that it takes: by its name or, if that is not written, by its first alias that
 * is. A written field goes to one of them. */
static void plan_pair_fields(const type *writer, const type *reader, size_t *taken_by, bool *found)
{
    for (size_t i = 0; i < reader->n_fields; i++) {
        size_t at = type_find_field(writer, reader->fields[i].name);
        if (at < writer->n_fields) {
            taken_by[at] = i;
            found[i] = true;
        }
    }
    for (size_t i = 0; i < reader->n_fields; i++)
        for (size_t j = 0; j < reader->fields[i].n_aliases && !found[i]; j++) {
            size_t at = type_find_field(writer, reader->fields[i].aliases[j]);
            if (at < writer->n_fields && taken_by[at] == SIZE_MAX) {
                taken_by[at] = i;
                found[i] = true;
            }
        }
}

/* The fields of the reader's that are not written. */
static bool plan_unwritten(plans *p, plan *made, const bool *found)
{
    const type *reader = made->reader;
    made->defaults = plan_alloc(p, reader->n_fields, sizeof *made->defaults);
    made->missing = plan_alloc(p, reader->n_fields, sizeof *made->missing);
    for (size_t i = 0; i < reader->n_fields && made->defaults && made->missing; i++) {
        const field *f = &reader->fields[i];
        plan_step step = {.field = f, .index = i, .name = f->name};
        if (found[i])
            continue;
        if (f->default_bytes) {
            step.inner = plan_make(p, f->type, f->type);
            made->defaults[made->n_defaults++] = step;
        } else {
            plan *fault = plan_new(p, PLAN_FAULT, made->writer, f->type);
            if (fault && !plan_fails(p, fault, "the reader's field is not written and has no default"))
                return false;
            step.inner = fault;
            made->missing[made->n_missing++] = step;
        }
        if (!step.inner)
            return false;
    }
    made->hopeless |= made->n_missing > 0;
    return made->defaults && made->missing;
}

static bool plan_written(plans *p, plan *made, const size_t *taken_by)
{
    made->steps = plan_alloc(p, made->writer->n_fields, sizeof *made->steps);
    for (size_t i = 0; i < made->writer->n_fields && made->steps; i++) {
        const field *written = &made->writer->fields[i];
        plan_step *step = &made->steps[made->n_steps++];
        *step = (plan_step){.writer = written->type, .name = written->name};
        if (taken_by[i] == SIZE_MAX)
            continue;
        step->index = taken_by[i];
        step->field = &made->reader->fields[taken_by[i]];
        step->name = step->field->name;
        step->inner = plan_make(p, written->type, step->field->type);
        if (!step->inner)
            return false;
        made->hopeless |= step->inner->hopeless;
    }
    return made->steps != NULL;
}

static bool plan_record(plans *p, plan *made)
{
    uint64_t n_names = 0;
    for (size_t i = 0; i < made->reader->n_fields; i++)
        n_names += 1 + made->reader->fields[i].n_aliases;
    if (!match_names(made->writer, made->reader))
        return plan_fails(
            p, made,
            "the record %s cannot be read as %s: the names differ, and no alias says that they are the same",
            made->writer->name, made->reader->name);
    if (!plan_compares(p, n_names))
        return false;
    size_t *taken_by = malloc((made->writer->n_fields + 1) * sizeof *taken_by);
    bool *found = calloc(made->reader->n_fields + 1, sizeof *found);
    bool good = taken_by && found;
    if (good) {
        for (size_t i = 0; i < made->writer->n_fields; i++)
            taken_by[i] = SIZE_MAX;
        plan_pair_fields(made->writer, made->reader, taken_by, found);
        made->kind = PLAN_RECORD;
        good = plan_written(p, made, taken_by) && plan_unwritten(p, made, found);
    }
    if (!good && p->status == PBUS_OK)
        p->status = failure(p->err, PBUS_ERROR_MEMORY, "no memory for the decoder");
    free(taken_by);
    free(found);
    return good;
}

static bool plan_enum(plans *p, plan *made)
{
    const type *writer = made->writer, *reader = made->reader;
    if (!match_names(writer, reader))
        return plan_fails(
            p, made,
            "the enum %s cannot be read as %s: the names differ, and no alias says that they are the same",
            writer->name, reader->name);
    uint32_t *symbols = plan_alloc(p, writer->n_symbols, sizeof *symbols);
    bool hopeless = writer->n_symbols > 0;
    for (size_t i = 0; i < writer->n_symbols && symbols; i++) {
        size_t at = type_find_symbol(reader, writer->symbols[i]);
        if (at == reader->n_symbols)
            at = reader->default_symbol;
        symbols[i] = at == reader->n_symbols ? PLAN_NO_SYMBOL : (uint32_t)at;
        hopeless &= symbols[i] == PLAN_NO_SYMBOL;
    }
    made->hopeless = hopeless;
    made->symbols = symbols;
    made->kind = PLAN_ENUM;
    return symbols != NULL;
}

static bool plan_fixed(plans *p, plan *made)
{
    const type *writer = made->writer, *reader = made->reader;
    made->kind = PLAN_FIXED;
    if (!match_names(writer, reader))
        return plan_fails(
            p, made,
            "the fixed %s cannot be read as %s: the names differ, and no alias says that they are the same",
            writer->name, reader->name);
    if (writer->size != reader->size)
        return plan_fails(p, made, "the fixed %s of %zu bytes cannot be read as one of %zu", writer->name,
                          writer->size, reader->size);
    return true;
}

static bool plan_items(plans *p, plan *made)
{
    made->kind = made->writer->kind == TYPE_ARRAY ? PLAN_ARRAY : PLAN_MAP;
    made->items = plan_make(p, made->writer->items, made->reader->items);
    return made->items != NULL;
}

static bool plan_branches(plans *p, plan *made)
{
    const type *writer = made->writer;
    made->kind = PLAN_BRANCHES;
    made->branches = plan_alloc(p, writer->n_branches, sizeof *made->branches);
    bool hopeless = writer->n_branches > 0;
    for (size_t i = 0; i < writer->n_branches && made->branches; i++) {
        made->branches[i] = plan_make(p, writer->branches[i], made->reader);
        if (!made->branches[i])
            return false;
        hopeless &= made->branches[i]->hopeless;
    }
    made->hopeless = hopeless;
    return made->branches != NULL;
}

static bool plan_wrap(plans *p, plan *made)
{
    const type *writer = made->writer, *reader = made->reader;
    uint64_t n_names = 0;
    for (size_t i = 0; i < reader->n_branches; i++)
        n_names += 2 * plan_names_of(reader->branches[i]);
    if (!plan_compares(p, n_names))
        return false;
    size_t at = 0;
    while (at < reader->n_branches && !match_is_exact(writer, reader->branches[at]))
        at++;
    if (at == reader->n_branches)
        for (at = 0; at < reader->n_branches && !match_is_allowed(writer, reader->branches[at]);)
            at++;
    if (at == reader->n_branches)
        return plan_fails(p, made, "no branch of the reader's union takes %s", writer->name);
    made->kind = PLAN_WRAP;
    made->branch = at;
    made->items = plan_make(p, writer, reader->branches[at]);
    made->hopeless = made->items && made->items->hopeless;
    return made->items != NULL;
}

static bool plan_decimals_differ(const type *writer, const type *reader)
{
    return writer->logical == PBUS_LOGICAL_DECIMAL && reader->logical == PBUS_LOGICAL_DECIMAL &&
           (writer->precision != reader->precision || writer->scale != reader->scale);
}

static bool plan_fill(plans *p, plan *made)
{
    const type *writer = made->writer, *reader = made->reader;
    if (writer->kind == TYPE_UNION)
        return plan_branches(p, made);
    if (reader->kind == TYPE_UNION)
        return plan_wrap(p, made);
    if (!plan_compares(p, plan_names_of(reader)))
        return false;
    if (writer->kind != reader->kind && !match_is_allowed(writer, reader))
        return plan_fails(p, made, "%s cannot be read as %s", writer->name, reader->name);
    if (plan_decimals_differ(writer, reader))
        return plan_fails(p, made, "a decimal(%d, %d) cannot be read as a decimal(%d, %d)", writer->precision,
                          writer->scale, reader->precision, reader->scale);
    switch (writer->kind) {
    case TYPE_RECORD:
        return plan_record(p, made);
    case TYPE_ENUM:
        return plan_enum(p, made);
    case TYPE_FIXED:
        return plan_fixed(p, made);
    case TYPE_ARRAY:
    case TYPE_MAP:
        return plan_items(p, made);
    default:
        made->kind = PLAN_SCALAR;
        return true;
    }
}

const plan *plan_make(plans *p, const type *writer, const type *reader)
{
    if (!plan_make_room(p))
        return NULL;
    struct plan_slot *slot = plan_slot_of(p->slots, p->n_slots, writer, reader);
    if (slot->at)
        return slot->at;
    if (p->n_used == PLANS_MAX || p->depth == PLANS_MAX_DEPTH) {
        p->status = failure(p->err, PBUS_ERROR_LIMIT,
                            "the schemas' types are nested deeper than %u, or meet in more than %u pairs",
                            PLANS_MAX_DEPTH, PLANS_MAX);
        return NULL;
    }
    plan *made = plan_new(p, PLAN_SCALAR, writer, reader);
    if (!made)
        return NULL;
    slot->at = made; /* found again by what is within */
    p->n_used++;
    p->depth++;
    bool good = plan_fill(p, made);
    p->depth--;
    return good ? made : NULL;
}

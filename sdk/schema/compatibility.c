/* Judges whether schemas can read one another's values, and tells all that stands against it; must never say yes where a decoder
 * would meet a value that it cannot resolve. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "human.h"
#include "plan.h"
#include "text.h"

#define LISTED_MAX 1000u

/* What is looked for in a plan, and who is told. */
typedef struct search {
    bool of_shifts;
    plan_fault *call;
    void *context;
} search;

static bool search_at(const plan *p, const place *at, const search *s);

static bool search_steps(const plan_step *steps, size_t n, const place *at, const search *s)
{
    for (size_t i = 0; i < n; i++) {
        const place within = {.up = at, .kind = PLACE_FIELD, .name = steps[i].name};
        if (steps[i].inner && !search_at(steps[i].inner, &within, s))
            return false;
    }
    return true;
}

static bool fault_in_symbols(const plan *p, const place *at, const search *s)
{
    for (size_t i = 0; i < p->writer->n_symbols; i++) {
        char reason[256];
        if (p->symbols[i] != PLAN_NO_SYMBOL)
            continue;
        snprintf(reason, sizeof reason,
                 "the symbol %.100s is none of the reader's enum %.80s, which has no default",
                 p->writer->symbols[i], p->reader->name);
        if (!s->call(s->context, at, reason))
            return false;
    }
    return true;
}

static bool search_branches(const plan *p, const place *at, const search *s)
{
    for (size_t i = 0; i < p->writer->n_branches; i++) {
        const place within = {.up = at, .kind = PLACE_BRANCH, .name = p->writer->branches[i]->name};
        if (!search_at(p->branches[i], &within, s))
            return false;
    }
    return true;
}

/* Avro's rules resolve the number beneath, whatever it stands for. */
static bool shift_of_scalar(const plan *p, const place *at, const search *s)
{
    char reason[128];
    if (!human_is_time(p->writer->logical) || !human_is_time(p->reader->logical) ||
        p->writer->logical == p->reader->logical)
        return true;
    snprintf(reason, sizeof reason, "%s is read as %s, and its numbers stay as they are",
             human_name(p->writer->logical), human_name(p->reader->logical));
    return s->call(s->context, at, reason);
}

/* Its recursion is as deep as that of plan_make. */
static bool search_at(const plan *p, const place *at, const search *s)
{
    const place within = {.up = at, .kind = PLACE_ANY};
    if (p->judged)
        return true;
    ((plan *)p)->judged = true;
    switch (p->kind) {
    case PLAN_FAULT:
        return s->of_shifts || s->call(s->context, at, p->reason);
    case PLAN_ENUM:
        return s->of_shifts || fault_in_symbols(p, at, s);
    case PLAN_RECORD:
        return search_steps(p->steps, p->n_steps, at, s) && search_steps(p->missing, p->n_missing, at, s);
    case PLAN_ARRAY:
    case PLAN_MAP:
        return search_at(p->items, &within, s);
    case PLAN_BRANCHES:
        return search_branches(p, at, s);
    case PLAN_WRAP:
        return search_at(p->items, at, s);
    case PLAN_SCALAR:
        return !s->of_shifts || shift_of_scalar(p, at, s);
    case PLAN_FIXED:
        return true;
    }
    return true;
}

bool plan_each_fault(const plan *root, plan_fault *call, void *context)
{
    return search_at(root, NULL, &(search){.call = call, .context = context});
}

bool plan_each_shift(const plan *root, plan_fault *call, void *context)
{
    return search_at(root, NULL, &(search){.of_shifts = true, .call = call, .context = context});
}

/* What a comparison has found. */
typedef struct comparison {
    arena memory;
    pbus_incompatibility *items; /* from malloc */
    size_t n_items, n_found;     /* listed; all */
    size_t earlier;
    bool new_reads_earlier;
    bool no_memory;
    bool of_shifts; /* looked for instead of faults */
} comparison;

static bool comparison_note(void *context, const place *at, const char *reason)
{
    comparison *c = context;
    if (c->n_found++ >= LISTED_MAX)
        return true;
    pbus_incompatibility *items = realloc(c->items, (c->n_items + 1) * sizeof *items);
    place_text path = place_show(at);
    if (items)
        c->items = items;
    const char *path_copy = arena_copy(&c->memory, path.text, strlen(path.text));
    const char *reason_copy = arena_copy(&c->memory, reason, strlen(reason));
    c->no_memory = !items || !path_copy || !reason_copy;
    if (!c->no_memory)
        c->items[c->n_items++] = (pbus_incompatibility){.earlier = c->earlier,
                                                        .new_reads_earlier = c->new_reads_earlier,
                                                        .path = path_copy,
                                                        .reason = reason_copy};
    return !c->no_memory;
}

static pbus_status comparison_read(comparison *c, const pbus_schema *writer, const pbus_schema *reader,
                                   pbus_error *err)
{
    plans p = {.err = err};
    const plan *root = plan_make(&p, writer->root, reader->root);
    pbus_status status = p.status;
    if (root && !(c->of_shifts ? plan_each_shift : plan_each_fault)(root, comparison_note, c))
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for the list of incompatibilities");
    plans_done(&p);
    return status;
}

static bool mode_is_backward(pbus_compatibility mode)
{
    return mode == PBUS_COMPATIBILITY_BACKWARD || mode == PBUS_COMPATIBILITY_BACKWARD_TRANSITIVE ||
           mode == PBUS_COMPATIBILITY_FULL || mode == PBUS_COMPATIBILITY_FULL_TRANSITIVE;
}

static bool mode_is_forward(pbus_compatibility mode)
{
    return mode >= PBUS_COMPATIBILITY_FORWARD;
}

static bool mode_is_transitive(pbus_compatibility mode)
{
    return mode == PBUS_COMPATIBILITY_BACKWARD_TRANSITIVE || mode == PBUS_COMPATIBILITY_FORWARD_TRANSITIVE ||
           mode == PBUS_COMPATIBILITY_FULL_TRANSITIVE;
}

static pbus_status comparison_run(comparison *c, const pbus_schema *schema, const pbus_schema *const *earlier,
                                  size_t n_earlier, pbus_compatibility mode, pbus_error *err)
{
    size_t first = n_earlier > 0 && !mode_is_transitive(mode) ? n_earlier - 1 : 0;
    pbus_status status = PBUS_OK;
    for (c->earlier = first; c->earlier < n_earlier && status == PBUS_OK; c->earlier++) {
        c->new_reads_earlier = true;
        if (mode_is_backward(mode))
            status = comparison_read(c, earlier[c->earlier], schema, err);
        c->new_reads_earlier = false;
        if (mode_is_forward(mode) && status == PBUS_OK)
            status = comparison_read(c, schema, earlier[c->earlier], err);
    }
    return status;
}

static pbus_status comparison_fails(const comparison *c, pbus_error *err)
{
    const pbus_incompatibility *first = &c->items[0];
    char more[64] = "";
    if (c->n_found > 1)
        snprintf(more, sizeof more, " (and %zu more)", c->n_found - 1);
    return failure(err, PBUS_ERROR_INCOMPATIBLE, "%s: %s; %s%s", first->path, first->reason,
                   first->new_reads_earlier ? "the new schema cannot read what the earlier one wrote"
                                            : "the earlier schema cannot read what the new one writes",
                   more);
}

static pbus_status comparison_check(const pbus_schema *schema, const pbus_schema *const *earlier,
                                    size_t n_earlier, pbus_compatibility mode, pbus_error *err)
{
    if (!schema)
        return failure(err, PBUS_ERROR_ARGUMENT, "the schema is NULL");
    for (size_t i = 0; i < n_earlier; i++)
        if (!earlier || !earlier[i])
            return failure(err, PBUS_ERROR_ARGUMENT, "the earlier schema %zu is NULL", i);
    if (!pbus_compatibility_name(mode))
        return failure(err, PBUS_ERROR_ARGUMENT, "%d is no mode of compatibility", (int)mode);
    return PBUS_OK;
}

pbus_status pbus_schema_compare(const pbus_schema *schema, const pbus_schema *const *earlier,
                                size_t n_earlier, pbus_compatibility mode, pbus_incompatibilities *out,
                                pbus_error *err)
{
    comparison c = {.n_items = 0};
    pbus_status status = comparison_check(schema, earlier, n_earlier, mode, err);
    if (status != PBUS_OK || mode == PBUS_COMPATIBILITY_NONE)
        return status;
    status = comparison_run(&c, schema, earlier, n_earlier, mode, err);
    if (status == PBUS_OK && c.n_found > 0)
        status = comparison_fails(&c, err);
    pbus_incompatibilities found = {.items = c.items, .n_items = c.n_items, .memory = c.memory.blocks};
    if (status == PBUS_ERROR_INCOMPATIBLE && out)
        *out = found;
    else
        pbus_incompatibilities_done(&found);
    return status;
}

pbus_status pbus_schema_compare_meaning(const pbus_schema *schema, const pbus_schema *const *earlier,
                                        size_t n_earlier, pbus_compatibility mode,
                                        pbus_incompatibilities *out, pbus_error *err)
{
    comparison c = {.of_shifts = true};
    pbus_status status = comparison_check(schema, earlier, n_earlier, mode, err);
    if (status == PBUS_OK && !out)
        status = failure(err, PBUS_ERROR_ARGUMENT, "out is NULL");
    if (status != PBUS_OK)
        return status;
    if (mode != PBUS_COMPATIBILITY_NONE)
        status = comparison_run(&c, schema, earlier, n_earlier, mode, err);
    pbus_incompatibilities found = {.items = c.items, .n_items = c.n_items, .memory = c.memory.blocks};
    if (status == PBUS_OK)
        *out = found;
    else
        pbus_incompatibilities_done(&found);
    return status;
}

void pbus_incompatibilities_done(pbus_incompatibilities *list)
{
    if (!list)
        return;
    arena memory = {.blocks = list->memory};
    arena_done(&memory);
    free(list->items);
    *list = (pbus_incompatibilities){0};
}

static const char *const mode_names[] = {
    "none", "backward", "backward-transitive", "forward", "forward-transitive", "full", "full-transitive"};
#define N_MODES (sizeof mode_names / sizeof *mode_names)

const char *pbus_compatibility_name(pbus_compatibility mode)
{
    return (size_t)mode < N_MODES ? mode_names[mode] : NULL;
}

static bool mode_is_named(const char *name, const char *wanted)
{
    size_t i = 0;
    for (; name[i] && wanted[i]; i++) {
        char c = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 'a' - 'A')
                 : name[i] == '_'                 ? '-'
                                                  : name[i];
        if (c != wanted[i])
            return false;
    }
    return name[i] == wanted[i];
}

pbus_status pbus_compatibility_parse(const char *name, pbus_compatibility *out, pbus_error *err)
{
    if (!name || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", name ? "out" : "the name");
    for (size_t i = 0; i < N_MODES; i++)
        if (mode_is_named(name, mode_names[i])) {
            *out = (pbus_compatibility)i;
            return PBUS_OK;
        }
    return failure(
        err, PBUS_ERROR_ARGUMENT,
        "\"%s\" is no mode of compatibility; there are none, backward, backward-transitive, forward, "
        "forward-transitive, full and full-transitive",
        text_show(name, strlen(name)).text);
}

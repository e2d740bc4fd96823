/* The way from a writer's type to a reader's, worked out once: what decoding follows, and what compatibility is judged by. */
#ifndef POSTBUS_SCHEMA_PLAN_H
#define POSTBUS_SCHEMA_PLAN_H

#include "place.h"
#include "type.h"

typedef enum plan_kind {
    PLAN_SCALAR, /* a primitive type, perhaps promoted */
    PLAN_FIXED,
    PLAN_ENUM,     /* symbols */
    PLAN_RECORD,   /* steps, then defaults */
    PLAN_ARRAY,    /* items */
    PLAN_MAP,      /* items */
    PLAN_BRANCHES, /* the writer's union: branches by its index */
    PLAN_WRAP,     /* the reader's union: items is for its branch */
    PLAN_FAULT,    /* cannot be read: reason */
} plan_kind;

typedef struct plan_step {
    const struct plan *inner; /* NULL: skipped */
    const type *writer;       /* of a skipped field */
    const field *field;       /* the reader's; NULL where skipped */
    size_t index;             /* in the reader's schema */
    const char *name;         /* the reader's, or of a skipped field the writer's */
} plan_step;

typedef struct plan {
    plan_kind kind;
    bool hopeless; /* no value can be read */
    bool judged;   /* used while faults are collected */
    const type *writer, *reader;
    const char *reason;
    const struct plan *items;
    size_t branch;
    const struct plan **branches;
    plan_step *steps; /* the writer's fields, in its order */
    size_t n_steps;
    plan_step *defaults; /* the reader's fields that are not written and have a default */
    size_t n_defaults;
    plan_step *missing; /* and those that have none: inner is a fault */
    size_t n_missing;
    const uint32_t *symbols; /* the reader's for each of the writer's; UINT32_MAX: none */
} plan;

#define PLAN_NO_SYMBOL UINT32_MAX

/* The plans of one pair of schemas. Zeroed storage is an empty one. */
typedef struct plans {
    arena memory;
    struct plan_slot *slots; /* plans by their pair of types; open addressing */
    size_t n_slots, n_used;
    unsigned depth;
    size_t n_bytes; /* of memory */
    uint64_t n_comparisons;
    pbus_error *err;
    pbus_status status;
} plans;

/* NULL: p->status says why, and p->err. */
const plan *plan_make(plans *p, const type *writer, const type *reader);
void plans_done(plans *p);

/* Whether the reader's type takes the writer's at all, by the specification's word "match" (match.c). */
bool match_is_exact(const type *writer, const type *reader);
bool match_is_allowed(const type *writer, const type *reader);
/* Among types of one kind that have names: whether the names agree. */
bool match_names(const type *writer, const type *reader);

/* Calls for each fault that is reachable, each once, in the order of the schemas. */
typedef bool plan_fault(void *context, const place *at, const char *reason);
bool plan_each_fault(const plan *root, plan_fault *call, void *context);
/* Likewise for each date or time that is read as one of another kind. Of one plan either this is asked or the faults are. */
bool plan_each_shift(const plan *root, plan_fault *call, void *context);

#endif

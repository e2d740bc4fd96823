/* Walks through bytes by a plan and shows what they hold; must never read behind them, allocate, recurse or loop without a bound. */
#include "decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"
#include "utf8.h"
#include "varint.h"

/* Unless the caller says otherwise, so many values and so many more for each byte: a value that has bytes is within a few that have none. */
#define DECODE_VALUES 1000000u
#define DECODE_VALUES_A_BYTE 16u

typedef struct run {
    const unsigned char *at, *end, *start;
    uint64_t values_left;
    unsigned depth_left;
    pbus_visitor *visit;
    void *context;
    pbus_datum datum;
    pbus_status status;
    pbus_error *err;
} run;

static bool run_fails(run *r, pbus_status status, const place *at, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold, noinline));

static bool run_fails(run *r, pbus_status status, const place *at, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    r->status = failure(r->err, status, "%s: %s (at byte %zu)", place_show(at).text, reason,
                        (size_t)(r->at - r->start));
    return false;
}

static size_t run_left(const run *r)
{
    return (size_t)(r->end - r->at);
}

static inline bool show(run *r, pbus_datum_kind kind)
{
    r->datum.kind = kind;
    r->status = r->visit(r->context, &r->datum);
    return r->status == PBUS_OK;
}

static bool read_fails(run *r, const place *at)
{
    const unsigned char *from = r->at;
    while (from < r->end && *from & 0x80 && from - r->at < VARINT_MAX_BYTES)
        from++;
    return run_fails(r, PBUS_ERROR_CORRUPT, at,
                     from == r->end ? "the bytes end within a number" : "a number has more than 64 bits");
}

static inline bool read_long(run *r, const place *at, int64_t *out)
{
    return varint_get(&r->at, r->end, out) || read_fails(r, at);
}

static inline bool read_int(run *r, const place *at, int64_t *out)
{
    if (!read_long(r, at, out))
        return false;
    if (*out < INT32_MIN || *out > INT32_MAX)
        return run_fails(r, PBUS_ERROR_CORRUPT, at, "%lld is no int of 32 bits", (long long)*out);
    return true;
}

/* So many bytes are there. */
static inline bool read_raw(run *r, const place *at, size_t size, const unsigned char **out)
{
    if (size > run_left(r))
        return run_fails(r, PBUS_ERROR_CORRUPT, at, "%zu bytes are said to follow, and %zu do", size,
                         run_left(r));
    *out = r->at;
    r->at += size;
    return true;
}

static inline bool read_sized(run *r, const place *at, const unsigned char **out, size_t *out_size)
{
    int64_t size = 0;
    if (!read_long(r, at, &size))
        return false;
    if (size < 0 || (uint64_t)size > SIZE_MAX)
        return run_fails(r, PBUS_ERROR_CORRUPT, at, "a length is %lld", (long long)size);
    *out_size = (size_t)size;
    return read_raw(r, at, *out_size, out);
}

static inline bool check_text(run *r, const place *at, const unsigned char *data, size_t size)
{
    size_t fault = utf8_find_fault(data, size);
    return fault == SIZE_MAX ||
           run_fails(r, PBUS_ERROR_CORRUPT, at, "the string is no UTF-8 at its byte %zu", fault);
}

static inline bool read_little_endian(run *r, const place *at, size_t n_bytes, uint64_t *out)
{
    const unsigned char *data = NULL;
    uint64_t value = 0;
    if (!read_raw(r, at, n_bytes, &data))
        return false;
    for (size_t i = n_bytes; i-- > 0;)
        value = value << 8 | data[i];
    *out = value;
    return true;
}

static inline bool read_float(run *r, const place *at, double *out)
{
    uint64_t wire = 0;
    float value;
    if (!read_little_endian(r, at, 4, &wire))
        return false;
    const uint32_t half = (uint32_t)wire;
    memcpy(&value, &half, sizeof value);
    *out = value;
    return true;
}

static inline bool read_double(run *r, const place *at, double *out)
{
    uint64_t wire = 0;
    if (!read_little_endian(r, at, 8, &wire))
        return false;
    memcpy(out, &wire, sizeof *out);
    return true;
}

static bool read_boolean(run *r, const place *at, bool *out)
{
    const unsigned char *data = NULL;
    if (!read_raw(r, at, 1, &data))
        return false;
    *out = *data != 0;
    return *data <= 1 || run_fails(r, PBUS_ERROR_CORRUPT, at, "a boolean is %u, neither 0 nor 1", *data);
}

static bool read_index(run *r, const place *at, const char *what, size_t n, size_t *out)
{
    int64_t index = 0;
    if (!read_int(r, at, &index))
        return false;
    if (index < 0 || (uint64_t)index >= n)
        return run_fails(r, PBUS_ERROR_CORRUPT, at, "there is no %s %lld; there are %zu", what,
                         (long long)index, n);
    *out = (size_t)index;
    return true;
}

/* A block of an array or map: how many items follow, and where they end if that is said. 0: there are no more. */
typedef struct block {
    uint64_t n_items;
    const unsigned char *end; /* NULL: not said */
} block;

static bool read_block(run *r, const place *at, size_t least_bytes, block *out)
{
    int64_t count = 0, size = -1;
    if (!read_long(r, at, &count))
        return false;
    out->end = NULL;
    out->n_items = count < 0 ? -(uint64_t)count : (uint64_t)count;
    if (count < 0) {
        if (!read_long(r, at, &size))
            return false;
        if (size < 0 || (uint64_t)size > run_left(r))
            return run_fails(r, PBUS_ERROR_CORRUPT, at, "a block is said to take %lld bytes, and %zu follow",
                             (long long)size, run_left(r));
        out->end = r->at + size;
    }
    if (least_bytes > 0 && out->n_items > run_left(r) / least_bytes)
        return run_fails(r, PBUS_ERROR_CORRUPT, at, "%llu items are said to follow in %zu bytes",
                         (unsigned long long)out->n_items, run_left(r));
    if (out->n_items > r->values_left)
        return run_fails(r, PBUS_ERROR_LIMIT, at, "%llu items are more than the limit allows",
                         (unsigned long long)out->n_items);
    return true;
}

static bool check_block_end(run *r, const place *at, const block *b)
{
    return !b->end || r->at == b->end ||
           run_fails(r, PBUS_ERROR_CORRUPT, at, "a block does not end where it is said to");
}

/* Every value, shown or skipped, counts. */
static inline bool enter(run *r, const place *at)
{
    if (r->values_left == 0)
        return run_fails(r, PBUS_ERROR_LIMIT, at, "there are more values than the limit allows");
    if (r->depth_left == 0)
        return run_fails(r, PBUS_ERROR_LIMIT, at, "values are nested deeper than the limit allows");
    r->values_left--;
    return true;
}

static bool skip(run *r, const type *t, const place *at);

static bool skip_blocks(run *r, const type *t, const place *at)
{
    const unsigned char *data = NULL;
    size_t size = 0;
    block b = {0};
    size_t least = t->items->least_bytes + (t->kind == TYPE_MAP);
    for (;;) {
        if (!read_block(r, at, least, &b))
            return false;
        if (b.n_items == 0)
            return check_block_end(r, at, &b);
        if (b.end) {
            r->at = b.end;
            continue;
        }
        for (uint64_t i = 0; i < b.n_items; i++)
            if ((t->kind == TYPE_MAP && !read_sized(r, at, &data, &size)) || !skip(r, t->items, at))
                return false;
    }
}

static bool skip_within(run *r, const type *t, const place *at)
{
    size_t index = 0;
    bool good = true;
    if (t->kind == TYPE_UNION)
        return read_index(r, at, "branch", t->n_branches, &index) && skip(r, t->branches[index], at);
    r->depth_left--;
    if (t->kind == TYPE_RECORD)
        for (size_t i = 0; i < t->n_fields && good; i++) {
            const place within = {.up = at, .kind = PLACE_FIELD, .name = t->fields[i].name};
            good = skip(r, t->fields[i].type, &within);
        }
    else
        good = skip_blocks(r, t, at);
    r->depth_left++;
    return good;
}

static bool skip(run *r, const type *t, const place *at)
{
    const unsigned char *data = NULL;
    int64_t number = 0;
    size_t size = 0;
    bool truth = false;
    if (!enter(r, at))
        return false;
    switch (t->kind) {
    case TYPE_NULL:
        return true;
    case TYPE_BOOLEAN:
        return read_boolean(r, at, &truth);
    case TYPE_INT:
        return read_int(r, at, &number);
    case TYPE_LONG:
        return read_long(r, at, &number);
    case TYPE_FLOAT:
        return read_raw(r, at, 4, &data);
    case TYPE_DOUBLE:
        return read_raw(r, at, 8, &data);
    case TYPE_BYTES:
    case TYPE_STRING:
        return read_sized(r, at, &data, &size);
    case TYPE_FIXED:
        return read_raw(r, at, t->size, &data);
    case TYPE_ENUM:
        return read_index(r, at, "symbol", t->n_symbols, &size);
    case TYPE_RECORD:
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_UNION:
        return skip_within(r, t, at);
    }
    return false;
}

static bool read_scalar(run *r, type_kind kind, const place *at)
{
    pbus_datum *d = &r->datum;
    switch (kind) {
    case TYPE_NULL:
        return true;
    case TYPE_BOOLEAN:
        return read_boolean(r, at, &d->boolean);
    case TYPE_INT:
        return read_int(r, at, &d->integer);
    case TYPE_LONG:
        return read_long(r, at, &d->integer);
    case TYPE_FLOAT:
        return read_float(r, at, &d->real);
    case TYPE_DOUBLE:
        return read_double(r, at, &d->real);
    default:
        return read_sized(r, at, &d->data, &d->data_size);
    }
}

static inline void describe(run *r, const type *t)
{
    r->datum.logical = t->logical;
    r->datum.precision = t->precision;
    r->datum.scale = t->scale;
}

/* The kinds of both enumerations are in the same order. */
_Static_assert((int)TYPE_NULL == (int)PBUS_DATUM_NULL && (int)TYPE_STRING == (int)PBUS_DATUM_STRING,
               "scalars have one order");

static bool run_scalar(run *r, const plan *p, const place *at)
{
    type_kind from = p->writer->kind, to = p->reader->kind;
    if (!read_scalar(r, from, at))
        return false;
    if ((to == TYPE_FLOAT || to == TYPE_DOUBLE) && (from == TYPE_INT || from == TYPE_LONG))
        r->datum.real = to == TYPE_FLOAT ? (double)(float)r->datum.integer : (double)r->datum.integer;
    else if (to == TYPE_STRING && !check_text(r, at, r->datum.data, r->datum.data_size))
        return false;
    else if (from == TYPE_STRING && to == TYPE_BYTES && !check_text(r, at, r->datum.data, r->datum.data_size))
        return false;
    describe(r, p->reader);
    return show(r, (pbus_datum_kind)to);
}

static bool run_plan(run *r, const plan *p, const place *at);

static bool run_fixed(run *r, const plan *p, const place *at)
{
    if (!read_raw(r, at, p->writer->size, &r->datum.data))
        return false;
    r->datum.data_size = p->writer->size;
    r->datum.name = p->reader->name;
    describe(r, p->reader);
    return show(r, PBUS_DATUM_FIXED);
}

static bool run_enum(run *r, const plan *p, const place *at)
{
    size_t written = 0;
    if (!read_index(r, at, "symbol", p->writer->n_symbols, &written))
        return false;
    uint32_t symbol = p->symbols[written];
    if (symbol == PLAN_NO_SYMBOL)
        return run_fails(r, PBUS_ERROR_INCOMPATIBLE, at,
                         "the symbol %s is none of the reader's enum %s, which has no default",
                         p->writer->symbols[written], p->reader->name);
    r->datum.index = symbol;
    r->datum.name = p->reader->symbols[symbol];
    r->datum.logical = PBUS_LOGICAL_NONE;
    return show(r, PBUS_DATUM_ENUM);
}

/* Reads the bytes of a default as if they stood here. */
static bool run_default(run *r, const plan_step *step, const place *at)
{
    const unsigned char *here = r->at, *start = r->start, *end = r->end;
    r->at = r->start = step->field->default_bytes;
    r->end = r->at + step->field->default_size;
    bool good = run_plan(r, step->inner, at);
    r->at = here;
    r->start = start;
    r->end = end;
    return good;
}

static bool run_step(run *r, const plan_step *step, const place *at, bool is_default)
{
    const place within = {.up = at, .kind = PLACE_FIELD, .name = step->name};
    if (!step->inner)
        return skip(r, step->writer, &within);
    r->datum.name = step->name;
    r->datum.index = step->index;
    if (!show(r, PBUS_DATUM_FIELD))
        return false;
    return is_default ? run_default(r, step, &within) : run_plan(r, step->inner, &within);
}

static bool run_record(run *r, const plan *p, const place *at)
{
    if (p->n_missing > 0) {
        const place within = {.up = at, .kind = PLACE_FIELD, .name = p->missing[0].name};
        return run_fails(r, PBUS_ERROR_INCOMPATIBLE, &within, "%s", p->missing[0].inner->reason);
    }
    r->datum.name = p->reader->name;
    if (!show(r, PBUS_DATUM_RECORD))
        return false;
    for (size_t i = 0; i < p->n_steps; i++)
        if (!run_step(r, &p->steps[i], at, false))
            return false;
    for (size_t i = 0; i < p->n_defaults; i++)
        if (!run_step(r, &p->defaults[i], at, true))
            return false;
    return show(r, PBUS_DATUM_END);
}

static bool run_array(run *r, const plan *p, const place *at)
{
    place within = {.up = at, .kind = PLACE_ITEM};
    block b = {0};
    if (!show(r, PBUS_DATUM_ARRAY))
        return false;
    for (;;) {
        if (!read_block(r, at, p->writer->items->least_bytes, &b))
            return false;
        for (uint64_t i = 0; i < b.n_items; i++, within.index++)
            if (!show(r, PBUS_DATUM_ITEM) || !run_plan(r, p->items, &within))
                return false;
        if (!check_block_end(r, at, &b))
            return false;
        if (b.n_items == 0)
            return show(r, PBUS_DATUM_END);
    }
}

static bool run_entry(run *r, const plan *p, const place *at)
{
    place within = {.up = at, .kind = PLACE_KEY};
    if (!read_sized(r, at, &r->datum.data, &r->datum.data_size) ||
        !check_text(r, at, r->datum.data, r->datum.data_size))
        return false;
    within.name = (const char *)r->datum.data;
    within.size = r->datum.data_size;
    return show(r, PBUS_DATUM_KEY) && run_plan(r, p->items, &within);
}

static bool run_map(run *r, const plan *p, const place *at)
{
    block b = {0};
    if (!show(r, PBUS_DATUM_MAP))
        return false;
    for (;;) {
        if (!read_block(r, at, p->writer->items->least_bytes + 1, &b))
            return false;
        for (uint64_t i = 0; i < b.n_items; i++)
            if (!run_entry(r, p, at))
                return false;
        if (!check_block_end(r, at, &b))
            return false;
        if (b.n_items == 0)
            return show(r, PBUS_DATUM_END);
    }
}

static bool run_branches(run *r, const plan *p, const place *at)
{
    size_t branch = 0;
    return read_index(r, at, "branch", p->writer->n_branches, &branch) &&
           run_plan(r, p->branches[branch], at);
}

static bool run_wrap(run *r, const plan *p, const place *at)
{
    r->datum.index = p->branch;
    r->datum.name = p->reader->branches[p->branch]->name;
    return show(r, PBUS_DATUM_UNION) && run_plan(r, p->items, at) && show(r, PBUS_DATUM_END);
}

static bool run_plan(run *r, const plan *p, const place *at)
{
    if (!enter(r, at))
        return false;
    if (p->kind == PLAN_SCALAR)
        return run_scalar(r, p, at);
    /* Unions do not make a value deeper, since none stands directly in another: what the encoder takes is read, also by who has more of
     * them. */
    if (p->kind == PLAN_BRANCHES)
        return run_branches(r, p, at);
    if (p->kind == PLAN_WRAP)
        return run_wrap(r, p, at);
    bool good = false;
    r->depth_left--;
    switch (p->kind) {
    case PLAN_SCALAR:
    case PLAN_BRANCHES:
    case PLAN_WRAP:
        break;
    case PLAN_FIXED:
        good = run_fixed(r, p, at);
        break;
    case PLAN_ENUM:
        good = run_enum(r, p, at);
        break;
    case PLAN_RECORD:
        good = run_record(r, p, at);
        break;
    case PLAN_ARRAY:
        good = run_array(r, p, at);
        break;
    case PLAN_MAP:
        good = run_map(r, p, at);
        break;
    case PLAN_FAULT:
        good = run_fails(r, PBUS_ERROR_INCOMPATIBLE, at, "%s", p->reason);
        break;
    }
    r->depth_left++;
    return good;
}

pbus_status decode_bytes(const pbus_decoder *decoder, const void *data, size_t size, pbus_visitor *visit,
                         void *context, pbus_error *err)
{
    static const unsigned char nothing[1];
    const unsigned char *from = data ? data : nothing;
    run r = {.at = from,
             .start = from,
             .end = from + size,
             .values_left = decoder->max_values ? decoder->max_values
                                                : DECODE_VALUES + (uint64_t)size * DECODE_VALUES_A_BYTE,
             .depth_left = decoder->max_depth,
             .visit = visit,
             .context = context,
             .err = err};
    if (run_plan(&r, decoder->root, NULL) && r.at != r.end)
        run_fails(&r, PBUS_ERROR_CORRUPT, NULL, "%zu bytes are left over", run_left(&r));
    return r.status;
}

/* Finds how the real numbers of JSON were written; must never be asked about a number of another text. */
#include "reals.h"

#include <stdint.h>
#include <stdlib.h>

#include "json_text.h"

typedef struct real {
    const json_t *number;
    size_t at, size;
} real;

static bool reals_add(reals *r, const json_t *number, size_t at, size_t size)
{
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 16;
        real *found = realloc(r->found, capacity * sizeof *found);
        if (!found)
            return false;
        r->found = found;
        r->capacity = capacity;
    }
    r->found[r->n++] = (real){number, at, size};
    return true;
}

/* Objects keep the order of their text, so that the real numbers come in it, too. *at: behind the last one. */
static bool reals_collect(reals *r, const json_t *json, size_t *at)
{
    size_t i, size = 0;
    const char *key;
    const json_t *within;
    bool good = true;
    if (json_is_real(json)) {
        do
            *at += size;
        while ((size = json_text_number(r->text, r->size, at)) > 0 &&
               !json_text_is_real(r->text + *at, size));
        good = reals_add(r, json, *at, size);
        *at += size;
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, within) good = good && reals_collect(r, within, at);
    } else if (json_is_object(json)) {
        json_object_foreach((json_t *)json, key, within) good = good && reals_collect(r, within, at);
    }
    return good;
}

static int compare(const void *a, const void *b)
{
    uintptr_t one = (uintptr_t)((const real *)a)->number, other = (uintptr_t)((const real *)b)->number;
    return one < other ? -1 : one > other;
}

bool reals_find(reals *r, const json_t *number, const char **out, size_t *out_size)
{
    size_t at = 0;
    if (!r->found) {
        if (!reals_collect(r, r->root, &at)) {
            reals_done(r);
            return false;
        }
        qsort(r->found, r->n, sizeof *r->found, compare);
    }
    const real wanted = {.number = number};
    const real *found = bsearch(&wanted, r->found, r->n, sizeof *r->found, compare);
    *out = found ? r->text + found->at : "";
    *out_size = found ? found->size : 0;
    return true;
}

void reals_done(reals *r)
{
    free(r->found);
    r->found = NULL;
    r->n = r->capacity = 0;
}

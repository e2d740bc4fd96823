/* Tells ghosts from events that should not be there; it must never take out what it was not told of. */
#include "ghosts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool keep(ghosts *g, uint64_t token)
{
    if ((g->n & (g->n + 1)) == 0 || !g->tokens) {
        uint64_t *grown = realloc(g->tokens, 2 * (g->n + 1) * sizeof *grown);

        if (!grown)
            return false;
        g->tokens = grown;
    }
    g->tokens[g->n++] = token;
    return true;
}

bool ghosts_read(const char *path, ghosts *out)
{
    FILE *f = fopen(path, "r");
    uint64_t token;
    bool ok = f != NULL;

    *out = (ghosts){0};
    while (ok && fscanf(f, "%" SCNu64, &token) == 1)
        ok = keep(out, token);
    if (!ok)
        fprintf(stderr, "chaos: %s cannot be read\n", path);
    if (f)
        fclose(f);
    if (out->n > 0)
        qsort(out->tokens, out->n, sizeof *out->tokens, by_number);
    return ok;
}

void ghosts_free(ghosts *g)
{
    free(g->tokens);
    *g = (ghosts){0};
}

int64_t ghosts_remove(const ghosts *g, topic_log *log)
{
    size_t kept = 0;

    for (size_t i = 0; g->n > 0 && i < log->n; i++)
        if (!bsearch(&log->records[i].token, g->tokens, g->n, sizeof *g->tokens, by_number))
            log->records[kept++] = log->records[i];
    int64_t n_ghosts = g->n > 0 ? (int64_t)(log->n - kept) : 0;
    if (g->n > 0)
        log->n = kept;
    return n_ghosts;
}

static int by_identity(const void *a, const void *b)
{
    const log_record *x = a, *y = b;

    if (x->identity != y->identity)
        return x->identity < y->identity ? -1 : 1;
    return (x->token > y->token) - (x->token < y->token);
}

int64_t ghosts_shared_ids(const topic_log *log)
{
    log_record *sorted = malloc((log->n + 1) * sizeof *sorted);
    int64_t n_shared = 0;

    if (!sorted)
        return -1;
    memcpy(sorted, log->records, log->n * sizeof *sorted);
    qsort(sorted, log->n, sizeof *sorted, by_identity);
    for (size_t i = 1; i < log->n; i++)
        n_shared += sorted[i].identity == sorted[i - 1].identity && sorted[i].token != sorted[i - 1].token;
    free(sorted);
    return n_shared;
}

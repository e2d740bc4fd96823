/* Tells ghosts from events that should not be there; it must never take away what the present database knows nothing of for another reason. */
#include "ghosts.h"

#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static uint64_t *sorted_tokens(const truth *t)
{
    uint64_t *tokens = malloc((t->n + 1) * sizeof *tokens);

    for (size_t i = 0; tokens && i < t->n; i++)
        tokens[i] = t->events[i].token;
    if (tokens)
        qsort(tokens, t->n, sizeof *tokens, by_number);
    return tokens;
}

static bool has(const uint64_t *tokens, size_t n, uint64_t token)
{
    return bsearch(&token, tokens, n, sizeof token, by_number) != NULL;
}

int64_t ghosts_remove(const truth *committed, const truth *before, topic_log *log)
{
    uint64_t *now = sorted_tokens(committed), *then = sorted_tokens(before);
    int64_t n_ghosts = now && then ? 0 : -1;
    size_t kept = 0;

    for (size_t i = 0; n_ghosts >= 0 && i < log->n; i++) {
        uint64_t token = log->records[i].token;

        if (has(then, before->n, token) && !has(now, committed->n, token))
            n_ghosts++;
        else
            log->records[kept++] = log->records[i];
    }
    if (n_ghosts >= 0)
        log->n = kept;
    free(now);
    free(then);
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

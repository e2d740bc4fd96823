/* Feeds any text to the parser of snapshots: what it accepts must be what PostgreSQL would print for it, and be told apart as it says. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static char *printed(const snapshot *s)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    fprintf(to, "%" PRIu64 ":%" PRIu64 ":", s->xmin, s->xmax);
    for (size_t i = 0; i < s->n_xip; i++)
        fprintf(to, i ? ",%" PRIu64 : "%" PRIu64, s->xip[i]);
    fclose(to);
    return text;
}

static void check(const snapshot *s, const char *given)
{
    char *text = printed(s), *array = snapshot_unseen_array(s, s->xmax);
    must(strcmp(text, given) == 0 && strcmp(s->text, given) == 0);
    must(strncmp(array + 1, strrchr(text, ':') + 1, strlen(array) - 2) == 0);
    must(snapshot_sees(s, s->xmin - 1) && !snapshot_sees(s, s->xmax) && !snapshot_sees(s, UINT64_MAX));
    for (size_t i = 0; i < s->n_xip; i++)
        must(!snapshot_sees(s, s->xip[i]));
    free(text);
    free(array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    snapshot *s = snapshot_parse(text);
    if (s)
        check(s, text);
    snapshot_unref(s);
    free(text);
    return 0;
}

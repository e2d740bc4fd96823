/* Finds what a mistyped name was meant to be, by edit distance; never decides that the typed name is accepted. */
#include "nearest.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 80 /* longer names are not compared: no name of ours is that long */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    memcpy(before, last, (m + 1) * sizeof *last);
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m];
}

void nearest_consider(nearest *best, const char *wanted, const char *candidate)
{
    size_t n = strlen(wanted), m = strlen(candidate), allowed = m / 3 > 1 ? m / 3 : 1;
    if (n > m + allowed || m > n + allowed) /* each character too many is a step */
        return;
    size_t distance = nearest_distance(wanted, candidate);
    if (distance <= allowed && (!best->name || distance < best->distance))
        *best = (nearest){candidate, distance};
}

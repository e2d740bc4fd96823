/* Keeps the floor: a row that s does not see has xid >= xmin(s), so it has an id above the newest fence at or below xmin(s). */
#include "fences.h"

void fences_start(fences *f, int64_t floor_id)
{
    f->n = 0;
    f->floor_id = floor_id;
}

/* Of two neighbours the newer goes where the gap that it leaves is small beside the age of what follows: how old a transaction may be and still
 * find a fence that is little older is then a matter of its age alone, not of how often fences were added since. */
static void thin_to(fences *f, uint64_t parts)
{
    uint64_t newest = f->list[f->n - 1].x;
    int kept = 1;
    for (int i = 1; i < f->n; i++) {
        bool last = i == f->n - 1;
        if (last || f->list[i + 1].x - f->list[kept - 1].x > (newest - f->list[i + 1].x) / parts)
            f->list[kept++] = f->list[i];
    }
    f->n = kept;
}

/* Gaps of a sixteenth of the age leave some hundreds of fences for all transaction ids there are; half of it, a few dozen. */
static void thin(fences *f)
{
    for (uint64_t parts = 16; f->n > FENCES_MOST * 3 / 4 && parts > 0; parts /= 2)
        thin_to(f, parts);
}

void fences_add(fences *f, uint64_t x, int64_t l)
{
    if (f->n > 0 && f->list[f->n - 1].x == x) { /* nobody took an xid meanwhile: the later look says more */
        f->list[f->n - 1].l = l;
        return;
    }
    if (f->n == FENCES_MOST)
        thin(f);
    f->list[f->n++] = (fence){x, l};
}

int64_t fences_floor(fences *f, const snapshot *s)
{
    for (int i = f->n - 1; i >= 0; i--)
        if (f->list[i].x <= s->xmin) {
            if (f->list[i].l > f->floor_id)
                f->floor_id = f->list[i].l;
            break;
        }
    return f->floor_id;
}

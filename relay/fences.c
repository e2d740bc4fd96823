/* Keeps the floor: a row that s does not see has xid >= xmin(s), so it has an id above the newest fence at or below xmin(s). */
#include "fences.h"

void fences_start(fences *f, int64_t floor_id)
{
    f->n = 0;
    f->floor_id = floor_id;
}

/* Full: every second one goes. Old transactions then find a fence that is a little older than need be. */
static void thin(fences *f)
{
    int kept = 0;
    for (int i = 0; i < f->n; i += 2)
        f->list[kept++] = f->list[i];
    f->n = kept;
}

void fences_add(fences *f, uint64_t x, int64_t l)
{
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

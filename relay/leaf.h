/* The ring of leaves in which the outbox is kept (migrations/0001_outbox.sql): which of them holds an id. */
#ifndef POSTBUS_RELAY_LEAF_H
#define POSTBUS_RELAY_LEAF_H

#include <stdint.h>

#define LEAF_COUNT 16
#define LEAF_BITS 30 /* ids of a leaf before the next one's begin */
#define LEAF_IDS (INT64_C(1) << LEAF_BITS)

static inline int leaf_of(int64_t id)
{
    return (int)((id >> LEAF_BITS) & (LEAF_COUNT - 1));
}

/* The last id that lies beside this one in its leaf, before the ring goes on to the next. */
static inline int64_t leaf_end(int64_t id)
{
    return id | (LEAF_IDS - 1);
}

#endif

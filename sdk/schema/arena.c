/* Hands out memory from blocks; must never give the same bytes twice, nor unaligned ones. */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES 4096u

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

static struct arena_block *arena_grow(arena *a, size_t needed)
{
    size_t size = needed > ARENA_BLOCK_BYTES / 4 ? needed : ARENA_BLOCK_BYTES;
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    /* A large piece has a block of its own, behind the one that is being filled. */
    if (size == needed && a->blocks) {
        block->next = a->blocks->next;
        a->blocks->next = block;
    } else {
        block->next = a->blocks;
        a->blocks = block;
    }
    return block;
}

void *arena_alloc(arena *a, size_t n, size_t size)
{
    const size_t unit = alignof(max_align_t);
    if (size && n > (SIZE_MAX / 2) / size)
        return NULL;
    size_t needed = n > 0 && size > 0 ? (n * size + unit - 1) / unit * unit : unit;
    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < needed)
        block = arena_grow(a, needed);
    if (!block)
        return NULL;
    void *piece = block->data + block->used;
    block->used += needed;
    return piece;
}

char *arena_copy(arena *a, const char *text, size_t size)
{
    char *copy = arena_alloc(a, size + 1, 1);
    if (copy && size)
        memcpy(copy, text, size);
    return copy;
}

void arena_done(arena *a)
{
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        a->blocks = block->next;
        free(block);
    }
}

/* Open addressing with linear probing; removing closes the gap, so that no slot is lost to what is gone. */
#include "key_set.h"

#include <stdlib.h>

#define LEAST_SLOTS 64

static uint64_t add_bytes(uint64_t h, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)bytes[i]) * 1099511628211ULL; /* FNV-1a */
    return h;
}

uint64_t key_hash(const char *topic, size_t topic_size, const char *key, size_t key_size)
{
    uint64_t h = add_bytes(14695981039346656037ULL, topic, topic_size);
    h = add_bytes(h, "", 1); /* no topic holds a NUL */
    h = add_bytes(h, key, key_size);
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL; /* murmur3's last steps: the low bits choose the slot */
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    h ^= h >> 33;
    return h ? h : 1;
}

static size_t find(const key_set *s, uint64_t hash)
{
    size_t i = hash & (s->n_slots - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->n_slots - 1);
    return i;
}

static bool grow(key_set *s)
{
    key_set bigger = {.n_slots = s->n_slots ? s->n_slots * 2 : LEAST_SLOTS, .n = s->n};
    bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i])
            bigger.slots[find(&bigger, s->slots[i])] = s->slots[i];
    free(s->slots);
    *s = bigger;
    return true;
}

bool key_set_add(key_set *s, uint64_t hash)
{
    if (key_set_has(s, hash))
        return true;
    if (2 * (s->n + 1) > s->n_slots && !grow(s))
        return false;
    s->slots[find(s, hash)] = hash;
    s->n++;
    return true;
}

bool key_set_has(const key_set *s, uint64_t hash)
{
    return hash && s->n > 0 && s->slots[find(s, hash)] == hash; /* 0 is an empty slot and no hash */
}

void key_set_remove(key_set *s, uint64_t hash)
{
    if (!key_set_has(s, hash))
        return;
    size_t mask = s->n_slots - 1, gap = find(s, hash);
    for (size_t i = (gap + 1) & mask; s->slots[i]; i = (i + 1) & mask) {
        size_t home = s->slots[i] & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue; /* it would come before its home */
        s->slots[gap] = s->slots[i];
        gap = i;
    }
    s->slots[gap] = 0;
    s->n--;
}

void key_set_done(key_set *s)
{
    free(s->slots);
    *s = (key_set){0};
}

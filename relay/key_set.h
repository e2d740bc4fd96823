/* A set of 64-bit hashes of topic and key: 8 bytes each, half of the room filled. A collision makes it hold too much, never too little. */
#ifndef POSTBUS_RELAY_KEY_SET_H
#define POSTBUS_RELAY_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct key_set {
    uint64_t *slots; /* 0: empty */
    size_t n_slots;  /* a power of two, or 0 */
    size_t n;
} key_set;

/* Never 0. The same on every machine and in every version: it is stored in postbus.parked.queue. */
uint64_t key_hash(const char *topic, size_t topic_size, const char *key, size_t key_size);

/* false: no memory; the set is as it was. */
bool key_set_add(key_set *s, uint64_t hash);
bool key_set_has(const key_set *s, uint64_t hash);
void key_set_remove(key_set *s, uint64_t hash);
void key_set_done(key_set *s);

#endif

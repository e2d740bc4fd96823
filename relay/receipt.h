/* A receipt's three arrays, as PostgreSQL takes them in binary: the ids of rows, and the partitions and offsets they went to. */
#ifndef POSTBUS_RELAY_RECEIPT_H
#define POSTBUS_RELAY_RECEIPT_H

#include "page.h"

typedef struct receipt {
    char *ids, *partitions, *offsets; /* of one allocation, which begins with ids */
    int ids_size, partitions_size, offsets_size;
} receipt;

/* Packs acknowledged rows, none or more. False without memory: then there is nothing to release. */
bool receipt_pack(receipt *r, const row *rows, size_t n);
void receipt_done(receipt *r);

#endif

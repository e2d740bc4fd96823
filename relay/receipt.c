/* Packs receipts; must never read a page, nor send anything. */
#include "receipt.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define OID_INT4 23
#define OID_INT8 20
#define HEAD_BYTES 20 /* dimensions, whether there are NULLs, type, length, lower bound */
#define INT4_BYTES 8  /* each element with its size before it */
#define INT8_BYTES 12

static char *put32(char *p, uint32_t n)
{
    n = htonl(n);
    memcpy(p, &n, 4);
    return p + 4;
}

static char *put64(char *p, uint64_t n)
{
    n = htobe64(n);
    memcpy(p, &n, 8);
    return p + 8;
}

/* One dimension, no NULLs. */
static char *put_array_head(char *p, uint32_t oid, size_t n)
{
    p = put32(p, 1);
    p = put32(p, 0);
    p = put32(p, oid);
    p = put32(p, (uint32_t)n);
    return put32(p, 1);
}

static int fill_ids(char *to, const row *rows, size_t n)
{
    char *p = put_array_head(to, OID_INT8, n);
    for (size_t i = 0; i < n; i++)
        p = put64(put32(p, 8), (uint64_t)rows[i].id);
    return (int)(p - to);
}

static int fill_partitions(char *to, const row *rows, size_t n)
{
    char *p = put_array_head(to, OID_INT4, n);
    for (size_t i = 0; i < n; i++)
        p = put32(put32(p, 4), (uint32_t)rows[i].partition);
    return (int)(p - to);
}

static int fill_offsets(char *to, const row *rows, size_t n)
{
    char *p = put_array_head(to, OID_INT8, n);
    for (size_t i = 0; i < n; i++)
        p = put64(put32(p, 8), (uint64_t)rows[i].offset);
    return (int)(p - to);
}

bool receipt_pack(receipt *r, const row *rows, size_t n)
{
    char *room = malloc((HEAD_BYTES + INT8_BYTES * n) * 2 + HEAD_BYTES + INT4_BYTES * n);
    if (!room)
        return false;
    *r = (receipt){.ids = room};
    r->ids_size = fill_ids(r->ids, rows, n);
    r->partitions = r->ids + r->ids_size;
    r->partitions_size = fill_partitions(r->partitions, rows, n);
    r->offsets = r->partitions + r->partitions_size;
    r->offsets_size = fill_offsets(r->offsets, rows, n);
    return true;
}

void receipt_done(receipt *r)
{
    free(r->ids);
    *r = (receipt){0};
}

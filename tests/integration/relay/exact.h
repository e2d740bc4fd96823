/* Tests of exactly-once delivery: flags of their relays, and how they end. */
#ifndef POSTBUS_TEST_RELAY_EXACT_H
#define POSTBUS_TEST_RELAY_EXACT_H

#include "stage.h"

#include <stddef.h>

struct CMUnitTest;

/* Small pages, and records as large on the wire as in the outbox. */
extern const char *const exact_flags[];

/* It dies at its failpoint; frees it. */
void exact_expect_dead(proc_fixture *relay);
/* As finish() in stage.h, for a reader of committed records; and receipts tell the places of what it sees. */
void exact_end(outbox *o, proc_fixture *relay);

/* Adds a test once for each state, and names it so. */
size_t exact_add_all(struct CMUnitTest *to, void (*test)(void **state), const char *const *states, size_t n);
#define EXACT_ADD(test, states) n += exact_add_all(tests + n, test, states, sizeof states / sizeof states[0])

#endif

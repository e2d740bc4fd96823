/* Waiting in tests: for a condition, with a deadline, never for a time. */
#ifndef POSTBUS_TEST_WAIT_UNTIL_H
#define POSTBUS_TEST_WAIT_UNTIL_H

#include <stdbool.h>
#include <stdint.h>

typedef bool wait_condition(void *arg);

/* Milliseconds of a clock that only goes forward. */
int64_t wait_now_ms(void);

/* Asks the condition again and again until it holds or deadline_ms have passed; whether it held. */
bool wait_until(wait_condition *condition, void *arg, int deadline_ms);

#endif

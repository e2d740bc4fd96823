/* What a program's end or its reply says about an event. */
#ifndef POSTBUS_WORK_OUTCOME_H
#define POSTBUS_WORK_OUTCOME_H

#include <postbus/worker.h>

/* Of a status as waitpid has it: 0 is ACK, 65 (EX_DATAERR) DEAD, anything else RETRY. The end of tail, what the program wrote to standard
 * error, becomes part of the reason. */
pbus_outcome outcome_of_status(int status, const char *tail, size_t n_tail);

/* Of {"result": "ack" | "retry" | "dead", "reason": …, "delay_ms": …}. False: it is no such reply, and *out is RETRY and says why. */
bool outcome_of_reply(const char *line, pbus_outcome *out);

#define OUTCOME_STOPPED "the worker was stopped before it was done"

/* RETRY with a reason of ours, and behind it the end of what the program wrote. */
pbus_outcome outcome_retry(const char *why, const char *tail, size_t n_tail);

#endif

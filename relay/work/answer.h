/* What the answer of an HTTP server says about an event. */
#ifndef POSTBUS_WORK_ANSWER_H
#define POSTBUS_WORK_ANSWER_H

#include <postbus/worker.h>

#define ANSWER_KEPT_BYTES 512

typedef struct answer {
    int status;
    const char *retry_after; /* the header; NULL: there is none. Borrowed */
    char body[ANSWER_KEPT_BYTES];
    size_t n_body; /* kept of it */
} answer;

/* 2xx is ACK; 408, 429 and what is none of 4xx RETRY, with 429 and 5xx at the time that Retry-After names; other 4xx DEAD. The first line of the
 * body becomes part of the reason. now_s: since 1970. */
pbus_outcome answer_outcome(const answer *a, int64_t now_s);

/* The milliseconds of a Retry-After, which is a number of seconds or a date, a day at most; 0: it has passed; -1: it is neither. */
int64_t answer_delay_ms(const char *retry_after, int64_t now_s);

#endif

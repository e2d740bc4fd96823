/* Where tail begins: --from. */
#ifndef POSTBUS_CLI_TAIL_POSITION_H
#define POSTBUS_CLI_TAIL_POSITION_H

#include <stdbool.h>
#include <stdint.h>

typedef enum tail_start { TAIL_BEGINNING, TAIL_END, TAIL_TIME } tail_start;

typedef struct tail_position {
    tail_start start;
    int64_t time_ms; /* TAIL_TIME: since 1970, UTC */
} tail_position;

/* "beginning", "end", "2026-01-31", "2026-01-31T12:00:00Z" (also with a space, with +02:00, or without a zone: UTC), or how long
 * before now_ms: "90s", "15min", "2h", "7d". False: it is none of these. */
bool tail_position_parse(const char *text, int64_t now_ms, tail_position *out);

#endif

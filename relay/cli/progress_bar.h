/* A bar on stderr for long jobs; nothing where stderr is no terminal. */
#ifndef POSTBUS_CLI_PROGRESS_BAR_H
#define POSTBUS_CLI_PROGRESS_BAR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress_bar {
    int64_t total; /* of the same unit as done; 0 = not known */
    int64_t start_ms, shown_ms;
    bool on_terminal;
} progress_bar;

void progress_bar_start(progress_bar *bar, int64_t total);

/* done of total, and count things so far; draws at most ten times a second. */
void progress_bar_show(progress_bar *bar, int64_t done, int64_t count);

/* Takes the bar away. */
void progress_bar_stop(progress_bar *bar);

#endif

/* Draws a progress bar on a terminal; never writes where stderr is a file or a pipe. */
#include "progress_bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define CELLS 30
#define EVERY_MS 100

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

void progress_bar_start(progress_bar *bar, int64_t total)
{
    *bar = (progress_bar){.total = total, .start_ms = now_ms(), .on_terminal = isatty(STDERR_FILENO)};
}

void progress_bar_show(progress_bar *bar, int64_t done, int64_t count)
{
    if (!bar->on_terminal)
        return;
    int64_t now = now_ms();
    if (now - bar->shown_ms < EVERY_MS)
        return;
    bar->shown_ms = now;
    int64_t per_s = count * 1000 / (now - bar->start_ms + 1);
    if (bar->total > 0) {
        int cells = (int)(done * CELLS / bar->total);
        fprintf(stderr, "\r[%.*s%*s] %3" PRId64 " %%", cells, "##############################", CELLS - cells,
                "", done * 100 / bar->total);
    } else
        fputc('\r', stderr);
    fprintf(stderr, "  %" PRId64 " events, %" PRId64 "/s \x1b[K", count, per_s);
}

void progress_bar_stop(progress_bar *bar)
{
    if (bar->on_terminal && bar->shown_ms > 0)
        fputs("\r\x1b[K", stderr);
}

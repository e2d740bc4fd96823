/* A thread for each database and one for the front; must never let one relay wait for another. */
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "log.h"
#include "relay_inner.h"

typedef struct seat {
    const config *cfg;
    const relay_run_options *options;
    intercom *com;
    bool one_of_several;
    pthread_t thread;
} seat;

static void *serve(void *arg)
{
    const seat *s = arg;
    relay_serve(s->cfg, s->options, s->com, s->one_of_several);
    return NULL;
}

static int refuse(const char *reason, const char *remedy)
{
    log_event(LOG_LEVEL_ERROR, "relay.refused", "reason=%s remedy=%s", reason, remedy);
    return 1;
}

/* Those for which there is no thread end at once, and so do the others. */
static int run_all(front *f, seat *seats, size_t n)
{
    size_t n_started = 1;
    int error = front_start(f);
    if (error != 0)
        return refuse(strerror(error), "allow the process more threads");
    while (n_started < n && error == 0) {
        error = pthread_create(&seats[n_started].thread, NULL, serve, &seats[n_started]);
        n_started += error == 0;
    }
    if (error != 0)
        refuse(strerror(error), "allow the process more threads");
    for (size_t i = 0; error != 0 && i < n; i++) {
        atomic_store(&seats[i].com->give_up, true);
        intercom_wake_relay(seats[i].com);
        if (i >= n_started)
            intercom_show_end(seats[i].com, 1);
    }
    serve(&seats[0]); /* one alone needs no thread of its own */
    for (size_t i = 1; i < n_started; i++)
        pthread_join(seats[i].thread, NULL);
    return front_join(f);
}

int relay_run(const config *cfgs, size_t n, const relay_run_options *options)
{
    char reason[200];
    front f;
    intercom *coms = calloc(n, sizeof *coms);
    seat *seats = calloc(n, sizeof *seats);
    if (!coms || !seats) {
        free(coms);
        free(seats);
        return refuse("out of memory", "give the process more");
    }
    for (size_t i = 0; i < n; i++)
        seats[i] = (seat){.cfg = &cfgs[i], .options = options, .com = &coms[i], .one_of_several = n > 1};
    int code = front_init(&f, cfgs, coms, n, options->stop_fd, reason, sizeof reason)
                   ? run_all(&f, seats, n)
                   : refuse(reason, "choose another address or port");
    front_done(&f);
    free(coms);
    free(seats);
    return code;
}

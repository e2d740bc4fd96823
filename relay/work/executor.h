/* Hands events to a program of the user: one process an event, or one a thread that speaks lines. */
#ifndef POSTBUS_WORK_EXECUTOR_H
#define POSTBUS_WORK_EXECUTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <postbus/worker.h>

typedef struct executor {
    const char *application, *subscription; /* borrowed, as are all texts */
    const char *command;                    /* for /bin/sh -c */
    int64_t time_limit_ms;                  /* for an event; -1: none */
    int64_t grace_ms;                       /* between SIGTERM and SIGKILL */
    int stop_fd;                            /* readable: whatever runs is ended */
    int leave_fd;                           /* readable: so is what has nothing to do and stays */
    pthread_key_t seat;                     /* each thread's process that speaks lines */
    bool has_seat;
} executor;

/* To be called once the fields are set; false: errno says why. */
bool executor_init(executor *x);
/* Once no thread uses it any more. */
void executor_done(executor *x);

/* Handlers; arg is the executor. */
pbus_outcome executor_run(const pbus_delivery *event, PGconn *tx, void *arg);
pbus_outcome executor_ask(const pbus_delivery *event, PGconn *tx, void *arg);

#endif

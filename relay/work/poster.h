/* Hands events to an HTTP server: a POST for each, on a connection of the thread's own that stays open. */
#ifndef POSTBUS_WORK_POSTER_H
#define POSTBUS_WORK_POSTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <postbus/worker.h>

#include "signer.h"

typedef struct poster {
    const char *url; /* borrowed, as are all texts. It may hold a secret, and is shown to nobody */
    bool structured;
    const char *source;    /* "": by the topic */
    const char *ca_file;   /* "": the system's */
    const signer *secrets; /* none: nothing is signed */
    int64_t time_limit_ms; /* for an event; -1: none */
    int stop_fd;           /* readable: requests under way are given up */
    pthread_key_t seat;    /* each thread's connection */
    bool has_seat;
} poster;

/* To be called once the fields are set, before there are other threads; false: errno says why. */
bool poster_init(poster *p);
/* Once no thread uses it any more. */
void poster_done(poster *p);

/* A handler; arg is the poster. */
pbus_outcome poster_post(const pbus_delivery *event, PGconn *tx, void *arg);

/* Whether it is an absolute http or https URL without user and password. */
bool poster_takes_url(const char *url);

#endif

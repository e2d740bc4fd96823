/* What all threads of a load share: its plan, its clock and the word to stop. */
#ifndef POSTBUS_LOAD_STAGE_H
#define POSTBUS_LOAD_STAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define STAGE_TOPICS 3
#define STAGE_HOT_KEYS 4
#define STAGE_PARTITIONS 6

typedef enum run_kind { RUN_PLAIN, RUN_KILL, RUN_TERMINATE, RUN_BROKER, RUN_NAIVE, RUN_KINDS } run_kind;

/* Everything here outlives the run. Commands are for /bin/sh; those that start a server return when it
 * serves. */
typedef struct plan {
    run_kind kind;
    uint64_t seed;
    int seconds;
    int n_writers;
    int bulk_rows;
    int straggler_rows; /* 0: no straggler */
    int n_hot_keys;     /* of each topic */
    int rate;           /* transactions a second, evenly; 0: as many as the pauses let through */
    int generation;     /* how many processes have loaded the same tables before; no token is used twice */
    int n_copies;       /* of each partition */
    char *database;
    char *brokers;
    char *relay;          /* in the foreground; the shell replaces itself by it */
    char *postgres_crash; /* stops PostgreSQL at once, without a checkpoint */
    char *postgres_start;
    char *broker_kill;
    char *broker_start;
    char *log_dir;
    char topics[STAGE_TOPICS][64];
} plan;

typedef struct stage {
    const plan *plan;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t start_ms;
    bool stopping;
} stage;

void stage_init(stage *s, const plan *p);
void stage_done(stage *s);
void stage_stop(stage *s);
bool stage_stopping(stage *s);

/* Part of the time few writers work, and with pauses, so that the relay falls asleep on the doorbell again and again. */
bool stage_is_sparse(const stage *s);

/* Waits; false as soon as the stage is stopping. */
bool stage_pause(stage *s, int64_t ms);

const char *run_name(run_kind kind);
int64_t now_ms(void);

/* A repeatable stream of numbers (splitmix64): the same seed gives each thread the same choices. */
uint64_t dice_roll(uint64_t *state);
/* 0 … n-1 */
int dice_below(uint64_t *state, int n);

#endif

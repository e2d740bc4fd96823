/* The relay under torture, as a child process. */
#ifndef POSTBUS_TORTURE_RELAY_PROCESS_H
#define POSTBUS_TORTURE_RELAY_PROCESS_H

#include <sys/types.h>

#include "stage.h"

typedef struct relay_process {
    const plan *plan;
    pid_t pid; /* 0: not running */
    char log_path[4096];
    int64_t starts;
    int64_t kills;
    int64_t bad_exits; /* it ended although nobody told it to, or it did not end with 0 when told */
} relay_process;

/* Its log is appended to plan.log_dir/relay-RUN.log, which starts empty. */
void relay_process_init(relay_process *r, const plan *p);
bool relay_process_start(relay_process *r);

/* SIGKILL, and waits for its end. */
void relay_process_kill(relay_process *r);

/* Restarts a relay that ended by itself, and counts that as a bad exit. */
void relay_process_watch(relay_process *r);

/* SIGTERM, and waits; after deadline_ms it is killed, which counts as a bad exit. */
void relay_process_stop(relay_process *r, int64_t deadline_ms);

/* Lines of the log that contain the text. */
int64_t relay_process_log_count(const relay_process *r, const char *text);

/* Runs a command by /bin/sh and waits; true when it exits with 0. */
bool shell_command(const char *command);

#endif

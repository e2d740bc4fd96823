/* A program of the user, in a process group of its own, and what it says. One thread at a time uses a child, always the one that started it:
 * the program is killed when that thread ends. */
#ifndef POSTBUS_WORK_CHILD_H
#define POSTBUS_WORK_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_TAIL_SIZE 512
#define CHILD_MOST_LINE 65536 /* of a reply, in bytes */

typedef struct child {
    pid_t pid; /* 0: there is none */
    int pid_fd;
    int input, output, errors;  /* our ends of its standard streams; -1: closed, or not ours */
    char tail[CHILD_TAIL_SIZE]; /* the last that it wrote to standard error */
    size_t n_tail;
    char *line; /* what it wrote to standard output and was not taken yet */
    size_t n_line;
} child;

/* Why a talk ended. */
typedef enum talk_end {
    TALK_LINE,    /* a whole line stands at the beginning of child.line, its line feed being a NUL */
    TALK_EARLY,   /* a whole line came while a part of input was not written yet */
    TALK_EXITED,  /* the program has ended; child_end gives the status */
    TALK_TIMEOUT, /* the time was up */
    TALK_STOPPED, /* stop_fd became readable */
    TALK_CLOSED, /* it closed its standard output, or wrote a longer line than CHILD_MOST_LINE, or memory is short */
} talk_end;

/* Starts `/bin/sh -c COMMAND`. reads: its standard output is ours, else it goes where this process's goes. False: errno says why, and
 * there is nothing to end. */
bool child_start(child *c, const char *command, char *const *environment, bool reads);

/* Writes input to it and takes in what it says: to its end, or, where its output is ours, to the end of a line. limit_ms -1: without
 * a limit. What it writes to standard error is passed on to ours. */
talk_end child_talk(child *c, const char *input, size_t n_input, int64_t limit_ms, int stop_fd);

/* Forgets the line that was told by TALK_LINE. */
void child_take_line(child *c);

/* Ends it where it still runs: SIGTERM to its group, and SIGKILL after grace_ms. What is left of its group is killed in any case. Gives its
 * status as waitpid has it, and closes everything; the tail stays. */
int child_end(child *c, int64_t grace_ms);

/* Closes its standard input and gives it grace_ms to end by itself, or until stop_fd becomes readable; then as child_end. */
int child_dismiss(child *c, int64_t grace_ms, int stop_fd);

#endif

/* A process of a test: its log in a file, signals, and its end. Fails the running cmocka test where something goes wrong. What a failed test leaves
 * behind says its last words when the program ends. */
#ifndef POSTBUS_TEST_PROC_FIXTURE_H
#define POSTBUS_TEST_PROC_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct proc_fixture proc_fixture;

typedef struct proc_fixture_options {
    const char *const *environment; /* further "NAME=value", ends with NULL; NULL = none */
    const char *log_path;           /* where its output goes, appended; NULL = a file of its own */
    int death_signal;               /* what it gets when the test program dies; 0 = SIGKILL */
    bool adopts;                    /* what its children leave behind becomes its own, as in a container */
} proc_fixture_options;

/* Starts argv (ends with NULL; argv[0] is looked for in PATH). options may be NULL. Release with proc_fixture_free. */
proc_fixture *proc_fixture_start(const char *const *argv, const proc_fixture_options *options);

/* Starts the program under test, `postbus` (POSTBUS_TEST_POSTBUS or the one of this build), with these arguments. */
proc_fixture *proc_fixture_start_postbus(const char *const *arguments, const proc_fixture_options *options);

/* Waits until a line of its log contains the text. False: deadline_ms passed, or it ended without saying so. Each success
 * remembers where it stood: the next call looks at later lines only. */
bool proc_fixture_wait_log(proc_fixture *proc, const char *text, int deadline_ms);

/* As above, and fails the test with the log's text instead of returning false. */
void proc_fixture_expect_log(proc_fixture *proc, const char *text, int deadline_ms);

/* The whole log so far, for the caller to free. */
char *proc_fixture_log(proc_fixture *proc);

void proc_fixture_signal(proc_fixture *proc, int number);

/* Waits for its end; the exit code, or 128 + the number of the signal that ended it. Fails the test after deadline_ms. */
int proc_fixture_wait_exit(proc_fixture *proc, int deadline_ms);

/* Sends the signal and waits as above. */
int proc_fixture_end(proc_fixture *proc, int number, int deadline_ms);

bool proc_fixture_running(proc_fixture *proc);
/* Whether any other is not released: a test failed and left it behind. */
bool proc_fixture_has_company(const proc_fixture *proc);
pid_t proc_fixture_pid(const proc_fixture *proc);

/* Kills it where it still runs, and releases it with its own log file. NULL is taken. */
void proc_fixture_free(proc_fixture *proc);

/* Runs argv to its end and gives back its exit code; its output, when wanted, in *out_text, for the caller to free. */
int proc_fixture_run(const char *const *argv, const char *const *environment, char **out_text,
                     int deadline_ms);

#endif

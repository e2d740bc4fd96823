/* A running `postbus work` and what its commands leave behind, on the stage of the worker's tests. */
#ifndef POSTBUS_TEST_WORKING_H
#define POSTBUS_TEST_WORKING_H

#include "stage.h"

#include "proc_fixture.h"

typedef struct working {
    stage *s;
    char dir[64]; /* the commands know it as $WORK */
    bool adopts;  /* it is started as the first process of a container is */
    proc_fixture *proc;
} working;

int working_setup(void **state);
int working_teardown(void **state);
#define WORKING_TEST(f) cmocka_unit_test_setup_teardown(f, working_setup, working_teardown)

/* Starts it with the stage's topic, quick retries, and further words, which end with NULL; waits until it has partitions. */
void working_start(working *w, const char *const *words);
/* The same with a file of subscriptions of this text, and nothing but what it says. */
void working_start_file(working *w, const char *text, const char *const *words);

/* The file of that name, for the caller to free; NULL: there is none. */
char *working_read(working *w, const char *name);
/* Waits until the file has this text. */
void working_expect(working *w, const char *name, const char *text);
/* Waits until the file is there and not empty. */
void working_expect_any(working *w, const char *name);
void working_touch(working *w, const char *name);
/* Waits until no process has the number that is the file's text. */
void working_expect_gone(working *w, const char *name);

#endif

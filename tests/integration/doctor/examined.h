/* Runs postbus doctor and looks for what it found. */
#ifndef POSTBUS_TEST_DOCTOR_EXAMINED_H
#define POSTBUS_TEST_DOCTOR_EXAMINED_H

#include "cmocka_all.h"
#include "stage.h"

#include "pg_query.h"

/* Runs the doctor with these words and --json; what it found is kept for expect_finding. */
void examine(int exit_code, const char *const *words);
#define EXAMINE(exit_code, ...) examine(exit_code, (const char *const[]){__VA_ARGS__, NULL})

/* A finding of this check has this level and says this part; with a warning or an error it also names why and a remedy. */
void expect_finding(const char *check, const char *level, const char *part);

/* No finding is a warning or an error. */
void expect_no_fault(void);

#endif

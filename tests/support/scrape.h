/* What a process tells over HTTP, asked until it says what it should. Fails the running cmocka test where it does not. */
#ifndef POSTBUS_TEST_SCRAPE_H
#define POSTBUS_TEST_SCRAPE_H

#include "proc_fixture.h"

/* Where the process says that it listens, on 127.0.0.1. */
int scrape_port(proc_fixture *proc);

/* Waits until the path is answered so; text: to be in the body. */
void scrape_expect_answer(int port, const char *path, int status, const char *text);

/* What /metrics answers, for the caller to free. */
char *scrape(int port);
/* The value of a sample, -1 where there is none. name: with its labels. */
double scrape_sample(const char *text, const char *name);
/* Waits until the sample has at least this value. */
void scrape_expect_sample(int port, const char *name, double least);

/* Has Prometheus' own parser read the text, and compares its families with docs/reference/PAGE. Says so where there is no parser. */
void scrape_parse(const char *text, const char *page);

#endif

/* Asks for what processes tell over HTTP; must never wait for a time, only for an answer. */
#include "scrape.h"

#include "cmocka_all.h"
#include "http_client.h"
#include "wait_until.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SOON_MS = 120000 };

typedef struct listener {
    proc_fixture *proc;
    int port;
} listener;

/* The line may be before or after others that were awaited. */
static bool has_said_where(void *arg)
{
    static const char key[] = "http.listening address=127.0.0.1:";
    listener *l = arg;
    char *log = proc_fixture_log(l->proc);
    const char *at = strstr(log, key);
    l->port = at ? atoi(at + sizeof key - 1) : 0;
    free(log);
    return l->port > 0;
}

int scrape_port(proc_fixture *proc)
{
    listener l = {.proc = proc};
    if (!wait_until(has_said_where, &l, SOON_MS))
        fail_msg("the process does not say where it listens");
    return l.port;
}

typedef struct question {
    int port;
    const char *path;
    int status;
    const char *text; /* to be in the body */
    char last[20000];
} question;

static bool is_answered(void *arg)
{
    question *q = arg;
    char *answer = http_get(q->port, q->path);
    snprintf(q->last, sizeof q->last, "%s", answer);
    bool is = http_status(answer) == q->status && strstr(http_body(answer), q->text);
    free(answer);
    return is;
}

void scrape_expect_answer(int port, const char *path, int status, const char *text)
{
    question q = {.port = port, .path = path, .status = status, .text = text};
    if (!wait_until(is_answered, &q, SOON_MS))
        fail_msg("%s never answered %d with \"%s\", but:\n%s", path, status, text, q.last);
}

char *scrape(int port)
{
    char *answer = http_get(port, "/metrics");
    assert_int_equal(http_status(answer), 200);
    char *text = strdup(http_body(answer));
    free(answer);
    return text;
}

double scrape_sample(const char *text, const char *name)
{
    char with[300];
    snprintf(with, sizeof with, "\n%s ", name);
    const char *at = strstr(text, with);
    return at ? strtod(at + strlen(with), NULL) : -1;
}

typedef struct wish {
    int port;
    const char *name;
    double least, last;
} wish;

static bool has_come(void *arg)
{
    wish *w = arg;
    char *text = scrape(w->port);
    w->last = scrape_sample(text, w->name);
    free(text);
    return w->last >= w->least;
}

void scrape_expect_sample(int port, const char *name, double least)
{
    wish w = {.port = port, .name = name, .least = least};
    if (!wait_until(has_come, &w, SOON_MS))
        fail_msg("%s stays at %g instead of %g", name, w.last, least);
}

void scrape_parse(const char *text, const char *page)
{
    char path[] = "/tmp/postbus-metrics.XXXXXX", reference[600], *said = NULL;
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    snprintf(reference, sizeof reference, POSTBUS_SUPPORT_DIR "/../../docs/reference/%s", page);
    const char *const argv[] = {POSTBUS_SUPPORT_DIR "/../monitoring/parse_metrics.py", path, reference, NULL};
    int code = proc_fixture_run(argv, NULL, &said, SOON_MS);
    unlink(path);
    if (code == 77)
        print_message("not parsed: %s", said);
    else if (code != 0)
        fail_msg("%s", said);
    free(said);
}

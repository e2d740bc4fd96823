/* Runs `postbus work` for its tests; each test has a directory of its own. */
#include "working.h"
#include "text_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int working_setup(void **state)
{
    working *w = calloc(1, sizeof *w);
    void *s = NULL;
    stage_setup(&s);
    w->s = s;
    snprintf(w->dir, sizeof w->dir, "/tmp/postbus-work-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    *state = w;
    return 0;
}

int working_teardown(void **state)
{
    working *w = *state;
    void *s = w->s;
    proc_fixture_free(w->proc);
    char line[100];
    snprintf(line, sizeof line, "rm -rf %s", w->dir);
    assert_int_equal(system(line), 0);
    stage_teardown(&s);
    free(w);
    return 0;
}

static void start(working *w, const char *const *first, const char *const *words)
{
    const char *argv[60] = {"work",
                            "--database",
                            w->s->conninfo,
                            "--brokers",
                            kafka_fixture_brokers(stage_kafka),
                            "--consumer",
                            "fetch.wait.max.ms=20",
                            "--consumer",
                            "heartbeat.interval.ms=300",
                            "--consumer",
                            "session.timeout.ms=6000"};
    char variable[80];
    const char *environment[] = {variable, "POSTBUS_SECRET=hidden", NULL};
    size_t n = 0;
    while (argv[n])
        n++;
    for (; *first; first++)
        argv[n++] = *first;
    for (; *words; words++)
        argv[n++] = *words;
    assert_true(n < sizeof argv / sizeof argv[0]);
    snprintf(variable, sizeof variable, "WORK=%s", w->dir);
    proc_fixture_free(w->proc);
    w->proc = proc_fixture_start_postbus(
        argv, &(proc_fixture_options){.environment = environment, .adopts = w->adopts});
    proc_fixture_expect_log(w->proc, "work.assigned", STAGE_DEADLINE_MS);
}

void working_start(working *w, const char *const *words)
{
    const char *first[] = {"--application",   w->s->topic, "--topics", w->s->topic, "--retry-first-ms", "1",
                           "--retry-most-ms", "20",        NULL};
    start(w, first, words);
}

void working_start_file(working *w, const char *text, const char *const *words)
{
    char path[100];
    snprintf(path, sizeof path, "%s/work.conf", w->dir);
    text_file_write(path, text);
    start(w, (const char *const[]){path, NULL}, words);
}

char *working_read(working *w, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    char *text = calloc(1, 65536);
    size_t n = fread(text, 1, 65535, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

typedef struct expected {
    working *w;
    const char *name, *text; /* NULL: any */
} expected;

static bool is_there(void *arg)
{
    const expected *e = arg;
    char *found = working_read(e->w, e->name);
    bool is = found && (e->text ? strcmp(found, e->text) == 0 : *found != '\0');
    free(found);
    return is;
}

static void expect(working *w, const char *name, const char *text)
{
    expected e = {w, name, text};
    if (wait_until(is_there, &e, STAGE_DEADLINE_MS))
        return;
    char *found = working_read(w, name), *log = proc_fixture_log(w->proc);
    fail_msg("%s is \"%s\" instead of \"%s\"; the log:\n%s", name, found ? found : "(not there)",
             text ? text : "anything", log);
}

void working_expect(working *w, const char *name, const char *text)
{
    expect(w, name, text);
}

void working_expect_any(working *w, const char *name)
{
    expect(w, name, NULL);
}

void working_touch(working *w, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    text_file_write(path, "");
}

static bool is_gone(void *arg)
{
    return kill(*(const pid_t *)arg, 0) != 0 && errno == ESRCH;
}

void working_expect_gone(working *w, const char *name)
{
    char *text = working_read(w, name);
    assert_non_null(text);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    free(text);
    assert_true(pid > 1);
    if (!wait_until(is_gone, &pid, STAGE_DEADLINE_MS))
        fail_msg("process %d of %s still runs", (int)pid, name);
}

/* Starts and stops a schema registry for a test; must never leave one running. */
#include "registry_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "http_client.h"
#include "proc_fixture.h"
#include "wait_until.h"

enum { SOON_MS = 120000, MOST_ARGUMENTS = 8 };

struct registry_fixture {
    char state[64], port_text[12], url[40];
    int port;
    const char *arguments[MOST_ARGUMENTS];
    size_t n_arguments;
    proc_fixture *process;
};

void registry_fixture_start(registry_fixture *r)
{
    const char *argv[MOST_ARGUMENTS + 5] = {POSTBUS_SUPPORT_DIR "/schema-registry", r->state, "--port",
                                            r->port_text};
    memcpy(argv + 4, r->arguments, r->n_arguments * sizeof *argv);
    r->process = proc_fixture_start(argv, NULL);
    proc_fixture_expect_log(r->process, "listening on ", SOON_MS);
    char *log = proc_fixture_log(r->process);
    r->port = atoi(strstr(log, "listening on ") + strlen("listening on "));
    free(log);
    snprintf(r->port_text, sizeof r->port_text, "%d", r->port);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%d", r->port);
}

registry_fixture *registry_fixture_new(const char *const *arguments)
{
    registry_fixture *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (; arguments && arguments[r->n_arguments]; r->n_arguments++) {
        assert_true(r->n_arguments < MOST_ARGUMENTS);
        r->arguments[r->n_arguments] = arguments[r->n_arguments];
    }
    strcpy(r->state, "/tmp/postbus-registry.XXXXXX");
    int fd = mkstemp(r->state);
    assert_true(fd >= 0);
    close(fd);
    unlink(r->state);
    strcpy(r->port_text, "0");
    registry_fixture_start(r);
    return r;
}

void registry_fixture_free(registry_fixture *r)
{
    if (!r)
        return;
    proc_fixture_free(r->process);
    unlink(r->state);
    free(r);
}

const char *registry_fixture_url(const registry_fixture *r)
{
    return r->url;
}

int registry_fixture_port(const registry_fixture *r)
{
    return r->port;
}

void registry_fixture_kill(registry_fixture *r)
{
    proc_fixture_end(r->process, SIGKILL, SOON_MS);
    proc_fixture_free(r->process);
    r->process = NULL;
}

static bool thread_stands(const char *tasks, const char *name)
{
    char path[400], state = 'R';
    snprintf(path, sizeof path, "%s/%s/stat", tasks, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return true; /* it has ended meanwhile */
    if (fscanf(file, "%*[^)]) %c", &state) != 1)
        state = 'R';
    fclose(file);
    return state == 'T';
}

/* A signal is sent before it has come: a thread may answer a request until then. */
static bool stands(void *arg)
{
    char tasks[64];
    bool all = true;
    snprintf(tasks, sizeof tasks, "/proc/%d/task", (int)proc_fixture_pid(arg));
    DIR *directory = opendir(tasks);
    assert_non_null(directory);
    for (const struct dirent *one; (one = readdir(directory));)
        if (one->d_name[0] != '.')
            all = thread_stands(tasks, one->d_name) && all;
    closedir(directory);
    return all;
}

void registry_fixture_freeze(registry_fixture *r)
{
    proc_fixture_signal(r->process, SIGSTOP);
    assert_true(wait_until(stands, r->process, SOON_MS));
}

void registry_fixture_thaw(registry_fixture *r)
{
    proc_fixture_signal(r->process, SIGCONT);
}

static char *answer_of(const registry_fixture *r, const char *method, const char *path, const char *body)
{
    char request[2000];
    int n = snprintf(request, sizeof request,
                     "%s %s HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     method, path, strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof request);
    int fd = http_connect(r->port);
    http_send(fd, request, (size_t)n);
    return http_receive(fd);
}

int registry_fixture_send(const registry_fixture *r, const char *method, const char *path, const char *body)
{
    char *answer = answer_of(r, method, path, body);
    int status = http_status(answer);
    free(answer);
    return status;
}

void registry_fixture_fault(const registry_fixture *r, int status)
{
    char body[40];
    snprintf(body, sizeof body, "{\"status\": %d}", status);
    assert_int_equal(registry_fixture_send(r, "PUT", "/test/fault", body), 200);
}

int registry_fixture_asked(const registry_fixture *r, const char *request)
{
    char quoted[200];
    char *answer = answer_of(r, "GET", "/test/requests", "");
    snprintf(quoted, sizeof quoted, "\"%s\": ", request);
    const char *at = strstr(http_body(answer), quoted);
    int n = at ? atoi(at + strlen(quoted)) : 0;
    free(answer);
    return n;
}

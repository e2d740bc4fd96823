/* Starts and watches the processes of a test; none of them ever outlives the test program. */
#include "proc_fixture.h"

#include "cmocka_all.h"
#include "wait_until.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_DEADLINE_MS = 120000, LAST_WORDS = 6000 };

struct proc_fixture {
    proc_fixture *next; /* of those that are not released */
    pid_t pid;
    bool ended;
    int code;
    bool owns_log;
    off_t log_seen; /* up to here proc_fixture_wait_log has looked */
    char log_path[PATH_MAX];
    char name[64];
};

static proc_fixture *unreleased;

static void put_environment(const char *const *environment)
{
    for (; environment && *environment; environment++)
        putenv((char *)(uintptr_t)*environment);
}

static _Noreturn void child(const char *const *argv, const proc_fixture_options *options, int log_fd,
                            pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, options->death_signal ? options->death_signal : SIGKILL);
    if (getppid() != parent || (options->adopts && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0))
        _exit(127);
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    put_environment(options->environment);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int open_log(proc_fixture *proc, const char *path)
{
    if (path) {
        snprintf(proc->log_path, sizeof proc->log_path, "%s", path);
        return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    const char *folder = getenv("TMPDIR");
    snprintf(proc->log_path, sizeof proc->log_path, "%s/postbus-log.XXXXXX", folder ? folder : "/tmp");
    proc->owns_log = true;
    int fd = mkostemp(proc->log_path, O_APPEND | O_CLOEXEC);
    return fd;
}

/* Whoever is left belongs to a test that failed, and may know why. */
static void print_last_words(void)
{
    char text[LAST_WORDS + 1];
    for (proc_fixture *proc = unreleased; proc; proc = proc->next) {
        int fd = open(proc->log_path, O_RDONLY | O_CLOEXEC);
        off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
        ssize_t got = size < 0 ? -1 : pread(fd, text, LAST_WORDS, size > LAST_WORDS ? size - LAST_WORDS : 0);
        if (fd >= 0)
            close(fd);
        text[got < 0 ? 0 : got] = '\0';
        fprintf(stderr, "the last words of process %d, %s, which %s %d:\n%s\n", (int)proc->pid, proc->name,
                proc_fixture_running(proc) ? "still runs," : "has ended with", proc->code, text);
    }
}

bool proc_fixture_has_company(const proc_fixture *proc)
{
    return unreleased != proc || proc->next;
}

static void keep(proc_fixture *proc, const char *const *argv)
{
    static bool prints;
    if (!prints)
        atexit(print_last_words);
    prints = true;
    snprintf(proc->name, sizeof proc->name, "%s %s",
             strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], argv[1] ? argv[1] : "");
    proc->next = unreleased;
    unreleased = proc;
}

static void release(proc_fixture *proc)
{
    proc_fixture **at = &unreleased;
    while (*at != proc)
        at = &(*at)->next;
    *at = proc->next;
    if (proc->owns_log)
        unlink(proc->log_path);
    free(proc);
}

proc_fixture *proc_fixture_start(const char *const *argv, const proc_fixture_options *options)
{
    static const proc_fixture_options defaults = {0};
    if (!options)
        options = &defaults;
    proc_fixture *proc = calloc(1, sizeof *proc);
    if (!proc)
        fail_msg("no memory for a process");
    int log_fd = open_log(proc, options->log_path);
    if (log_fd < 0)
        fail_msg("%s: %s", proc->log_path, strerror(errno));
    proc->log_seen = lseek(log_fd, 0, SEEK_END);
    pid_t parent = getpid();
    proc->pid = fork();
    if (proc->pid < 0)
        fail_msg("fork: %s", strerror(errno));
    if (proc->pid == 0)
        child(argv, options, log_fd, parent);
    close(log_fd);
    keep(proc, argv);
    return proc;
}

proc_fixture *proc_fixture_start_postbus(const char *const *arguments, const proc_fixture_options *options)
{
    const char *argv[64];
    size_t n = 0;
    argv[n] = getenv("POSTBUS_TEST_POSTBUS");
    if (!argv[n] || !*argv[n])
        argv[n] = POSTBUS_DEFAULT_BINARY;
    for (n = 1; *arguments; arguments++) {
        assert_true(n + 1 < sizeof argv / sizeof argv[0]);
        argv[n++] = *arguments;
    }
    argv[n] = NULL;
    return proc_fixture_start(argv, options);
}

static void note_end(proc_fixture *proc, int status)
{
    proc->ended = true;
    proc->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool proc_fixture_running(proc_fixture *proc)
{
    int status;
    if (!proc->ended && waitpid(proc->pid, &status, WNOHANG) == proc->pid)
        note_end(proc, status);
    return !proc->ended;
}

static bool has_ended(void *arg)
{
    return !proc_fixture_running(arg);
}

/* The log from an offset on, as a string. */
static char *read_log(const proc_fixture *proc, off_t from, size_t *out_size)
{
    int fd = open(proc->log_path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        fail_msg("%s: %s", proc->log_path, strerror(errno));
    size_t size = info.st_size > from ? (size_t)(info.st_size - from) : 0;
    char *text = malloc(size + 1);
    ssize_t got = text ? pread(fd, text, size, from) : -1;
    close(fd);
    if (got < 0)
        fail_msg("%s cannot be read", proc->log_path);
    text[got] = '\0';
    *out_size = (size_t)got;
    return text;
}

char *proc_fixture_log(proc_fixture *proc)
{
    size_t size;
    return read_log(proc, 0, &size);
}

/* Moves log_seen past the line that holds the text. Whole lines only: a part of one may be on its way. */
static bool find_line(proc_fixture *proc, const char *text)
{
    size_t size;
    char *log = read_log(proc, proc->log_seen, &size);
    bool found = false;
    char *end;
    for (char *line = log; !found && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        found = strstr(line, text) != NULL;
        proc->log_seen += end + 1 - line;
    }
    free(log);
    return found;
}

typedef struct log_wait {
    proc_fixture *proc;
    const char *text;
    bool found;
} log_wait;

static bool found_or_ended(void *arg)
{
    log_wait *wait = arg;
    bool running = proc_fixture_running(wait->proc);
    wait->found = find_line(wait->proc, wait->text);
    return wait->found || !running;
}

bool proc_fixture_wait_log(proc_fixture *proc, const char *text, int deadline_ms)
{
    log_wait wait = {.proc = proc, .text = text};
    off_t before = proc->log_seen;
    wait_until(found_or_ended, &wait, deadline_ms);
    if (!wait.found)
        proc->log_seen = before;
    return wait.found;
}

void proc_fixture_expect_log(proc_fixture *proc, const char *text, int deadline_ms)
{
    if (proc_fixture_wait_log(proc, text, deadline_ms))
        return;
    char *log = proc_fixture_log(proc);
    print_error("the log, in which '%s' was awaited for %d ms:\n%s\n", text, deadline_ms, log);
    free(log);
    fail_msg("no line with '%s'", text);
}

void proc_fixture_signal(proc_fixture *proc, int number)
{
    if (proc_fixture_running(proc))
        kill(proc->pid, number);
}

int proc_fixture_wait_exit(proc_fixture *proc, int deadline_ms)
{
    if (!wait_until(has_ended, proc, deadline_ms)) {
        char *log = proc_fixture_log(proc);
        print_error("the log of the process that does not end:\n%s\n", log);
        free(log);
        fail_msg("process %d still runs after %d ms", (int)proc->pid, deadline_ms);
    }
    return proc->code;
}

int proc_fixture_end(proc_fixture *proc, int number, int deadline_ms)
{
    proc_fixture_signal(proc, number);
    return proc_fixture_wait_exit(proc, deadline_ms);
}

pid_t proc_fixture_pid(const proc_fixture *proc)
{
    return proc->pid;
}

void proc_fixture_free(proc_fixture *proc)
{
    if (!proc)
        return;
    proc_fixture_signal(proc, SIGKILL);
    wait_until(has_ended, proc, KILL_DEADLINE_MS);
    release(proc);
}

int proc_fixture_run(const char *const *argv, const char *const *environment, char **out_text,
                     int deadline_ms)
{
    proc_fixture *proc = proc_fixture_start(argv, &(proc_fixture_options){.environment = environment});
    int code = proc_fixture_wait_exit(proc, deadline_ms);
    if (out_text)
        *out_text = proc_fixture_log(proc);
    proc_fixture_free(proc);
    return code;
}

/* Starts a program and talks to it; must never leave one behind, nor wait for one without a limit. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

enum { CLOSED_GRACE_MS = 1000 };
enum { PIPE_INPUT, PIPE_OUTPUT, PIPE_ERRORS, N_PIPES };

static int64_t now_ms(void)
{
    return clock_now_us() / 1000;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- start ---- */

/* Between fork and exec of a process with threads: nothing but what a signal handler may call. */
static void become(const char *command, char *const *environment, int pipes[N_PIPES][2], bool reads,
                   pid_t parent)
{
    sigset_t none;
    char shell[] = "sh", flag[] = "-c";
    char *const argv[] = {shell, flag, (char *)(intptr_t)command, NULL};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(pipes[PIPE_INPUT][0], STDIN_FILENO);
    dup2(pipes[PIPE_ERRORS][1], STDERR_FILENO);
    if (reads)
        dup2(pipes[PIPE_OUTPUT][1], STDOUT_FILENO);
    close_range(3, ~0U, 0);
    execve("/bin/sh", argv, environment);
    _exit(127);
}

static void close_pipes(int pipes[N_PIPES][2])
{
    for (int i = 0; i < N_PIPES; i++) {
        close_fd(&pipes[i][0]);
        close_fd(&pipes[i][1]);
    }
}

static int take_end(int *end)
{
    int fd = *end;
    *end = -1;
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

bool child_start(child *c, const char *command, char *const *environment, bool reads)
{
    int pipes[N_PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    pid_t self = getpid();
    *c = (child){.pid_fd = -1, .input = -1, .output = -1, .errors = -1};
    bool ok = pipe2(pipes[PIPE_INPUT], O_CLOEXEC) == 0 && pipe2(pipes[PIPE_ERRORS], O_CLOEXEC) == 0 &&
              (!reads || pipe2(pipes[PIPE_OUTPUT], O_CLOEXEC) == 0);
    pid_t pid = ok ? fork() : -1;
    if (pid == 0)
        become(command, environment, pipes, reads, self);
    int pid_fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pid_fd < 0) {
        int error = errno;
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close_pipes(pipes);
        errno = error;
        return false;
    }
    setpgid(pid, pid); /* the program does so, too; whoever comes first */
    c->pid = pid;
    c->pid_fd = pid_fd;
    c->input = take_end(&pipes[PIPE_INPUT][1]);
    c->output = take_end(&pipes[PIPE_OUTPUT][0]);
    c->errors = take_end(&pipes[PIPE_ERRORS][0]);
    close_pipes(pipes);
    return true;
}

/* ---- talk ---- */

static void keep_tail(child *c, const char *text, size_t size)
{
    if (size > CHILD_TAIL_SIZE) {
        text += size - CHILD_TAIL_SIZE;
        size = CHILD_TAIL_SIZE;
    }
    size_t kept = c->n_tail + size > CHILD_TAIL_SIZE ? CHILD_TAIL_SIZE - size : c->n_tail;
    memmove(c->tail, c->tail + c->n_tail - kept, kept);
    memcpy(c->tail + kept, text, size);
    c->n_tail = kept + size;
}

/* What standard error takes; whoever reads it may be gone, which is no reason to stop. */
static void pass_on(const char *text, size_t size)
{
    ssize_t n;
    while (size > 0 && (n = write(STDERR_FILENO, text, size)) > 0) {
        text += n;
        size -= (size_t)n;
    }
}

static void read_errors(child *c)
{
    char part[4096];
    for (int i = 0; c->errors >= 0 && i < 64; i++) { /* one that never stops writing must not hold us up */
        ssize_t n = read(c->errors, part, sizeof part);
        if (n == 0)
            close_fd(&c->errors);
        if (n <= 0)
            return;
        keep_tail(c, part, (size_t)n);
        pass_on(part, (size_t)n);
    }
}

/* False: no more than a line that is too long, or the memory is. */
static bool read_output(child *c)
{
    if (!c->line && !(c->line = malloc(CHILD_MOST_LINE)))
        return false;
    while (c->output >= 0 && c->n_line < CHILD_MOST_LINE) {
        ssize_t n = read(c->output, c->line + c->n_line, CHILD_MOST_LINE - c->n_line);
        if (n == 0)
            close_fd(&c->output);
        if (n <= 0)
            break;
        c->n_line += (size_t)n;
    }
    return c->n_line < CHILD_MOST_LINE || memchr(c->line, '\n', c->n_line);
}

static bool end_line(child *c)
{
    char *feed = c->line ? memchr(c->line, '\n', c->n_line) : NULL;
    if (feed)
        *feed = '\0';
    return feed != NULL;
}

void child_take_line(child *c)
{
    size_t taken = strlen(c->line) + 1;
    memmove(c->line, c->line + taken, c->n_line - taken);
    c->n_line -= taken;
}

static void write_input(child *c, const char **input, size_t *n_input)
{
    while (*n_input > 0) {
        ssize_t n = write(c->input, *input, *n_input);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) { /* it does not want the rest */
            close_fd(&c->input);
            return;
        }
        *input += n;
        *n_input -= (size_t)n;
    }
}

/* The milliseconds that poll(2) may take; 0: the time is up. */
static int patience(int64_t end_ms)
{
    if (end_ms < 0)
        return -1;
    int64_t left = end_ms - now_ms();
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static bool is_over(int64_t end_ms)
{
    return end_ms >= 0 && now_ms() >= end_ms;
}

/* True: it has ended. */
static bool wait_exit(child *c, int64_t grace_ms, int stop_fd)
{
    int64_t end_ms = now_ms() + grace_ms;
    while (true) {
        struct pollfd fds[] = {{.fd = c->pid_fd, .events = POLLIN},
                               {.fd = stop_fd, .events = POLLIN},
                               {.fd = c->errors, .events = POLLIN}};
        poll(fds, sizeof fds / sizeof fds[0], patience(end_ms));
        read_errors(c);
        if (fds[0].revents)
            return true;
        if (fds[1].revents || is_over(end_ms))
            return false;
    }
}

talk_end child_talk(child *c, const char *input, size_t n_input, int64_t limit_ms, int stop_fd)
{
    int64_t end_ms = limit_ms < 0 ? -1 : now_ms() + limit_ms;
    bool by_line = c->output >= 0;
    while (true) {
        if (n_input == 0 && !by_line)
            close_fd(&c->input);
        struct pollfd fds[] = {{.fd = c->pid_fd, .events = POLLIN},
                               {.fd = stop_fd, .events = POLLIN},
                               {.fd = c->errors, .events = POLLIN},
                               {.fd = c->output, .events = POLLIN},
                               {.fd = n_input > 0 ? c->input : -1, .events = POLLOUT}};
        if (poll(fds, sizeof fds / sizeof fds[0], patience(end_ms)) < 0 && errno != EINTR)
            return TALK_CLOSED;
        if (fds[4].revents)
            write_input(c, &input, &n_input);
        read_errors(c);
        bool fits = !by_line || read_output(c);
        if (end_line(c)) /* without its line feed no input was read to its end */
            return n_input > 0 ? TALK_EARLY : TALK_LINE;
        if (fds[0].revents)
            return TALK_EXITED;
        if (by_line && c->output < 0) /* as a rule because it ends */
            return wait_exit(c, CLOSED_GRACE_MS, stop_fd) ? TALK_EXITED : TALK_CLOSED;
        if (!fits)
            return TALK_CLOSED;
        if (fds[1].revents)
            return TALK_STOPPED;
        if (is_over(end_ms))
            return TALK_TIMEOUT;
    }
}

/* ---- end ---- */

/* While the dead leader is not reaped, its group's number is no other's. */
static int reap(child *c)
{
    int status = 0;
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    read_errors(c);
    close_fd(&c->pid_fd);
    close_fd(&c->input);
    close_fd(&c->output);
    close_fd(&c->errors);
    free(c->line);
    c->line = NULL;
    c->n_line = 0;
    c->pid = 0;
    return status;
}

int child_end(child *c, int64_t grace_ms)
{
    if (!wait_exit(c, 0, -1)) {
        kill(-c->pid, SIGTERM);
        wait_exit(c, grace_ms, -1);
    }
    return reap(c);
}

int child_dismiss(child *c, int64_t grace_ms, int stop_fd)
{
    close_fd(&c->input);
    if (wait_exit(c, grace_ms, stop_fd))
        return reap(c);
    return child_end(c, grace_ms);
}

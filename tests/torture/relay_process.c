/* Starts, kills and stops the relay; it must never leave a child behind, nor signal a process it did not
 * start. */
#include "relay_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static bool spawn_shell(const char *command, const char *log_path, pid_t *out)
{
    char exec_it[8192];
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, exec_it, NULL};
    posix_spawn_file_actions_t actions;
    int failed;

    if (snprintf(exec_it, sizeof exec_it, log_path ? "exec %s" : "%s", command) >= (int)sizeof exec_it)
        return false;
    posix_spawn_file_actions_init(&actions);
    if (log_path) {
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path, O_WRONLY | O_CREAT | O_APPEND,
                                         0644);
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    }
    failed = posix_spawn(out, "/bin/sh", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return !failed;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

bool shell_command(const char *command)
{
    pid_t pid;

    return spawn_shell(command, NULL, &pid) && wait_for(pid) == 0;
}

void relay_process_init(relay_process *r, const plan *p)
{
    memset(r, 0, sizeof *r);
    r->plan = p;
    snprintf(r->log_path, sizeof r->log_path, "%s/relay-%s.log", p->log_dir, run_name(p->kind));
    unlink(r->log_path);
}

bool relay_process_start(relay_process *r)
{
    if (!spawn_shell(r->plan->relay, r->log_path, &r->pid)) {
        r->pid = 0;
        return false;
    }
    r->starts++;
    return true;
}

void relay_process_kill(relay_process *r)
{
    if (r->pid == 0)
        return;
    kill(r->pid, SIGKILL);
    wait_for(r->pid);
    r->pid = 0;
    r->kills++;
}

static bool has_ended(relay_process *r, int *status)
{
    return waitpid(r->pid, status, WNOHANG) == r->pid;
}

void relay_process_watch(relay_process *r)
{
    int status;

    if (r->pid == 0 || !has_ended(r, &status))
        return;
    fprintf(stderr, "torture: the relay ended by itself (wait status %d), see %s\n", status, r->log_path);
    r->bad_exits++;
    relay_process_start(r);
}

void relay_process_stop(relay_process *r, int64_t deadline_ms)
{
    int status = 0;

    if (r->pid == 0)
        return;
    kill(r->pid, SIGTERM);
    while (!has_ended(r, &status)) {
        if (now_ms() >= deadline_ms) {
            fprintf(stderr, "torture: the relay did not end after SIGTERM; it is killed, see %s\n",
                    r->log_path);
            r->bad_exits++;
            relay_process_kill(r);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    r->pid = 0;
    if (status != 0) {
        fprintf(stderr, "torture: the relay ended with wait status %d, see %s\n", status, r->log_path);
        r->bad_exits++;
    }
}

int64_t relay_process_log_count(const relay_process *r, const char *text)
{
    FILE *f = fopen(r->log_path, "r");
    char line[8192];
    int64_t n = 0;

    while (f && fgets(line, sizeof line, f))
        n += strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return n;
}

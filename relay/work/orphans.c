/* Collects orphans as the first process of a container has to; must never outlive who works, nor keep a signal from it. */
#include "orphans.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool come_to_us(void)
{
    int adopts = 0;
    return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &adopts) == 0 && adopts);
}

/* True: the worker has ended. */
static bool collect(pid_t worker, int *out_status)
{
    pid_t pid;
    while ((pid = waitpid(-1, out_status, WNOHANG)) > 0)
        if (pid == worker)
            return true;
    return false;
}

static _Noreturn void watch(pid_t worker, const sigset_t *signals)
{
    int number, status;
    while (!collect(worker, &status))
        if (sigwait(signals, &number) == 0 && number != SIGCHLD)
            kill(worker, number);
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

bool orphans_settle(void)
{
    sigset_t ours, before;
    if (!come_to_us())
        return true;
    pid_t first = getpid();
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, &before);
    pid_t worker = fork();
    if (worker > 0)
        watch(worker, &ours);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (worker < 0)
        return false;
    setpgid(0, 0); /* a terminal's SIGINT, which is handed on, would come twice and end it at once */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != first)
        _exit(1);
    return true;
}

/* Turns SIGTERM and SIGINT into bytes of a pipe; never ends the process itself. */
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static void stop_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
}

/* A thread of its own, not a handler: no poll(2) of other threads is interrupted, and a pipe is read byte by byte. */
static void *forward(void *arg)
{
    int fd = (int)(intptr_t)arg;
    sigset_t signals;
    stop_signals(&signals);
    while (true) {
        int number;
        if (sigwait(&signals, &number) == 0 && write(fd, "", 1) < 0 && errno != EAGAIN && errno != EINTR)
            return NULL;
    }
}

int stop_open(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    sigset_t signals;
    stop_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, forward, (void *)(intptr_t)fds[1]);
    if (error != 0) {
        close(fds[0]);
        close(fds[1]);
        errno = error;
        return -1;
    }
    pthread_detach(thread);
    return fds[0];
}

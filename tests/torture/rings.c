/* Counts the NOTIFYs that writers send; it must never hold the doorbell's lock. */
#include "rings.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "session.h"

#define CONNECT_PATIENCE_MS 10000

struct rings {
    pthread_t thread;
    const char *database;
    PGconn *conn;
    int stop_pipe[2];
    int64_t count;
};

static bool listen_again(rings *r)
{
    PQfinish(r->conn);
    r->conn = session_connect_by(r->database, "torture-rings", now_ms() + CONNECT_PATIENCE_MS);
    PGresult *result = PQexec(r->conn, "LISTEN postbus");
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

static void count_rings(rings *r)
{
    PGnotify *ring;

    while ((ring = PQnotifies(r->conn))) {
        r->count++;
        PQfreemem(ring);
    }
}

static void *rings_main(void *arg)
{
    rings *r = arg;

    for (;;) {
        struct pollfd fds[] = {{.fd = r->stop_pipe[0], .events = POLLIN},
                               {.fd = PQsocket(r->conn), .events = POLLIN}};

        count_rings(r);
        if (poll(fds, 2, 1000) < 0 && errno != EINTR)
            return NULL;
        bool alive = PQconsumeInput(r->conn) == 1;
        count_rings(r);
        if (fds[0].revents)
            return NULL;
        if (!alive)
            listen_again(r);
    }
}

rings *rings_start(const char *database)
{
    rings *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->database = database;
    if (listen_again(r) && pipe(r->stop_pipe) == 0) {
        if (pthread_create(&r->thread, NULL, rings_main, r) == 0)
            return r;
        close(r->stop_pipe[0]);
        close(r->stop_pipe[1]);
    }
    PQfinish(r->conn);
    free(r);
    return NULL;
}

int64_t rings_stop(rings *r)
{
    int64_t count;

    if (!r)
        return -1;
    if (write(r->stop_pipe[1], "", 1) == 1)
        pthread_join(r->thread, NULL);
    count = r->count;
    close(r->stop_pipe[0]);
    close(r->stop_pipe[1]);
    PQfinish(r->conn);
    free(r);
    return count;
}

/* The doorbell's two sides on real sessions; it must never hide an error of a statement. */
#include "bell.h"

#include <poll.h>
#include <string.h>

#include "cmocka_all.h"
#include "pg_fixture.h"
#include "pg_query.h"

#define BELL "8101821198368076544"
#define ANSWER_MS 30000

static pg_fixture *server;

/* Thousands of small transactions are played, and none is to survive: no flush is waited for. */
int bell_server_start(void **state)
{
    static const char *const settings[] = {"fsync=off", "autovacuum=off", NULL};

    (void)state;
    server = pg_fixture_new(settings);
    pg_fixture_migrate(server, "postgres");
    return 0;
}

int bell_server_stop(void **state)
{
    (void)state;
    pg_fixture_free(server);
    return 0;
}

PGconn *bell_connect(void)
{
    return pg_fixture_connect(server, NULL, NULL);
}

PGconn *bell_relay_connect(void)
{
    PGconn *relay = bell_connect();

    /* A session of the test before may hold the lock for a moment yet. */
    pg_run(relay, "SELECT pg_advisory_lock(" BELL "); SELECT pg_advisory_unlock(" BELL ")");
    pg_run(relay, "LISTEN postbus; LISTEN until_here");
    return relay;
}

bool bell_try_arm(PGconn *relay)
{
    return pg_number(relay, "SELECT pg_try_advisory_lock(" BELL ")::int") == 1;
}

void bell_disarm(PGconn *relay)
{
    assert_int_equal(pg_number(relay, "SELECT pg_advisory_unlock(" BELL ")::int"), 1);
}

/* Rings among what has arrived; *until_here when the message to itself was there. */
static int take_rings(PGconn *relay, bool *until_here)
{
    PGnotify *message;
    int rings = 0;

    while ((message = PQnotifies(relay))) {
        if (strcmp(message->relname, "postbus") == 0)
            rings++;
        else
            *until_here = true;
        PQfreemem(message);
    }
    return rings;
}

int bell_rings(PGconn *relay)
{
    bool until_here = false;
    int rings;

    pg_run(relay, "NOTIFY until_here");
    rings = take_rings(relay, &until_here);
    while (!until_here) {
        struct pollfd socket = {.fd = PQsocket(relay), .events = POLLIN};

        assert_true(poll(&socket, 1, ANSWER_MS) > 0 && PQconsumeInput(relay));
        rings += take_rings(relay, &until_here);
    }
    return rings;
}

int64_t bell_sharers(PGconn *any)
{
    return pg_number(
        any, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
             " AND (classid::bigint << 32 | objid::bigint) = " BELL);
}

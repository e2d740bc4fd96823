/* Looks after the one that leads while waiting for the lead; must never end a session that has said something within its lease, nor believe
 * the server's time of day, which may be stepped. */
#include "silent_leader.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "postbus_sql.h"

void silent_leader_prepare(session *s)
{
    session_prepare(s, "silent_leader", sql_query("silent_leader"));
}

/* The time counts from when the answer is here, up to when the next question leaves: the server was asked within. */
static void look(silent_leader *l, int backend, int64_t changed_us, int64_t lease_ms)
{
    if (backend == l->backend && changed_us == l->changed_us)
        return;
    *l = (silent_leader){.backend = backend,
                         .changed_us = changed_us,
                         .seen_at_us = clock_now_us(),
                         .lease_us = lease_ms * 1000};
}

static void on_answer(void *arg, PGresult *res)
{
    silent_leader *l = arg;
    for (int i = 0; i < PQntuples(res); i++) {
        if (PQgetvalue(res, i, 3)[0] == 't')
            log_event(LOG_LEVEL_WARN, "leader.silent", "backend=%s", PQgetvalue(res, i, 0));
        look(l, atoi(PQgetvalue(res, i, 0)), strtoll(PQgetvalue(res, i, 1), NULL, 10),
             strtoll(PQgetvalue(res, i, 2), NULL, 10));
    }
    PQclear(res);
}

void silent_leader_ask(silent_leader *l, session *s, int64_t now_us)
{
    char lead[24], lease[24], backend[24], changed[24];
    bool is_silent = l->backend != 0 && now_us - l->seen_at_us > l->lease_us;
    snprintf(lead, sizeof lead, "%lld", SQL_LOCK_LEADER);
    snprintf(lease, sizeof lease, "%d", SQL_LOCK_LEASE);
    snprintf(backend, sizeof backend, "%d", is_silent ? l->backend : 0);
    snprintf(changed, sizeof changed, "%lld", (long long)l->changed_us);
    const char *values[] = {lead, lease, backend, changed};
    session_execute(s, "silent_leader", 4, values, false, on_answer, l);
}

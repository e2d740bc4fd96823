/* Looks after the one that leads while waiting for the lead; must never end a session that has said something within its lease. */
#include "silent_leader.h"

#include <stdio.h>

#include "log.h"
#include "postbus_sql.h"

void silent_leader_prepare(session *s)
{
    session_prepare(s, "silent_leader", sql_query("silent_leader"));
}

static void on_answer(void *arg, PGresult *res)
{
    (void)arg;
    for (int i = 0; i < PQntuples(res); i++)
        log_event(LOG_LEVEL_WARN, "leader.silent", "backend=%s", PQgetvalue(res, i, 0));
    PQclear(res);
}

void silent_leader_ask(session *s)
{
    char lead[24], lease[24];
    snprintf(lead, sizeof lead, "%lld", SQL_LOCK_LEADER);
    snprintf(lease, sizeof lease, "%d", SQL_LOCK_LEASE);
    const char *values[] = {lead, lease};
    session_execute(s, "silent_leader", 2, values, false, on_answer, NULL);
}

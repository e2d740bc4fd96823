/* Asks the database now and then how much is waiting; must never hold the relay up, nor tell numbers that are old as if they were new. */
#include "backlog.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "postbus_sql.h"

#define WANTED_US 300000000  /* longer than anyone's pause between two scrapes */
#define ASK_EVERY_US 5000000 /* at most, */
#define ASK_SHARE 10         /* and for at most a tenth of the time */
#define GIVE_UP_US 40000000  /* the statement's own limit is 30 s: queries/backlog_session.sql */
#define AFTER_FAULT_US 10000000
#define TOO_OLD_US 60000000 /* or when the next answer is overdue, where a count takes long */

void backlog_init(backlog *b, const char *conninfo)
{
    *b = (backlog){.conninfo = conninfo};
}

void backlog_done(backlog *b)
{
    session_free(b->session);
    b->session = NULL;
    b->asking = false;
}

void backlog_want(backlog *b, int64_t now_us)
{
    b->wanted_until_us = now_us + WANTED_US;
}

static void on_backlog(void *arg, PGresult *res)
{
    backlog *b = arg;
    b->coming.n_events = strtod(PQgetvalue(res, 0, 0), NULL);
    b->coming.oldest_age_s = strtod(PQgetvalue(res, 0, 1), NULL);
    PQclear(res);
}

static void on_parked(void *arg, PGresult *res)
{
    backlog *b = arg;
    int n = PQntuples(res);
    b->coming.n_parked = n < BACKLOG_MOST_PARKED ? n : BACKLOG_MOST_PARKED;
    for (int i = 0; i < b->coming.n_parked; i++) {
        backlog_parked *p = &b->coming.parked[i];
        snprintf(p->topic, sizeof p->topic, "%s", PQgetvalue(res, i, 0));
        snprintf(p->reason, sizeof p->reason, "%s", PQgetvalue(res, i, 1));
        p->n_events = strtod(PQgetvalue(res, i, 2), NULL);
    }
    PQclear(res);
}

static void on_leaves(void *arg, PGresult *res)
{
    backlog *b = arg;
    b->coming.leaves = strtod(PQgetvalue(res, 0, 0), NULL);
    b->coming.outbox_bytes = strtod(PQgetvalue(res, 0, 1), NULL);
    b->coming.receipts_bytes = strtod(PQgetvalue(res, 0, 2), NULL);
    PQclear(res);
}

/* The next question waits for nine times as long as this one took. */
void backlog_answered(backlog *b, int64_t now_us)
{
    int64_t took_us = now_us - b->asked_at_us;
    b->known = b->coming;
    b->known_at_us = b->asked_at_us;
    b->asking = false;
    b->ask_at_us = b->asked_at_us + (took_us * ASK_SHARE > ASK_EVERY_US ? took_us * ASK_SHARE : ASK_EVERY_US);
    int64_t overdue_us = b->ask_at_us + took_us * 2;
    b->known_until_us = overdue_us > b->asked_at_us + TOO_OLD_US ? overdue_us : b->asked_at_us + TOO_OLD_US;
}

static void on_answered(void *arg)
{
    backlog_answered(arg, clock_now_us());
}

static void ask(backlog *b, int64_t now_us)
{
    b->asking = true;
    b->asked_at_us = now_us;
    session_query(b->session, sql_query("backlog_session"), 0, NULL, false, NULL, NULL);
    session_query(b->session, sql_query("backlog"), 0, NULL, false, on_backlog, b);
    session_query(b->session, sql_query("parked_by_topic"), 0, NULL, false, on_parked, b);
    session_query(b->session, sql_query("leaves"), 0, NULL, false, on_leaves, b);
    session_commit(b->session, on_answered, b);
}

/* A question that was not answered took the server's time all the same. */
static void give_up(backlog *b, const char *why, int64_t now_us)
{
    int64_t rest_us = b->asking ? (now_us - b->asked_at_us) * (ASK_SHARE - 1) : 0;
    log_event(LOG_LEVEL_DEBUG, "backlog.unknown", "reason=%s", why);
    backlog_done(b);
    b->ask_at_us = now_us + (rest_us > AFTER_FAULT_US ? rest_us : AFTER_FAULT_US);
}

static int64_t step_connected(backlog *b, int64_t now_us)
{
    session_state state = session_get_state(b->session);
    if (state == SESSION_LOST)
        give_up(b, session_error(b->session), now_us);
    else if ((b->asking || state == SESSION_CONNECTING) && now_us >= b->asked_at_us + GIVE_UP_US)
        give_up(b, "no answer", now_us);
    else if (b->asking || state == SESSION_CONNECTING)
        return b->asked_at_us + GIVE_UP_US;
    else if (now_us >= b->ask_at_us)
        ask(b, now_us);
    return b->asking ? CLOCK_NEVER : b->ask_at_us;
}

int64_t backlog_step(backlog *b, const session *beside, int64_t now_us)
{
    if (now_us >= b->wanted_until_us) {
        backlog_done(b);
        return CLOCK_NEVER;
    }
    if (b->session)
        return step_connected(b, now_us);
    if (now_us < b->ask_at_us)
        return b->ask_at_us;
    b->session = session_new_beside(beside, b->conninfo);
    b->asked_at_us = now_us;
    return b->session ? CLOCK_NEVER : now_us + AFTER_FAULT_US;
}

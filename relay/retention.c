/* Walks over the leaves, a statement at a time, and logs what became of each; must never hold up the leader's session nor outlive its lead. */
#include "retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "postbus_sql.h"

#define CLOSE_LEAF (-1)
#define N_TURNS (1 + LEAF_COUNT)
#define OPEN_PART                                                                                            \
    8 /* a leaf is closed after this part of the retention: nine or ten of sixteen are in use then */
#define TELL_AGAIN_US INT64_C(3600000000)
#define HELD_US INT64_C(3600000000) /* readers come and go; one that stays this long keeps the leaf */
#define SILENT_US                                                                                            \
    INT64_C(90000000) /* without an answer; a statement of it has 60 s: queries/retention_setup.sql */

void retention_start(retention *r, const config *cfg, int64_t now_us)
{
    *r = (retention){.cfg = cfg,
                     .look_at_us = now_us + cfg->retention_check_ms * 1000,
                     .n_closed = r->n_closed,
                     .n_emptied = r->n_emptied};
}

void retention_stop(retention *r)
{
    session_free(r->session);
    r->session = NULL;
}

int retention_refusals(const retention *r)
{
    int n = 0;
    for (int i = 0; i <= LEAF_COUNT; i++)
        n += r->refused[i];
    return n;
}

static bool came_out(const retention *r, const char *outcome)
{
    return strcmp(r->answer.outcome, outcome) == 0;
}

/* A refusal lasts until somebody acts: it is told once an hour. */
static bool is_to_be_told(retention *r, int i, int64_t now_us)
{
    if (now_us < r->tell_at_us[i])
        return false;
    r->tell_at_us[i] = now_us + TELL_AGAIN_US;
    return true;
}

/* ---- whose turn it is ---- */

static void take_turn(retention *r, int n_done)
{
    r->n_done = n_done;
    r->leaf = CLOSE_LEAF + (r->first + n_done) % N_TURNS;
    r->asked_us = 0;
}

/* The next look begins behind what failed, so that the rest has its turn even if that fails for ever. */
static void begin_behind(retention *r)
{
    r->first = (r->first + r->n_done + 1) % N_TURNS;
}

/* ---- the leaf that is written to ---- */

static void tell_closing(retention *r)
{
    if (came_out(r, "closed"))
        log_event(LOG_LEVEL_INFO, "retention.closed", "leaf=%d next_leaf=%d", r->answer.leaf,
                  r->answer.next_leaf);
    else if (came_out(r, "full") && is_to_be_told(r, LEAF_COUNT, r->asked_us))
        log_event(LOG_LEVEL_ERROR, "retention.refused", "leaf=%d reason=%s remedy=%s", r->answer.leaf,
                  "it is due to be closed and no other leaf is empty",
                  "end old transactions, look for other lines retention.refused, or shorten retention_ms");
}

static void on_closing_committed(void *arg)
{
    retention *r = arg;
    tell_closing(r);
    r->refused[LEAF_COUNT] = came_out(r, "full");
    r->n_closed += came_out(r, "closed");
    take_turn(r, r->n_done + 1);
}

static int64_t number_at(const PGresult *res, int column)
{
    return strtoll(PQgetvalue(res, 0, column), NULL, 10);
}

static void on_closing(void *arg, PGresult *res)
{
    retention *r = arg;
    r->answer = (retention_answer){.leaf = (int)number_at(res, 1), .next_leaf = (int)number_at(res, 2)};
    snprintf(r->answer.outcome, sizeof r->answer.outcome, "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
}

static void ask_to_close(retention *r)
{
    char open_ms[24];
    snprintf(open_ms, sizeof open_ms, "%" PRId64, r->cfg->retention_ms / OPEN_PART);
    const char *values[] = {open_ms};
    session_query(r->session, sql_query("close_leaf"), 1, values, false, on_closing, r);
    session_commit(r->session, on_closing_committed, r);
}

/* ---- old leaves ---- */

static void tell_gap(const retention *r)
{
    const retention_answer *a = &r->answer;
    log_event(LOG_LEVEL_ERROR, "retention.refused",
              "leaf=%d reason=%s rows=%" PRId64 " receipts=%" PRId64 " parked=%" PRId64 " missing=%" PRId64
              " first_id=%" PRId64 " remedy=%s",
              r->leaf, "events are done and in no receipt", a->n_rows, a->n_receipts, a->n_parked,
              a->n_missing, a->first_missing_id,
              "look whether subscribers have them; then, as the owner, postbus.clear_leaf(leaf, age, false)");
}

static void note_busy(retention *r)
{
    int64_t *since_us = &r->busy_since_us[r->leaf];
    if (!came_out(r, "busy"))
        *since_us = 0;
    else if (*since_us == 0)
        *since_us = r->asked_us;
}

static bool is_held(const retention *r)
{
    return came_out(r, "busy") && r->asked_us - r->busy_since_us[r->leaf] >= HELD_US;
}

static void tell_clearing(retention *r)
{
    const retention_answer *a = &r->answer;
    if (came_out(r, "cleared")) {
        r->tell_at_us[r->leaf] = 0;
        log_event(LOG_LEVEL_INFO, "retention.cleared", "leaf=%d freed_bytes=%" PRId64 " kept_parked=%" PRId64,
                  r->leaf, a->freed_bytes, a->n_parked);
    } else if (came_out(r, "gap") && is_to_be_told(r, r->leaf, r->asked_us)) {
        tell_gap(r);
    } else if (came_out(r, "parked") && is_to_be_told(r, r->leaf, r->asked_us)) {
        log_event(LOG_LEVEL_WARN, "retention.refused", "leaf=%d reason=%s remedy=%s", r->leaf,
                  "more of its events are parked than are kept aside (1000, or 4 MiB)",
                  "redrive or discard them (postbus parked), or create their topics");
    } else if (is_held(r) && is_to_be_told(r, r->leaf, r->asked_us)) {
        log_event(LOG_LEVEL_WARN, "retention.refused", "leaf=%d reason=%s remedy=%s", r->leaf,
                  "somebody has held a lock on it for an hour",
                  "find out by pg_locks and pg_stat_activity whose session it is, and end it");
    } else if (came_out(r, "busy")) {
        log_event(LOG_LEVEL_DEBUG, "retention.busy", "leaf=%d", r->leaf);
    }
}

static void on_clearing_committed(void *arg)
{
    retention *r = arg;
    note_busy(r);
    tell_clearing(r);
    r->refused[r->leaf] = came_out(r, "gap") || came_out(r, "parked") || is_held(r);
    r->n_emptied += came_out(r, "cleared");
    take_turn(r, r->n_done + !came_out(r, "checked"));
}

static void on_clearing(void *arg, PGresult *res)
{
    retention *r = arg;
    r->answer = (retention_answer){.n_rows = number_at(res, 1),
                                   .n_receipts = number_at(res, 2),
                                   .n_parked = number_at(res, 3),
                                   .n_missing = number_at(res, 4),
                                   .first_missing_id = number_at(res, 5),
                                   .freed_bytes = number_at(res, 6)};
    snprintf(r->answer.outcome, sizeof r->answer.outcome, "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
}

static void ask_to_clear(retention *r)
{
    char leaf[12], age_ms[24];
    snprintf(leaf, sizeof leaf, "%d", r->leaf);
    snprintf(age_ms, sizeof age_ms, "%" PRId64, r->cfg->retention_ms);
    const char *values[] = {leaf, age_ms, r->cfg->receipts ? "true" : "false"};
    session_execute(r->session, "clear_leaf", 3, values, false, on_clearing, r);
    session_commit(r->session, on_clearing_committed, r);
}

/* ---- one look ---- */

static void on_set_up(void *arg)
{
    retention *r = arg;
    r->set_up = true;
    r->asked_us = 0;
}

static void set_up(retention *r)
{
    session_query(r->session, sql_query("setup"), 0, NULL, false, NULL, NULL);
    session_query(r->session, sql_query("retention_setup"), 0, NULL, false, NULL, NULL);
    session_prepare(r->session, "clear_leaf", sql_query("clear_leaf"));
    session_commit(r->session, on_set_up, r);
}

static void tell_failure(retention *r, const char *why, int64_t now_us)
{
    const char *state = session_sqlstate(r->session);
    bool old_schema = strcmp(state, "42883") == 0 || strcmp(state, "42P01") == 0;
    const char *remedy = old_schema ? "run `postbus migrate` on this database" : "none: tried again";
    bool of_leaf = r->set_up && r->leaf != CLOSE_LEAF;
    if (!is_to_be_told(r, of_leaf ? r->leaf : LEAF_COUNT, now_us))
        return;
    if (of_leaf)
        log_event(LOG_LEVEL_WARN, "retention.failed", "leaf=%d reason=%s remedy=%s", r->leaf, why, remedy);
    else
        log_event(LOG_LEVEL_WARN, "retention.failed", "reason=%s remedy=%s", why, remedy);
}

static void begin(retention *r, const session *leader, int64_t now_us)
{
    r->look_at_us = now_us + r->cfg->retention_check_ms * 1000;
    r->set_up = false;
    take_turn(r, 0);
    r->session = session_new_beside(leader, r->cfg->database);
}

static void ask(retention *r, int64_t now_us)
{
    r->asked_us = now_us;
    if (!r->set_up)
        set_up(r);
    else if (r->leaf == CLOSE_LEAF)
        ask_to_close(r);
    else
        ask_to_clear(r);
}

static void give_up(retention *r, const char *why, int64_t now_us)
{
    tell_failure(r, why, now_us);
    if (r->set_up)
        begin_behind(r);
    retention_stop(r);
}

static void step_session(retention *r, int64_t now_us)
{
    if (session_get_state(r->session) == SESSION_READY && r->asked_us == 0)
        ask(r, now_us);
    if (session_get_state(r->session) == SESSION_LOST)
        give_up(r, session_error(r->session), now_us);
    else if (session_is_silent(r->session, now_us, SILENT_US))
        give_up(r, "PostgreSQL does not answer", now_us);
}

int64_t retention_step(retention *r, const session *leader, int64_t now_us)
{
    if (r->cfg->retention_ms == 0)
        return CLOCK_NEVER;
    if (!r->session && now_us >= r->look_at_us)
        begin(r, leader, now_us);
    if (r->session && r->n_done == N_TURNS) {
        r->first = 0;
        retention_stop(r);
    }
    if (r->session)
        step_session(r, now_us);
    return r->session ? session_heard_us(r->session) + SILENT_US : r->look_at_us;
}

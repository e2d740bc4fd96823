/* The way to the lead: examines the database, takes the lock, and loads where the last leader got to; must never lead what it cannot serve. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "exactly_once.h"
#include "postbus_sql.h"
#include "relay_inner.h"
#include "silent_leader.h"

/* ---- joining ---- */

enum check_column {
    CHECK_BACKEND,
    CHECK_IN_RECOVERY,
    CHECK_STRAYED,
    CHECK_CACHE,
    CHECK_INCREMENT,
    CHECK_CYCLE
};

static void check(relay *y, const PGresult *res)
{
    if (PQntuples(res) != 1)
        relay_refuse(y, "postbus.instance has no row, or the outbox no sequence",
                     "run `postbus migrate` on this database");
    else if (atoi(PQgetvalue(res, 0, CHECK_BACKEND)) != PQbackendPID(session_conn(y->session)))
        relay_refuse(y, "there is a connection pooler between the relay and PostgreSQL",
                     "connect the relay directly: LISTEN and its locks need a session of its own");
    else if (!PQgetisnull(res, 0, CHECK_STRAYED))
        relay_refuse(y, PQgetvalue(res, 0, CHECK_STRAYED), HOME_REMEDY);
    else if (strcmp(PQgetvalue(res, 0, CHECK_CACHE), "1") != 0 ||
             strcmp(PQgetvalue(res, 0, CHECK_INCREMENT), "1") != 0 ||
             PQgetvalue(res, 0, CHECK_CYCLE)[0] != 'f')
        relay_refuse(y,
                     "postbus.outbox_id_seq must have CACHE 1, INCREMENT 1 and NO CYCLE, or events are lost",
                     "ALTER SEQUENCE postbus.outbox_id_seq CACHE 1 INCREMENT 1 NO CYCLE");
}

void relay_on_check(void *arg, PGresult *res)
{
    relay *y = arg;
    bool in_recovery = PQntuples(res) == 1 && PQgetvalue(res, 0, CHECK_IN_RECOVERY)[0] == 't';
    if (!in_recovery)
        check(y, res);
    PQclear(res);
    if (in_recovery)
        y->unlead = true;
}

static void on_lead_answer(void *arg, PGresult *res)
{
    relay *y = arg;
    bool got = PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    if (relay_gives_up(y))
        return;
    if (got) {
        exactly_once_resolve(y);
        return;
    }
    if (!y->standby_logged)
        log_event(LOG_LEVEL_INFO, "leader.waiting", "relay=%s reason=%s", y->cfg->relay_id,
                  "another relay leads this database");
    y->standby_logged = y->stood_by = true;
    monitor_stands_by(&y->monitor);
    silent_leader_ask(&y->silent, y->session, clock_now_us());
    session_commit(y->session, NULL, NULL);
    y->state = RELAY_STANDBY;
    y->retry_at_us = clock_now_us() + y->cfg->leader_retry_ms * 1000;
}

void relay_try_to_lead(relay *y)
{
    lease_init(&y->lease, y->cfg->lease_ms);
    lease_ask(&y->lease, clock_now_us());
    session_execute(y->session, "lead_lock", 0, NULL, false, on_lead_answer, y);
    session_commit(y->session, NULL, NULL);
}

static void on_checked(void *arg)
{
    relay *y = arg;
    char lock[128];
    session *s = y->session;
    if (relay_gives_up(y))
        return;
    session_query(s, sql_query("setup"), 0, NULL, false, NULL, NULL);
    session_commit(s, NULL, NULL);
    session_query(s, "LISTEN postbus", 0, NULL, false, NULL, NULL);
    session_commit(s, NULL, NULL);
    snprintf(lock, sizeof lock, "SELECT pg_try_advisory_lock(%lld)", SQL_LOCK_LEADER);
    session_prepare(s, "lead_lock", lock);
    session_prepare(s, "check", sql_query("check"));
    silent_leader_prepare(s);
    relay_try_to_lead(y);
}

/* The check comes alone and leaves no trace: settings and locks would stay on a pooler's connection, for others to trip over. */
void relay_join(relay *y)
{
    y->state = RELAY_JOINING;
    y->silent = (silent_leader){0};
    y->joined_at_us = clock_now_us();
    session_query(y->session, sql_query("check"), 0, NULL, false, relay_on_check, y);
    session_commit(y->session, on_checked, y);
}

/* ---- taking the lead ---- */

static void on_home(void *arg, PGresult *res)
{
    relay *y = arg;
    const char *reason = home_judge(res);
    if (reason)
        relay_refuse(y, reason, HOME_REMEDY);
    PQclear(res);
}

static void on_identities(void *arg, PGresult *res)
{
    relay *y = arg;
    int n = PQntuples(res);
    record_maker_done(&y->ship.maker);
    for (int i = 0; i < n; i++)
        if (!record_maker_add_identity(&y->ship.maker, strtoll(PQgetvalue(res, i, 0), NULL, 10),
                                       PQgetvalue(res, i, 1)))
            n = 0;
    if (n > 0)
        snprintf(y->identity, sizeof y->identity, "%s", PQgetvalue(res, 0, 1));
    else
        relay_refuse(y, "postbus.identity cannot be read",
                     "restore the rows that `postbus migrate` and the relays wrote");
    PQclear(res);
}

static void on_epoch(void *arg, PGresult *res)
{
    relay *y = arg;
    y->epoch = y->settler.epoch = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
}

static void on_lanes(void *arg, PGresult *res)
{
    relay *y = arg;
    lanes_load(&y->lanes, res);
}

static bool same_text(const PGresult *res, int a, int b)
{
    return strcmp(PQgetvalue(res, 0, a), PQgetvalue(res, 0, b)) == 0;
}

enum progress_column { P_S1, P_X1, P_L1, P_S2, P_X2, P_L2, P_DONE, P_FLOOR, P_PUBLISHED };

static int64_t number_at(const PGresult *res, int column)
{
    return strtoll(PQgetvalue(res, 0, column), NULL, 10);
}

/* A batch that the last leader had begun: go on behind the last row it settled. */
static bool resume_batch(relay *y, const PGresult *res, position start)
{
    position end = {snapshot_parse(PQgetvalue(res, 0, P_S2)), (uint64_t)number_at(res, P_X2),
                    number_at(res, P_L2)};
    if (!end.s)
        return false;
    batch *b = batch_new(start, end);
    snapshot_unref(end.s);
    if (!b)
        return false;
    int64_t done_id = number_at(res, P_DONE), floor_id = number_at(res, P_FLOOR);
    b->released = true;
    b->stage = done_id >= start.l ? STAGE_NEW : STAGE_STRAGGLERS;
    b->after_id = done_id > floor_id ? done_id : floor_id;
    if (b->stage == STAGE_NEW && b->after_id < start.l)
        b->after_id = start.l;
    if (b->stage == STAGE_STRAGGLERS && b->after_id >= start.l) {
        b->stage = STAGE_NEW;
        b->after_id = start.l;
    }
    if (b->stage == STAGE_NEW && b->after_id >= end.l)
        b->stage = STAGE_READ;
    batch_queue_append(&y->queue, b);
    return true;
}

static bool load_progress(relay *y, const PGresult *res)
{
    if (PQntuples(res) != 1)
        return false;
    position start = {snapshot_parse(PQgetvalue(res, 0, P_S1)), (uint64_t)number_at(res, P_X1),
                      number_at(res, P_L1)};
    if (!start.s || !batch_queue_init(&y->queue, start))
        return false;
    return same_text(res, P_S1, P_S2) || resume_batch(y, res, y->queue.tail->end);
}

/* The same identity, and less than this process has settled: nothing in the database tells of it. */
static bool went_back(relay *y, const PGresult *res)
{
    if (home_compare(&y->home, y->identity, (uint64_t)number_at(res, P_X2), number_at(res, P_L2)) !=
        HOME_WENT_BACK)
        return false;
    relay_refuse(y, "the database has forgotten what this relay settled: an older state of it was put back",
                 HOME_REMEDY);
    return true;
}

static void on_progress(void *arg, PGresult *res)
{
    relay *y = arg;
    if (relay_gives_up(y) || (PQntuples(res) == 1 && went_back(y, res))) {
        PQclear(res);
        return;
    }
    if (!load_progress(y, res)) {
        batch_queue_done(&y->queue);
        relay_refuse(y, "postbus.progress cannot be read", "its newest row was altered; restore it");
    } else {
        fences_start(&y->fences, number_at(res, P_FLOOR));
        settler_start(&y->settler, y->cfg, y->session, &y->queue, &y->fences, 0, /* on_epoch knows it */
                      number_at(res, P_PUBLISHED));
        bindings_start(&y->ship.bindings, y->session);
        reader_start(&y->reader, y->cfg, y->session, &y->queue, &y->bell, &y->settler, &y->fences,
                     &y->ship.bindings);
        lanes_start(&y->lanes, y->cfg, y->session, &y->ship, &y->settler, &y->parking, &y->queue.bytes);
        parking_start(&y->parking, y->cfg, &y->ship, &y->settler, &y->lanes, &y->redrive, &y->queue);
        redrive_start(&y->redrive, y->cfg, y->session, &y->ship.topics, &y->parking, &y->lanes, &y->settler,
                      &y->queue.bytes);
        hand_over_start(&y->hand_over, &y->queue, &y->ship, &y->parking, &y->lanes);
        stalls_start(&y->stalls, y->cfg, &y->ship, &y->lanes, clock_now_us());
        doorbell_restart(&y->bell, clock_now_us());
        exactly_once_start(y);
        retention_start(&y->retention, y->cfg, clock_now_us());
    }
    PQclear(res);
}

static void on_leading(void *arg)
{
    relay *y = arg;
    if (relay_gives_up(y))
        return;
    y->state = RELAY_LEADING;
    if (!y->led_in_vain)
        y->backoff_us = RELAY_RECONNECT_LEAST_US;
    y->standby_logged = false;
    lease_answered(&y->lease);
    gate_open(y->ship.gate, y->lease.until_us);
    log_event(LOG_LEVEL_INFO, "leader.elected", "relay=%s epoch=%lld backend=%d published=%lld",
              y->cfg->relay_id, (long long)y->epoch, PQbackendPID(session_conn(y->session)),
              (long long)y->settler.published);
    monitor_elected(&y->monitor, y->epoch);
    if (y->options->on_ready)
        y->options->on_ready(y->options->on_ready_arg);
}

/* The blocked keys come in pages: a million of them must not be in memory twice. */
static void on_queues(void *arg, PGresult *res)
{
    relay *y = arg;
    y->queues_after = redrive_load(&y->redrive, res);
}

/* To load took as long as it took, perhaps longer than an answer is good for: the lease begins with a question of its own. */
static void ask_once_more(relay *y)
{
    lease_ask(&y->lease, clock_now_us());
    session_execute(y->session, "check", 0, NULL, false, relay_on_check, y);
    session_commit(y->session, on_leading, y);
}

static void on_queues_loaded(void *arg)
{
    relay *y = arg;
    if (relay_gives_up(y))
        return;
    if (y->queues_after == INT64_MAX) {
        ask_once_more(y);
        return;
    }
    redrive_ask_queues(&y->redrive, y->queues_after, on_queues, y);
    session_commit(y->session, on_queues_loaded, y);
}

static void on_lanes_loaded(void *arg)
{
    relay *y = arg;
    y->queues_after = INT64_MIN;
    on_queues_loaded(y);
}

/* Only who can serve the database becomes one of its leaders: one that is refused again and again would add a row each time. */
static void on_place_known(void *arg)
{
    relay *y = arg;
    session *s = y->session;
    const char *who[] = {y->cfg->relay_id};
    if (relay_gives_up(y))
        return;
    session_query(s, sql_query("lead"), 1, who, false, on_epoch, y);
    session_query(s, sql_query("lanes"), 0, NULL, false, on_lanes, y);
    session_commit(s, on_lanes_loaded, y);
}

void relay_lead(relay *y)
{
    char arm[128], unlock[128];
    session *s = y->session;
    char lease_ms[24], lease_class[24];
    snprintf(lease_class, sizeof lease_class, "%d", SQL_LOCK_LEASE);
    const char *lease_values[] = {lease_ms}, *length_values[] = {lease_class, lease_ms};
    snprintf(lease_ms, sizeof lease_ms, "%lld", (long long)y->cfg->lease_ms);
    snprintf(arm, sizeof arm, "SELECT pg_try_advisory_lock(%lld)", SQL_LOCK_DOORBELL);
    snprintf(unlock, sizeof unlock, "SELECT pg_advisory_unlock(%lld)", SQL_LOCK_DOORBELL);
    session_prepare(s, "arm", arm);
    session_prepare(s, "unlock", unlock);
    session_prepare(s, "fence", sql_query("fence"));
    session_prepare(s, "barrier", sql_query("barrier"));
    session_query(s, sql_query("lease"), 1, lease_values, false, NULL, NULL);
    session_query(s, sql_query("lease_length"), 2, length_values, false, NULL, NULL);
    session_commit(s, NULL, NULL);
    session_query(s, sql_query("home"), 0, NULL, false, on_home, y); /* alone: it must begin without an xid */
    session_commit(s, NULL, NULL);
    session_query(s, sql_query("identities"), 0, NULL, false, on_identities, y);
    session_query(s, sql_query("progress"), 0, NULL, false, on_progress, y);
    session_commit(s, on_place_known, y);
}

/* Kills relays, backends, PostgreSQL and brokers; it must leave every one of them running. */
#include "disturber.h"

#include <stdio.h>

#include "session.h"

#define RELAY_LIVES_MS 1000
#define SERVER_COMES_BACK_MS 30000

static bool time_left(stage *st, int64_t end_ms, int64_t pause_ms)
{
    int64_t left = end_ms - now_ms();

    stage_pause(st, pause_ms < left ? pause_ms : left > 0 ? left : 0);
    return now_ms() < end_ms && !stage_stopping(st);
}

static void disturb_nothing(stage *st, relay_process *relay, int64_t end_ms)
{
    while (time_left(st, end_ms, 100))
        relay_process_watch(relay);
}

/* Most lives are about a second; some end so early that nothing is settled yet, some within the start. */
static void disturb_relay(stage *st, relay_process *relay, int64_t end_ms, uint64_t *dice)
{
    while (time_left(st, end_ms,
                     dice_below(dice, 8) ? RELAY_LIVES_MS - 200 + dice_below(dice, 400)
                                         : dice_below(dice, 300))) {
        relay_process_watch(relay);
        relay_process_kill(relay);
        relay_process_start(relay);
    }
}

static void run_command(const char *command, disturbance *out)
{
    if (!shell_command(command)) {
        fprintf(stderr, "torture: this command failed: %s\n", command);
        out->failed_commands++;
    }
}

static void terminate_one(const plan *p, PGconn **conn, uint64_t *dice, disturbance *out)
{
    bool relay = dice_below(dice, 2);
    char sql[512];
    PGresult *r;

    if (PQstatus(*conn) != CONNECTION_OK) {
        PQfinish(*conn);
        *conn = session_connect_by(p->database, "torture-disturber", now_ms() + SERVER_COMES_BACK_MS);
    }
    snprintf(sql, sizeof sql,
             "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> "
             "pg_backend_pid()"
             " AND backend_type = 'client backend' AND datname = current_database() AND application_name %s"
             " ORDER BY random() LIMIT 1) v",
             relay ? "NOT LIKE 'torture%'" : "= 'torture-writer'");
    r = PQexec(*conn, sql);
    *(relay ? &out->relays_terminated : &out->writers_terminated) += PQntuples(r);
    PQclear(r);
}

static int64_t crash_interval_ms(const plan *p, uint64_t *dice)
{
    int64_t usual = p->seconds >= 30 ? 8000 : (int64_t)p->seconds * 1000 / 3;

    return usual + dice_below(dice, (int)(usual / 2));
}

static void disturb_database(stage *st, relay_process *relay, int64_t end_ms, uint64_t *dice,
                             disturbance *out)
{
    const plan *p = st->plan;
    PGconn *conn = NULL;
    int64_t crash_ms = now_ms() + crash_interval_ms(p, dice);

    while (time_left(st, end_ms, 50 + dice_below(dice, 500))) {
        relay_process_watch(relay);
        if (now_ms() < crash_ms) {
            terminate_one(p, &conn, dice, out);
            continue;
        }
        run_command(p->postgres_crash, out);
        run_command(p->postgres_start, out);
        out->postgres_crashes++;
        crash_ms = now_ms() + crash_interval_ms(p, dice);
    }
    PQfinish(conn);
}

static void disturb_broker(stage *st, relay_process *relay, int64_t end_ms, uint64_t *dice, disturbance *out)
{
    const plan *p = st->plan;

    while (time_left(st, end_ms, crash_interval_ms(p, dice))) {
        run_command(p->broker_kill, out);
        out->broker_kills++;
        stage_pause(st, 200 + dice_below(dice, 2000));
        relay_process_watch(relay);
        run_command(p->broker_start, out);
    }
    relay_process_watch(relay);
}

void disturb(stage *st, relay_process *relay, disturbance *out)
{
    uint64_t dice = st->plan->seed * 7919 + (uint64_t)st->plan->kind;
    int64_t end_ms = now_ms() + (int64_t)st->plan->seconds * 1000;

    *out = (disturbance){0};
    switch (st->plan->kind) {
    case RUN_KILL:
        disturb_relay(st, relay, end_ms, &dice);
        break;
    case RUN_TERMINATE:
        disturb_database(st, relay, end_ms, &dice, out);
        break;
    case RUN_BROKER:
        disturb_broker(st, relay, end_ms, &dice, out);
        break;
    default:
        disturb_nothing(st, relay, end_ms);
    }
}

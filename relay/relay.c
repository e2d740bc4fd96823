/* One database, one thread, one poll: connects, takes the lead, and moves events from the outbox to the brokers until told to stop.
 * Must never keep anything it learned from one session into the next, but for what it compares the next one with (home.h). */
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "exactly_once.h"
#include "failpoint.h"
#include "log.h"
#include "relay_inner.h"

#define CONNECT_US                                                                                           \
    15000000 /* to one address, until the session is there: more than the kernel gives a vain attempt */
#define TIMER_SLACK_NS 1000UL
#define SILENT_LEASES                                                                                        \
    6 /* how many of its lengths an answer may take; a statement may be slow, a connection may be dead */
#define SILENCES_MOST                                                                                        \
    6 /* each doubles that: a statement that was slow will be slow again, and has to end once */
#define PAUSE_MOST_US                                                                                        \
    3000000 /* of reading, while nothing is settled: where each acknowledgement takes longer, lanes and keys wait */
#define LAST_REPORTS_MS                                                                                      \
    3000 /* a lost session, or a stalled topic: how long to wait for what is on the wire */

void relay_finish(relay *y, int exit_code)
{
    y->finished = true;
    y->exit_code = exit_code;
}

static void on_acked(void *arg, row *r)
{
    relay *y = arg;
    bool of_lane = r->page->lane != NULL;
    if (r->alone)
        parking_acked(&y->parking, r);
    page_row_done(r->page, r, ROW_ACKED);
    if (r->page->n_open == 0)
        monitor_page_acked(&y->monitor, r->page);
    if (!of_lane && y->settler.first_ack_us == 0) /* the clock is asked once, not for each row */
        settler_note(&y->settler, clock_now_us());
}

static void on_alone_failed(void *arg, row *r, int refusal)
{
    relay *y = arg;
    parking_failed(&y->parking, r, refusal, clock_now_us());
}

/* ---- losing the session ---- */

/* No longer than the lease holds, and the half of it that is left for the wire. */
static int last_reports_ms(const relay *y, int64_t now_us)
{
    int64_t left_ms = (y->lease.until_us + y->lease.term_us / 2 - now_us) / 1000;
    return left_ms <= 0 ? 0 : left_ms < LAST_REPORTS_MS ? (int)left_ms : LAST_REPORTS_MS;
}

static void leave(relay *y)
{
    if (y->stopping && y->state == RELAY_LEADING && batch_queue_has_open_rows(&y->queue) && !y->finished)
        y->stop_code = 3;
    int64_t now_us = clock_now_us();
    gate_shut(y->ship.gate);
    home_note(&y->home, y->settler.settled_x, y->settler.settled_l);
    ship_purge(&y->ship);
    ship_reset(&y->ship, last_reports_ms(y, now_us), now_us);
    monitor_left(&y->monitor);
    ship_reset_alone(&y->ship, last_reports_ms(y, clock_now_us()));
    parking_drop(&y->parking);
    redrive_drop(&y->redrive);
    retention_stop(&y->retention);
    reader_drop(&y->reader);
    bindings_drop(&y->ship.bindings);
    topic_table_close_lanes(&y->ship.topics);
    batch_queue_done(&y->queue);
    session_free(y->session);
    y->session = NULL;
    y->state = RELAY_AWAY;
    y->unlead = y->refused = y->stood_by = y->resolving = y->resolve_sent = false;
}

void relay_lose_session(relay *y, const char *why)
{
    log_event(LOG_LEVEL_WARN, "session.lost", "reason=%s retry_ms=%lld", why,
              (long long)(y->backoff_us / 1000));
    monitor_lost(&y->monitor, why);
    leave(y);
    y->retry_at_us = clock_now_us() + y->backoff_us;
    y->backoff_us *= 2;
    if (y->backoff_us > y->cfg->reconnect_max_ms * 1000)
        y->backoff_us = y->cfg->reconnect_max_ms * 1000;
}

void relay_refuse(relay *y, const char *reason, const char *remedy)
{
    log_event(LOG_LEVEL_ERROR, "relay.refused", "reason=%s remedy=%s", reason, remedy);
    monitor_refused(&y->monitor, reason);
    y->refused = true;
}

bool relay_gives_up(const relay *y)
{
    return y->finished || y->unlead || y->refused;
}

/* Others go on meanwhile, and this one may be mended without touching them. Where there are no others, the front ends the process. */
static void give_up_refused(relay *y)
{
    leave(y);
    y->retry_at_us = clock_now_us() + y->cfg->refused_retry_ms * 1000;
}

#define TEXT_REMEDY                                                                                          \
    "find the events whose type or headers have no UTF-8 form and mend them, as docs/runbook.md says under " \
    "'Text that has no UTF-8 form'"

/* character_not_in_repertoire, untranslatable_character. Who leads reads the events of others; on the way there, our name is all that can be meant. */
static const char *remedy_for_text(const relay *y)
{
    return y->state == RELAY_LEADING
               ? TEXT_REMEDY
               : "give a relay_id in UTF-8, of characters that the database's encoding has";
}

/* What trying again cannot mend: our objects are missing or forbidden, or there is text that cannot be converted. */
static const char *remedy_for(const relay *y)
{
    const char *sqlstate = session_sqlstate(y->session);
    if (strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "42883") == 0 ||
        strcmp(sqlstate, "42703") == 0)
        return "run `postbus migrate` on this database";
    if (strcmp(sqlstate, "42501") == 0)
        return "GRANT postbus_relay to the role the relay connects as";
    if (strcmp(sqlstate, "22021") == 0 || strcmp(sqlstate, "22P05") == 0)
        return remedy_for_text(y);
    return NULL;
}

static void session_was_lost(relay *y)
{
    const char *remedy = remedy_for(y);
    if (!remedy) {
        relay_lose_session(y, session_error(y->session));
        return;
    }
    relay_refuse(y, session_error(y->session), remedy);
    give_up_refused(y);
}

bool relay_gives_way(relay *y)
{
    char why[sizeof y->ship.reason + 32];
    if (!ship_gives_up(&y->ship))
        return false;
    snprintf(why, sizeof why, "no producer can be made: %s", y->ship.reason);
    relay_lose_session(y, why);
    return true;
}

/* ---- leading ---- */

static void mend_producer(relay *y, int64_t now_us)
{
    ship_reset(&y->ship, last_reports_ms(y, now_us),
               now_us); /* whose reports tell whether a record was refused */
    log_event(y->ship.refused ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "producer.recreated", "reason=%s",
              y->ship.reason);
    alone_rewind(&y->parking.alone);
    hand_over_rewind(&y->hand_over);
}

/* Topics have stalled: what the producers hold of them comes back and is parked; all else is sent again. */
static void take_back_stalled(relay *y, int64_t now_us)
{
    if (y->stalls.holds_first)
        ship_give_up(&y->ship, "a topic has stalled");
    if (y->stalls.holds_alone)
        ship_reset_alone(&y->ship, last_reports_ms(y, now_us));
    if (y->stalls.holds_first)
        mend_producer(y, now_us);
}

/* ---- keeping the lead ---- */

static int64_t patience_us(const relay *y)
{
    return (y->cfg->lease_ms * 1000 * SILENT_LEASES) << y->n_silences;
}

static void on_checked_again(void *arg, PGresult *res)
{
    relay *y = arg;
    lease_answered(&y->lease);
    if (clock_now_us() - y->joined_at_us >
        patience_us(y)) /* this session has lived through what ended the last ones */
        y->n_silences = 0;
    gate_open(y->ship.gate, y->lease.until_us);
    if (y->lease.lapsed && lease_holds(&y->lease, clock_now_us())) {
        log_event(LOG_LEVEL_INFO, "lease.renewed", "relay=%s", y->cfg->relay_id);
        y->lease.lapsed = false;
    }
    relay_on_check(y, res);
}

/* The question that renews the lease looks after the sequence's settings and the like, too. */
static void check_again(relay *y, int64_t now_us)
{
    lease_ask(&y->lease, now_us);
    y->spoke_at_us = now_us;
    session_execute(y->session, "check", 0, NULL, false, on_checked_again, y);
    session_commit(y->session, NULL, NULL);
}

/* Over a slow network the answer waits behind a page. The server has sent both long ago, and would take for silent who is reading all the time.
 * Who hears nothing says nothing: the lead must go to another then. */
static void say_that_we_read(relay *y, int64_t now_us)
{
    if (now_us - y->spoke_at_us < y->lease.term_us / 2 || session_heard_us(y->session) <= y->spoke_at_us)
        return;
    y->spoke_at_us = now_us;
    session_execute(y->session, "check", 0, NULL, false, NULL, NULL);
    session_commit(y->session, NULL, NULL);
}

/* The server, the network or this process stood still, and another relay may lead soon: nothing leaves until the session answers. */
static void lapse(relay *y, int64_t now_us)
{
    gate_shut(y->ship.gate);
    y->lease.lapsed = true;
    log_event(LOG_LEVEL_WARN, "lease.lapsed", "relay=%s in_flight=%d", y->cfg->relay_id,
              ship_in_flight(&y->ship));
    if (y->ship.transactional) {
        relay_lose_session(y, "its lease lapsed");
        return;
    }
    ship_purge(&y->ship);
    ship_reset(&y->ship, 0, now_us);
    ship_reset_alone(&y->ship, 0);
    alone_rewind(&y->parking.alone);
    hand_over_rewind(&y->hand_over);
}

bool relay_keep_lease(relay *y, int64_t now_us)
{
    if (now_us >= lease_ask_at(&y->lease))
        check_again(y, now_us);
    else if (y->lease.asked_us)
        say_that_we_read(y, now_us);
    bool holds = lease_holds(&y->lease, now_us);
    if (!holds && !y->lease.lapsed)
        lapse(y, now_us);
    return holds;
}

/* ---- moving events ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Everything read is acknowledged and settled, or will not be sent any more. What a topic that has stalled has on the wire is not waited for
 * for long: it is parked. */
static bool is_drained(relay *y, int64_t now_us)
{
    int in_flight = ship_in_flight(&y->ship);
    if (now_us >= y->answer_by_us)
        in_flight -= ship_stalled(&y->ship, false) + ship_stalled(&y->ship, true);
    return in_flight <= 0 && !y->settler.under_way && !settler_has_work(&y->settler) && !y->reader.opening;
}

/* Sends what has been passed over or held while later events were sent: those would be sent again. True: there is more of it. */
static bool send_the_rest(relay *y, int64_t now_us)
{
    alone *a = &y->parking.alone;
    a->stopping = true;
    if (y->ship.broken || !y->ship.producer)
        return false;
    bool more = hand_over_finish(&y->hand_over, now_us);
    if (more) {
        ship_look(&y->ship, now_us);
        ship_ask(&y->ship, now_us);
    }
    alone_step(a, now_us);
    return more || alone_goes_on(a);
}

static int64_t step_stopping(relay *y, bool leads, int64_t now_us)
{
    bool more = leads && !y->ship.transactional && send_the_rest(y, now_us);
    bool lane_under_way = lanes_finish(&y->lanes), redrive_under_way = redrive_finish(&y->redrive);
    bool transaction_under_way = exactly_once_finish(y, now_us);
    if (y->state != RELAY_LEADING)
        return now_us;
    if (!more && !lane_under_way && !redrive_under_way && !transaction_under_way && is_drained(y, now_us)) {
        relay_finish(y, y->stop_code);
        return now_us;
    }
    if (y->ship.transactional)
        return now_us + 10000;
    if (y->ship.broken) {
        ship_reset(&y->ship, 0, now_us);
        y->stop_code = 3;
    }
    if (settler_has_work(&y->settler))
        settler_note(&y->settler, now_us);
    settler_step(&y->settler, now_us + y->cfg->settle_ms * 1000);
    return now_us + 10000;
}

static const char *fault_of(const relay *y)
{
    if (y->reader.fault)
        return y->reader.fault;
    if (y->ship.bindings.fault)
        return y->ship.bindings.fault;
    if (y->redrive.fault)
        return y->redrive.fault;
    if (y->parking.out_of_memory || y->settler.out_of_memory || y->lanes.out_of_memory)
        return "out of memory";
    return y->lanes.malformed ? "a page of parked events is not of the expected form" : NULL;
}

/* Until what was parked meanwhile is settled, a lane cannot close, nor a key be let go of: both would wait for ever while more is read. But what is to
 * be settled first may have no answer for long, and the pause is of no use then. */
static int64_t step_reader(relay *y, int64_t now_us)
{
    bool closing = y->lanes.closing || y->redrive.closing;
    bool settles = y->settler.under_way || settler_has_work(&y->settler);
    if (!closing || settles)
        y->pause_until_us = now_us + PAUSE_MOST_US;
    bool may_read = !closing || now_us >= y->pause_until_us;
    int64_t until_us = reader_step(&y->reader, may_read, now_us);
    return may_read ? until_us : earlier(until_us, y->pause_until_us);
}

static int64_t step_leading(relay *y, int64_t now_us)
{
    const char *why = fault_of(y);
    if (why) {
        relay_lose_session(y, why);
        return now_us;
    }
    bool leads = relay_keep_lease(y, now_us);
    if (y->state != RELAY_LEADING)
        return now_us;
    if (y->stopping)
        return step_stopping(y, leads, now_us);
    if (!leads)
        return CLOCK_NEVER;
    bool more = false;
    if (y->ship.broken && y->ship.producer && !y->ship.transactional)
        mend_producer(y, now_us);
    int64_t until_us = earlier(lease_ask_at(&y->lease), y->lease.until_us);
    if (ship_start(&y->ship, now_us) && !y->ship.transactional && stalls_step(&y->stalls, now_us))
        take_back_stalled(y, now_us);
    if (ship_start(&y->ship, now_us)) {
        until_us = earlier(until_us, stalls_until(&y->stalls));
        until_us = earlier(until_us, ship_look(&y->ship, now_us));
        until_us = earlier(until_us, lanes_step(&y->lanes, now_us));
        until_us = earlier(until_us, redrive_step(&y->redrive, now_us));
        until_us = earlier(until_us, step_reader(y, now_us));
        more = hand_over_step(&y->hand_over, now_us);
        if (more)
            until_us = now_us;
        /* After the hand-over, which may have met a topic for the first time: nothing else may wake us for it. */
        until_us = earlier(until_us, ship_ask(&y->ship, now_us));
        until_us = earlier(until_us, alone_step(&y->parking.alone, now_us));
    } else if (relay_gives_way(y)) {
        return now_us;
    } else {
        until_us = earlier(until_us, y->ship.restart_at_us);
    }
    if (y->ship.transactional)
        until_us = earlier(until_us, exactly_once_step(y, more, now_us));
    else
        until_us = earlier(until_us, settler_step(&y->settler, now_us));
    if (y->state != RELAY_LEADING)
        return now_us;
    return earlier(until_us, retention_step(&y->retention, y->session, now_us));
}

/* ---- the loop ---- */

static int64_t step_away(relay *y, int64_t now_us)
{
    if (y->stopping) {
        relay_finish(y, y->stop_code);
        return now_us;
    }
    if (now_us < y->retry_at_us)
        return y->retry_at_us;
    if (!ship_may_lead(&y->ship, now_us))
        return y->ship.restart_at_us;
    y->session = session_new(y->cfg->database);
    y->state = RELAY_CONNECTING;
    return y->session ? CLOCK_NEVER : now_us;
}

/* TCP may believe in a connection that nothing comes through: something in between acknowledges what it does not deliver. */
static bool is_silent(const relay *y, int64_t now_us)
{
    int64_t for_us = y->state == RELAY_CONNECTING ? CONNECT_US : patience_us(y);
    return y->session && session_is_silent(y->session, now_us, for_us);
}

static void lose_silent_session(relay *y)
{
    if (y->state != RELAY_CONNECTING && y->n_silences < SILENCES_MOST)
        y->n_silences++;
    relay_lose_session(y, "PostgreSQL does not answer");
}

static int64_t step(relay *y, int64_t now_us)
{
    if (y->session && session_get_state(y->session) == SESSION_LOST) {
        session_was_lost(y);
        return now_us;
    }
    if (y->refused) {
        give_up_refused(y);
        return now_us;
    }
    if (is_silent(y, now_us)) {
        lose_silent_session(y);
        return now_us;
    }
    if (y->unlead) {
        relay_lose_session(y, "this PostgreSQL is a standby in recovery");
        return now_us;
    }
    switch (y->state) {
    case RELAY_AWAY:
        return step_away(y, now_us);
    case RELAY_LEADING:
        return step_leading(y, now_us);
    default:
        break;
    }
    if (y->stopping) {
        relay_finish(y, 0);
        return now_us;
    }
    if (y->resolving)
        return exactly_once_resolve_step(y, now_us);
    if (y->state == RELAY_CONNECTING && session_get_state(y->session) == SESSION_READY)
        relay_join(y);
    if (y->state == RELAY_STANDBY) {
        if (now_us < y->retry_at_us)
            return y->retry_at_us;
        y->state = RELAY_JOINING;
        relay_try_to_lead(y);
    }
    return CLOCK_NEVER;
}

static void take_orders(relay *y, int64_t now_us)
{
    intercom_take_wake(y->com);
    int n_stops = atomic_load(&y->com->n_stops);
    if (atomic_load(&y->com->give_up)) {
        relay_finish(y, 1);
        return;
    }
    if (n_stops > 1) {
        log_event(LOG_LEVEL_WARN, "relay.quits", "reason=%s", "told to stop twice");
        relay_finish(y, 3);
        return;
    }
    if (n_stops == 0 || y->stopping)
        return;
    log_event(LOG_LEVEL_INFO, "relay.stopping", "in_flight=%d", ship_in_flight(&y->ship));
    monitor_stopping(&y->monitor);
    y->stopping = true;
    y->stop_by_us = now_us + y->cfg->shutdown_timeout_ms * 1000;
    y->answer_by_us = earlier(now_us + LAST_REPORTS_MS * 1000, now_us + y->cfg->shutdown_timeout_ms * 500);
    ship_recall_alone(&y->ship); /* what waits for a leader: it is parked */
}

static void wait_for_events(relay *y, int64_t until_us)
{
    struct pollfd fds[] = {
        {.fd = y->com->relay_fd, .events = POLLIN},
        {.fd = y->ship.event_fd, .events = POLLIN},
        {.fd = y->session ? session_fd(y->session) : -1,
         .events = y->session ? session_events(y->session) : 0},
        {.fd = y->retention.session ? session_fd(y->retention.session) : -1,
         .events = y->retention.session ? session_events(y->retention.session) : 0},
        {.fd = -1},
    };
    int64_t now_us = clock_now_us();
    until_us = earlier(until_us, monitor_poll(&y->monitor, y->session, &fds[4], now_us));
    if (y->stopping)
        until_us = earlier(until_us, y->stop_by_us);
    int64_t wait_us = until_us == CLOCK_NEVER ? 1000000 : until_us - now_us;
    if (wait_us < 0)
        wait_us = 0;
    struct timespec timeout = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    atomic_store(&y->com->awake_since_us, 0);
    int n = ppoll(fds, sizeof fds / sizeof fds[0], &timeout, NULL);
    atomic_store(&y->com->awake_since_us, clock_now_us());
    if (n > 0 && fds[0].revents)
        take_orders(y, clock_now_us());
    if (n > 0 && fds[1].revents)
        ship_serve(&y->ship, clock_now_us());
    if (n > 0 && fds[2].revents)
        session_process(y->session);
    if (n > 0 && fds[3].revents)
        session_process(y->retention.session);
    if (n > 0)
        monitor_serve(&y->monitor, &fds[4]);
}

/* Rings can come with an answer and then sit in libpq while the socket is silent: they are taken before every wait. */
static bool take_rings(relay *y)
{
    int rings = y->session ? session_take_rings(y->session) : 0;
    if (rings > 0 && y->state == RELAY_LEADING)
        doorbell_rung(&y->bell, rings);
    if (rings > 0 && session_take_wish(y->session))
        redrive_wake(&y->redrive);
    return rings > 0;
}

/* A session whose check is not answered is none, however it was before. */
static health_role role_of(const relay *y)
{
    if (y->state == RELAY_LEADING)
        return HEALTH_LEADING;
    if (y->state == RELAY_JOINING && (y->resolving || y->resolve_sent))
        return HEALTH_RESOLVING;
    return y->state == RELAY_STANDBY || (y->state == RELAY_JOINING && y->stood_by) ? HEALTH_STANDBY
                                                                                   : HEALTH_AWAY;
}

static void tell_monitor(relay *y, int64_t now_us)
{
    health_role role = role_of(y);
    bool asking = y->state == RELAY_JOINING || (role == HEALTH_LEADING && y->lease.lapsed);
    bool doubts = y->resolving && !y->resolve_sent;
    monitor_turn(&y->monitor, role,
                 doubts   ? HEALTH_DOUBT
                 : asking ? HEALTH_LEADER_LOCK
                          : HEALTH_N_WORKS,
                 now_us);
}

/* Alone in its process, a supervisor starts it anew: /healthz and the watchdog. The others must not have to pay for one. */
static void begin_anew_if_stuck(relay *y, int64_t now_us)
{
    char reason[400];
    if (y->one_of_several && y->session && monitor_is_stuck(&y->monitor, now_us, reason, sizeof reason))
        relay_lose_session(y, reason);
}

static void log_safety_finds(const relay *y, uint64_t *logged)
{
    if (y->bell.n_safety_found == *logged)
        return;
    *logged = y->bell.n_safety_found;
    log_event(LOG_LEVEL_WARN, "doorbell.safety_found", "total=%llu", (unsigned long long)*logged);
}

static void loop(relay *y)
{
    uint64_t safety_logged = 0;
    while (!y->finished) {
        int64_t until_us = step(y, clock_now_us());
        if (y->finished)
            break;
        log_safety_finds(y, &safety_logged);
        tell_monitor(y, clock_now_us());
        begin_anew_if_stuck(y, clock_now_us());
        wait_for_events(y, take_rings(y) ? 0 : until_us);
        if (y->stopping && !y->finished && clock_now_us() >= y->stop_by_us) {
            log_event(LOG_LEVEL_ERROR, "relay.quits", "reason=%s in_flight=%d",
                      "shutdown_timeout_ms has passed", ship_in_flight(&y->ship));
            relay_finish(y, 3);
        }
    }
}

static void log_end(const relay *y, uint64_t acked, uint64_t settles)
{
    log_event(LOG_LEVEL_INFO, "relay.stopped",
              "exit=%d published=%llu rings=%llu wakes=%llu safety_found=%llu reads=%llu batches=%llu "
              "barriers=%llu settles=%llu producers_recreated=%llu",
              y->exit_code, (unsigned long long)acked, (unsigned long long)y->bell.n_rings,
              (unsigned long long)y->bell.n_wakes, (unsigned long long)y->bell.n_safety_found,
              (unsigned long long)y->reader.n_reads, (unsigned long long)y->reader.n_batches,
              (unsigned long long)y->reader.n_barriers, (unsigned long long)settles,
              (unsigned long long)y->ship.n_resets);
}

static void run(relay *y)
{
    doorbell_init(&y->bell, y->cfg->idle_ms, y->cfg->safety_poll_ms, clock_now_us());
    log_event(LOG_LEVEL_INFO, "relay.started", "relay=%s", y->cfg->relay_id);
    loop(y);
    if (y->exit_code != 0) /* what is on the wire will not be waited for */
        ship_reset(&y->ship, 0, clock_now_us());
    uint64_t acked = y->ship.n_acked, settles = y->settler.n_settles;
    leave(y);
    monitor_done(&y->monitor);
    settler_done(&y->settler);
    log_end(y, acked, settles);
}

/* False: told to stop. */
static bool wait_refused(relay *y)
{
    int64_t until_us = clock_now_us() + y->cfg->refused_retry_ms * 1000, now_us;
    monitor_turn(&y->monitor, HEALTH_AWAY, HEALTH_N_WORKS, clock_now_us());
    while (!y->finished && !y->stopping && (now_us = clock_now_us()) < until_us)
        wait_for_events(y, until_us);
    if (y->stopping)
        relay_finish(y, 0);
    return !y->finished;
}

/* False: told to stop. */
static bool make_shipper(relay *y)
{
    while (!ship_init(&y->ship, y->cfg, on_acked, on_alone_failed, y)) {
        char reason[sizeof y->ship.reason];
        snprintf(reason, sizeof reason, "%s", y->ship.reason);
        ship_done(&y->ship);
        y->ship.event_fd = -1;
        relay_refuse(y, reason, "mend the settings of librdkafka (kafka.NAME)");
        if (!wait_refused(y))
            return false;
        y->refused = false;
    }
    return true;
}

void relay_serve(const config *cfg, const relay_run_options *options, intercom *com, bool one_of_several)
{
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* the default, 50 us, is half of the wait between two looks */
    relay y = {.cfg = cfg,
               .options = options,
               .com = com,
               .one_of_several = one_of_several,
               .backoff_us = RELAY_RECONNECT_LEAST_US};
    log_database(cfg->name);
    atomic_store(&com->awake_since_us, clock_now_us());
    monitor_init(&y.monitor, cfg,
                 (monitor_rooms){&y.ship, &y.queue, &y.bell, &y.reader, &y.settler, &y.retention}, com);
    if (make_shipper(&y)) {
        run(&y);
        ship_done(&y.ship);
    }
    intercom_show_end(com, y.exit_code);
    log_database(NULL);
}

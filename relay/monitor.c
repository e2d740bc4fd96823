/* Gathers the rooms' numbers and judges them, once a turn; must never change anything in a room. */
#include "monitor.h"

#include <math.h>

#include "clock.h"

#define LOOK_EVERY_US 100000

void monitor_init(monitor *m, const config *cfg, monitor_rooms rooms, intercom *com)
{
    *m = (monitor){.cfg = cfg, .rooms = rooms, .com = com};
    backlog_init(&m->backlog, cfg->database);
}

void monitor_done(monitor *m)
{
    backlog_done(&m->backlog);
}

/* ---- what the relay says ---- */

void monitor_elected(monitor *m, int64_t epoch)
{
    m->epoch = epoch;
    m->n_elections++;
    m->look_at_us = 0;
}

void monitor_stands_by(monitor *m)
{
    m->n_asked_to_lead++;
}

void monitor_stopping(monitor *m)
{
    m->stopping = true;
    m->look_at_us = 0;
}

/* What is acknowledged and not settled, the next leader sends again. */
void monitor_left(monitor *m)
{
    batch_cursor c = m->rooms.queue->settled;
    m->epoch = 0;
    for (row *r; c.b && (r = batch_cursor_row(&c)); c.i++)
        m->n_unsettled += r->state == ROW_ACKED;
}

void monitor_lost(monitor *m, const char *why)
{
    m->n_sessions_lost++;
    m->look_at_us = 0;
    health_note_lost(&m->health, why);
}

void monitor_refused(monitor *m, const char *why)
{
    m->look_at_us = 0;
    health_note_refused(&m->health, why);
}

void monitor_page_acked(monitor *m, const page *p)
{
    int64_t took_us = clock_now_us() - p->arrived_us;
    int64_t whole_us = clock_wall_ms() * 1000 - p->oldest_us;
    histogram_note(&m->page_events, p->n_rows);
    histogram_note_us(&m->read_times, whole_us - took_us);
    histogram_note_us(&m->acknowledge_times, took_us);
    histogram_note_us(&m->publish_times, whole_us);
}

/* ---- once a turn ---- */

static bool brokers_down(const ship *s)
{
    return s->down_logged || s->n_refused > 0;
}

/* Who gave up the lead for want of a producer reaches nobody; else one that stands by has not tried. */
static double brokers_up(const monitor *m)
{
    const ship *s = m->rooms.ship;
    return m->health.facts.role == HEALTH_LEADING ? !brokers_down(s) : ship_gives_up(s) ? 0 : NAN;
}

static void look(monitor *m, health_role role, health_work waits_for, int64_t now_us)
{
    const monitor_rooms *r = &m->rooms;
    health_facts f = {.role = role, .stopping = m->stopping};
    if (role == HEALTH_LEADING) {
        f.brokers_down = brokers_down(r->ship);
        f.works[HEALTH_READING].busy = r->reader->opening || r->reader->n_asked > 0;
        f.works[HEALTH_READING].beat = r->reader->n_reads + r->reader->n_rows;
        f.works[HEALTH_SHIPPING].busy = batch_queue_has_open_rows(r->queue);
        f.works[HEALTH_SHIPPING].beat = r->ship->n_acked + r->settler->n_settles;
    }
    if (role != HEALTH_AWAY) {
        f.works[HEALTH_LEADER_LOCK].busy = waits_for == HEALTH_LEADER_LOCK;
        f.works[HEALTH_LEADER_LOCK].beat = m->n_asked_to_lead;
        f.works[HEALTH_DOUBT].busy = waits_for == HEALTH_DOUBT;
    }
    health_note(&m->health, &f, now_us);
}

static void read_rooms(const monitor *m, metrics *out)
{
    const monitor_rooms *r = &m->rooms;
    out->n_published = r->ship->n_acked;
    out->n_possible_duplicates = r->ship->n_doubtful + m->n_unsettled;
    out->n_producers_recreated = r->ship->n_resets;
    out->n_broker_outages = r->ship->n_outages;
    out->n_reads = r->reader->n_reads;
    out->n_read_events = r->reader->n_rows;
    out->n_batches = r->reader->n_batches;
    out->n_barriers = r->reader->n_barriers;
    out->n_settlements = r->settler->n_settles;
    out->n_rings = r->bell->n_rings;
    out->n_wakes = r->bell->n_wakes;
    out->n_arms = r->bell->n_arms;
    out->n_safety_polls = r->bell->n_safety_polls;
    out->n_safety_finds = r->bell->n_safety_found;
    out->in_flight_events = ship_in_flight(r->ship);
    out->in_flight_bytes = (double)batch_queue_held(r->queue);
    out->open_batches = (double)r->queue->n_batches;
    out->settled_events = r->settler->events;
    out->settle_times = r->settler->times;
    out->n_leaves_closed = r->retention->n_closed;
    out->n_leaves_emptied = r->retention->n_emptied;
    out->refused_leaves = m->epoch > 0 ? retention_refusals(r->retention) : NAN;
}

static void show(monitor *m)
{
    metrics now = {.database = m->cfg->name,
                   .leader = m->health.facts.role == HEALTH_LEADING,
                   .refused = m->health.refused,
                   .brokers_up = brokers_up(m),
                   .epoch = m->epoch > 0 ? (double)m->epoch : NAN,
                   .n_elections = m->n_elections,
                   .n_sessions_lost = m->n_sessions_lost,
                   .page_events = m->page_events,
                   .read_times = m->read_times,
                   .acknowledge_times = m->acknowledge_times,
                   .publish_times = m->publish_times};
    read_rooms(m, &now);
    intercom_show(m->com, &m->health, &now, &m->backlog);
}

void monitor_turn(monitor *m, health_role role, health_work waits_for, int64_t now_us)
{
    if (now_us >= m->look_at_us) {
        m->look_at_us = now_us + LOOK_EVERY_US;
        look(m, role, waits_for, now_us);
    }
    if (atomic_exchange(&m->com->backlog_wanted, false))
        backlog_want(&m->backlog, now_us);
    show(m);
}

bool monitor_is_stuck(const monitor *m, int64_t now_us, char *reason, size_t reason_size)
{
    return !health_is_alive(&m->health, now_us, reason, reason_size);
}

int64_t monitor_poll(monitor *m, const session *own, struct pollfd *fd, int64_t now_us)
{
    int64_t until_us = CLOCK_NEVER;
    *fd = (struct pollfd){.fd = -1};
    if (!own || m->health.facts.role == HEALTH_AWAY) /* the relay's own comes first: it finds a pooler out */
        backlog_done(&m->backlog);
    else
        until_us = backlog_step(&m->backlog, own, now_us);
    if (m->backlog.session)
        *fd = (struct pollfd){.fd = session_fd(m->backlog.session),
                              .events = session_events(m->backlog.session)};
    return until_us;
}

void monitor_serve(monitor *m, const struct pollfd *fd)
{
    if (fd->revents)
        session_process(m->backlog.session);
}

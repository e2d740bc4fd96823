/* Answers for the relay: gathers the rooms' numbers where somebody asks for them; must never change anything in a room. */
#include "monitor.h"

#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "listen.h"
#include "log.h"

#define LOOK_EVERY_US 100000

static void answer(void *arg, const char *path, http_answer *out);

static bool open_http(monitor *m, char *reason, size_t reason_size)
{
    listen_address address;
    char where[80];
    if (!m->cfg->http_listen || !m->cfg->http_listen[0])
        return true;
    int fd = listen_parse(m->cfg->http_listen, &address) ? listen_open(&address) : -1;
    int error = errno;
    if (fd >= 0) {
        listen_text(fd, where, sizeof where);
        m->http = http_new(fd, answer, m);
        error = errno;
    }
    if (!m->http) {
        snprintf(reason, reason_size, "http_listen %s: %s", m->cfg->http_listen, strerror(error));
        return false;
    }
    log_event(LOG_LEVEL_INFO, "http.listening", "address=%s", where);
    return true;
}

bool monitor_start(monitor *m, const config *cfg, monitor_rooms rooms, char *reason, size_t reason_size)
{
    *m = (monitor){.cfg = cfg, .rooms = rooms, .started_at_s = (double)clock_wall_ms() / 1000};
    notify_init(&m->notify);
    backlog_init(&m->backlog, cfg->database);
    if (!open_http(m, reason, reason_size))
        return false;
    if (m->http) /* so that the first scrape finds an answer */
        backlog_want(&m->backlog, clock_now_us());
    return true;
}

void monitor_done(monitor *m)
{
    http_free(m->http);
    m->http = NULL;
    backlog_done(&m->backlog);
    notify_done(&m->notify);
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
    notify_stopping(&m->notify);
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

static void look(monitor *m, health_role role, bool asking, int64_t now_us)
{
    const monitor_rooms *r = &m->rooms;
    health_facts f = {.role = role, .stopping = m->stopping};
    if (role == HEALTH_LEADING) {
        f.works[HEALTH_READING].busy = r->reader->opening || r->reader->paging;
        f.works[HEALTH_READING].beat = r->reader->n_reads + r->reader->n_rows;
        f.works[HEALTH_SHIPPING].busy = batch_queue_has_open_rows(r->queue);
        f.works[HEALTH_SHIPPING].beat = r->ship->n_acked + r->settler->n_settles;
    } else if (role == HEALTH_STANDBY) {
        f.works[HEALTH_LEADER_LOCK].busy = asking;
        f.works[HEALTH_LEADER_LOCK].beat = m->n_asked_to_lead;
    }
    health_note(&m->health, &f, now_us);
}

void monitor_turn(monitor *m, health_role role, bool asking, int64_t now_us)
{
    char reason[400];
    if (now_us < m->look_at_us)
        return;
    m->look_at_us = now_us + LOOK_EVERY_US;
    look(m, role, asking, now_us);
    if (role != HEALTH_AWAY)
        notify_ready(&m->notify);
    if (health_is_alive(&m->health, now_us, reason, sizeof reason))
        notify_feed(&m->notify, now_us);
    health_is_ready(&m->health, now_us, reason, sizeof reason);
    notify_status(&m->notify, reason);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t monitor_poll(monitor *m, struct pollfd *fds, int64_t now_us)
{
    int64_t until_us = CLOCK_NEVER;
    fds[0] = fds[1] = (struct pollfd){.fd = -1};
    if (m->notify.feed_every_us > 0)
        until_us = now_us + m->notify.feed_every_us / 2;
    if (!m->http)
        return until_us;
    if (m->health.facts.role ==
        HEALTH_AWAY) /* the relay's own session comes first: it is what finds a pooler out */
        backlog_done(&m->backlog);
    else
        until_us = earlier(until_us, backlog_step(&m->backlog, now_us));
    until_us = earlier(until_us, http_until_us(m->http, now_us));
    fds[0] = (struct pollfd){.fd = http_fd(m->http, now_us), .events = POLLIN};
    if (m->backlog.session)
        fds[1] = (struct pollfd){.fd = session_fd(m->backlog.session),
                                 .events = session_events(m->backlog.session)};
    return until_us;
}

void monitor_serve(monitor *m, const struct pollfd *fds)
{
    if (!m->http)
        return;
    if (fds[1].revents)
        session_process(m->backlog.session);
    int64_t now_us = clock_now_us();
    if (fds[0].revents || http_until_us(m->http, now_us) <= now_us)
        http_serve(m->http);
}

/* ---- what is asked ---- */

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
    out->in_flight_bytes = (double)r->queue->bytes;
    out->open_batches = (double)r->queue->n_batches;
    out->settled_events = &r->settler->events;
    out->settle_times = &r->settler->times;
    out->n_leaves_closed = r->retention->n_closed;
    out->n_leaves_emptied = r->retention->n_emptied;
    out->refused_leaves = m->epoch > 0 ? retention_refusals(r->retention) : NAN;
}

static void read_backlog(const monitor *m, metrics *out, int64_t now_us)
{
    out->parked = backlog_known(&m->backlog, now_us);
    out->backlog_events = out->parked ? out->parked->n_events : NAN;
    out->backlog_oldest_age_s = out->parked ? out->parked->oldest_age_s : NAN;
    out->leaves = out->parked ? out->parked->leaves : NAN;
    out->outbox_bytes = out->parked ? out->parked->outbox_bytes : NAN;
    out->receipts_bytes = out->parked ? out->parked->receipts_bytes : NAN;
    out->backlog_known_age_s = m->backlog.known_at_us ? (double)(now_us - m->backlog.known_at_us) / 1e6 : NAN;
}

static void read_all(const monitor *m, metrics *out, int64_t now_us)
{
    char reason[400];
    *out = (metrics){.leader = m->health.facts.role == HEALTH_LEADING,
                     .ready = health_is_ready(&m->health, now_us, reason, sizeof reason),
                     .epoch = m->epoch > 0 ? (double)m->epoch : NAN,
                     .stalled_s = (double)health_stalled_us(&m->health, now_us) / 1e6,
                     .n_elections = m->n_elections,
                     .n_sessions_lost = m->n_sessions_lost,
                     .page_events = &m->page_events,
                     .read_times = &m->read_times,
                     .acknowledge_times = &m->acknowledge_times,
                     .publish_times = &m->publish_times,
                     .started_at_s = m->started_at_s};
    read_rooms(m, out);
    read_backlog(m, out, now_us);
    metrics_read_process(out);
}

static void answer_metrics(monitor *m, http_answer *out, int64_t now_us)
{
    metrics read;
    FILE *to = open_memstream(&out->body, &out->size);
    backlog_want(&m->backlog, now_us);
    if (!to)
        return;
    read_all(m, &read, now_us);
    metrics_write(&read, to);
    fclose(to);
    out->status = MHD_HTTP_OK;
    out->type = METRICS_TYPE;
}

static void answer_line(http_answer *out, unsigned status, const char *line)
{
    int n = asprintf(&out->body, "%s\n", line);
    out->size = n < 0 ? 0 : (size_t)n;
    out->body = n < 0 ? NULL : out->body;
    out->status = status;
    out->type = "text/plain; charset=utf-8";
}

static void answer(void *arg, const char *path, http_answer *out)
{
    monitor *m = arg;
    char reason[400];
    int64_t now_us = clock_now_us();
    bool well;
    if (strcmp(path, "/metrics") == 0) {
        answer_metrics(m, out, now_us);
        return;
    }
    if (strcmp(path, "/healthz") == 0)
        well = health_is_alive(&m->health, now_us, reason, sizeof reason);
    else if (strcmp(path, "/readyz") == 0)
        well = health_is_ready(&m->health, now_us, reason, sizeof reason);
    else {
        answer_line(out, MHD_HTTP_NOT_FOUND, "there are /metrics, /healthz and /readyz");
        return;
    }
    answer_line(out, well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, reason);
}

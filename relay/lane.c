/* Drains lanes one page a topic at a time; must never let an event of the topic pass one that is still parked. */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "postbus_sql.h"

void lanes_start(lanes *l, const config *cfg, session *pg, ship *out, settler *sets, size_t *account)
{
    *l = (lanes){.cfg = cfg, .session = pg, .ship = out, .settler = sets, .account = account};
    session_prepare(pg, "page_parked", sql_query("page_parked"));
    session_prepare(pg, "unpark", sql_query("unpark"));
}

void lanes_load(lanes *l, PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        topic *t = topic_find(&l->ship->topics, PQgetvalue(res, i, 0), (size_t)PQgetlength(res, i, 0));
        if (!t)
            continue;
        t->lanes = l;
        t->lane_open = t->lane_dirty = true;
        log_event(LOG_LEVEL_INFO, "lane.open", "topic=%s parked=%s", t->name, PQgetvalue(res, i, 1));
    }
    PQclear(res);
}

void lanes_park(lanes *l, topic *t, row *r, int64_t now_us)
{
    if (!t->lane_open)
        log_event(LOG_LEVEL_WARN, "lane.open", "topic=%s first_id=%lld", t->name, (long long)r->id);
    t->lanes = l;
    t->lane_open = t->lane_dirty = true;
    t->n_unsettled++;
    r->topic = t;
    page_row_done(r->page, r, ROW_PARKED);
    settler_note(l->settler, now_us);
}

static void close_if_empty(topic *t)
{
    if (t->n_unsettled == 0 && t->n_parked == t->lane_read_at) {
        t->lane_open = t->lane_closing = t->lane_dirty = false;
        log_event(LOG_LEVEL_INFO, "lane.closed", "topic=%s", t->name);
        return;
    }
    t->lane_closing = t->lane_dirty = true;
}

static void on_page(void *arg, PGresult *res)
{
    topic *t = arg;
    t->lane_reading = false;
    page *p = page_new(res);
    if (!p) {
        t->lanes->malformed = true;
    } else if (p->n_rows == 0) {
        page_free(p);
        close_if_empty(t);
    } else {
        p->lane = t;
        page_charge(p, t->lanes->account);
        t->lane_page = p;
        t->lane_ship = 0;
    }
}

static void ask_page(lanes *l, topic *t)
{
    char rows[16], bytes[24];
    snprintf(rows, sizeof rows, "%lld", (long long)l->cfg->page_rows);
    snprintf(bytes, sizeof bytes, "%lld", (long long)l->cfg->page_bytes);
    const char *values[] = {t->name, rows, bytes};
    t->lane_reading = true;
    t->lane_dirty = false;
    t->lane_read_at = t->n_parked;
    session_execute(l->session, "page_parked", 3, values, true, on_page, t);
    session_commit(l->session, NULL, NULL);
}

static void send_rows(lanes *l, topic *t)
{
    page *p = t->lane_page;
    while (t->lane_ship < p->n_rows) {
        row *r = &p->rows[t->lane_ship];
        if (r->state == ROW_WAITING) {
            page_event e = page_read(p, t->lane_ship);
            if (ship_row(l->ship, t, r, &e, true) != SHIP_SENT)
                return;
        }
        t->lane_ship++;
    }
}

static void on_unparked(void *arg)
{
    topic *t = arg;
    t->lanes->settler->published += t->lane_page->n_rows;
    page_free(t->lane_page);
    t->lane_page = NULL;
    t->lane_unparking = false;
    t->lane_dirty = true;
}

static void unpark(lanes *l, topic *t)
{
    page *p = t->lane_page;
    char *ids = malloc(3 + (size_t)p->n_rows * 21);
    if (!ids)
        return;
    char *at = ids;
    *at++ = '{';
    for (int i = 0; i < p->n_rows; i++)
        at += sprintf(at, i ? ",%lld" : "%lld", (long long)p->rows[i].id);
    strcpy(at, "}");
    const char *values[] = {ids};
    t->lane_unparking = true;
    settler_send_receipts(l->settler, p);
    session_execute(l->session, "unpark", 1, values, false, NULL, NULL);
    session_commit(l->session, on_unparked, t);
    free(ids);
}

static void step(topic *t, void *arg)
{
    lanes *l = arg;
    if (!t->lane_open || t->state != TOPIC_READY)
        return;
    if (t->lane_page) {
        if (t->lane_page->n_open > 0)
            send_rows(l, t);
        else if (!t->lane_unparking)
            unpark(l, t);
    } else if (!t->lane_reading && t->lane_dirty && (!t->lane_closing || t->n_unsettled == 0) &&
               *l->account < (size_t)l->cfg->in_flight_bytes) {
        ask_page(l, t);
    }
    l->closing |= t->lane_closing;
}

void lanes_step(lanes *l)
{
    l->closing = false;
    topic_table_each(&l->ship->topics, step, l);
}

static void finish(topic *t, void *arg)
{
    lanes *l = arg;
    if (t->lane_page && t->lane_page->n_open == 0 && !t->lane_unparking)
        unpark(l, t);
    l->unparking |= t->lane_unparking;
}

bool lanes_finish(lanes *l)
{
    l->unparking = false;
    topic_table_each(&l->ship->topics, finish, l);
    return l->unparking;
}

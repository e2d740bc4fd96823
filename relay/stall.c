/* Judges by acknowledgements that do not come; must never take brokers that are all away for topics that stall. */
#include "stall.h"

#include "clock.h"
#include "log.h"
#include "parking.h"
#include "refusal.h"

#define LOOK_EVERY_US 100000
#define ASK_MOST_US 1000000
/* So many questions without an answer: no broker is there. A tenth of lane_timeout_ms between two of them, so half of it is left for an acknowledgement that
 * was late before the brokers went: 1,250 ms with the lowest value that the configuration accepts. A question takes up to 100 ms, and topics are looked at ten
 * times a second. */
#define SILENT_ASKS 5
#define STOOD_STILL_US 3000000 /* the loop turns at least once a second */
#define REST_LEAST_US 1000000
#define HOLD_MOST_US 600000000
#define FORGET_US 600000000 /* a stall so long ago is none of late */

void stalls_start(stalls *s, const config *cfg, ship *out, lanes *l, int64_t now_us)
{
    *s = (stalls){.cfg = cfg,
                  .ship = out,
                  .lanes = l,
                  .look_at_us = now_us,
                  .stepped_us = now_us,
                  .up_since_us = now_us};
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t timeout_us(const stalls *s)
{
    return s->cfg->lane_timeout_ms * 1000;
}

/* ---- whether brokers are there ---- */

static int64_t ask_every_us(const stalls *s)
{
    int64_t us = timeout_us(s) / 10;
    return us < ASK_MOST_US ? us : ASK_MOST_US;
}

/* An answer after a silence: what was on its way has its whole time once more. */
static void note_heard(stalls *s, int64_t heard_us)
{
    if (heard_us <= s->heard_us)
        return;
    int64_t silent_us = heard_us - later(s->heard_us, s->asked_since_us);
    if (s->asked_since_us > 0 && silent_us > SILENT_ASKS * ask_every_us(s))
        s->up_since_us = heard_us;
    s->heard_us = heard_us;
}

static bool is_heard(const stalls *s)
{
    return s->now_us - s->heard_us <= SILENT_ASKS * ask_every_us(s);
}

static void ask(stalls *s)
{
    if (s->asked_since_us == 0)
        s->asked_since_us = s->now_us;
    if (s->now_us < s->ask_at_us)
        return;
    s->ask_at_us = s->now_us + ask_every_us(s);
    if (topic_table_look(&s->ship->topics, s->ship->producer))
        note_heard(s, s->now_us);
}

/* ---- which topics ---- */

/* CLOCK_NEVER: it waits for nothing. */
static int64_t waits_since(const stalls *s, const topic *t)
{
    int64_t since_us = flights_since(&t->flights);
    if (t->unknown_since_us > 0 && t->unknown_since_us < since_us)
        since_us = t->unknown_since_us;
    return since_us == CLOCK_NEVER ? CLOCK_NEVER : later(since_us, s->up_since_us);
}

static void look(topic *t, void *arg)
{
    stalls *s = arg;
    int64_t since_us = t->stalled ? CLOCK_NEVER : waits_since(s, t);
    s->any_suspect |= since_us != CLOCK_NEVER && s->now_us - since_us >= timeout_us(s) / 2;
    s->n_found += since_us != CLOCK_NEVER && s->now_us - since_us >= timeout_us(s);
}

static void log_stall(const stalls *s, const topic *t, int64_t since_us)
{
    log_event(
        LOG_LEVEL_ERROR, "topic.stalled", "topic=%s reason=%s waited_ms=%lld in_flight=%zu remedy=%s",
        t->name, refusal_get(t->refusal).reason, (long long)((s->now_us - since_us) / 1000),
        flights_count(&t->flights, false) + flights_count(&t->flights, true),
        "look at the brokers that lead its partitions, and at min.insync.replicas; its events wait in order");
}

/* The first of its lane, which another leader left, is where a stall would put it: there is nothing to take back. */
static bool has_only_its_head(const topic *t)
{
    const page *p = t->lane_page;
    return flights_count(&t->flights, false) == 0 && flights_count(&t->flights, true) == 1 && p &&
           p->n_rows == 1 && p->rows[0].state == ROW_SENT && p->rows[0].alone;
}

/* Where the second one has but what was redriven, and that stays parked, nothing of the topic can come behind what the lane sends. */
static void note_held(stalls *s, const topic *t)
{
    size_t n = flights_count(&t->flights, false), n_alone = flights_count(&t->flights, true);
    if (has_only_its_head(t))
        return;
    s->holds_alone |= n_alone > 0;
    s->holds_first |= n > 0 || n_alone > redrive_sent(s->lanes->parking->redrive, t);
}

static void set_aside(topic *t, void *arg)
{
    stalls *s = arg;
    int64_t since_us = t->stalled ? CLOCK_NEVER : waits_since(s, t);
    if (since_us == CLOCK_NEVER || s->now_us - since_us < s->wait_us)
        return;
    t->refusal = t->leaderless ? REFUSAL_NO_LEADER : REFUSAL_NOT_ACKNOWLEDGED;
    log_stall(s, t, since_us);
    if (t->stalled_at_us > 0 && s->now_us - t->stalled_at_us > FORGET_US)
        t->n_stalls = 0;
    t->n_stalls++;
    t->stalled_at_us = s->now_us;
    t->unknown_since_us = 0;
    t->stalled = t->head_alone = true;
    flights_mark_stuck(&t->flights, s->now_us - s->wait_us);
    lanes_open(s->lanes, t);
    note_held(s, t);
}

/* Topics that are about to be found go with those that are: one producer is thrown away for all of them. */
static bool find_stalled(stalls *s)
{
    s->holds_first = s->holds_alone = false;
    s->wait_us = timeout_us(s) / 4 * 3;
    topic_table_each(&s->ship->topics, set_aside, s);
    if (!s->holds_first && !s->holds_alone)
        return false;
    s->rest_until_us = s->now_us + later(timeout_us(s) / 2, REST_LEAST_US);
    return true;
}

bool stalls_step(stalls *s, int64_t now_us)
{
    s->now_us = now_us;
    if (now_us - s->stepped_us > STOOD_STILL_US)
        s->up_since_us = now_us;
    s->stepped_us = now_us;
    if (now_us < s->look_at_us || !s->ship->producer)
        return false;
    s->look_at_us = now_us + LOOK_EVERY_US;
    s->any_suspect = false;
    s->n_found = 0;
    note_heard(s, s->ship->answered_us);
    topic_table_each(&s->ship->topics, look, s);
    if (!s->any_suspect) {
        s->asked_since_us = 0;
        return false;
    }
    ask(s);
    if (!is_heard(s) || now_us < s->rest_until_us)
        return false;
    s->n_found = 0; /* the answer may have begun the time anew */
    topic_table_each(&s->ship->topics, look, s);
    return s->n_found > 0 && find_stalled(s);
}

int64_t stalls_until(const stalls *s)
{
    return s->any_suspect ? s->look_at_us : CLOCK_NEVER;
}

/* ---- the end of a stall ---- */

/* A topic that stalls again and again is left to its lane for longer each time, one event at a time: that disturbs no other topic. */
static int64_t hold_us(const config *cfg, int n_stalls)
{
    int64_t us = cfg->lane_timeout_ms * 1000;
    if (n_stalls <= 0)
        return 0;
    for (int i = 1; i < n_stalls && us < HOLD_MOST_US; i++)
        us *= 2;
    return us < HOLD_MOST_US ? us : HOLD_MOST_US;
}

int64_t stalls_held_until(const config *cfg, const topic *t)
{
    return t->stalled_at_us + hold_us(cfg, t->n_stalls);
}

bool stalls_over(const config *cfg, topic *t, int32_t partition, int64_t now_us)
{
    bool knew = t->flights.n_stuck > 0;
    flights_unmark(&t->flights, partition);
    bool proven = !knew || t->flights.n_stuck == 0;
    return now_us >= t->stalled_at_us + hold_us(cfg, t->n_stalls - (proven ? 1 : 0));
}

/* The threads that load the database; they must never look at what the relay does. */
#include "writers.h"

#include <stdlib.h>
#include <string.h>

/* One bulk at a time, and so long after the start of the last: on a small machine more leave no time for anything
 * else. */
#define BULK_GAP_MS 5000
#define SPARSE_WRITERS 6
#define SPARSE_PAUSE_MS 400
#define BUSY_PAUSE_MS 25
#define MISSED_MS 1000 /* what a writer missed before that it does not make up for */

typedef struct writer {
    pthread_t thread;
    writers *all;
    session session;
    writers_counts counts;
    int64_t next_us; /* of the clock of now_ms: its next turn where the plan has a rate */
} writer;

struct writers {
    stage *stage;
    pthread_mutex_t lock;
    bool in_bulk;
    int64_t next_bulk_ms;
    bool straggler_taken;
    int n;
    writer *each;
};

static int weight_of(const session *s, int i)
{
    return s->stage->plan->rate > 0 ? scenarios[i].steady_weight : scenarios[i].weight;
}

static int draw_scenario(session *s)
{
    int total = 0, i;

    for (i = 0; scenarios[i].name; i++)
        total += weight_of(s, i);
    int drawn = dice_below(&s->dice, total);
    for (i = 0; drawn >= weight_of(s, i); i++)
        drawn -= weight_of(s, i);
    return i;
}

static bool enter_bulk(writers *w)
{
    pthread_mutex_lock(&w->lock);
    bool enter = !w->in_bulk && now_ms() >= w->next_bulk_ms;
    if (enter) {
        w->in_bulk = true;
        w->next_bulk_ms = now_ms() + BULK_GAP_MS;
    }
    pthread_mutex_unlock(&w->lock);
    return enter;
}

static void leave_bulk(writers *w)
{
    pthread_mutex_lock(&w->lock);
    w->in_bulk = false;
    pthread_mutex_unlock(&w->lock);
}

static bool take_straggler(writers *w)
{
    pthread_mutex_lock(&w->lock);
    bool taken = !w->straggler_taken && w->stage->plan->straggler_rows > 0;
    w->straggler_taken = true;
    pthread_mutex_unlock(&w->lock);
    return taken;
}

static void work_once(writer *w)
{
    int i = draw_scenario(&w->session);
    bool is_bulk = strcmp(scenarios[i].name, "bulk") == 0;

    if (stage_is_sparse(w->all->stage) && (scenarios[i].busy || w->session.number >= SPARSE_WRITERS))
        return;
    if (is_bulk && !enter_bulk(w->all))
        return;
    w->counts.outcomes[i][scenarios[i].run(&w->session)]++;
    if (is_bulk)
        leave_bulk(w->all);
}

/* The first transaction of the run is the bulk, and another writer's is the straggler: even a short run has
 * both. */
static void work_first(writer *w)
{
    if (w->session.number == 0 && enter_bulk(w->all)) {
        for (int i = 0; scenarios[i].name; i++)
            if (strcmp(scenarios[i].name, "bulk") == 0)
                w->counts.outcomes[i][scenarios[i].run(&w->session)]++;
        leave_bulk(w->all);
    } else if (w->session.number == 1 && take_straggler(w->all)) {
        w->counts.stragglers += scenario_straggler(&w->session) == OUTCOME_COMMITTED;
    }
}

/* A writer that waited for a lock or for a server makes up for it, or the rate would not hold. */
static int64_t rest_ms(writer *w)
{
    const plan *p = w->all->stage->plan;
    int64_t now_us = now_ms() * 1000;

    if (p->rate == 0)
        return dice_below(&w->session.dice, stage_is_sparse(w->all->stage) ? SPARSE_PAUSE_MS : BUSY_PAUSE_MS);
    if (w->next_us < now_us - MISSED_MS * 1000)
        w->next_us = now_us + dice_below(&w->session.dice, 1000);
    w->next_us += (int64_t)p->n_writers * 1000000 / p->rate;
    return w->next_us > now_us ? (w->next_us - now_us) / 1000 : 0;
}

static void *writer_main(void *arg)
{
    writer *w = arg;
    session *s = &w->session;

    if (session_ready(s) && s->stage->plan->rate == 0)
        work_first(w);
    while (session_ready(s)) {
        if (s->reconnects != w->counts.reconnects) {
            w->counts.reconnects = s->reconnects;
            scenario_finish_prepared(s);
        }
        work_once(w);
        if (!stage_pause(s->stage, rest_ms(w)))
            break;
    }
    w->counts.reconnects = s->reconnects - 1;
    session_close(s);
    return NULL;
}

writers *writers_start(stage *st)
{
    writers *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->stage = st;
    w->each = calloc((size_t)st->plan->n_writers, sizeof *w->each);
    pthread_mutex_init(&w->lock, NULL);
    for (int i = 0; w->each && i < st->plan->n_writers; i++) {
        uint64_t dice = st->plan->seed * 1000003 + (uint64_t)st->plan->kind * 1009 + (uint64_t)i +
                        (uint64_t)st->plan->generation * 7907;

        w->each[i].all = w;
        w->each[i].session =
            (session){.stage = st,
                      .number = i,
                      .application = "torture-writer",
                      .dice = dice,
                      .next_token = ((uint64_t)i + 1) << 40 | (uint64_t)st->plan->generation << 30 | 1};
        if (pthread_create(&w->each[i].thread, NULL, writer_main, &w->each[i]))
            break;
        w->n++;
    }
    if (w->n == st->plan->n_writers)
        return w;
    stage_stop(st);
    writers_join(w, &(writers_counts){0});
    return NULL;
}

void writers_join(writers *w, writers_counts *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < w->n; i++) {
        pthread_join(w->each[i].thread, NULL);
        for (int j = 0; scenarios[j].name; j++)
            for (int k = 0; k < OUTCOMES; k++)
                out->outcomes[j][k] += w->each[i].counts.outcomes[j][k];
        out->stragglers += w->each[i].counts.stragglers;
        out->reconnects += w->each[i].counts.reconnects;
    }
    pthread_mutex_destroy(&w->lock);
    free(w->each);
    free(w);
}

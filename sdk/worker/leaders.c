/* Asks brokers about their partitions; must never wait for one without a limit, nor for each of its partitions. */
#include "leaders.h"

#include <stdlib.h>
#include <string.h>

#include "kafka.h"

/* ANSWER_MS: of one question. MOST_SILENT: so many brokers are waited for in vain by one look. */
enum { ANSWER_MS = 3000, MOST_SILENT = 3 };

/* One look. A question about a partition that has no leader, or one that does not answer, would be waited for in vain: each time, where a broker leads many. */
typedef struct leaders {
    feed *feed;
    rd_kafka_t *rk;
    const rd_kafka_topic_partition_list_t *of;
    leaders_ends *out;
    bool *seen; /* asked about, or found to have nobody to ask */
    int64_t until_ms;
    const char *topic;
    const struct rd_kafka_metadata *told; /* of the topic; NULL: nothing */
    bool none;                            /* no broker has answered; none is asked again */
    int32_t silent[MOST_SILENT];          /* nor are these, nor is any where they are too many */
    size_t n_silent;
} leaders;

/* How long the next answer may take; 0: the look is over. */
static int time_left(const leaders *l)
{
    int64_t left_ms = l->until_ms - feed_now_ms();
    if (left_ms <= 0 || feed_is_stopping(l->feed))
        return 0;
    return left_ms < ANSWER_MS ? (int)left_ms : ANSWER_MS;
}

static void forget(leaders *l)
{
    if (l->told)
        rd_kafka_metadata_destroy(l->told);
    l->told = NULL;
}

static void learn(leaders *l, const char *topic)
{
    forget(l);
    l->topic = topic;
    rd_kafka_topic_t *rkt = l->none ? NULL : rd_kafka_topic_new(l->rk, topic, NULL);
    if (!rkt)
        return;
    l->none = rd_kafka_metadata(l->rk, 0, rkt, &l->told, time_left(l)) != RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_destroy(rkt);
}

/* Of a partition of the topic that was learnt; -1: there is nobody to ask. */
static int32_t leader_of(const leaders *l, int32_t partition)
{
    int32_t leader = -1;
    if (!l->told || l->told->topic_cnt != 1 || l->n_silent == MOST_SILENT)
        return -1;
    const struct rd_kafka_metadata_topic *t = &l->told->topics[0];
    for (int i = 0; i < t->partition_cnt; i++)
        if (t->partitions[i].id == partition)
            leader = t->partitions[i].leader;
    for (size_t i = 0; i < l->n_silent; i++)
        if (l->silent[i] == leader)
            return -1;
    return leader;
}

/* What one leader is asked in one go: places in the list of all. */
typedef struct group {
    int32_t leader;
    int n, *at;
} group;

static void group_up(leaders *l, int first, group *g)
{
    const rd_kafka_topic_partition_t *p = l->of->elems;
    if (!l->topic || strcmp(l->topic, p[first].topic) != 0)
        learn(l, p[first].topic);
    g->leader = leader_of(l, p[first].partition);
    g->n = 0;
    for (int k = 0; k < l->of->cnt; k++) {
        int i = (first + k) % l->of->cnt;
        if (!l->seen[i] && strcmp(p[i].topic, l->topic) == 0 && leader_of(l, p[i].partition) == g->leader) {
            l->seen[i] = true;
            g->at[g->n++] = i;
        }
    }
}

typedef enum asked { ASKED_TOLD, ASKED_REFUSED, ASKED_IN_VAIN } asked;

static asked ask_list(leaders *l, int32_t leader, rd_kafka_topic_partition_list_t *list)
{
    int left_ms = time_left(l);
    rd_kafka_resp_err_t code =
        left_ms > 0 ? rd_kafka_offsets_for_times(l->rk, list, left_ms) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        if (left_ms > 0)
            l->silent[l->n_silent++] = leader;
        return ASKED_IN_VAIN;
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? ASKED_TOLD : ASKED_REFUSED;
}

/* Of each of the group as kafka_offset, -1 where that is not known; since: one for all, or RD_KAFKA_OFFSET_INVALID: the time that its own offset says. */
static asked ask(leaders *l, const group *g, int64_t since, int64_t *out)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(g->n);
    for (int i = 0; i < g->n; i++) {
        const rd_kafka_topic_partition_t *p = &l->of->elems[g->at[i]];
        rd_kafka_topic_partition_list_add(list, p->topic, p->partition)->offset =
            since == RD_KAFKA_OFFSET_INVALID ? p->offset : since;
    }
    asked how = ask_list(l, g->leader, list);
    for (int i = 0; i < g->n; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        out[i] =
            how == ASKED_TOLD && p->err == RD_KAFKA_RESP_ERR_NO_ERROR ? p->offset : RD_KAFKA_OFFSET_INVALID;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return how;
}

/* start: NULL where low is meant. */
static void note(leaders *l, int at, int64_t high, int64_t low, const int64_t *start)
{
    int64_t begin = !start ? low : *start == RD_KAFKA_OFFSET_END ? high /* none yet */ : *start;
    if (low >= 0 && high >= 0 && begin >= 0)
        l->out[at] = (leaders_ends){.low = low, .high = high, .start = begin};
}

/* -1: it is not known. */
static int64_t ask_one(const leaders *l, const rd_kafka_topic_partition_t *p, int64_t what)
{
    int64_t offset;
    int left_ms = time_left(l);
    bool told = left_ms > 0 && kafka_offset(l->rk, p->topic, p->partition, what, left_ms, &offset) ==
                                   RD_KAFKA_RESP_ERR_NO_ERROR;
    return told ? offset : RD_KAFKA_OFFSET_INVALID;
}

/* Who refuses to tell of one partition has told of none. Each is asked about by itself then, and wholly: what there is no time for is left to the next
 * look. */
static void ask_singly(leaders *l, const group *g)
{
    for (int i = 0; i < g->n; i++) {
        const rd_kafka_topic_partition_t *p = &l->of->elems[g->at[i]];
        if (i > 0 && time_left(l) == 0) {
            l->seen[g->at[i]] = false;
            continue;
        }
        bool since = p->offset >= 0;
        int64_t high = ask_one(l, p, RD_KAFKA_OFFSET_END);
        int64_t low = high >= 0 ? ask_one(l, p, RD_KAFKA_OFFSET_BEGINNING) : RD_KAFKA_OFFSET_INVALID;
        int64_t start = since && low >= 0 ? ask_one(l, p, p->offset) : RD_KAFKA_OFFSET_INVALID;
        note(l, g->at[i], high, low, since ? &start : NULL);
        if (i > 0 && l->out[g->at[i]].low < 0 && time_left(l) == 0)
            l->seen[g->at[i]] = false; /* its time ended between the questions */
    }
}

/* The end is asked first: a record that comes between the questions is then not passed over. */
static asked ask_together(leaders *l, const group *g, bool since, int64_t *high, int64_t *low, int64_t *start)
{
    asked how = ask(l, g, RD_KAFKA_OFFSET_END, high);
    if (how == ASKED_TOLD)
        how = ask(l, g, RD_KAFKA_OFFSET_BEGINNING, low);
    if (how == ASKED_TOLD && since)
        how = ask(l, g, RD_KAFKA_OFFSET_INVALID, start);
    return how;
}

static void ask_group(leaders *l, const group *g, int64_t *high, int64_t *low, int64_t *start)
{
    bool since = l->of->elems[g->at[0]].offset >= 0; /* of one topic all or none are */
    asked how = ask_together(l, g, since, high, low, start);
    for (int i = 0; how == ASKED_TOLD && i < g->n; i++)
        note(l, g->at[i], high[i], low[i], since ? &start[i] : NULL);
    if (how == ASKED_REFUSED)
        ask_singly(l, g);
}

static int next_unseen(const leaders *l, int from)
{
    for (int k = 0; k < l->of->cnt; k++)
        if (!l->seen[(from + k) % l->of->cnt])
            return (from + k) % l->of->cnt;
    return 0;
}

/* Where it was broken off, the next look begins: but behind what took a whole one, or were silent, or it would never come further. Where nobody told of a
 * topic, another broker may be asked about it the next time. */
static void look(leaders *l, int *from, group *g, int64_t *room)
{
    bool first = true;
    int n = l->of->cnt, begin = *from;
    for (int k = 0; k < n; k++) {
        int i = (begin + k) % n;
        if (l->seen[i])
            continue;
        if (time_left(l) > 0) {
            group_up(l, i, g);
            if (l->none) {
                *from = i;
                return;
            }
            if (g->leader >= 0)
                ask_group(l, g, room, room + n, room + 2 * n);
        }
        bool all_silent = l->n_silent == MOST_SILENT;
        if (all_silent || time_left(l) == 0) {
            *from = first || all_silent ? next_unseen(l, i) : i;
            return;
        }
        first = false;
    }
    *from = 0;
}

void leaders_ask(feed *f, rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions, int64_t until_ms,
                 int *from, leaders_ends *out)
{
    size_t n = (size_t)partitions->cnt;
    group g = {.at = calloc(n + 1, sizeof *g.at)};
    bool *seen = calloc(n + 1, sizeof *seen);
    int64_t *room = calloc(3 * n + 1, sizeof *room);
    leaders l = {.feed = f, .rk = rk, .of = partitions, .out = out, .seen = seen, .until_ms = until_ms};
    for (size_t i = 0; i < n; i++) {
        out[i] = (leaders_ends){-1, -1, -1};
        if (seen)
            seen[i] = partitions->elems[i].offset == RD_KAFKA_OFFSET_INVALID;
    }
    if (g.at && seen && room)
        look(&l, from, &g, room);
    forget(&l);
    free(g.at);
    free(seen);
    free(room);
}

/* Reads and commits a group's positions; must never commit what lies behind an event that is not done. */
#include "offsets.h"

#include <stdlib.h>

#include "failure.h"

enum { COMMITTED_MS = 5000 };

void offsets_init(offsets *o, assignment *mine)
{
    *o = (offsets){.mine = mine, .answers = rd_kafka_queue_new(mine->rk)};
}

void offsets_done(offsets *o)
{
    if (o->answers)
        rd_kafka_queue_destroy(o->answers);
    *o = (offsets){NULL};
}

/* Of each partition that was given to this member; the caller destroys the list. */
static pbus_status ask_committed(assignment *a, rd_kafka_topic_partition_list_t **out, pbus_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(a->wanted);
    rd_kafka_resp_err_t code = rd_kafka_committed(a->rk, list, COMMITTED_MS);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        code = list->elems[i].err;
    *out = list;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return PBUS_OK;
    rd_kafka_topic_partition_list_destroy(list);
    *out = NULL;
    return failure(err, PBUS_ERROR_BUSY, "the group's positions cannot be read: %s", rd_kafka_err2str(code));
}

static void put_start(assignment *a, partition *p, int64_t committed, const leaders_ends *ends)
{
    feed *f = a->feed;
    bool known = ends->low >= 0;
    p->stored_next = committed;
    if (committed < 0)
        p->stored_next = f->sub->begin == PBUS_BEGIN_LATEST ? ends->high : ends->low;
    else if (known && (committed < ends->low || committed > ends->high)) {
        p->stored_next = ends->low;
        assignment_tell_gap(a, p, committed, committed < ends->low);
    }
}

/* What neither has a position nor a broker that tells where it begins is left out. */
static size_t put_placed(assignment *a, const rd_kafka_topic_partition_list_t *committed,
                         const leaders_ends *ends, partition *placed)
{
    size_t n = 0;
    for (int i = 0; i < committed->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &committed->elems[i];
        const char *topic = subscription_topic(a->feed->sub, p->topic);
        if (!topic || (p->offset < 0 && ends[i].low < 0))
            continue;
        placed[n] = (partition){.topic = topic, .number = p->partition};
        put_start(a, &placed[n++], p->offset, &ends[i]);
    }
    return n;
}

static pbus_status place(assignment *a, const rd_kafka_topic_partition_list_t *committed, pbus_error *err)
{
    size_t n = (size_t)committed->cnt;
    leaders_ends *ends = calloc(n + 1, sizeof *ends);
    partition *placed = calloc(n + 1, sizeof *placed);
    if (!ends || !placed) {
        free(ends);
        free(placed);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for an assignment");
    }
    assignment_ask_ends(a, ends);
    assignment_resume(a);
    pbus_status status = assignment_begin(a, placed, put_placed(a, committed, ends, placed), err);
    free(ends);
    return status;
}

pbus_status offsets_place(offsets *o, pbus_error *err)
{
    assignment *a = o->mine;
    a->place_at_ms = feed_now_ms() + ASSIGNMENT_AGAIN_MS;
    rd_kafka_topic_partition_list_t *committed;
    pbus_status status = ask_committed(a, &committed, err);
    if (status != PBUS_OK)
        return status;
    status = place(a, committed, err);
    for (size_t i = 0; status == PBUS_OK && i < a->n_placed; i++) {
        const rd_kafka_topic_partition_t *known =
            rd_kafka_topic_partition_list_find(committed, a->placed[i].topic, a->placed[i].number);
        a->placed[i].stored_next = known->offset; /* where it begins elsewhere, that is committed */
    }
    rd_kafka_topic_partition_list_destroy(committed);
    return status;
}

static void note_committed(assignment *a, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        size_t at = assignment_find(a, p->topic, p->partition);
        if (at < a->n_placed && p->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            a->placed[at].stored_next = p->offset;
    }
}

static void take_answer(offsets *o, int64_t wait_ms)
{
    rd_kafka_event_t *answer = rd_kafka_queue_poll(o->answers, (int)wait_ms);
    if (!answer)
        return;
    if (rd_kafka_event_type(answer) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
        rd_kafka_resp_err_t code = rd_kafka_event_error(answer);
        o->asked = false;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            note_committed(o->mine, rd_kafka_event_topic_partition_list(answer));
        else
            feed_tell(o->mine->feed, PBUS_NOTICE_KAFKA, NULL, code, "positions cannot be committed: %s",
                      rd_kafka_err2str(code));
    }
    rd_kafka_event_destroy(answer);
}

static void ask(offsets *o)
{
    assignment *a = o->mine;
    feed *f = a->feed;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)a->n_placed + 1);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < a->n_placed; i++) {
        int64_t next = window_position(&f->windows[i]);
        if (next != a->placed[i].stored_next)
            rd_kafka_topic_partition_list_add(list, a->placed[i].topic, a->placed[i].number)->offset = next;
    }
    pthread_mutex_unlock(&f->lock);
    if (list->cnt > 0)
        o->asked = rd_kafka_commit_queue(a->rk, list, o->answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
}

void offsets_move(offsets *o, int64_t wait_ms)
{
    if (o->asked)
        take_answer(o, wait_ms);
    if (o->asked)
        return;
    ask(o);
    if (o->asked && wait_ms > 0)
        take_answer(o, wait_ms);
}

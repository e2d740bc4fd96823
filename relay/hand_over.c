/* Walks over the rows that were read; must never hand over a row behind one of its topic that was passed over. */
#include "hand_over.h"

#include "failpoint.h"

#define ROWS_AT_ONCE 4096 /* then look at the sockets again */

void hand_over_start(hand_over *h, batch_queue *queue, ship *out, parking *p, lanes *l)
{
    *h = (hand_over){.queue = queue, .ship = out, .parking = p, .lanes = l, .pass = h->pass + 1};
}

static void forget_passed(hand_over *h)
{
    h->pass++;
    h->passed = h->overtaken = false;
}

void hand_over_rewind(hand_over *h)
{
    forget_passed(h);
    h->returned = true;
    batch_queue_rewind(h->queue);
}

static void look_whether_goes_on(topic *t, void *arg)
{
    hand_over *h = arg;
    if (h->passed && t->passed_in == h->pass && ship_goes_on(t)) {
        h->queue->ship = h->first;
        h->returned |= h->overtaken;
        forget_passed(h);
    }
}

static void pass_over(hand_over *h, topic *t)
{
    if (!h->passed)
        h->first = h->queue->ship;
    h->passed = true;
    t->passed_in = h->pass;
}

/* SHIP_WAIT: the walk ends here. */
static ship_answer one_row(hand_over *h, row *r, int64_t now_us)
{
    page_event e = page_read(r->page, (int)(r - r->page->rows));
    topic *t = topic_find(&h->ship->topics, e.topic, e.topic_size);
    if (!t)
        return SHIP_WAIT;
    if (t->passed_in == h->pass && !t->lane_open)
        return SHIP_LATER;
    if (parking_takes(h->parking, t, r, &e))
        return SHIP_PARK;
    ship_answer answer = ship_row(h->ship, t, r, &e, false);
    if (answer == SHIP_PARK)
        lanes_park(h->lanes, t, r, now_us);
    else if (answer == SHIP_LATER && h->ship->transactional) /* likewise */
        return SHIP_WAIT;
    else if (answer == SHIP_LATER)
        pass_over(h, t);
    else if (answer == SHIP_SUSPECT)
        return parking_takes(h->parking, t, r, &e) ? SHIP_PARK : SHIP_WAIT;
    return answer;
}

bool hand_over_step(hand_over *h, int64_t now_us)
{
    if (alone_has_returned(&h->parking->alone))
        hand_over_rewind(h);
    if (h->passed)
        topic_table_each(&h->ship->topics, look_whether_goes_on, h);
    batch_cursor *c = &h->queue->ship;
    row *r;
    int n = 0;
    while (n < ROWS_AT_ONCE && (r = batch_cursor_row(c)) && c->b->released) {
        ship_answer answer = r->state == ROW_WAITING ? one_row(h, r, now_us) : SHIP_LATER;
        if (answer == SHIP_WAIT)
            break;
        if (r->state == ROW_HELD && h->ship->transactional) /* progress could not cover those behind it */
            break;
        h->overtaken |= h->passed && answer != SHIP_LATER;
        c->i++;
        n++;
    }
    h->returned &= batch_cursor_row(c) != NULL;
    if (n > 0)
        failpoint("after_produce");
    return n == ROWS_AT_ONCE;
}

bool hand_over_finish(hand_over *h, int64_t now_us)
{
    h->returned |= h->parking->alone.returned;
    if (h->overtaken || h->returned)
        hand_over_step(h, now_us);
    return h->overtaken || h->returned;
}

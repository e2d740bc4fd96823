/* What is paused: by pressure, and behind one event that is not done. And what is told of records that were gone. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "assignment.h"

enum { MORE_THAN_MAY_BE_AHEAD = 20001 };

/* One partition that was read far ahead of its first event. */
static void far_ahead(feed *f, assignment *a)
{
    uint64_t ticket;
    f->windows = calloc(1, sizeof *f->windows);
    f->n_windows = 1;
    window_init(&f->windows[0], 0);
    for (int64_t offset = 0; offset < MORE_THAN_MAY_BE_AHEAD; offset++)
        assert_true(window_add(&f->windows[0], offset, 1, &ticket));
    a->placed = calloc(1, sizeof *a->placed);
    a->placed[0] = (partition){.topic = "orders"};
    a->n_placed = 1;
}

static void no_pause_outlives_an_assignment(void **state)
{
    (void)state;
    const worker_config cfg = {0};
    const subscription sub = {.n_threads = 1};
    feed f;
    assignment a;
    assert_true(feed_init(&f, &cfg, &sub));
    assignment_init(&a, &f, NULL);
    a.rk = rd_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), NULL, 0);
    assert_non_null(a.rk);
    far_ahead(&f, &a);
    assignment_pause(&a, false);
    assert_true(a.placed[0].paused);
    assignment_pause(&a, false); /* it is still too far ahead */
    assert_true(a.placed[0].paused);
    assignment_resume(&a);
    assert_false(a.placed[0].paused);
    assignment_drop(&a);
    rd_kafka_destroy(a.rk);
    assignment_done(&a);
    feed_done(&f);
}

typedef struct told {
    int n;
    char text[400];
} told;

static void note(const pbus_notice *n, void *arg)
{
    told *t = arg;
    t->n++;
    assert_int_equal(n->kind, PBUS_NOTICE_GAP);
    snprintf(t->text, sizeof t->text, "%s %s %d %d %d: %s", n->subscription, n->topic, (int)n->partition,
             (int)n->offset, (int)n->number, n->message);
}

static void records_that_were_gone_are_told_and_counted(void **state)
{
    (void)state;
    told t = {0};
    const worker_config cfg = {.notice = note, .notice_arg = &t};
    char key[] = "main";
    const subscription sub = {.key = key, .n_threads = 1};
    const partition p = {.topic = "orders", .number = 3, .stored_next = 40};
    feed f;
    assignment a;
    assert_true(feed_init(&f, &cfg, &sub));
    assignment_init(&a, &f, NULL);
    assignment_tell_gap(&a, &p, 25, true);
    assert_string_equal(
        t.text,
        "main orders 3 25 15: Kafka has deleted the records from offset 25 up to 40 before they were read");
    assignment_tell_gap(&a, &p, 99, false);
    assert_string_equal(t.text, "main orders 3 99 0: the position 99 is behind the end of the topic: it was "
                                "made anew, and is read from 40");
    assert_int_equal(t.n, 2);
    assert_int_equal(f.counts.n_gaps, 2);
    assignment_done(&a);
    feed_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pause_outlives_an_assignment),
        cmocka_unit_test(records_that_were_gone_are_told_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a subscription tells of its lag: unknown until somebody can know, and zero where it has no partitions to read. */
#include "cmocka_all.h"

#include <math.h>
#include <string.h>

#include "lane.h"
#include "measure.h"

static char orders[] = "orders", bills[] = "bills", key[] = "main", application[] = "shop";
static char *topics[] = {orders, bills};

typedef struct measured {
    feed f;
    subscriber_topic topics[2];
    subscriber_measures all;
} measured;

static const worker_config cfg = {.application = application};
static const subscription sub = {.key = key, .topics = topics, .n_topics = 2, .n_threads = 1};

static void begin(measured *m)
{
    assert_true(feed_init(&m->f, &cfg, &sub));
}

static void measure(measured *m)
{
    const census_answer nothing = {.known_at_ms = 0};
    measure_feed(&m->f, &nothing, m->topics, &m->all);
    assert_int_equal(m->all.n_topics, 2);
}

static void without_partitions_the_lag_is_zero_once_that_is_known(void **state)
{
    (void)state;
    measured m;
    begin(&m);
    measure(&m);
    assert_true(isnan(m.topics[0].lag_events) && isnan(m.topics[0].lag_s)); /* it may be given some */
    m.f.placed = true;
    measure(&m);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(m.topics[i].name, topics[i]);
        assert_int_equal(m.topics[i].partitions, 0);
        assert_true(m.topics[i].lag_events == 0 && m.topics[i].lag_s == 0);
    }
    feed_done(&m.f);
}

/* Of the first topic a partition that nobody has told the end of: not zero. The second has none. */
static void a_partition_whose_end_is_not_known_tells_nothing_of_its_topic(void **state)
{
    (void)state;
    measured m;
    begin(&m);
    m.f.placed = true;
    m.f.windows = calloc(1, sizeof *m.f.windows);
    m.f.n_windows = 1;
    window_init(&m.f.windows[0], 0);
    m.f.windows[0].topic = topics[0];
    measure(&m);
    assert_int_equal(m.topics[0].partitions, 1);
    assert_true(isnan(m.topics[0].lag_events) && isnan(m.topics[0].lag_s));
    assert_int_equal(m.topics[1].partitions, 0);
    assert_true(m.topics[1].lag_events == 0 && m.topics[1].lag_s == 0);
    feed_done(&m.f);
}

/* A server that was restarted, and one that has no session left for a lane. */
static void a_lane_without_a_session_is_put_up_with_for_a_moment(void **state)
{
    (void)state;
    measured m;
    char reason[200];
    begin(&m);
    m.f.placed = true;
    assert_true(measure_is_ready(&m.f, reason, sizeof reason));
    m.f.lanes[0].seeks_session_since_ms =
        feed_now_ms() + 60000; /* begun just now, however slow the machine */
    assert_true(measure_is_ready(&m.f, reason, sizeof reason));
    m.f.lanes[0].seeks_session_since_ms = feed_now_ms() - 60000;
    assert_false(measure_is_ready(&m.f, reason, sizeof reason));
    assert_non_null(strstr(reason, "gets no session"));
    measure(&m);
    assert_true(m.all.ready == 0);
    m.f.lanes[0].seeks_session_since_ms = 0;
    assert_true(measure_is_ready(&m.f, reason, sizeof reason));
    feed_done(&m.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_partitions_the_lag_is_zero_once_that_is_known),
        cmocka_unit_test(a_partition_whose_end_is_not_known_tells_nothing_of_its_topic),
        cmocka_unit_test(a_lane_without_a_session_is_put_up_with_for_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

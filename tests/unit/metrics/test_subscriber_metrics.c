/* The table of subscribers' metrics is sound, and the text that comes out of it has the form of OpenMetrics. */
#include "cmocka_all.h"
#include "subscriber_metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static subscriber_topic topics[] = {{"orders", 2, 7, 1.5}, {"returns", 0, NAN, NAN}};

static subscriber_measures measures(void)
{
    return (subscriber_measures){.application = "shop",
                                 .subscription = "invoice",
                                 .topics = topics,
                                 .n_topics = 2,
                                 .ready = 1,
                                 .members = NAN,
                                 .waiting_events = NAN,
                                 .waiting_oldest_age_s = NAN,
                                 .dead_letters = NAN,
                                 .known_age_s = NAN};
}

static char *text_of(const subscriber_measures *each, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    subscriber_metrics_write(each, n, to);
    fclose(to);
    return text;
}

static void expect(const subscriber_measures *m, const char *line, bool there)
{
    char *text = text_of(m, 1), with[300];
    snprintf(with, sizeof with, "\n%s", line);
    if ((strstr(text, with) != NULL) != there)
        fail_msg("the line '%s' is%s in:\n%s", line, there ? " not" : "", text);
    free(text);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void each_row_has_a_plain_name_a_place_and_a_promise(void **state)
{
    (void)state;
    static const char *const reserved[] = {"_total", "_count", "_sum", "_bucket", "_info", "_created"};
    for (const subscriber_metric *row = subscriber_metrics_table; row->name; row++) {
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->name));
        assert_int_equal(strncmp(row->name, "postbus_subscriber_", 19), 0);
        assert_in_range(strlen(row->help), 20, 400);
        assert_int_equal(row->help[strlen(row->help) - 1], '.');
        if (row->unit)
            assert_true(ends_with(row->name, row->unit));
        for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
            assert_false(ends_with(row->name, reserved[i]));
        for (const subscriber_metric *other = subscriber_metrics_table; other != row; other++) {
            assert_string_not_equal(other->name, row->name);
            assert_false(other->offset == row->offset && (other->by == BY_TOPIC) == (row->by == BY_TOPIC));
        }
    }
}

static void samples_carry_their_labels(void **state)
{
    (void)state;
    subscriber_measures m = measures();
    m.outcomes[OUTCOME_DEAD] = UINT64_C(18446744073709551615);
    m.n_attempts = 5;
    expect(&m, "postbus_subscriber_ready{application=\"shop\",subscription=\"invoice\"} 1\n", true);
    expect(&m,
           "postbus_subscriber_events_total{application=\"shop\",subscription=\"invoice\",outcome=\"dead\"} "
           "18446744073709551615\n",
           true);
    expect(&m, "postbus_subscriber_attempts_total{application=\"shop\",subscription=\"invoice\"} 5\n", true);
    expect(&m,
           "postbus_subscriber_lag_events{application=\"shop\",subscription=\"invoice\",topic=\"orders\"} "
           "7\n",
           true);
    expect(&m,
           "postbus_subscriber_lag_seconds{application=\"shop\",subscription=\"invoice\",topic=\"orders\"} "
           "1.5\n",
           true);
}

static void what_is_not_known_is_left_out_and_not_zero(void **state)
{
    (void)state;
    subscriber_measures m = measures();
    expect(&m, "postbus_subscriber_waiting", false);
    expect(&m, "postbus_subscriber_dead_letters", false);
    expect(&m, "postbus_subscriber_members", false);
    expect(&m, "postbus_subscriber_known_age_seconds", false);
    expect(&m, "postbus_subscriber_lag_events{application=\"shop\",subscription=\"invoice\",topic=\"returns",
           false);
    expect(&m, "postbus_subscriber_partitions{application=\"shop\",subscription=\"invoice\",topic=\"returns",
           true);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    subscriber_measures m = measures();
    m.subscription = "a\"b\\c\nd";
    expect(&m, "postbus_subscriber_ready{application=\"shop\",subscription=\"a\\\"b\\\\c\\nd\"} 1\n", true);
}

static void buckets_add_up(void **state)
{
    (void)state;
    subscriber_measures m = measures();
    histogram_note_us(&m.stages[STAGE_WHOLE], 3500);
    histogram_note_us(&m.stages[STAGE_WHOLE], -100); /* two clocks that differ */
    histogram_note_us(&m.stages[STAGE_WHOLE], INT64_C(200000000));
    expect(&m,
           "postbus_subscriber_latency_seconds_bucket{application=\"shop\",subscription=\"invoice\",le="
           "\"0.001\"} 1\n",
           true);
    expect(&m,
           "postbus_subscriber_latency_seconds_bucket{application=\"shop\",subscription=\"invoice\",le="
           "\"0.005\"} 2\n",
           true);
    expect(&m,
           "postbus_subscriber_latency_seconds_bucket{application=\"shop\",subscription=\"invoice\",le="
           "\"+Inf\"} 3\n",
           true);
    expect(&m,
           "postbus_subscriber_latency_seconds_sum{application=\"shop\",subscription=\"invoice\"} 200.0035\n",
           true);
}

static int n_times(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

/* A family that is interrupted by another is refused by who reads it. */
static void the_samples_of_a_family_stand_together(void **state)
{
    (void)state;
    subscriber_measures two[2] = {measures(), measures()};
    two[1].subscription = "audit";
    char *text = text_of(two, 2);
    for (const subscriber_metric *row = subscriber_metrics_table; row->name; row++) {
        char head[200];
        snprintf(head, sizeof head, "# TYPE %s %s\n", row->name, subscriber_metric_type(row));
        assert_int_equal(n_times(text, head), 1);
    }
    assert_non_null(strstr(text, "{application=\"shop\",subscription=\"audit\"} 1\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_has_a_plain_name_a_place_and_a_promise),
        cmocka_unit_test(samples_carry_their_labels),
        cmocka_unit_test(what_is_not_known_is_left_out_and_not_zero),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(buckets_add_up),
        cmocka_unit_test(the_samples_of_a_family_stand_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table is sound, and the text that comes out of it has the form of OpenMetrics. */
#include "cmocka_all.h"
#include "metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static metrics quiet(void)
{
    return (metrics){.backlog_events = NAN,
                     .backlog_oldest_age_s = NAN,
                     .backlog_known_age_s = NAN,
                     .leaves = NAN,
                     .outbox_bytes = NAN,
                     .receipts_bytes = NAN,
                     .refused_leaves = NAN,
                     .epoch = NAN};
}

static char *text_of(const metrics *m)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    metrics_write(m, 1, to);
    fclose(to);
    return text;
}

static void expect_line(const metrics *m, const char *line)
{
    char *text = text_of(m), with[300];
    snprintf(with, sizeof with, "\n%s\n", line);
    if (!strstr(text, with))
        fail_msg("there is no line '%s' in:\n%s", line, text);
    free(text);
}

static void expect_no_sample(const metrics *m, const char *name)
{
    char *text = text_of(m), with[300];
    snprintf(with, sizeof with, "\n%s", name);
    if (strstr(text, with))
        fail_msg("there is a sample of %s in:\n%s", name, text);
    free(text);
}

/* ---- the table ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void each_row_has_a_plain_name_and_a_promise(void **state)
{
    (void)state;
    for (const metric *row = metrics_table; row->name; row++) {
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->name));
        assert_true(strncmp(row->name, "postbus_", 8) == 0 || strncmp(row->name, "process_", 8) == 0);
        assert_in_range(strlen(row->help), 20, 400);
        assert_int_equal(row->help[strlen(row->help) - 1], '.');
        for (const metric *other = metrics_table; other != row; other++)
            assert_string_not_equal(other->name, row->name);
    }
}

/* The form reserves these endings for samples. */
static void names_end_with_their_unit_and_with_nothing_reserved(void **state)
{
    (void)state;
    static const char *const reserved[] = {"_total", "_count", "_sum", "_bucket", "_info", "_created"};
    for (const metric *row = metrics_table; row->name; row++) {
        if (row->unit)
            assert_true(ends_with(row->name, row->unit));
        for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
            assert_false(ends_with(row->name, reserved[i]));
    }
}

static void each_row_shows_a_place_of_its_own(void **state)
{
    (void)state;
    for (const metric *row = metrics_table; row->name; row++)
        for (const metric *other = metrics_table; other != row; other++)
            if (row->kind != METRIC_BUILD && other->kind != METRIC_BUILD)
                assert_int_not_equal(row->offset, other->offset);
}

/* ---- the text ---- */

static void every_family_has_type_unit_and_help_and_the_text_ends(void **state)
{
    (void)state;
    metrics m = quiet();
    char *text = text_of(&m);
    for (const metric *row = metrics_table; row->name; row++) {
        char line[200];
        snprintf(line, sizeof line, "# TYPE %s %s\n", row->name, metric_type(row));
        assert_non_null(strstr(text, line));
        snprintf(line, sizeof line, "# HELP %s ", row->name);
        assert_non_null(strstr(text, line));
        snprintf(line, sizeof line, "# UNIT %s ", row->name);
        assert_int_equal(strstr(text, line) != NULL, row->unit != NULL);
    }
    assert_true(ends_with(text, "\n# EOF\n"));
    free(text);
}

static void a_counter_has_total_and_keeps_every_digit(void **state)
{
    (void)state;
    metrics m = quiet();
    m.n_published = UINT64_C(18446744073709551615);
    expect_line(&m, "postbus_published_events_total 18446744073709551615");
}

static void what_is_not_known_is_left_out_and_not_zero(void **state)
{
    (void)state;
    metrics m = quiet();
    expect_no_sample(&m, "postbus_backlog_");
    expect_no_sample(&m, "postbus_parked_events");
    expect_no_sample(&m, "postbus_epoch");
    expect_no_sample(&m, "postbus_leaves ");
    expect_no_sample(&m, "postbus_leaves_refused");
    expect_no_sample(&m, "postbus_outbox_bytes");
    m.backlog_events = 0;
    expect_line(&m, "postbus_backlog_events 0");
}

static void gauges_are_numbers_without_an_exponent_where_they_can_be(void **state)
{
    (void)state;
    metrics m = quiet();
    m.in_flight_bytes = 33554432;
    m.backlog_oldest_age_s = 12.5;
    expect_line(&m, "postbus_in_flight_bytes 33554432");
    expect_line(&m, "postbus_backlog_oldest_age_seconds 12.5");
}

static void a_histogram_is_cumulative_and_in_seconds(void **state)
{
    (void)state;
    metrics m = quiet();
    histogram h = {0};
    histogram_note_us(&h, 900);
    histogram_note_us(&h, 1000);
    histogram_note_us(&h, 1001);
    histogram_note_us(&h, 200000000);
    m.publish_times = h;
    expect_line(&m, "postbus_publish_latency_seconds_bucket{le=\"0.001\"} 2");
    expect_line(&m, "postbus_publish_latency_seconds_bucket{le=\"0.002\"} 3");
    expect_line(&m, "postbus_publish_latency_seconds_bucket{le=\"100\"} 3");
    expect_line(&m, "postbus_publish_latency_seconds_bucket{le=\"+Inf\"} 4");
    expect_line(&m, "postbus_publish_latency_seconds_count 4");
    expect_line(&m, "postbus_publish_latency_seconds_sum 200.002901");
}

static void a_histogram_of_events_counts_events(void **state)
{
    (void)state;
    metrics m = quiet();
    histogram h = {0};
    histogram_note(&h, 1);
    histogram_note(&h, 10000);
    m.page_events = h;
    expect_line(&m, "postbus_page_events_bucket{le=\"1\"} 1");
    expect_line(&m, "postbus_page_events_bucket{le=\"10000\"} 2");
    expect_line(&m, "postbus_page_events_sum 10001");
}

/* Two clocks differ: an event can seem to come from the future. */
static void a_time_before_zero_counts_as_zero(void **state)
{
    (void)state;
    histogram h = {0};
    histogram_note_us(&h, -5000000);
    assert_int_equal(h.counts[0], 1);
    assert_int_equal(h.sum, 0);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    metrics m = quiet();
    backlog_numbers known = {.n_parked = 2,
                             .parked = {{.topic = "orders", .reason = "a \"b\" \\ c\nd", .n_events = 3},
                                        {.topic = "(others)", .reason = "(others)", .n_events = 1e6}}};
    m.parked = &known;
    expect_line(&m, "postbus_parked_events{topic=\"orders\",reason=\"a \\\"b\\\" \\\\ c\\nd\"} 3");
    expect_line(&m, "postbus_parked_events{topic=\"(others)\",reason=\"(others)\"} 1000000");
}

static void this_process_has_memory_and_has_used_a_processor(void **state)
{
    (void)state;
    metrics m = quiet();
    metrics_read_process(&m);
    assert_true(m.resident_bytes > 100000);
    assert_true(m.cpu_s > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_has_a_plain_name_and_a_promise),
        cmocka_unit_test(names_end_with_their_unit_and_with_nothing_reserved),
        cmocka_unit_test(each_row_shows_a_place_of_its_own),
        cmocka_unit_test(every_family_has_type_unit_and_help_and_the_text_ends),
        cmocka_unit_test(a_counter_has_total_and_keeps_every_digit),
        cmocka_unit_test(what_is_not_known_is_left_out_and_not_zero),
        cmocka_unit_test(gauges_are_numbers_without_an_exponent_where_they_can_be),
        cmocka_unit_test(a_histogram_is_cumulative_and_in_seconds),
        cmocka_unit_test(a_histogram_of_events_counts_events),
        cmocka_unit_test(a_time_before_zero_counts_as_zero),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(this_process_has_memory_and_has_used_a_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

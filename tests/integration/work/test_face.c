/* What `postbus work` tells over HTTP is true: while it works, while events wait and are dead, without its database, and while it ends. */
#include "working.h"

#include "scrape.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sample of the subscription main; topic: with its topic. */
static void expect_of_main(working *w, const char *name, const char *more, double least)
{
    char sample[400];
    snprintf(sample, sizeof sample, "%s{application=\"%s\",subscription=\"main\"%s%s}", name, w->s->topic,
             *more ? "," : "", more);
    scrape_expect_sample(scrape_port(w->proc), sample, least);
}

typedef struct lag {
    working *w;
    double events, seconds;
} lag;

static double lag_of(const char *text, const working *w, const char *unit)
{
    char sample[400];
    snprintf(sample, sizeof sample,
             "postbus_subscriber_lag_%s{application=\"%s\",subscription=\"main\",topic=\"%s\"}", unit,
             w->s->topic, w->s->topic);
    return scrape_sample(text, sample);
}

static bool there_is_none(void *arg)
{
    lag *l = arg;
    char *text = scrape(scrape_port(l->w->proc));
    l->events = lag_of(text, l->w, "events");
    l->seconds = lag_of(text, l->w, "seconds");
    free(text);
    return l->events == 0 && l->seconds == 0;
}

/* A member that joined its group anew has to ask the brokers for the ends first. */
static void expect_no_lag(working *w)
{
    lag l = {.w = w};
    if (!wait_until(there_is_none, &l, STAGE_DEADLINE_MS))
        fail_msg("the lag stays at %g events and %g s", l.events, l.seconds);
}

static double of_main(working *w, const char *text, const char *name)
{
    char sample[400];
    snprintf(sample, sizeof sample, "%s{application=\"%s\",subscription=\"main\"}", name, w->s->topic);
    return scrape_sample(text, sample);
}

static void stop(working *w)
{
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 0);
}

/* "dead" is given up, "fail" fails: at once, again at once, and then a minute later. */
static const char *const mixed = "read -r event; case \"$event\" in *'\"value\":\"dead'*) exit 65;; "
                                 "*'\"value\":\"fail'*) exit 1;; esac";

static void what_becomes_of_events_is_counted_and_parsed_by_prometheus_own_parser(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "one", NULL, NULL);
    stage_produce(w->s->topic, "b", "two", NULL, NULL);
    stage_produce(w->s->topic, "c", "dead", NULL, NULL);
    stage_produce(w->s->topic, "d", "fail", NULL, NULL);
    stage_produce(w->s->topic, "d", "behind", NULL, NULL);
    working_start(w,
                  (const char *const[]){"--http-listen", "0", "--retry", "patient", "--exec", mixed, NULL});
    int port = scrape_port(w->proc);
    scrape_expect_answer(port, "/readyz", 200, "main: reading 2 partitions");
    scrape_expect_answer(port, "/healthz", 200, "main: alive");
    scrape_expect_answer(port, "/other", 404, "/metrics");
    expect_of_main(w, "postbus_subscriber_events_total", "outcome=\"handled\"", 2);
    expect_of_main(w, "postbus_subscriber_events_total", "outcome=\"dead\"", 1);
    expect_of_main(w, "postbus_subscriber_events_total", "outcome=\"retry\"", 2);
    expect_of_main(w, "postbus_subscriber_events_total", "outcome=\"behind\"", 1);
    expect_of_main(w, "postbus_subscriber_waiting_events", "", 2);
    expect_of_main(w, "postbus_subscriber_waiting_oldest_age_seconds", "", 0.001);
    expect_of_main(w, "postbus_subscriber_dead_letters", "", 1);
    expect_of_main(w, "postbus_subscriber_members", "", 1);
    expect_of_main(w, "postbus_subscriber_ready", "", 1);
    char *text = scrape(port);
    assert_true(of_main(w, text, "postbus_subscriber_attempts_total") >= 5);
    assert_true(of_main(w, text, "postbus_subscriber_read_records_total") >= 5);
    assert_true(of_main(w, text, "postbus_subscriber_rebalances_total") >= 1);
    assert_true(of_main(w, text, "postbus_subscriber_latency_seconds_count") == 2);
    assert_true(of_main(w, text, "postbus_subscriber_handler_duration_seconds_count") >= 5);
    scrape_parse(text, "subscriber-metrics.md");
    free(text);
    stop(w);
}

static void an_event_that_is_not_done_is_lag_until_it_is(void **state)
{
    working *w = *state;
    char topic[200];
    snprintf(topic, sizeof topic, "topic=\"%s\"", w->s->topic);
    stage_produce(w->s->topic, "a", "one", NULL, NULL);
    working_start(w, (const char *const[]){"--http-listen", "0", "--exec",
                                           "until [ -e \"$WORK/gate\" ]; do sleep 0.1; done", NULL});
    for (int i = 0; i < 3; i++) /* also those that come later, of which the brokers have to be asked */
        stage_produce(w->s->topic, "a", "more", NULL, NULL);
    expect_of_main(w, "postbus_subscriber_lag_events", topic, 4);
    expect_of_main(w, "postbus_subscriber_lag_seconds", topic, 0.5);
    expect_of_main(w, "postbus_subscriber_queued_events", "", 4);
    working_touch(w, "gate");
    expect_of_main(w, "postbus_subscriber_events_total", "outcome=\"handled\"", 4);
    stage_expect_soon(w->s, 4, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    expect_no_lag(w);
    stop(w);
}

/* Who scrapes once a minute is told what is seconds old. Its start counts as a scrape. */
static void figures_are_asked_for_anew_between_two_scrapes(void **state)
{
    working *w = *state;
    working_start(w, (const char *const[]){"--http-listen", "0", "--exec", "true", NULL});
    stage_expect_soon(
        w->s, 1,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % census %' "
        "AND state = 'idle' AND query_start > backend_start + interval '4 seconds'");
    stop(w);
}

static void without_its_database_it_is_alive_and_not_ready(void **state)
{
    working *w = *state;
    working_start(w, (const char *const[]){"--http-listen", "0", "--exec", "true", NULL});
    int port = scrape_port(w->proc);
    scrape_expect_answer(port, "/readyz", 200, "main: reading");
    expect_of_main(w, "postbus_subscriber_known_age_seconds", "", 0);
    pg_fixture_stop(stage_server, PG_STOP_FAST);
    scrape_expect_answer(port, "/readyz", 503, "main: a session with PostgreSQL was lost");
    scrape_expect_answer(port, "/healthz", 200, "main: alive");
    expect_of_main(w, "postbus_subscriber_known_age_seconds", "", 0);
    pg_fixture_start(stage_server);
    PQreset(w->s->conn);
    scrape_expect_answer(port, "/readyz", 200, "main: reading");
    stop(w);
}

static void it_answers_while_it_drains_and_is_not_ready_then(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "one", NULL, NULL);
    working_start(w, (const char *const[]){
                         "--http-listen", "0", "--drain-ms", "120000", "--exec",
                         "echo x >\"$WORK/begun\"; until [ -e \"$WORK/gate\" ]; do sleep 0.1; done", NULL});
    int port = scrape_port(w->proc);
    working_expect(w, "begun", "x\n");
    proc_fixture_signal(w->proc, SIGTERM);
    scrape_expect_answer(port, "/readyz", 503, "main: it is stopping");
    scrape_expect_answer(port, "/healthz", 200, "alive");
    char *text = scrape(port);
    assert_true(of_main(w, text, "postbus_subscriber_ready") == -1);
    assert_true(of_main(w, text, "postbus_subscriber_queued_events") >= 1);
    free(text);
    working_touch(w, "gate");
    assert_int_equal(proc_fixture_wait_exit(w->proc, STAGE_DEADLINE_MS), 0);
}

static void an_address_that_is_taken_is_refused_before_anything_starts(void **state)
{
    working *w = *state;
    char taken[16], *said = NULL;
    working_start(w, (const char *const[]){"--http-listen", "0", "--exec", "true", NULL});
    snprintf(taken, sizeof taken, "%d", scrape_port(w->proc));
    const char *const words[] = {
        "work",          "--database",    w->s->conninfo, "--brokers", kafka_fixture_brokers(stage_kafka),
        "--application", "another",       "--topics",     w->s->topic, "--exec",
        "true",          "--http-listen", taken,          NULL};
    proc_fixture *other = proc_fixture_start_postbus(words, NULL);
    assert_int_equal(proc_fixture_wait_exit(other, STAGE_DEADLINE_MS), 1);
    said = proc_fixture_log(other);
    assert_non_null(strstr(said, "http_listen"));
    assert_non_null(strstr(said, "in use"));
    free(said);
    proc_fixture_free(other);
    assert_int_equal(pg_number(w->s->conn,
                               "SELECT count(*) FROM postbus_inbox.subscription WHERE application = "
                               "'another'"),
                     0);
    stop(w);
}

static void nothing_is_served_unless_it_is_asked_for(void **state)
{
    working *w = *state;
    working_start(w, (const char *const[]){"--exec", "true", NULL});
    char *log = proc_fixture_log(w->proc);
    assert_null(strstr(log, "http.listening"));
    free(log);
    stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKING_TEST(what_becomes_of_events_is_counted_and_parsed_by_prometheus_own_parser),
        WORKING_TEST(an_event_that_is_not_done_is_lag_until_it_is),
        WORKING_TEST(figures_are_asked_for_anew_between_two_scrapes),
        WORKING_TEST(without_its_database_it_is_alive_and_not_ready),
        WORKING_TEST(it_answers_while_it_drains_and_is_not_ready_then),
        WORKING_TEST(an_address_that_is_taken_is_refused_before_anything_starts),
        WORKING_TEST(nothing_is_served_unless_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

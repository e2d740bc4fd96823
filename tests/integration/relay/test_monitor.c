/* What a relay tells over HTTP and to systemd is true: of a leader, of a standby, of one without a database, of one without brokers. */
#include "cmocka_all.h"
#include "http_client.h"
#include "net_proxy.h"
#include "pg_query.h"
#include "scrape.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const listening[] = {"--http-listen", "0", "--reconnect-max-ms", "200", NULL};

/* ---- roles ---- */

static void a_leader_is_ready_and_says_so(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, listening);
    int port = scrape_port(relay);
    scrape_expect_answer(port, "/readyz", 200, "leading");
    scrape_expect_answer(port, "/healthz", 200, "alive");
    scrape_expect_sample(port, "postbus_leader", 1);
    scrape_expect_sample(port, "postbus_ready", 1);
    scrape_expect_sample(port, "postbus_epoch", 1);
    relay_stop(relay);
    outbox_free(o);
}

static void a_standby_is_ready_and_does_not_claim_to_lead(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *first = relay_start_leading(o, NULL);
    proc_fixture *second = relay_start(o, listening);
    int port = scrape_port(second);
    scrape_expect_answer(port, "/readyz", 200, "standing by");
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_leader") == 0);
    assert_true(scrape_sample(text, "postbus_epoch") == -1);
    free(text);
    scrape_expect_sample(port, "postbus_backlog_events", 0); /* it looks at the database too */
    relay_stop(first);
    scrape_expect_answer(port, "/readyz", 200, "leading");
    scrape_expect_sample(port, "postbus_leader", 1);
    relay_stop(second);
    outbox_free(o);
}

/* A server that takes a session and answers nothing on it lets nobody lead. */
static void a_session_that_answers_nothing_is_none_though_the_last_one_stood_by(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *holder = outbox_take_lead(o);
    proc_fixture *relay = relay_start(o, listening);
    int port = scrape_port(relay);
    scrape_expect_answer(port, "/readyz", 200, "standing by");
    pg_run(o->conn, "BEGIN; LOCK postbus.instance IN ACCESS EXCLUSIVE MODE");
    pg_run(o->conn,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postbus-relay' "
           "AND datname = current_database()");
    expect_sql(holder, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postbus-relay' AND "
                       "datname = current_database() AND wait_event_type = 'Lock' AND "
                       "clock_timestamp() - query_start > interval '500 ms'");
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_ready") == 0);
    free(text);
    scrape_expect_answer(port, "/readyz", 503, "no session with PostgreSQL: ");
    pg_run(o->conn, "ROLLBACK");
    scrape_expect_answer(port, "/readyz", 200, "standing by");
    PQfinish(holder);
    relay_stop(relay);
    outbox_free(o);
}

/* A session of somebody else has the lead and publishes nothing: what waits is told all the same, from the database. */
static void a_standby_tells_the_backlog_while_nobody_publishes(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *holder = outbox_take_lead(o);
    proc_fixture *relay = relay_start(o, listening);
    int port = scrape_port(relay);
    scrape_expect_answer(port, "/readyz", 200, "standing by");
    publish(o->conn, o->topic, "k", 30);
    scrape_expect_sample(port, "postbus_backlog_events", 30);
    scrape_expect_sample(port, "postbus_backlog_oldest_age_seconds", 3); /* it grows */
    scrape_expect_sample(port, "postbus_leaves", 1);
    scrape_expect_sample(port, "postbus_outbox_bytes", 8192);
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_leader") == 0);
    assert_true(scrape_sample(text, "postbus_published_events_total") == 0);
    assert_true(scrape_sample(text, "postbus_leaves_refused") == -1);
    free(text);
    PQfinish(holder);
    scrape_expect_sample(port, "postbus_published_events_total", 30);
    scrape_expect_sample(port, "postbus_leaves_refused", 0);
    relay_stop(relay);
    outbox_free(o);
}

static void without_its_database_it_is_alive_and_not_ready_and_counters_do_not_fall(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, listening);
    int port = scrape_port(relay);
    publish(o->conn, o->topic, "k", 50);
    expect_drained(o);
    scrape_expect_sample(port, "postbus_published_events_total", 50);
    pg_fixture_stop(stage_pg, PG_STOP_FAST);
    scrape_expect_answer(port, "/readyz", 503, "no session with PostgreSQL: ");
    scrape_expect_answer(port, "/healthz", 200, "alive");
    scrape_expect_sample(port, "postbus_sessions_lost_total", 1);
    pg_fixture_start(stage_pg);
    PQreset(o->conn);
    scrape_expect_answer(port, "/readyz", 200, "leading");
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_published_events_total") >= 50);
    assert_true(scrape_sample(text, "postbus_settlements_total") >= 1);
    assert_true(scrape_sample(text, "postbus_page_events_sum") >= 50);
    assert_true(scrape_sample(text, "postbus_settled_events_sum") >= 50);
    assert_true(scrape_sample(text, "postbus_elections_total") == 2);
    free(text);
    relay_stop(relay);
    outbox_free(o);
}

/* librdkafka looks for the certificates when it makes a producer: the relay leads by then, and another that could publish waits. */
static void a_leader_that_can_make_no_producer_lets_another_lead_until_it_can(void **state)
{
    (void)state;
    char place[] = "/tmp/postbus-certificates-XXXXXX", location[80];
    assert_non_null(mkdtemp(place));
    rmdir(place);
    snprintf(location, sizeof location, "ssl.ca.location=%s", place);
    const char *const flags[] = {"--http-listen", "0",      "--kafka", "security.protocol=ssl",
                                 "--kafka",       location, NULL};
    outbox *o = outbox_new();
    proc_fixture *first = relay_start_leading(o, flags);
    proc_fixture *second = relay_start(o, NULL);
    int port = scrape_port(first);
    scrape_expect_answer(port, "/readyz", 503, "no producer can be made: ");
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_brokers_up") == 0);
    assert_true(scrape_sample(text, "postbus_elections_total") == 1);
    free(text);
    proc_fixture_expect_log(second, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 20);
    expect_drained(o);
    assert_int_equal(mkdir(place, 0700), 0);
    scrape_expect_answer(port, "/readyz", 200, "standing by");
    relay_stop(first);
    rmdir(place);
    finish(o, second);
}

/* Nothing is published meanwhile: it asks the brokers by itself. */
static void an_idle_leader_says_that_its_brokers_are_away_and_back(void **state)
{
    (void)state;
    kafka_fixture *kafka = kafka_fixture_new(NULL);
    const char *const flags[] = {"--http-listen", "0", "--brokers", kafka_fixture_brokers(kafka), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    int port = scrape_port(relay);
    scrape_expect_sample(port, "postbus_brokers_up", 1);
    kafka_fixture_stop(kafka);
    scrape_expect_answer(port, "/readyz", 503, "no broker can be reached for 1");
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_brokers_up") == 0);
    free(text);
    kafka_fixture_start(kafka);
    scrape_expect_answer(port, "/readyz", 200, "leading");
    scrape_expect_sample(port, "postbus_brokers_up", 1);
    relay_stop(relay);
    outbox_free(o);
    kafka_fixture_free(kafka);
}

/* No answer comes in less than 0.6 s. */
static void an_idle_leader_on_a_slow_link_says_that_its_brokers_are_back(void **state)
{
    (void)state;
    net_proxy *proxy = net_proxy_new();
    kafka_fixture *kafka = kafka_fixture_new_behind(proxy, NULL);
    const char *const flags[] = {"--http-listen", "0", "--brokers", net_proxy_address(proxy), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    int port = scrape_port(relay);
    scrape_expect_sample(port, "postbus_brokers_up", 1);
    net_proxy_refuse(proxy);
    net_proxy_reset(proxy);
    scrape_expect_answer(port, "/readyz", 503, "no broker can be reached for 1");
    net_proxy_heal(proxy);
    net_proxy_delay(proxy, NET_BOTH_WAYS, 300);
    scrape_expect_answer(port, "/readyz", 200, "leading");
    scrape_expect_sample(port, "postbus_brokers_up", 1);
    relay_stop(relay);
    outbox_free(o);
    kafka_fixture_free(kafka);
    net_proxy_free(proxy);
}

/* Nobody listens at port 1. The relay leads, reads, and cannot publish: the backlog is what the database says. */
static void without_brokers_it_is_not_ready_and_tells_the_backlog(void **state)
{
    (void)state;
    static const char *const flags[] = {"--http-listen", "0", "--brokers", "127.0.0.1:1", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    int port = scrape_port(relay);
    scrape_expect_answer(port, "/readyz", 200, "leading");
    publish(o->conn, o->topic, "k", 7);
    scrape_expect_answer(port, "/readyz", 503,
                         "no event that was read has been acknowledged and settled for 1");
    scrape_expect_sample(port, "postbus_stalled_seconds", 10);
    scrape_expect_sample(port, "postbus_broker_outages_total", 1);
    scrape_expect_sample(port, "postbus_backlog_events", 7);
    scrape_expect_sample(port, "postbus_backlog_oldest_age_seconds", 0.001);
    scrape_expect_sample(port, "postbus_backlog_known_age_seconds", 0);
    assert_int_equal(proc_fixture_end(relay, SIGKILL, SOON_MS), 128 + SIGKILL);
    proc_fixture_free(relay);
    outbox_free(o);
}

static void parked_events_are_told_by_topic_and_reason(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, listening);
    int port = scrape_port(relay);
    publish(o->conn, "nowhere.to.be.found", "k", 3);
    expect_sql(o->conn, "SELECT (parked = 3)::int FROM postbus.backlog()");
    char *reason = pg_text(o->conn, "SELECT DISTINCT reason FROM postbus.parked");
    char name[200];
    snprintf(name, sizeof name, "postbus_parked_events{topic=\"nowhere.to.be.found\",reason=\"%s\"}", reason);
    scrape_expect_sample(port, name, 3);
    free(reason);
    relay_stop(relay);
    outbox_free(o);
}

/* A gap is forged in the receipts: the leaf stays, which is what the alarm is for, and those after it go. */
static void leaves_are_told_as_they_are_closed_emptied_and_refused(void **state)
{
    (void)state;
    static const char *const keeps[] = {"--retention-ms", "0", NULL};
    static const char *const flags[] = {
        "--http-listen", "0", "--retention-ms", "50", "--retention-check-ms", "20", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, keeps);
    publish(o->conn, o->topic, "k", 10);
    expect_drained(o);
    relay_stop(relay);
    pg_run(o->conn, "UPDATE postbus.receipt SET ids = array_remove(ids, 5::bigint) WHERE 5 = ANY (ids)");
    relay = relay_start_leading(o, flags);
    int port = scrape_port(relay);
    scrape_expect_sample(port, "postbus_leaves_closed_total", 1);
    publish(o->conn, o->topic, "k", 1); /* its progress takes the lead's floor out of the first leaf */
    scrape_expect_sample(port, "postbus_leaves_refused", 1);
    scrape_expect_sample(port, "postbus_leaves_closed_total", 2);
    publish(o->conn, o->topic, "k", 1);
    scrape_expect_sample(port, "postbus_leaves_emptied_total", 1);
    relay_stop(relay);
    outbox_free(o);
}

/* However many topics there are, a scrape has 51 samples at most. */
static void many_parked_topics_are_fifty_and_the_others(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *holder = outbox_take_lead(o);
    pg_run(o->conn, "INSERT INTO postbus.parked (id, topic, reason) SELECT i, 'topic-' || i %% 70, 'r' FROM "
                    "generate_series(1, 1000) i");
    proc_fixture *relay = relay_start(o, listening);
    int port = scrape_port(relay), n_samples = 0;
    scrape_expect_sample(port, "postbus_parked_events{topic=\"(others)\",reason=\"(others)\"}", 20 * 14);
    char *text = scrape(port);
    for (const char *at = text; (at = strstr(at, "\npostbus_parked_events{")) != NULL; at++)
        n_samples++;
    assert_int_equal(n_samples, 51);
    free(text);
    PQfinish(holder);
    relay_kill(relay);
    outbox_free(o);
}

/* ---- doubts ---- */

static void what_was_acknowledged_and_not_settled_may_come_twice(void **state)
{
    (void)state;
    static const char *const flags[] = {"--http-listen", "0", "--settle-ms", "60000", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    int port = scrape_port(relay);
    publish(o->conn, o->topic, "k", 20);
    scrape_expect_sample(port, "postbus_published_events_total", 20);
    pg_run(o->conn,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
           "AND usename = 'relay'");
    scrape_expect_sample(port, "postbus_possible_duplicates_total", 20);
    scrape_expect_sample(port, "postbus_published_events_total", 40);
    relay_stop(relay);
    expect_drained(o);
    told answer = expect_all_arrived(o, o->topic);
    assert_int_equal(answer.n_repeated, 20);
    outbox_free(o);
}

/* ---- the form ---- */

static void the_text_is_read_by_prometheus_own_parser(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, listening);
    int port = scrape_port(relay);
    publish(o->conn, o->topic, "k", 10);
    publish(o->conn, "nowhere.to.be.found", "k", 1);
    scrape_expect_sample(port, "postbus_published_events_total", 10);
    char *text = scrape(port);
    scrape_parse(text, "metrics.md");
    free(text);
    relay_stop(relay);
    outbox_free(o);
}

/* ---- bad requests ---- */

static int status_of(int port, const char *request, size_t size)
{
    int fd = http_connect(port);
    http_send(fd, request, size);
    char *answer = http_receive(fd);
    int status = http_status(answer);
    free(answer);
    return status;
}

static int status_of_text(int port, const char *request)
{
    return status_of(port, request, strlen(request));
}

static void requests_that_are_wrong_get_short_answers(int port)
{
    assert_int_equal(status_of_text(port, "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    assert_int_equal(status_of_text(port, "GET /metrics/../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    assert_int_equal(
        status_of_text(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 405);
    assert_int_equal(status_of_text(port, "DELETE /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_int_equal(status_of_text(port, "BREW /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_int_equal(status_of_text(port, "GET /healthz HTTP/1.0\r\n\r\n"), 200);
}

static void requests_that_are_huge_are_cut_off(int port)
{
    static char huge[100000];
    memset(huge, 'a', sizeof huge);
    memcpy(huge, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: ", 35);
    memcpy(huge + sizeof huge - 4, "\r\n\r\n", 4);
    int status = status_of(port, huge, sizeof huge);
    assert_true(status == 431 ||
                status == 0); /* 0: closed so early that the answer was lost with what was not read */
    memset(huge, 'a', sizeof huge);
    memcpy(huge, "GET /", 5);
    status = status_of(port, huge, sizeof huge);
    assert_true(status == 414 || status == 0);
    memset(huge, '\0', sizeof huge);
    status = status_of(port, huge, sizeof huge);
    assert_true(status == 0 || status >= 400);
}

static void connections_that_say_nothing_wait_for_their_end(int port, int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        fds[i] = http_connect(port);
        if (i % 2)
            http_send(fds[i], "GET /metrics HTTP", 17);
    }
}

static void bad_requests_are_answered_and_disturb_nothing(void **state)
{
    (void)state;
    enum { MANY = 40 }; /* more than are served at once */
    int fds[MANY];
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, listening);
    int port = scrape_port(relay);
    requests_that_are_wrong_get_short_answers(port);
    requests_that_are_huge_are_cut_off(port);
    connections_that_say_nothing_wait_for_their_end(port, fds, MANY);
    publish(o->conn, o->topic, "k", 100);
    expect_drained(o);
    scrape_expect_answer(port, "/readyz", 200, "leading"); /* once those that said nothing are closed */
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

static void an_address_that_is_taken_is_refused(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *first = relay_start(o, listening);
    char taken[16];
    snprintf(taken, sizeof taken, "%d", scrape_port(first));
    const char *const flags[] = {"--http-listen", taken, NULL};
    proc_fixture *second = relay_start(o, flags);
    assert_int_equal(proc_fixture_wait_exit(second, SOON_MS), 1);
    char *log = proc_fixture_log(second);
    assert_non_null(strstr(log, "Address already in use"));
    free(log);
    proc_fixture_free(second);
    relay_stop(first);
    outbox_free(o);
}

static void without_http_listen_nothing_is_served(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    char *log = proc_fixture_log(relay);
    assert_null(strstr(log, "http.listening"));
    free(log);
    assert_int_equal(pg_number(o->conn,
                               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'relay' AND datname = "
                               "current_database()"),
                     1);
    relay_stop(relay);
    outbox_free(o);
}

/* ---- systemd ---- */

typedef struct supervisor {
    int fd;
    char path[64], name[100];
} supervisor;

static void supervise(supervisor *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval deadline = {.tv_sec = SOON_MS / 1000};
    snprintf(s->path, sizeof s->path, "/tmp/postbus-notify-%d", (int)getpid());
    snprintf(s->name, sizeof s->name, "NOTIFY_SOCKET=%s", s->path);
    strcpy(at.sun_path, s->path);
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
}

/* Others may come before it. */
static void expect_told(const supervisor *s, const char *text)
{
    char got[400];
    ssize_t n;
    int64_t until_ms = wait_now_ms() + SOON_MS;
    while (wait_now_ms() < until_ms && (n = recv(s->fd, got, sizeof got - 1, 0)) > 0) {
        got[n] = '\0';
        if (strcmp(got, text) == 0)
            return;
    }
    fail_msg("systemd was not told %s", text);
}

static proc_fixture *start_supervised(const outbox *o, const supervisor *s, const char *brokers,
                                      const char *delivery)
{
    const char *const argv[] = {"relay",      "--database", o->conninfo,     "--brokers", brokers,
                                "--delivery", delivery,     "--http-listen", "0",         NULL};
    const char *const environment[] = {s->name, "WATCHDOG_USEC=1000000", NULL};
    return proc_fixture_start_postbus(argv, &(proc_fixture_options){.environment = environment});
}

static void systemd_is_told_of_start_progress_and_end(void **state)
{
    (void)state;
    supervisor s;
    outbox *o = outbox_new();
    supervise(&s);
    const char *brokers = kafka_fixture_brokers(stage_kafka);
    proc_fixture *relay = start_supervised(o, &s, brokers, "at_least_once");
    expect_told(&s, "READY=1");
    expect_told(&s, "STATUS=leading");
    for (int i = 0; i < 3; i++)
        expect_told(&s, "WATCHDOG=1");
    proc_fixture *standby = start_supervised(o, &s, brokers, "at_least_once");
    expect_told(&s, "READY=1");
    expect_told(&s, "STATUS=standing by");
    relay_stop(standby);
    expect_told(&s, "STOPPING=1");
    relay_stop(relay);
    expect_told(&s, "STOPPING=1");
    close(s.fd);
    unlink(s.path);
    outbox_free(o);
}

/* It cannot lead before Kafka has told of the last transaction. That is no fault of PostgreSQL, and the start is over all the same. */
static void exactly_once_without_brokers_it_has_started_and_tells_what_it_waits_for(void **state)
{
    (void)state;
    supervisor s;
    outbox *o = outbox_new();
    supervise(&s);
    publish(o->conn, o->topic, "k", 7);
    proc_fixture *relay = start_supervised(o, &s, "127.0.0.1:1", "exactly_once");
    int port = scrape_port(relay);
    scrape_expect_answer(port, "/readyz", 503, "Kafka has not said what became of the last transaction for ");
    expect_told(&s, "READY=1");
    scrape_expect_sample(port, "postbus_backlog_events", 7);
    scrape_expect_answer(port, "/healthz", 200, "alive");
    char *text = scrape(port);
    assert_true(scrape_sample(text, "postbus_leader") == 0);
    assert_true(scrape_sample(text, "postbus_ready") == 0);
    free(text);
    relay_stop(relay);
    close(s.fd);
    unlink(s.path);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_is_ready_and_says_so),
        cmocka_unit_test(a_standby_is_ready_and_does_not_claim_to_lead),
        cmocka_unit_test(a_session_that_answers_nothing_is_none_though_the_last_one_stood_by),
        cmocka_unit_test(a_standby_tells_the_backlog_while_nobody_publishes),
        cmocka_unit_test(without_its_database_it_is_alive_and_not_ready_and_counters_do_not_fall),
        cmocka_unit_test(a_leader_that_can_make_no_producer_lets_another_lead_until_it_can),
        cmocka_unit_test(an_idle_leader_says_that_its_brokers_are_away_and_back),
        cmocka_unit_test(an_idle_leader_on_a_slow_link_says_that_its_brokers_are_back),
        cmocka_unit_test(without_brokers_it_is_not_ready_and_tells_the_backlog),
        cmocka_unit_test(parked_events_are_told_by_topic_and_reason),
        cmocka_unit_test(leaves_are_told_as_they_are_closed_emptied_and_refused),
        cmocka_unit_test(many_parked_topics_are_fifty_and_the_others),
        cmocka_unit_test(what_was_acknowledged_and_not_settled_may_come_twice),
        cmocka_unit_test(the_text_is_read_by_prometheus_own_parser),
        cmocka_unit_test(bad_requests_are_answered_and_disturb_nothing),
        cmocka_unit_test(an_address_that_is_taken_is_refused),
        cmocka_unit_test(without_http_listen_nothing_is_served),
        cmocka_unit_test(systemd_is_told_of_start_progress_and_end),
        cmocka_unit_test(exactly_once_without_brokers_it_has_started_and_tells_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}

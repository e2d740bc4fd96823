/* One process for several databases: each has its own leader, progress and failures, and none of them touches the others. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "scrape.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- configurations ---- */

typedef struct conf {
    char path[40];
    FILE *to;
} conf;

/* What stands outside of the sections. */
static conf conf_new(void)
{
    conf c = {.path = "/tmp/postbus-databases-XXXXXX"};
    c.to = fdopen(mkstemp(c.path), "w");
    assert_non_null(c.to);
    fprintf(c.to,
            "brokers = \"%s\"\ntopic_retry_ms = 50\nreconnect_max_ms = 200\nrefused_retry_ms = "
            "200\nhttp_listen = 0\n",
            kafka_fixture_brokers(stage_kafka));
    return c;
}

static void conf_add(conf *c, const char *name, const char *conninfo, const char *more)
{
    fprintf(c->to, "database %s {\n    database = \"%s\"\n    %s\n}\n", name, conninfo, more);
}

static proc_fixture *conf_start(conf *c, const char *const *flags, const char *const *environment)
{
    const char *argv[12] = {"relay", "--config", c->path};
    for (size_t n = 3; flags && *flags; flags++)
        argv[n++] = *flags;
    fflush(c->to);
    return proc_fixture_start_postbus(argv, &(proc_fixture_options){.environment = environment});
}

static void conf_free(conf *c)
{
    fclose(c->to);
    unlink(c->path);
}

/* ---- logs ---- */

typedef struct saying {
    proc_fixture *relay;
    char start[200], end[80];
} saying;

/* A line that says event and database, and then end, wherever it stands. */
static bool was_said(void *arg)
{
    const saying *s = arg;
    char *log = proc_fixture_log(s->relay);
    bool was = false;
    for (const char *at = log; !was && (at = strstr(at, s->start)); at++) {
        const char *line_end = strchr(at, '\n'), *found = strstr(at, s->end);
        was = found && line_end && found <= line_end;
    }
    free(log);
    return was;
}

static saying say(proc_fixture *relay, const char *event, const char *database, const char *end)
{
    saying s = {.relay = relay};
    snprintf(s.start, sizeof s.start, " %s database=%s ", event, database);
    snprintf(s.end, sizeof s.end, "%s", end);
    return s;
}

static void expect_said(proc_fixture *relay, const char *event, const char *database, const char *end)
{
    saying s = say(relay, event, database, end);
    if (wait_until(was_said, &s, SOON_MS))
        return;
    char *log = proc_fixture_log(relay);
    fail_msg("%s of %s with \"%s\" was never said:\n%s", event, database, end, log);
}

static void expect_unsaid(proc_fixture *relay, const char *event, const char *database)
{
    saying s = say(relay, event, database, "");
    if (was_said(&s))
        fail_msg("%s was said of %s", event, database);
}

static void expect_leads(proc_fixture *relay, const char *database)
{
    expect_said(relay, "leader.elected", database, "");
}

/* ---- flowing ---- */

static void expect_flows(const outbox *o)
{
    publish(o->conn, o->topic, NULL, 50);
    expect_drained(o);
}

static void end_of(outbox *o)
{
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    outbox_free(o);
}

static void each_database_is_led_and_its_events_arrive_once(void **state)
{
    (void)state;
    static const char *const names[] = {"orders", "billing", "stock.eu-1"};
    outbox *o[3];
    conf c = conf_new();
    for (int i = 0; i < 3; i++) {
        o[i] = outbox_new();
        conf_add(&c, names[i], o[i]->conninfo, i == 1 ? "page_rows = 7" : "");
    }
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    int port = scrape_port(relay);
    for (int i = 0; i < 3; i++) {
        char sample[200];
        expect_leads(relay, names[i]);
        publish(o[i]->conn, o[i]->topic, NULL, 100 + i);
        snprintf(sample, sizeof sample, "\npostbus_published_events_total{database=\"%s\"} %d\n", names[i],
                 100 + i);
        scrape_expect_answer(port, "/metrics", 200, sample);
        snprintf(sample, sizeof sample, "\npostbus_backlog_events{database=\"%s\"} 0\n", names[i]);
        scrape_expect_answer(port, "/metrics", 200, sample);
        snprintf(sample, sizeof sample, "/readyz/%s", names[i]);
        scrape_expect_answer(port, sample, 200, "leading");
    }
    scrape_expect_answer(port, "/metrics", 200, "\nprocess_resident_memory_bytes ");
    scrape_expect_answer(port, "/readyz", 200, "orders: leading\nbilling: leading\nstock.eu-1: leading\n");
    scrape_expect_answer(port, "/readyz/sales", 404, "no database is called sales");
    relay_stop(relay);
    for (int i = 0; i < 3; i++)
        end_of(o[i]);
    conf_free(&c);
}

/* ---- broken ones ---- */

/* A database that a role cannot enter, one that is down, one without our schema, one with brokers that are none and a small limit of memory, and
 * one whose producer cannot be made: beside one that is well. */
static void the_broken_ones_do_not_touch_the_one_that_is_well(void **state)
{
    (void)state;
    conf c = conf_new();
    outbox *well = outbox_new(), *bare = outbox_new(), *stuck = outbox_new(), *poisoned = outbox_new();
    char *stranger = pg_fixture_conninfo(stage_pg, "postgres", "nobody_knows");
    pg_run(bare->conn, "DROP SCHEMA postbus CASCADE");
    publish(stuck->conn, stuck->topic, NULL, 5000);
    conf_add(&c, "stranger", stranger, "");
    conf_add(&c, "down", "host=127.0.0.1 port=1 dbname=x", "");
    conf_add(&c, "bare", bare->conninfo, "");
    conf_add(&c, "stuck", stuck->conninfo, "brokers = \"127.0.0.1:1\" in_flight_bytes = 64KiB");
    conf_add(&c, "poisoned", poisoned->conninfo,
             "kafka.security.protocol = ssl kafka.ssl.ca.location = /nowhere");
    conf_add(&c, "well", well->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    int port = scrape_port(relay);
    expect_leads(relay, "well");
    expect_said(relay, "session.lost", "stranger", "nobody_knows");
    expect_said(relay, "session.lost", "down", "");
    expect_said(relay, "relay.refused", "bare", "postbus migrate");
    expect_leads(relay, "stuck");
    expect_said(relay, "producer.refused", "poisoned", "ssl.ca.location");
    for (int i = 0; i < 20; i++)
        expect_flows(well);
    scrape_expect_answer(port, "/readyz", 200, "well: leading\n");
    scrape_expect_answer(port, "/readyz/well", 200, "well: leading\n");
    scrape_expect_answer(port, "/readyz/down", 503, "down: no session with PostgreSQL: ");
    scrape_expect_answer(port, "/readyz/bare", 503, "bare: refused: ");
    scrape_expect_answer(port, "/readyz/poisoned", 503,
                         "poisoned: no session with PostgreSQL: no producer can be made: ");
    scrape_expect_answer(port, "/metrics", 200, "\npostbus_brokers_up{database=\"poisoned\"} 0\n");
    scrape_expect_answer(port, "/healthz", 200, "stuck: alive\n");
    scrape_expect_answer(port, "/metrics", 200, "\npostbus_refused{database=\"bare\"} 1\n");
    scrape_expect_answer(port, "/metrics", 200, "\npostbus_refused{database=\"well\"} 0\n");
    scrape_expect_answer(port, "/metrics", 200, "\npostbus_ready{database=\"down\"} 0\n");
    expect_unsaid(relay, "session.lost", "well");
    expect_unsaid(relay, "lease.lapsed", "well");
    expect_unsaid(relay, "producer.recreated", "well");
    relay_stop(relay); /* of what is stuck nothing was sent */
    end_of(well);
    outbox_free(bare);
    outbox_free(stuck);
    outbox_free(poisoned);
    free(stranger);
    conf_free(&c);
}

static void a_refused_database_is_served_once_it_was_mended(void **state)
{
    (void)state;
    conf c = conf_new();
    outbox *well = outbox_new(), *forbidden = outbox_new();
    pg_run(forbidden->conn, "ALTER SEQUENCE postbus.outbox_id_seq CACHE 10");
    conf_add(&c, "forbidden", forbidden->conninfo, "");
    conf_add(&c, "well", well->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    int port = scrape_port(relay);
    scrape_expect_answer(port, "/readyz/forbidden", 503, "forbidden: refused: ");
    expect_flows(well);
    pg_run(forbidden->conn, "ALTER SEQUENCE postbus.outbox_id_seq CACHE 1");
    expect_leads(relay, "forbidden");
    expect_flows(forbidden);
    scrape_expect_answer(port, "/metrics", 200, "\npostbus_refused{database=\"forbidden\"} 0\n");
    scrape_expect_answer(port, "/metrics", 200, "\npostbus_elections_total{database=\"well\"} 1\n");
    relay_stop(relay);
    end_of(well);
    end_of(forbidden);
    conf_free(&c);
}

static void a_database_that_has_lost_its_progress_is_refused_until_it_is_restored(void **state)
{
    (void)state;
    static const char *const how[] = {"at_least_once", "exactly_once"};
    conf c = conf_new();
    outbox *well = outbox_new(), *emptied[2];
    for (int i = 0; i < 2; i++) {
        char more[60];
        snprintf(more, sizeof more, "delivery = %s", how[i]);
        emptied[i] = outbox_new();
        pg_run(emptied[i]->conn, "CREATE TABLE kept AS TABLE postbus.progress");
        pg_run(emptied[i]->conn, "DELETE FROM postbus.progress");
        conf_add(&c, how[i], emptied[i]->conninfo, more);
    }
    conf_add(&c, "well", well->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    for (int i = 0; i < 2; i++)
        expect_said(relay, "relay.refused", how[i], "postbus.progress");
    expect_flows(well);
    for (int i = 0; i < 2; i++) {
        pg_run(emptied[i]->conn, "INSERT INTO postbus.progress OVERRIDING SYSTEM VALUE TABLE kept");
        expect_flows(emptied[i]);
    }
    relay_stop(relay);
    for (int i = 0; i < 2; i++)
        end_of(emptied[i]);
    end_of(well);
    conf_free(&c);
}

static void a_database_whose_progress_cannot_be_read_is_refused_with_events_parked(void **state)
{
    (void)state;
    conf c = conf_new();
    outbox *well = outbox_new(), *altered = outbox_new();
    publish(altered->conn, altered->topic, NULL, 1);
    pg_run(altered->conn,
           "INSERT INTO postbus.parked (id, topic, key, reason, waits_for, stops_topic, attempts)"
           " SELECT o.id, o.topic, o.key, 'topic missing', 'topic', false, 0 FROM postbus.outbox o");
    pg_run(altered->conn, "CREATE OR REPLACE VIEW postbus.current_progress AS"
                          " SELECT n, leaf, epoch, at, s1, x1, l1, s2, x2, l2, done_id, floor_id, published"
                          " FROM postbus.progress WHERE false");
    conf_add(&c, "altered", altered->conninfo, "");
    conf_add(&c, "well", well->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    expect_said(relay, "relay.refused", "altered", "postbus.progress cannot be read");
    expect_flows(well);
    relay_stop(relay);
    end_of(well);
    outbox_free(altered);
    conf_free(&c);
}

static bool was_refused_thrice(void *arg)
{
    char *log = proc_fixture_log(arg);
    int n = 0;
    for (const char *at = log; (at = strstr(at, " relay.refused ")); at++)
        n++;
    free(log);
    return n >= 3;
}

/* It would tell of leaders who never led, for ever, and a rebase takes the newest leader for one from before a copy. */
static void a_relay_that_is_refused_again_and_again_never_becomes_a_leader(const char *undoing)
{
    conf c = conf_new();
    outbox *o = outbox_new(), *well = outbox_new();
    conf_add(&c, "undone", o->conninfo, "");
    conf_add(&c, "well", well->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    expect_leads(relay, "undone");
    expect_flows(o);
    relay_stop(relay);
    pg_run(o->conn, "%s", undoing);
    relay = conf_start(&c, NULL, NULL);
    if (!wait_until(was_refused_thrice, relay, SOON_MS))
        fail_msg("it was not refused again");
    pg_expect(o->conn, "1", "SELECT count(*) FROM postbus.leadership");
    expect_flows(well);
    relay_stop(relay);
    end_of(well);
    outbox_free(o);
    conf_free(&c);
}

static void refused_for_its_sequence_it_is_none_of_the_leaders(void **state)
{
    (void)state;
    a_relay_that_is_refused_again_and_again_never_becomes_a_leader(
        "SELECT setval('postbus.outbox_id_seq', 10)");
}

static void refused_for_its_progress_it_is_none_of_the_leaders(void **state)
{
    (void)state;
    a_relay_that_is_refused_again_and_again_never_becomes_a_leader(
        "CREATE OR REPLACE VIEW postbus.current_progress AS"
        " SELECT n, leaf, epoch, at, s1, x1, l1, s2, x2, l2, done_id, floor_id, published"
        " FROM postbus.progress WHERE false");
}

static void once_none_can_be_served_the_relay_ends_with_1(void **state)
{
    (void)state;
    conf c = conf_new();
    outbox *a = outbox_new(), *b = outbox_new();
    pg_run(a->conn, "DROP SCHEMA postbus CASCADE");
    conf_add(&c, "a", a->conninfo, "");
    conf_add(&c, "b", b->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    expect_said(relay, "relay.refused", "a", "postbus migrate");
    expect_leads(relay, "b");
    expect_flows(b);
    pg_run(b->conn, "ALTER SEQUENCE postbus.outbox_id_seq CYCLE");
    pg_run(b->conn, "SELECT pg_terminate_backend(backend) FROM postbus.leadership WHERE backend > 0");
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 1);
    expect_said(relay, "relay.refused", "b", "NO CYCLE");
    proc_fixture_free(relay);
    pg_run(b->conn, "ALTER SEQUENCE postbus.outbox_id_seq NO CYCLE");
    end_of(b);
    outbox_free(a);
    conf_free(&c);
}

/* ---- a server that stands still, dies and comes back ---- */

/* An outbox on a server of its own, as outbox_new makes them on the stage's. */
static outbox *outbox_on(const pg_fixture *pg)
{
    outbox *o = calloc(1, sizeof *o);
    assert_non_null(o);
    snprintf(o->database, sizeof o->database, "far");
    pg_fixture_create_outbox(pg, o->database);
    o->conn = pg_fixture_connect(pg, o->database, NULL);
    pg_run(o->conn, "CREATE ROLE relay LOGIN");
    pg_run(o->conn, "GRANT postbus_relay TO relay");
    o->conninfo = pg_fixture_conninfo(pg, o->database, "relay");
    o->topic = kafka_fixture_new_topic(stage_kafka, "far", 1, NULL);
    return o;
}

static pid_t postmaster_of(const pg_fixture *pg)
{
    char path[300], line[40] = "";
    snprintf(path, sizeof path, "%s/data/postmaster.pid", pg_fixture_directory(pg));
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("there is no %s", path);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    return (pid_t)atoi(line);
}

/* A server that hangs takes nobody in and answers nothing; the publisher's own backend goes on, so that there is something to come. */
static void a_server_that_hangs_holds_up_its_own_database_only(void **state)
{
    (void)state;
    conf c = conf_new();
    pg_fixture *pg = pg_fixture_new(NULL);
    outbox *near = outbox_new(), *far = outbox_on(pg);
    conf_add(&c, "far", far->conninfo, "lease_ms = 1000");
    conf_add(&c, "near", near->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    int port = scrape_port(relay);
    expect_leads(relay, "far");
    expect_leads(relay, "near");
    expect_flows(far);
    pid_t hung[] = {postmaster_of(pg), (pid_t)pg_number(far->conn, "SELECT backend FROM postbus.leadership")};
    for (int i = 0; i < 2; i++)
        kill(hung[i], SIGSTOP);
    publish(far->conn, far->topic, NULL, 50);
    expect_said(relay, "lease.lapsed", "far", "");
    for (int i = 0; i < 20; i++)
        expect_flows(near);
    scrape_expect_answer(port, "/readyz", 200, "near: leading\n");
    scrape_expect_answer(port, "/readyz/near", 200, "near: leading\n");
    scrape_expect_answer(port, "/readyz/far", 503, "far: ");
    scrape_expect_answer(port, "/healthz", 200, "far: alive\n");
    for (int i = 0; i < 2; i++)
        kill(hung[i], SIGCONT);
    expect_drained(far);
    scrape_expect_answer(port, "/readyz/far", 200, "far: leading\n");
    expect_unsaid(relay, "session.lost", "near");
    expect_unsaid(relay, "lease.lapsed", "near");
    relay_stop(relay);
    end_of(near);
    end_of(far);
    pg_fixture_free(pg);
    conf_free(&c);
}

static void a_server_that_dies_and_comes_back_is_led_again_and_the_other_never_lost(void **state)
{
    (void)state;
    conf c = conf_new();
    pg_fixture *pg = pg_fixture_new(NULL);
    outbox *near = outbox_new(), *far = outbox_on(pg);
    conf_add(&c, "near", near->conninfo, "");
    conf_add(&c, "far", far->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, NULL);
    int port = scrape_port(relay);
    expect_leads(relay, "near");
    expect_leads(relay, "far");
    expect_flows(far);
    PQfinish(far->conn);
    pg_fixture_stop(pg, PG_STOP_IMMEDIATE);
    scrape_expect_answer(port, "/readyz/far", 503, "far: no session with PostgreSQL: ");
    for (int i = 0; i < 20; i++)
        expect_flows(near);
    scrape_expect_answer(port, "/readyz", 200, "near: leading\n");
    pg_fixture_start(pg);
    far->conn = pg_fixture_connect(pg, far->database, NULL);
    expect_flows(far);
    scrape_expect_answer(port, "/readyz", 200, "near: leading\nfar: leading\n");
    expect_unsaid(relay, "session.lost", "near");
    relay_stop(relay);
    end_of(near);
    end_of(far);
    pg_fixture_free(pg);
    conf_free(&c);
}

/* ---- one of several ---- */

static void a_name_serves_one_database_which_then_stands_by_and_takes_over(void **state)
{
    (void)state;
    static const char *const only_b[] = {"--database", "b", NULL};
    conf c = conf_new();
    outbox *a = outbox_new(), *b = outbox_new();
    conf_add(&c, "a", a->conninfo, "");
    conf_add(&c, "b", b->conninfo, "");
    proc_fixture *first = conf_start(&c, NULL, NULL);
    expect_leads(first, "a");
    expect_leads(first, "b");
    proc_fixture *second = conf_start(&c, only_b, NULL);
    expect_said(second, "leader.waiting", "b", "");
    relay_kill(first);
    expect_leads(second, "b");
    expect_flows(b);
    expect_unsaid(second, "leader.elected", "a");
    publish(a->conn, a->topic, NULL, 5);
    proc_fixture *third = conf_start(&c, NULL, NULL);
    expect_leads(third, "a");
    expect_said(third, "leader.waiting", "b", "");
    scrape_expect_answer(scrape_port(third), "/readyz", 200, "a: leading\nb: standing by\n");
    expect_drained(a);
    relay_stop(second);
    relay_stop(third);
    end_of(a);
    end_of(b);
    conf_free(&c);
}

/* ---- stopping ---- */

static void told_to_stop_each_settles_what_it_has_read(void **state)
{
    (void)state;
    enum { N = 4, EVENTS = 3000 };
    conf c = conf_new();
    outbox *o[N];
    char name[8];
    for (int i = 0; i < N; i++) {
        o[i] = outbox_new();
        snprintf(name, sizeof name, "d%d", i);
        conf_add(&c, name, o[i]->conninfo, "page_rows = 200");
    }
    for (int round = 0; round < 2; round++) {
        proc_fixture *relay = conf_start(&c, NULL, NULL);
        for (int i = 0; i < N; i++) {
            snprintf(name, sizeof name, "d%d", i);
            expect_leads(relay, name);
        }
        for (int i = 0; i < N; i++)
            publish(o[i]->conn, o[i]->topic, NULL, EVENTS);
        relay_stop(relay);
    }
    proc_fixture *last = conf_start(&c, NULL, NULL);
    for (int i = 0; i < N; i++)
        expect_drained(o[i]);
    relay_stop(last);
    for (int i = 0; i < N; i++)
        end_of(o[i]); /* none came twice, though it was stopped in the middle */
    conf_free(&c);
}

/* Of a database whose server hangs when what was acknowledged is to be settled. */
static proc_fixture *start_unsettled(conf *c, outbox *a, outbox *b, const char *more)
{
    conf_add(c, "a", a->conninfo, more);
    conf_add(c, "b", b->conninfo, "");
    proc_fixture *relay = conf_start(c, NULL, NULL);
    expect_leads(relay, "a");
    expect_leads(relay, "b");
    publish(a->conn, a->topic, NULL, 10);
    scrape_expect_answer(scrape_port(relay), "/metrics", 200,
                         "\npostbus_published_events_total{database=\"a\"} 10\n");
    kill((pid_t)pg_number(a->conn, "SELECT backend FROM postbus.leadership"), SIGSTOP);
    return relay;
}

static void release(outbox *a)
{
    kill((pid_t)pg_number(a->conn, "SELECT backend FROM postbus.leadership"), SIGCONT);
}

static void told_twice_it_ends_at_once_with_3(void **state)
{
    (void)state;
    conf c = conf_new();
    outbox *a = outbox_new(), *b = outbox_new();
    proc_fixture *relay = start_unsettled(&c, a, b, "settle_ms = 60000 shutdown_timeout_ms = 3600000");
    proc_fixture_signal(relay, SIGTERM);
    expect_said(relay, "relay.stopping", "a", "");
    expect_said(relay, "relay.stopped", "b", "exit=0");
    assert_int_equal(proc_fixture_end(relay, SIGTERM, SOON_MS), 3);
    expect_said(relay, "relay.quits", "a", "told to stop twice");
    proc_fixture_free(relay);
    release(a);
    outbox_free(a);
    outbox_free(b);
    conf_free(&c);
}

static void the_one_that_cannot_settle_in_time_gives_the_exit_code(void **state)
{
    (void)state;
    conf c = conf_new();
    outbox *a = outbox_new(), *b = outbox_new();
    proc_fixture *relay = start_unsettled(&c, a, b, "settle_ms = 60000 shutdown_timeout_ms = 100");
    assert_int_equal(proc_fixture_end(relay, SIGTERM, SOON_MS), 3);
    expect_said(relay, "relay.quits", "a", "shutdown_timeout_ms");
    expect_said(relay, "relay.stopped", "b", "exit=0");
    proc_fixture_free(relay);
    release(a);
    outbox_free(a);
    outbox_free(b);
    conf_free(&c);
}

/* ---- systemd ---- */

static int supervise(char *name, size_t name_size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval deadline = {.tv_sec = SOON_MS / 1000};
    snprintf(at.sun_path, sizeof at.sun_path, "/tmp/postbus-notify-databases-%d", (int)getpid());
    snprintf(name, name_size, "NOTIFY_SOCKET=%s", at.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    return fd;
}

static void expect_told(int fd, const char *start)
{
    char got[800];
    ssize_t n;
    int64_t until_ms = wait_now_ms() + SOON_MS;
    while (wait_now_ms() < until_ms && (n = recv(fd, got, sizeof got - 1, 0)) > 0) {
        got[n] = '\0';
        if (strncmp(got, start, strlen(start)) == 0)
            return;
    }
    fail_msg("systemd was not told %s", start);
}

static void systemd_hears_of_all_in_one_and_does_not_wait_for_a_broken_one(void **state)
{
    (void)state;
    char name[120];
    int fd = supervise(name, sizeof name);
    const char *const environment[] = {name, "WATCHDOG_USEC=1000000", NULL};
    conf c = conf_new();
    outbox *o = outbox_new();
    conf_add(&c, "down", "host=127.0.0.1 port=1 dbname=x", "");
    conf_add(&c, "well", o->conninfo, "");
    proc_fixture *relay = conf_start(&c, NULL, environment);
    expect_told(fd, "READY=1");
    expect_told(fd, "STATUS=1 of 2 databases ready; down: no session with PostgreSQL: ");
    for (int i = 0; i < 3; i++)
        expect_told(fd, "WATCHDOG=1");
    proc_fixture_signal(relay, SIGTERM);
    expect_told(fd, "STOPPING=1");
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 0);
    proc_fixture_free(relay);
    close(fd);
    unlink(strchr(name, '=') + 1);
    outbox_free(o);
    conf_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_database_is_led_and_its_events_arrive_once),
        cmocka_unit_test(the_broken_ones_do_not_touch_the_one_that_is_well),
        cmocka_unit_test(a_refused_database_is_served_once_it_was_mended),
        cmocka_unit_test(a_database_that_has_lost_its_progress_is_refused_until_it_is_restored),
        cmocka_unit_test(a_database_whose_progress_cannot_be_read_is_refused_with_events_parked),
        cmocka_unit_test(refused_for_its_sequence_it_is_none_of_the_leaders),
        cmocka_unit_test(refused_for_its_progress_it_is_none_of_the_leaders),
        cmocka_unit_test(once_none_can_be_served_the_relay_ends_with_1),
        cmocka_unit_test(a_server_that_hangs_holds_up_its_own_database_only),
        cmocka_unit_test(a_server_that_dies_and_comes_back_is_led_again_and_the_other_never_lost),
        cmocka_unit_test(a_name_serves_one_database_which_then_stands_by_and_takes_over),
        cmocka_unit_test(told_to_stop_each_settles_what_it_has_read),
        cmocka_unit_test(told_twice_it_ends_at_once_with_3),
        cmocka_unit_test(the_one_that_cannot_settle_in_time_gives_the_exit_code),
        cmocka_unit_test(systemd_hears_of_all_in_one_and_does_not_wait_for_a_broken_one),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}

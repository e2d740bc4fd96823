/* The front judges and passes on for several databases, whose relays are played by the test. */
#include "clock.h"
#include "cmocka_all.h"
#include "front.h"
#include "http_client.h"
#include "wait_until.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 3, SOON_MS = 120000 };

static char orders[] = "orders", billing[] = "billing", stock[] = "stock", no_database[] = "";
static int listener = -1;

typedef struct stage {
    config cfgs[MOST];
    intercom coms[MOST];
    front front;
    size_t n;
    int stop_fds[2], port;
    char listen[16];
} stage;

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    return ntohs(at.sin_port);
}

/* n relays that have shown nothing yet; one alone has no name. */
static void open_stage(stage *s, size_t n)
{
    char reason[200] = "";
    *s = (stage){.n = n, .port = free_port()};
    snprintf(s->listen, sizeof s->listen, "%d", s->port);
    char *const names[MOST] = {n > 1 ? orders : NULL, billing, stock};
    for (size_t i = 0; i < n; i++)
        s->cfgs[i] = (config){.name = names[i], .http_listen = s->listen, .database = no_database};
    assert_int_equal(pipe(s->stop_fds), 0);
    if (!front_init(&s->front, s->cfgs, s->coms, n, s->stop_fds[0], reason, sizeof reason))
        fail_msg("%s", reason);
}

static int close_stage(stage *s)
{
    for (size_t i = 0; i < s->n; i++)
        intercom_show_end(&s->coms[i], 0);
    int code = front_join(&s->front);
    front_done(&s->front);
    close(s->stop_fds[0]);
    close(s->stop_fds[1]);
    return code;
}

static void stop(stage *s)
{
    assert_int_equal(write(s->stop_fds[1], "", 1), 1);
}

static void show(stage *s, size_t i, const health *h)
{
    static const backlog unknown;
    metrics m = {.database = s->cfgs[i].name, .epoch = NAN, .refused_leaves = NAN, .n_published = 10 + i};
    intercom_show(&s->coms[i], h, &m, &unknown);
}

static void show_role(stage *s, size_t i, health_role role)
{
    health h = {.facts.role = role};
    show(s, i, &h);
}

typedef struct question {
    const stage *stage;
    const char *path, *text;
    int status;
    char last[20000];
} question;

static bool is_answered(void *arg)
{
    question *q = arg;
    char *answer = http_get(q->stage->port, q->path);
    snprintf(q->last, sizeof q->last, "%s", answer);
    bool is = http_status(answer) == q->status && strstr(http_body(answer), q->text);
    free(answer);
    return is;
}

static void expect_answer(const stage *s, const char *path, int status, const char *text)
{
    static question q;
    q = (question){.stage = s, .path = path, .status = status, .text = text};
    if (!wait_until(is_answered, &q, SOON_MS))
        fail_msg("%s did not answer %d with \"%s\", but:\n%s", path, status, text, q.last);
}

/* ---- stopping ---- */

/* The process ends, so it is another one. The first test of the program: no thread of ours runs yet. */
static void a_relay_that_does_not_come_back_is_not_waited_for(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        stage s;
        open_stage(&s, 2);
        s.front.grace_us = 0;
        front_start(&s.front);
        intercom_show_end(&s.coms[1], 0);
        stop(&s);
        front_join(&s.front);
        _exit(99);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

typedef struct number {
    atomic_int *of;
    int wanted;
} number;

static bool is_number(void *arg)
{
    const number *n = arg;
    return atomic_load(n->of) == n->wanted;
}

static void expect_stops(stage *s, int wanted)
{
    for (size_t i = 0; i < s->n; i++)
        if (!wait_until(is_number, &(number){&s->coms[i].n_stops, wanted}, SOON_MS))
            fail_msg("relay %zu was not told %d times", i, wanted);
}

static void each_signal_is_passed_on_to_all(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 3);
    front_start(&s.front);
    stop(&s);
    expect_stops(&s, 1);
    stop(&s);
    expect_stops(&s, 2);
    assert_int_equal(close_stage(&s), 0);
}

static void the_worst_exit_code_is_that_of_all(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 3);
    front_start(&s.front);
    intercom_show_end(&s.coms[0], 0);
    intercom_show_end(&s.coms[1], 3);
    intercom_show_end(&s.coms[2], 0);
    assert_int_equal(front_join(&s.front), 3);
    front_done(&s.front);
    close(s.stop_fds[0]);
    close(s.stop_fds[1]);
}

static bool has_given_up(void *arg)
{
    stage *s = arg;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += atomic_load(&s->coms[i].give_up);
    return n == s->n;
}

static void only_once_each_is_refused_all_are_told_to_end(void **state)
{
    (void)state;
    stage s;
    health refused = {0};
    open_stage(&s, 2);
    front_start(&s.front);
    health_note_refused(&refused, "no schema");
    show(&s, 0, &refused);
    show_role(&s, 1, HEALTH_AWAY);
    expect_answer(&s, "/readyz", 503,
                  "orders: refused: no schema\nbilling: no session with PostgreSQL yet\n");
    assert_false(atomic_load(&s.coms[0].give_up) || atomic_load(&s.coms[1].give_up));
    show(&s, 1, &refused);
    assert_true(wait_until(has_given_up, &s, SOON_MS));
    close_stage(&s);
}

/* ---- readiness ---- */

static void several_are_ready_where_one_is(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 3);
    front_start(&s.front);
    for (size_t i = 0; i < 3; i++)
        show_role(&s, i, HEALTH_AWAY);
    expect_answer(&s, "/readyz", 503, "orders: no session with PostgreSQL yet\n");
    show_role(&s, 1, HEALTH_STANDBY);
    expect_answer(&s, "/readyz", 200, "billing: standing by\nstock: no session");
    expect_answer(&s, "/readyz/billing", 200, "billing: standing by\n");
    expect_answer(&s, "/readyz/stock", 503, "stock: no session with PostgreSQL yet\n");
    expect_answer(&s, "/readyz/sales", 404, "no database is called sales here\n");
    expect_answer(&s, "/readyz/", 404, "no database is called");
    expect_answer(&s, "/readyzzz", 404, "there are /metrics, /healthz and /readyz\n");
    expect_answer(&s, "/healthz", 200, "orders: alive\nbilling: alive\nstock: alive\n");
    close_stage(&s);
}

static void one_alone_answers_in_one_line_without_a_name(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 1);
    front_start(&s.front);
    show_role(&s, 0, HEALTH_LEADING);
    char *answer = http_get(s.port, "/readyz");
    assert_string_equal(http_body(answer), "leading\n");
    free(answer);
    answer = http_get(s.port, "/metrics");
    assert_null(strstr(answer, "database=\""));
    assert_non_null(strstr(answer, "\npostbus_published_events_total 10\n"));
    free(answer);
    expect_answer(&s, "/readyz/orders", 404, "no database is called orders here\n");
    close_stage(&s);
}

static void each_sample_of_a_database_has_its_label(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 2);
    front_start(&s.front);
    show_role(&s, 0, HEALTH_LEADING);
    show_role(&s, 1, HEALTH_LEADING);
    expect_answer(&s, "/metrics", 200,
                  "\npostbus_published_events_total{database=\"orders\"} 10\n"
                  "postbus_published_events_total{database=\"billing\"} 11\n");
    expect_answer(&s, "/metrics", 200, "\npostbus_page_events_bucket{database=\"billing\",le=\"+Inf\"} 0\n");
    expect_answer(&s, "/metrics", 200, "\nprocess_resident_memory_bytes ");
    close_stage(&s);
}

/* ---- who stands still ---- */

static void be_away_for(stage *s, size_t i, int64_t seconds)
{
    atomic_store(&s->coms[i].awake_since_us, clock_now_us() - seconds * 1000000);
}

static void a_call_that_does_not_come_back_is_not_ready_and_in_the_end_not_alive(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 2);
    front_start(&s.front);
    show_role(&s, 0, HEALTH_LEADING);
    show_role(&s, 1, HEALTH_LEADING);
    be_away_for(&s, 0, 1);
    expect_answer(&s, "/readyz/orders", 200, "leading");
    be_away_for(&s, 0, 15);
    expect_answer(&s, "/readyz/orders", 503, "has not come back from a call for 15 s");
    expect_answer(&s, "/metrics", 200,
                  "\npostbus_ready{database=\"orders\"} 0\npostbus_ready{database=\"billing\"} 1\n");
    expect_answer(&s, "/readyz", 200, "billing: leading\n");
    expect_answer(&s, "/healthz", 200, "orders: alive\n");
    be_away_for(&s, 0, 400);
    expect_answer(&s, "/healthz", 503, "orders: the relay has not come back from a call");
    close_stage(&s);
}

static health stalled_for(int64_t seconds)
{
    health h = {.facts.role = HEALTH_LEADING};
    h.facts.works[HEALTH_READING].busy = true;
    h.since_us[HEALTH_READING] = clock_now_us() - seconds * 1000000;
    return h;
}

/* It begins anew by itself; alone it is the supervisor who has it do so. */
static void work_that_stands_still_is_a_reason_to_restart_one_alone_only(void **state)
{
    (void)state;
    health stalled = stalled_for(400);
    for (size_t n = 1; n <= 2; n++) {
        stage s;
        open_stage(&s, n);
        front_start(&s.front);
        show(&s, 0, &stalled);
        if (n > 1)
            show_role(&s, 1, HEALTH_LEADING);
        expect_answer(&s, "/readyz", n == 1 ? 503 : 200, "PostgreSQL has not answered a read for 400 s");
        expect_answer(&s, "/healthz", n == 1 ? 503 : 200,
                      n == 1 ? "PostgreSQL has not answered" : "orders: alive");
        close_stage(&s);
    }
}

/* ---- systemd ---- */

static int listen_as_systemd(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof name, "@postbus-test-front-%d", (int)getpid());
    memcpy(at.sun_path + 1, name + 1, strlen(name) - 1);
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "20000", 1);
    unsetenv("WATCHDOG_PID");
    return bind(listener, (struct sockaddr *)&at,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

static int listen_no_more(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    return close(listener);
}

static bool is_told(void *arg)
{
    char got[600];
    ssize_t n;
    while ((n = recv(listener, got, sizeof got - 1, 0)) > 0) {
        got[n] = '\0';
        if (strncmp(got, arg, strlen(arg)) == 0)
            return true;
    }
    return false;
}

static void expect_told(const char *start)
{
    if (!wait_until(is_told, (char *)(uintptr_t)start, SOON_MS))
        fail_msg("systemd was not told %s", start);
}

static bool has_passed(void *arg)
{
    return wait_now_ms() >= *(int64_t *)arg;
}

static void the_watchdog_starves_where_one_call_does_not_come_back(void **state)
{
    (void)state;
    stage s;
    open_stage(&s, 2);
    front_start(&s.front);
    show_role(&s, 0, HEALTH_AWAY);
    show_role(&s, 1, HEALTH_AWAY);
    expect_told("STATUS=0 of 2 databases ready; orders: no session");
    expect_told("WATCHDOG=1");
    show_role(&s, 1, HEALTH_LEADING);
    expect_told("READY=1");
    expect_told("STATUS=1 of 2 databases ready; orders: no session");
    health stalled = stalled_for(400);
    show(&s, 0, &stalled);
    expect_told("STATUS=1 of 2 databases ready; orders: PostgreSQL has not answered a read for 400 s");
    expect_told("WATCHDOG=1");
    be_away_for(&s, 0, 400);
    expect_told("STATUS=1 of 2 databases ready; orders: the relay has not come back from a call");
    is_told((char[]){"what was sent before"});
    int64_t ten_feeds_later_ms = wait_now_ms() + 100;
    assert_true(wait_until(has_passed, &ten_feeds_later_ms, SOON_MS));
    assert_false(is_told((char[]){"WATCHDOG"}));
    be_away_for(&s, 0, 0);
    expect_told("WATCHDOG=1");
    stop(&s);
    expect_told("STOPPING=1");
    close_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relay_that_does_not_come_back_is_not_waited_for),
        cmocka_unit_test(each_signal_is_passed_on_to_all),
        cmocka_unit_test(the_worst_exit_code_is_that_of_all),
        cmocka_unit_test(only_once_each_is_refused_all_are_told_to_end),
        cmocka_unit_test(several_are_ready_where_one_is),
        cmocka_unit_test(one_alone_answers_in_one_line_without_a_name),
        cmocka_unit_test(each_sample_of_a_database_has_its_label),
        cmocka_unit_test(a_call_that_does_not_come_back_is_not_ready_and_in_the_end_not_alive),
        cmocka_unit_test(work_that_stands_still_is_a_reason_to_restart_one_alone_only),
        cmocka_unit_test_setup_teardown(the_watchdog_starves_where_one_call_does_not_come_back,
                                        listen_as_systemd, listen_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

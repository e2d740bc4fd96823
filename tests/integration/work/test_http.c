/* postbus work --http: a server in Python that reads requests by the words of the specifications. */
#include "working.h"
#include "text_file.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_INBOX "SELECT count(*) FROM postbus_inbox.inbox"
#define N_WAITING "SELECT count(*) FROM postbus_inbox.waiting"
#define N_DEAD "SELECT count(*) FROM postbus_inbox.dead"

#define OLD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define NEW_SECRET "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static const char *const id = "0190f3e4-7c1a-8def-8000-00000000002a";

typedef struct hook {
    proc_fixture *proc;
    int port;
    char url[100];
} hook;

/* Further words end with NULL. */
static hook hook_start(working *w, const char *const *words)
{
    const char *argv[20] = {"python3", POSTBUS_TEST_WEB_HOOK, w->dir};
    for (size_t n = 3; *words; words++)
        argv[n++] = *words;
    hook h = {.proc = proc_fixture_start(argv, NULL)};
    proc_fixture_expect_log(h.proc, "listening at ", STAGE_DEADLINE_MS);
    char *log = proc_fixture_log(h.proc);
    h.port = atoi(strstr(log, "listening at ") + strlen("listening at "));
    free(log);
    snprintf(h.url, sizeof h.url, "http://127.0.0.1:%d/hook?token=hidden", h.port);
    return h;
}

static void hook_end(hook *h)
{
    proc_fixture_free(h->proc);
    h->proc = NULL;
}

static hook hook_plain(working *w)
{
    return hook_start(w, (const char *const[]){NULL});
}

static void expect_no_faults(working *w)
{
    char *faults = working_read(w, "faults");
    if (faults)
        fail_msg("the server found: %s", faults);
}

static void expect_in(working *w, const char *name, const char *line)
{
    char *text = working_read(w, name);
    if (!text || !strstr(text, line))
        fail_msg("%s has no \"%s\":\n%s", name, line, text ? text : "(not there)");
    free(text);
}

static size_t count_in(working *w, const char *name, const char *what)
{
    size_t n = 0;
    char *text = working_read(w, name);
    for (const char *at = text; at && (at = strstr(at, what)); at += strlen(what))
        n++;
    free(text);
    return n;
}

/* ---- what is sent ---- */

/* An event for each form that a value has, and what the server reads of it behind its id and source. */
static const struct {
    const char *key, *value, *type, *read;
} forms[] = {
    {"k", "{\"n\": 12345678901234567890123,\n \"x\": 1.10}", "order.paid",
     "order.paid k application/json {\"n\": \"=12345678901234567890123\", \"x\": \"=1.10\"}\n"},
    {"two words \xc3\xa4%41", "pl\xc3\xa4in\r\nX: y", NULL,
     "postbus.event two words \xc3\xa4%41 text/plain; charset=utf-8 pl\xc3\xa4in\r\nX: y\n"},
    {"k", "\xff\x01", "a \"type\"", "a \"type\" k application/octet-stream \\xff\x01\n"},
    {NULL, "", "t", "t - text/plain; charset=utf-8 \n"},
    {"k", NULL, NULL, "postbus.event k - (none)\n"},
};
enum { N_FORMS = sizeof forms / sizeof forms[0] };

static void an_event_is_a_cloud_event(working *w, const char *mode)
{
    hook h = hook_plain(w);
    char line[400], ids[N_FORMS][40];
    for (size_t i = 0; i < N_FORMS; i++) {
        snprintf(ids[i], sizeof ids[i], "0190f3e4-7c1a-8def-8000-%012zu", i);
        stage_produce(w->s->topic, forms[i].key, forms[i].value, forms[i].type, ids[i]);
    }
    working_start(w, (const char *const[]){"--http", h.url, "--http-mode", mode, NULL});
    stage_expect_soon(w->s, N_FORMS, N_INBOX);
    expect_no_faults(w);
    for (size_t i = 0; i < N_FORMS; i++) {
        snprintf(line, sizeof line, "%s /postbus/%s %s", ids[i], w->s->topic, forms[i].read);
        expect_in(w, "events", line);
    }
    hook_end(&h);
}

static void a_binary_event_is_read_as_cloud_events_have_it(void **state)
{
    an_event_is_a_cloud_event(*state, "binary");
}

static void a_structured_event_is_read_as_cloud_events_have_it(void **state)
{
    an_event_is_a_cloud_event(*state, "structured");
}

static void each_secret_signs_and_none_is_shown(void **state)
{
    working *w = *state;
    char path[100], text[1500];
    hook h = hook_start(w, (const char *const[]){"--secret", OLD_SECRET, "--secret", NEW_SECRET, NULL});
    snprintf(path, sizeof path, "%s/secret", w->dir);
    text_file_write(path, OLD_SECRET "\n" NEW_SECRET "\n");
    assert_int_equal(setenv("POSTBUS_HOOK_SECRETS", OLD_SECRET " " NEW_SECRET, 1), 0);
    snprintf(text, sizeof text,
             "application = \"%s\"\n"
             "subscription by_file {\n topics = \"%s\"\n http = \"%s\"\n http_secret_file = \"%s\"\n}\n"
             "subscription by_variable {\n topics = \"%s\"\n http = \"%s\"\n http_mode = structured\n"
             " http_secret_env = POSTBUS_HOOK_SECRETS\n http_source = \"https://shop.example/a\"\n}\n",
             w->s->topic, w->s->topic, h.url, path, w->s->topic, h.url);
    stage_produce(w->s->topic, "k", "answer 400 no", "t", id);
    stage_produce(w->s->topic, "k", "v", NULL, NULL); /* its id has the topic's name in it */
    working_start_file(w, text, (const char *const[]){NULL});
    stage_expect_soon(w->s, 4, N_INBOX); /* each event by each subscription, also those given up */
    stage_expect_soon(w->s, 2, N_DEAD);
    stage_expect_soon(w->s, 0, N_WAITING);
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 0);
    expect_no_faults(w);
    char *log = proc_fixture_log(w->proc);
    if (count_in(w, "events", "\n") != 4 || count_in(w, "events", " https://shop.example/a ") != 2 ||
        strstr(log, "work.retry"))
        fail_msg("%s\n%s", working_read(w, "events"), log);
    assert_null(strstr(log, "whsec_"));
    assert_null(strstr(log, "hidden"));
    free(log);
    hook_end(&h);
}

/* ---- what the answer decides ---- */

static void the_status_decides(void **state)
{
    working *w = *state;
    static const int statuses[] = {200, 202, 204, 299, 300, 301, 302, 304, 307, 308, 400, 401, 404, 408, 409,
                                   410, 413, 422, 425, 429, 451, 499, 500, 501, 502, 503, 504, 599, 600};
    size_t n = sizeof statuses / sizeof statuses[0];
    hook h = hook_plain(w);
    for (size_t i = 0; i < n; i++) {
        char key[8], value[100];
        snprintf(key, sizeof key, "%d", statuses[i]);
        snprintf(value, sizeof value, "answer %s location=/elsewhere because of %s", key, key);
        stage_produce_one(w->s->topic, key, value, NULL, NULL);
    }
    stage_produce_flush();
    working_start(w, (const char *const[]){"--http", h.url, "--threads", "4", NULL});
    stage_expect_soon(w->s, (int64_t)n, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    stage_expect_soon(w->s, 10, N_DEAD);
    stage_expect_soon(w->s, 10,
                      N_DEAD " WHERE reason = 'rejected' AND attempts = 1 AND last_error = 'HTTP status ' || "
                             "convert_from(key, 'UTF8') || ': because of ' || convert_from(key, 'UTF8')");
    char *log = proc_fixture_log(w->proc);
    assert_non_null(strstr(log, "HTTP status 308, and redirects are not followed: because of 308"));
    assert_null(strstr(log, "not this"));
    free(log);
    for (size_t i = 0; i < n; i++) {
        char again[40];
        int class = statuses[i] / 100;
        bool tried_again = class == 3 || class > 4 || statuses[i] == 408 || statuses[i] == 429;
        snprintf(again, sizeof again, "%d 2 ", statuses[i]);
        if ((count_in(w, "requests", again) > 0) != tried_again)
            fail_msg("%d is%s tried again", statuses[i], tried_again ? " not" : "");
    }
    expect_no_faults(w);
    hook_end(&h);
}

static void retry_after_says_when(void **state)
{
    working *w = *state;
    hook h = hook_plain(w);
    static const char *const values[][2] = {
        {"seconds", "answer 429 retry-after=7200"},
        {"date", "answer 503 retry-after=Fri,_01_Jan_2100_00:00:00_GMT"},
        {"past", "answer 503 retry-after=Fri,_01_Jan_2016_00:00:00_GMT"},
        {"other", "answer 502 retry-after=7200"},
        {"nonsense", "answer 429 retry-after=soon"},
    };
    for (size_t i = 0; i < 5; i++)
        stage_produce(w->s->topic, values[i][0], values[i][1], NULL, NULL);
    working_start(w, (const char *const[]){"--http", h.url, NULL});
    stage_expect_soon(w->s, 5, N_INBOX);
    stage_expect_soon(w->s, 3, N_WAITING);
    stage_expect_soon(w->s, 2,
                      N_WAITING " WHERE key IN ('seconds', 'other') AND due_at > now() + interval '1 h' AND "
                                "due_at < now() + interval '3 h'");
    stage_expect_soon(
        w->s, 1,
        N_WAITING
        " WHERE key = 'date' AND due_at > now() + interval '23 h' AND due_at < now() + interval '25 h'");
    expect_no_faults(w);
    hook_end(&h);
}

static void what_is_no_whole_answer_is_no_acknowledgement(void **state)
{
    working *w = *state;
    hook h = hook_plain(w);
    static const char *const values[] = {"close", "reset", "garbage", "half"};
    for (size_t i = 0; i < 4; i++)
        stage_produce(w->s->topic, values[i], values[i], NULL, NULL);
    stage_produce(w->s->topic, "endless", "endless", NULL, NULL);
    working_start(w, (const char *const[]){"--http", h.url, NULL});
    stage_expect_soon(w->s, 5, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    for (size_t i = 0; i < 4; i++) {
        char again[40];
        snprintf(again, sizeof again, "%s 2 ", values[i]);
        expect_in(w, "requests", again);
    }
    assert_int_equal(count_in(w, "requests", "endless "), 1); /* its status has come */
    assert_int_equal(pg_number(w->s->conn, N_DEAD), 0);
    char *log = proc_fixture_log(w->proc);
    assert_non_null(strstr(log, "no answer: "));
    free(log);
    expect_no_faults(w);
    hook_end(&h);
}

static void what_does_not_answer_in_time_is_tried_again(void **state)
{
    working *w = *state;
    hook h = hook_plain(w);
    stage_produce(w->s->topic, "k", "hang", NULL, NULL);
    working_start(w, (const char *const[]){"--http", h.url, "--time-limit-ms", "1000", NULL});
    proc_fixture_expect_log(w->proc, "no answer: Operation timed out after", STAGE_DEADLINE_MS);
    stage_expect_soon(w->s, 1, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    expect_in(w, "requests", "k 1 1 hang\nk 2 2 ok\n");
    hook_end(&h);
}

/* The port is kept for the server, which comes later. */
static void a_server_that_is_not_there_is_waited_for(void **state)
{
    working *w = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    char url[100], port[12];
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
    snprintf(url, sizeof url, "http://127.0.0.1:%s/hook?token=hidden", port);
    stage_produce(w->s->topic, "k", "v", NULL, NULL);
    working_start(w, (const char *const[]){"--http", url, "--retry-attempts", "0", NULL});
    proc_fixture_expect_log(w->proc, "no answer: Failed to connect to 127.0.0.1", STAGE_DEADLINE_MS);
    hook h = hook_start(w, (const char *const[]){"--port", port, NULL});
    close(fd);
    stage_expect_soon(w->s, 1, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    assert_int_equal(pg_number(w->s->conn, N_DEAD), 0);
    hook_end(&h);
}

/* ---- connections ---- */

static void a_thread_keeps_its_connection(void **state)
{
    working *w = *state;
    hook h = hook_plain(w);
    stage_produce_many(w->s->topic, 30, 3);
    working_start(w, (const char *const[]){"--http", h.url, NULL});
    stage_expect_soon(w->s, 30, N_INBOX);
    assert_int_equal(count_in(w, "requests", " 1 1 ok\n"), 30);
    stage_produce(w->s->topic, "k", "bye", NULL,
                  NULL); /* the server closes, and the next one is handled all the same */
    stage_produce(w->s->topic, "k", "v", NULL, NULL);
    stage_expect_soon(w->s, 32, N_INBOX);
    expect_in(w, "requests", "k 1 1 bye\nk 1 2 ok\n");
    hook_end(&h);
}

static const char *const authorities[] = {"good", "self", "elsewhere", "expired"};

static void only_a_certificate_that_holds_gets_events(void **state)
{
    working *w = *state;
    char certificates[120], pem[4][160], text[4000];
    hook hooks[4];
    snprintf(certificates, sizeof certificates, "%s/certificates", w->dir);
    assert_int_equal(proc_fixture_run((const char *const[]){POSTBUS_TEST_CERTIFICATES, certificates, NULL},
                                      NULL, NULL, STAGE_DEADLINE_MS),
                     0);
    int n = snprintf(text, sizeof text, "application = \"%s\"\n", w->s->topic);
    for (size_t i = 0; i < 4; i++) {
        snprintf(pem[i], sizeof pem[i], "%s/%s.pem", certificates, authorities[i]);
        hooks[i] = hook_start(w, (const char *const[]){"--tls", pem[i], NULL});
        n +=
            snprintf(text + n, sizeof text - (size_t)n,
                     "subscription %s {\n topics = \"%s\"\n retry = never\n"
                     " http = \"https://localhost:%d/hook?token=hidden\"\n http_ca_file = \"%s/ca.crt\"\n}\n",
                     authorities[i], w->s->topic, hooks[i].port, certificates);
    }
    n += snprintf(text + n, sizeof text - (size_t)n,
                  "subscription unknown {\n topics = \"%s\"\n retry = never\n"
                  " http = \"https://localhost:%d/hook?token=hidden\"\n}\n",
                  w->s->topic, hooks[0].port);
    assert_true(n < (int)sizeof text);
    stage_produce(w->s->topic, "k", "v", NULL, NULL);
    working_start_file(w, text, (const char *const[]){NULL});
    stage_expect_soon(w->s, 4, N_DEAD " WHERE reason = 'exhausted' AND last_error LIKE 'no answer: SSL%'");
    stage_expect_soon(w->s, 5, N_INBOX);
    assert_int_equal(pg_number(w->s->conn, N_WAITING), 0);
    assert_int_equal(count_in(w, "requests", "k 1 "), 1);
    assert_int_equal(count_in(w, "requests", "\n"), 1);
    for (size_t i = 0; i < 4; i++)
        hook_end(&hooks[i]);
}

/* ---- ends ---- */

static void a_worker_that_is_killed_in_a_request_makes_it_again(void **state)
{
    working *w = *state;
    hook h = hook_plain(w);
    const char *const words[] = {"--http", h.url, NULL};
    stage_produce(w->s->topic, "k", "hang", NULL, NULL);
    working_start(w, words);
    working_expect_any(w, "requests");
    proc_fixture_end(w->proc, SIGKILL, STAGE_DEADLINE_MS);
    working_touch(w, "open");
    assert_int_equal(pg_number(w->s->conn, N_INBOX), 0);
    working_start(w, words);
    stage_expect_soon(w->s, 1, N_INBOX);
    expect_in(w, "requests", "k 1 1 hang\nk 1 2 hang\n");
    hook_end(&h);
}

static void sigterm_lets_a_request_finish_or_gives_it_up_as_no_attempt(void **state)
{
    working *w = *state;
    hook h = hook_plain(w);
    const char *const words[] = {"--http", h.url, "--drain-ms", "100", NULL};
    stage_produce(w->s->topic, "k", "hang", NULL, NULL);
    working_start(w, words);
    working_expect_any(w, "requests");
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 3);
    working_start(w, (const char *const[]){"--http", h.url, NULL});
    working_expect(w, "requests", "k 1 1 hang\nk 1 2 hang\n");
    proc_fixture_signal(w->proc, SIGTERM);
    proc_fixture_expect_log(w->proc, "work.stopping", STAGE_DEADLINE_MS);
    working_touch(w, "open");
    assert_int_equal(proc_fixture_wait_exit(w->proc, STAGE_DEADLINE_MS), 0);
    assert_int_equal(pg_number(w->s->conn, N_INBOX), 1);
    assert_int_equal(pg_number(w->s->conn, N_WAITING) + pg_number(w->s->conn, N_DEAD), 0);
    hook_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKING_TEST(a_binary_event_is_read_as_cloud_events_have_it),
        WORKING_TEST(a_structured_event_is_read_as_cloud_events_have_it),
        WORKING_TEST(each_secret_signs_and_none_is_shown),
        WORKING_TEST(the_status_decides),
        WORKING_TEST(retry_after_says_when),
        WORKING_TEST(what_is_no_whole_answer_is_no_acknowledgement),
        WORKING_TEST(what_does_not_answer_in_time_is_tried_again),
        WORKING_TEST(a_server_that_is_not_there_is_waited_for),
        WORKING_TEST(a_thread_keeps_its_connection),
        WORKING_TEST(only_a_certificate_that_holds_gets_events),
        WORKING_TEST(a_worker_that_is_killed_in_a_request_makes_it_again),
        WORKING_TEST(sigterm_lets_a_request_finish_or_gives_it_up_as_no_attempt),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

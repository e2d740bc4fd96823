/* How retention gets on with the session in which it looks. A server of this program's own takes the connection and says nothing; where it shall
 * answer, the linker puts the program in the place of the session, and time is what the test says. */
#include "retention.h"

#include "clock.h"
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

enum { CHECK_US = 1000000, N_ANSWERS = 7 };
#define HOUR_US INT64_C(3600000000)

static char said[1024]; /* the last line of the log, and how many there were */
static int n_said;

void __wrap_log_event(log_level level, const char *event, const char *pairs, ...)
    __attribute__((format(printf, 3, 4)));

void __wrap_log_event(log_level level, const char *event, const char *pairs, ...)
{
    if (level < LOG_LEVEL_WARN)
        return;
    n_said++;
    va_list list;
    va_start(list, pairs);
    int n = snprintf(said, sizeof said, "%s ", event);
    vsnprintf(said + n, sizeof said - (size_t)n, pairs, list);
    va_end(list);
}

/* ---- a server that answers ---- */

static struct {
    bool answers, lost;
    const char *outcomes[LEAF_COUNT]; /* NULL: empty */
    bool fails[LEAF_COUNT];
    int n_asked[LEAF_COUNT], n_closings;
    session_result_cb *on_result;
    session_committed_cb *on_commit;
    void *arg;
} server;

session_state __real_session_get_state(const session *s);
session_state __wrap_session_get_state(const session *s);
bool __real_session_is_silent(const session *s, int64_t now_us, int64_t for_us);
bool __wrap_session_is_silent(const session *s, int64_t now_us, int64_t for_us);
void __wrap_session_query(session *s, const char *sql, int n, const char *const *values, bool binary,
                          session_result_cb *cb, void *arg);
void __wrap_session_execute(session *s, const char *name, int n, const char *const *values, bool binary,
                            session_result_cb *cb, void *arg);
void __wrap_session_commit(session *s, session_committed_cb *cb, void *arg);

session_state __wrap_session_get_state(const session *s)
{
    if (server.lost)
        return SESSION_LOST;
    return server.answers ? SESSION_READY : __real_session_get_state(s);
}

bool __wrap_session_is_silent(const session *s, int64_t now_us, int64_t for_us)
{
    return !server.answers && __real_session_is_silent(s, now_us, for_us);
}

void __wrap_session_query(session *s, const char *sql, int n, const char *const *values, bool binary,
                          session_result_cb *cb, void *arg)
{
    (void)sql;
    __wrap_session_execute(s, NULL, n, values, binary, cb, arg);
}

void __wrap_session_execute(session *s, const char *name, int n, const char *const *values, bool binary,
                            session_result_cb *cb, void *arg)
{
    (void)s;
    (void)name;
    (void)n;
    (void)values;
    (void)binary;
    server.on_result = cb;
    server.arg = arg;
}

void __wrap_session_commit(session *s, session_committed_cb *cb, void *arg)
{
    (void)s;
    server.on_commit = cb;
    server.arg = arg;
}

/* One row, of which only the outcome matters. */
static PGresult *row_of(const char *outcome)
{
    static char name[] = "c";
    PGresAttDesc columns[N_ANSWERS];
    memset(columns, 0, sizeof columns);
    for (int i = 0; i < N_ANSWERS; i++)
        columns[i].name = name;
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(res, N_ANSWERS, columns), 1);
    assert_int_equal(PQsetvalue(res, 0, 0, (char *)(uintptr_t)outcome, (int)strlen(outcome)), 1);
    return res;
}

static const char *outcome_of(int leaf)
{
    return leaf < 0 ? "open" : server.outcomes[leaf] ? server.outcomes[leaf] : "empty";
}

static void answer(const retention *r)
{
    if (server.on_result) { /* it is no setting */
        *(r->leaf < 0 ? &server.n_closings : &server.n_asked[r->leaf]) += 1;
        server.lost = r->leaf >= 0 && server.fails[r->leaf];
        if (server.lost)
            return;
        server.on_result(server.arg, row_of(outcome_of(r->leaf)));
    }
    server.on_commit(server.arg);
}

/* ---- the stage ---- */

typedef struct stage {
    int listener;
    char conninfo[120];
    config cfg;
    session *leader;
    retention r;
    int64_t now_us;
} stage;

static int listen_silently(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* The first look is due. */
static void stage_start(stage *s)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    *s = (stage){.listener = listen_silently(), .now_us = clock_now_us() + CHECK_US};
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
    snprintf(s->conninfo, sizeof s->conninfo,
             "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable", ntohs(at.sin_port));
    s->cfg = (config){.database = s->conninfo, .retention_ms = 1000, .retention_check_ms = CHECK_US / 1000};
    s->leader = session_new(s->conninfo);
    retention_start(&s->r, &s->cfg, s->now_us - CHECK_US);
    said[0] = '\0';
    n_said = 0;
    memset(&server, 0, sizeof server);
}

static void stage_done(stage *s)
{
    retention_stop(&s->r);
    session_free(s->leader);
    close(s->listener);
}

static int64_t step(stage *s)
{
    return retention_step(&s->r, s->leader, s->now_us);
}

/* One look from its beginning to its end, so much later than the last. */
static void look(stage *s, int64_t later_us)
{
    s->now_us += later_us;
    server.answers = true;
    server.lost = false;
    step(s);
    while (s->r.session) {
        answer(&s->r);
        step(s);
    }
}

static void a_session_in_which_nothing_comes_is_given_up_and_another_is_begun(void **state)
{
    (void)state;
    stage s;
    stage_start(&s);
    int64_t until_us = step(&s);
    assert_non_null(s.r.session);
    assert_in_range(until_us, s.now_us + 1, CLOCK_NEVER - 1);
    s.now_us = until_us - 1;
    assert_int_equal(step(&s), until_us);
    assert_non_null(s.r.session);
    s.now_us = until_us;
    s.now_us = step(&s);
    assert_null(s.r.session);
    assert_string_equal(said, "retention.failed reason=PostgreSQL does not answer remedy=none: tried again");
    assert_in_range(step(&s), 1, CLOCK_NEVER - 1);
    assert_non_null(s.r.session);
    stage_done(&s);
}

static void a_leaf_that_is_busy_for_an_hour_is_refused_and_said_to_be(void **state)
{
    (void)state;
    stage s;
    stage_start(&s);
    server.outcomes[3] = "busy";
    look(&s, 0);
    look(&s, HOUR_US - 1);
    assert_int_equal(n_said, 0);
    assert_int_equal(retention_refusals(&s.r), 0);
    look(&s, CHECK_US);
    assert_int_equal(n_said, 1);
    assert_non_null(strstr(said, "retention.refused leaf=3 reason=somebody has held a lock on it for an hour "
                                 "remedy=find out by pg_locks and pg_stat_activity"));
    assert_int_equal(retention_refusals(&s.r), 1);
    look(&s, CHECK_US); /* said once */
    assert_int_equal(n_said, 1);
    assert_int_equal(retention_refusals(&s.r), 1);
    server.outcomes[3] = "cleared";
    look(&s, CHECK_US);
    assert_int_equal(retention_refusals(&s.r), 0);
    stage_done(&s);
}

/* Readers come and go: the hour begins anew. */
static void a_leaf_that_is_busy_now_and_then_is_not_refused(void **state)
{
    (void)state;
    stage s;
    stage_start(&s);
    server.outcomes[3] = "busy";
    look(&s, 0);
    server.outcomes[3] = "young";
    look(&s, HOUR_US / 2);
    server.outcomes[3] = "busy";
    look(&s, HOUR_US / 2);
    look(&s, HOUR_US - 1);
    assert_int_equal(n_said, 0);
    assert_int_equal(retention_refusals(&s.r), 0);
    stage_done(&s);
}

/* Whether each leaf but the one has been asked about so often, and the one as often as it failed. */
static void expect_asked(int times, int failing, int failures)
{
    for (int leaf = 0; leaf < LEAF_COUNT; leaf++)
        assert_int_equal(server.n_asked[leaf], leaf == failing ? failures : times);
    assert_int_equal(server.n_closings, times);
}

static void a_leaf_that_fails_keeps_no_other_from_its_turn(void **state)
{
    (void)state;
    stage s;
    stage_start(&s);
    server.fails[3] = true;
    look(&s, 0);
    assert_int_equal(server.n_asked[2], 1);
    assert_int_equal(server.n_asked[3], 1);
    assert_int_equal(server.n_asked[4], 0);
    assert_non_null(strstr(said, "retention.failed leaf=3 reason="));
    memset(server.n_asked, 0, sizeof server.n_asked);
    server.n_closings = 0;
    look(&s, CHECK_US);
    expect_asked(1, 3, 1);
    look(&s, CHECK_US);
    expect_asked(2, 3, 2);
    server.fails[3] = false;
    look(&s, CHECK_US);
    expect_asked(3, 3, 3);
    assert_int_equal(n_said, 1);
    stage_done(&s);
}

/* As with one, but it takes two looks until all have had their turn. */
static void two_leaves_that_fail_keep_no_other_from_its_turn(void **state)
{
    (void)state;
    stage s;
    stage_start(&s);
    server.fails[3] = server.fails[9] = true;
    look(&s, 0);
    look(&s, CHECK_US);
    look(&s, CHECK_US);
    for (int leaf = 0; leaf < LEAF_COUNT; leaf++)
        assert_in_range(server.n_asked[leaf], 1, 2);
    assert_int_equal(server.n_closings, 2);
    assert_int_equal(n_said, 2);
    stage_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_in_which_nothing_comes_is_given_up_and_another_is_begun),
        cmocka_unit_test(a_leaf_that_is_busy_for_an_hour_is_refused_and_said_to_be),
        cmocka_unit_test(a_leaf_that_is_busy_now_and_then_is_not_refused),
        cmocka_unit_test(a_leaf_that_fails_keeps_no_other_from_its_turn),
        cmocka_unit_test(two_leaves_that_fail_keep_no_other_from_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How the count of the backlog gets on. The linker puts this program in the place of the session, and time is what the test says. */
#include "backlog.h"

#include "clock.h"
#include "cmocka_all.h"

#include <string.h>

#define SECOND INT64_C(1000000)

struct session {
    session_state state;
};

static struct {
    session own, counting; /* the relay's; the one that counts */
    const session *beside;
    int n_opened, n_asked;
    session_committed_cb *on_commit;
    void *arg;
} server;

session *__wrap_session_new(const char *conninfo);
session *__wrap_session_new_beside(const session *other, const char *conninfo);
void __wrap_session_free(session *s);
session_state __wrap_session_get_state(const session *s);
const char *__wrap_session_error(const session *s);
void __wrap_session_query(session *s, const char *sql, int n, const char *const *values, bool binary,
                          session_result_cb *cb, void *arg);
void __wrap_session_commit(session *s, session_committed_cb *cb, void *arg);

session *__wrap_session_new(const char *conninfo)
{
    (void)conninfo;
    fail_msg("a name server would be asked");
    return NULL;
}

session *__wrap_session_new_beside(const session *other, const char *conninfo)
{
    (void)conninfo;
    server.beside = other;
    server.n_opened++;
    server.counting.state = SESSION_READY;
    return &server.counting;
}

void __wrap_session_free(session *s)
{
    (void)s;
}

session_state __wrap_session_get_state(const session *s)
{
    return s->state;
}

const char *__wrap_session_error(const session *s)
{
    (void)s;
    return "canceling statement due to statement timeout";
}

void __wrap_session_query(session *s, const char *sql, int n, const char *const *values, bool binary,
                          session_result_cb *cb, void *arg)
{
    (void)s;
    (void)sql;
    (void)n;
    (void)values;
    (void)binary;
    (void)cb;
    (void)arg;
}

void __wrap_session_commit(session *s, session_committed_cb *cb, void *arg)
{
    (void)s;
    server.n_asked++;
    server.on_commit = cb;
    server.arg = arg;
}

/* ---- what the tests do ---- */

static backlog wanted(void)
{
    backlog b;
    memset(&server, 0, sizeof server);
    backlog_init(&b, "host=a.name.to.look.up");
    backlog_want(&b, 0);
    return b;
}

static int64_t step(backlog *b, int64_t at_s)
{
    return backlog_step(b, &server.own, at_s * SECOND);
}

static void it_connects_to_where_the_relay_is_connected(void **state)
{
    (void)state;
    backlog b = wanted();
    step(&b, 1);
    assert_int_equal(server.n_opened, 1);
    assert_ptr_equal(server.beside, &server.own);
    step(&b, 1);
    assert_int_equal(server.n_asked, 1);
}

static void nobody_wants_it_and_nothing_is_opened(void **state)
{
    (void)state;
    backlog b = wanted();
    assert_int_equal(step(&b, 301), CLOCK_NEVER);
    assert_int_equal(server.n_opened, 0);
}

/* The server worked on it for twenty seconds: nine times as long is left to others. */
static void a_question_that_came_to_nothing_has_taken_time_too(void **state)
{
    (void)state;
    backlog b = wanted();
    step(&b, 1);
    step(&b, 1);
    assert_int_equal(server.n_asked, 1);
    server.counting.state = SESSION_LOST;
    step(&b, 21);
    step(&b, 200);
    assert_int_equal(server.n_opened, 1);
    step(&b, 202);
    assert_int_equal(server.n_opened, 2);
}

static backlog answered_after(int64_t took_s)
{
    backlog b = wanted();
    int64_t now_us = clock_now_us();
    b.asked_at_us = now_us - took_s * SECOND;
    backlog_answered(&b, now_us);
    return b;
}

/* Left out in between, a series ends, and with it an alarm that has to last. */
static void what_is_known_is_told_until_the_next_answer_is_overdue(void **state)
{
    (void)state;
    backlog quick = answered_after(1), slow = answered_after(20);
    assert_int_equal(quick.known_until_us - quick.known_at_us, 60 * SECOND);
    assert_true(slow.known_until_us >= slow.ask_at_us + 20 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_connects_to_where_the_relay_is_connected),
        cmocka_unit_test(nobody_wants_it_and_nothing_is_opened),
        cmocka_unit_test(a_question_that_came_to_nothing_has_taken_time_too),
        cmocka_unit_test(what_is_known_is_told_until_the_next_answer_is_overdue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

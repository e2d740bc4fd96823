/* How retention gets on with the session in which it looks: a server of this program's own takes the connection and says nothing. */
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

enum { CHECK_US = 1000000 };

static char said[1024]; /* the last line of the log */

void __wrap_log_event(log_level level, const char *event, const char *pairs, ...)
    __attribute__((format(printf, 3, 4)));

void __wrap_log_event(log_level level, const char *event, const char *pairs, ...)
{
    (void)level;
    va_list list;
    va_start(list, pairs);
    int n = snprintf(said, sizeof said, "%s ", event);
    vsnprintf(said + n, sizeof said - (size_t)n, pairs, list);
    va_end(list);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_in_which_nothing_comes_is_given_up_and_another_is_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

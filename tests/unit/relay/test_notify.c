/* What systemd is told, on a socket of the test's own. */
#include "clock.h"
#include "cmocka_all.h"
#include "notify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int listener = -1;

static int listen_at_a_name(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof name, "@postbus-test-notify-%d", (int)getpid());
    memcpy(at.sun_path + 1, name + 1, strlen(name) - 1);
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setenv("NOTIFY_SOCKET", name, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return bind(listener, (struct sockaddr *)&at,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

static int stop_listening(void **state)
{
    (void)state;
    return close(listener);
}

static void expect_told(const char *text)
{
    char got[400];
    ssize_t n = recv(listener, got, sizeof got - 1, 0);
    got[n > 0 ? n : 0] = '\0';
    assert_string_equal(got, text);
}

static void nobody_is_told_without_a_socket(void **state)
{
    (void)state;
    static const char *const names[] = {"", "x", "relative/path", "@"};
    notify n;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_init(&n);
        assert_int_equal(n.fd, -1);
        notify_ready(&n);
        assert_int_equal(notify_feed(&n, 1), CLOCK_NEVER);
        notify_done(&n);
    }
    char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    setenv("NOTIFY_SOCKET", long_name, 1);
    notify_init(&n);
    assert_int_equal(n.fd, -1);
}

static void ready_is_told_once_and_a_status_where_it_is_new(void **state)
{
    (void)state;
    notify n;
    notify_init(&n);
    notify_status(&n, "leading");
    notify_ready(&n);
    notify_ready(&n);
    notify_status(&n, "leading");
    notify_stopping(&n);
    expect_told("STATUS=leading");
    expect_told("READY=1");
    expect_told("STOPPING=1");
    expect_told("");
    notify_done(&n);
}

static void the_watchdog_is_fed_at_half_its_time(void **state)
{
    (void)state;
    notify n;
    setenv("WATCHDOG_USEC", "4000000", 1);
    notify_init(&n);
    assert_int_equal(notify_feed(&n, 10000000), 12000000);
    assert_int_equal(notify_feed(&n, 11999999), 12000000);
    expect_told("WATCHDOG=1");
    expect_told("");
    assert_int_equal(notify_feed(&n, 12000000), 14000000);
    expect_told("WATCHDOG=1");
    notify_done(&n);
}

static void a_watchdog_of_another_process_is_not_fed(void **state)
{
    (void)state;
    notify n;
    setenv("WATCHDOG_USEC", "4000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_init(&n);
    assert_int_equal(notify_feed(&n, 10000000), CLOCK_NEVER);
    expect_told("");
    notify_done(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_told_without_a_socket, listen_at_a_name, stop_listening),
        cmocka_unit_test_setup_teardown(ready_is_told_once_and_a_status_where_it_is_new, listen_at_a_name,
                                        stop_listening),
        cmocka_unit_test_setup_teardown(the_watchdog_is_fed_at_half_its_time, listen_at_a_name,
                                        stop_listening),
        cmocka_unit_test_setup_teardown(a_watchdog_of_another_process_is_not_fed, listen_at_a_name,
                                        stop_listening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

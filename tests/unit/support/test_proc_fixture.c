/* What tests rely on when they start processes: logs, exits, signals, deadlines. */
#include "cmocka_all.h"
#include "proc_fixture.h"
#include "wait_until.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 120000 };

static proc_fixture *shell(const char *script)
{
    return proc_fixture_start((const char *const[]){"sh", "-c", script, NULL}, NULL);
}

static void an_exit_code_is_given_back(void **state)
{
    (void)state;
    proc_fixture *proc = shell("exit 7");
    assert_int_equal(proc_fixture_wait_exit(proc, SOON_MS), 7);
    assert_false(proc_fixture_running(proc));
    proc_fixture_free(proc);
}

static void a_signal_that_ends_a_process_is_told_apart_from_an_exit(void **state)
{
    (void)state;
    proc_fixture *proc = shell("exec sleep 1000");
    assert_true(proc_fixture_running(proc));
    assert_int_equal(proc_fixture_end(proc, SIGTERM, SOON_MS), 128 + SIGTERM);
    proc_fixture_free(proc);
}

static void a_program_that_does_not_exist_ends_with_127_and_says_so(void **state)
{
    (void)state;
    char *text = NULL;
    const char *const argv[] = {"/nowhere/no-such-program", NULL};
    assert_int_equal(proc_fixture_run(argv, NULL, &text, SOON_MS), 127);
    assert_non_null(strstr(text, "/nowhere/no-such-program: No such file"));
    free(text);
}

static void a_line_of_the_log_is_found_once(void **state)
{
    (void)state;
    proc_fixture *proc = shell("echo first; echo ready now; echo last; exec sleep 1000");
    assert_true(proc_fixture_wait_log(proc, "ready", SOON_MS));
    assert_false(proc_fixture_wait_log(proc, "ready", 50));
    assert_true(proc_fixture_wait_log(proc, "last", SOON_MS));
    proc_fixture_free(proc);
}

static void half_a_line_is_not_taken_for_a_line(void **state)
{
    (void)state;
    proc_fixture *proc = shell("printf rea; exec sleep 1000");
    assert_false(proc_fixture_wait_log(proc, "rea", 100));
    proc_fixture_free(proc);
}

static void waiting_for_a_line_ends_when_the_process_ended_without_it(void **state)
{
    (void)state;
    proc_fixture *proc = shell("echo something else");
    int64_t before = wait_now_ms();
    assert_false(proc_fixture_wait_log(proc, "ready", SOON_MS));
    assert_true(wait_now_ms() - before < SOON_MS);
    proc_fixture_free(proc);
}

static void an_environment_variable_reaches_the_process_and_not_the_test(void **state)
{
    (void)state;
    char *text = NULL;
    const char *const environment[] = {"POSTBUS_TEST_PROBE=seen", NULL};
    const char *const argv[] = {"sh", "-c", "echo \"probe is $POSTBUS_TEST_PROBE\"", NULL};
    assert_int_equal(proc_fixture_run(argv, environment, &text, SOON_MS), 0);
    assert_string_equal(text, "probe is seen\n");
    assert_null(getenv("POSTBUS_TEST_PROBE"));
    free(text);
}

static bool is_gone(void *arg)
{
    return kill(*(pid_t *)arg, 0) != 0 && errno == ESRCH;
}

static void a_process_does_not_outlive_its_test(void **state)
{
    (void)state;
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t test = fork();
    if (test == 0) {
        const proc_fixture_options options = {.log_path = "/dev/null"};
        proc_fixture *proc = proc_fixture_start((const char *const[]){"sleep", "1000", NULL}, &options);
        pid_t child = proc_fixture_pid(proc);
        if (write(channel[1], &child, sizeof child) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    pid_t grandchild;
    assert_int_equal(read(channel[0], &grandchild, sizeof grandchild), sizeof grandchild);
    kill(test, SIGKILL);
    waitpid(test, NULL, 0);
    assert_true(wait_until(is_gone, &grandchild, SOON_MS));
    close(channel[0]);
    close(channel[1]);
}

static bool never(void *arg)
{
    ++*(int *)arg;
    return false;
}

static void a_condition_is_asked_at_least_once_however_short_the_deadline(void **state)
{
    (void)state;
    int asked = 0;
    assert_false(wait_until(never, &asked, 0));
    assert_true(asked >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_code_is_given_back),
        cmocka_unit_test(a_signal_that_ends_a_process_is_told_apart_from_an_exit),
        cmocka_unit_test(a_program_that_does_not_exist_ends_with_127_and_says_so),
        cmocka_unit_test(a_line_of_the_log_is_found_once),
        cmocka_unit_test(half_a_line_is_not_taken_for_a_line),
        cmocka_unit_test(waiting_for_a_line_ends_when_the_process_ended_without_it),
        cmocka_unit_test(an_environment_variable_reaches_the_process_and_not_the_test),
        cmocka_unit_test(a_process_does_not_outlive_its_test),
        cmocka_unit_test(a_condition_is_asked_at_least_once_however_short_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

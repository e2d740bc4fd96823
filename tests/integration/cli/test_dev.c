/* postbus dev from start to end: what it brings up works, and nothing of it stays. */
#include "cmocka_all.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc_fixture.h"
#include "stage.h"
#include "wait_until.h"

#define DEADLINE_MS 120000

static char parent[] = "/tmp/postbus-test-dev-XXXXXX";
static char dir[64];

static int open_all(void **state)
{
    (void)state;
    setenv("POSTBUS", POSTBUS_BINARY, 1);
    if (!mkdtemp(parent) || chmod(parent, 0777) != 0) /* dev gives up root, and must get in */
        return -1;
    snprintf(dir, sizeof dir, "%s/d", parent);
    return setenv("DEV_DIR", dir, 1);
}

static int close_all(void **state)
{
    (void)state;
    free(stage_said);
    return rmdir(parent);
}

static bool is_there(void *path)
{
    return access(path, F_OK) == 0;
}

static proc_fixture *start(const char *const *words)
{
    proc_fixture *dev = proc_fixture_start_postbus(words, NULL);
    proc_fixture_expect_log(dev, "postbus dev is ready", DEADLINE_MS);
    char env[80];
    snprintf(env, sizeof env, "%s/env", dir);
    assert_true(wait_until(is_there, env, DEADLINE_MS));
    return dev;
}
/* Further words, and NULL. */
#define START(...) start((const char *const[]){"dev", "--dir", dir, __VA_ARGS__})

/* Whether any process has our directory on its command line. */
static bool a_server_runs(void)
{
    DIR *all = opendir("/proc");
    bool found = false;
    assert_non_null(all);
    for (struct dirent *entry; !found && (entry = readdir(all)) != NULL;) {
        char path[300], line[4096];
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        size_t size = file ? fread(line, 1, sizeof line - 1, file) : 0;
        if (file)
            fclose(file);
        line[size] = '\0';
        found = strstr(line, "postgres") && memmem(line, size, dir, strlen(dir));
    }
    closedir(all);
    return found;
}

static bool no_server_runs(void *arg)
{
    (void)arg;
    return !a_server_runs();
}

static void an_event_goes_all_the_way_and_ctrl_c_leaves_nothing(void **state)
{
    (void)state;
    proc_fixture *dev = START("--log-level", "warn", NULL);
    assert_true(a_server_runs());
    stage_expect(0, stage_shell(". $DEV_DIR/env; \"$POSTBUS\" publish orders hello --key k --type t.x"));
    stage_expect(0, stage_shell(". $DEV_DIR/env; \"$POSTBUS\" tail orders --from beginning --count 1 "
                                "--format '%k %v %y\\n' 2>/dev/null"));
    assert_string_equal(stage_said, "k hello t.x\n");
    stage_expect(0, stage_shell(". $DEV_DIR/env; \"$POSTBUS\" status"));
    stage_says("leader          ");
    stage_does_not_say("none");
    assert_int_equal(proc_fixture_end(dev, SIGINT, DEADLINE_MS), 0);
    assert_int_not_equal(access(dir, F_OK), 0);
    assert_false(a_server_runs());
    proc_fixture_free(dev);
}

static void kept_data_are_used_again_and_kept(void **state)
{
    (void)state;
    proc_fixture *dev = START("--keep", NULL);
    stage_expect(0, stage_shell(". $DEV_DIR/env; \"$POSTBUS\" publish orders hello"));
    assert_int_equal(proc_fixture_end(dev, SIGTERM, DEADLINE_MS), 0);
    proc_fixture_free(dev);
    assert_int_equal(access(dir, F_OK), 0);
    stage_expect(0, stage_shell("rm $DEV_DIR/env"));
    dev = START(NULL);
    stage_expect(
        0, stage_shell(
               ". $DEV_DIR/env; psql -Atqc 'SELECT count(*) FROM postbus.outbox' \"$POSTBUS_DATABASE\""));
    assert_string_equal(stage_said, "1\n");
    assert_int_equal(proc_fixture_end(dev, SIGINT, DEADLINE_MS), 0);
    proc_fixture_free(dev);
    assert_int_equal(access(dir, F_OK), 0);
    stage_expect(0, stage_shell("rm -r $DEV_DIR"));
}

static void a_killed_dev_leaves_no_server(void **state)
{
    (void)state;
    proc_fixture *dev = START(NULL);
    assert_true(a_server_runs());
    assert_int_equal(proc_fixture_end(dev, SIGKILL, DEADLINE_MS), 128 + SIGKILL);
    assert_true(wait_until(no_server_runs, NULL, DEADLINE_MS));
    proc_fixture_free(dev);
    stage_expect(0, stage_shell("rm -r $DEV_DIR"));
}

static void a_server_that_ends_by_itself_ends_dev_with_a_fault(void **state)
{
    (void)state;
    proc_fixture *dev = START(NULL);
    stage_expect(0, stage_shell("kill -INT $(head -n 1 $DEV_DIR/data/postmaster.pid)"));
    assert_int_equal(proc_fixture_wait_exit(dev, DEADLINE_MS), 1);
    char *log = proc_fixture_log(dev);
    assert_non_null(strstr(log, "PostgreSQL ended by itself"));
    free(log);
    proc_fixture_free(dev);
    assert_int_not_equal(access(dir, F_OK), 0);
}

static void directories_with_other_files_are_refused_and_left_alone(void **state)
{
    (void)state;
    stage_expect(0, stage_shell("mkdir $DEV_DIR && touch $DEV_DIR/mine && chmod -R a+rwx $DEV_DIR"));
    stage_expect(2, POSTBUS("dev", "--dir", dir));
    stage_says("holds other files");
    stage_expect(0, stage_shell("test -f $DEV_DIR/mine && rm -r $DEV_DIR"));
}

static void what_cannot_be_started_is_refused(void **state)
{
    (void)state;
    stage_expect(2, POSTBUS("dev", "--dir", dir, "--pg-bin", "/nowhere"));
    stage_says("has no initdb and postgres");
    stage_expect(2, POSTBUS("dev", "--port", "0"));
    stage_expect(2, POSTBUS("dev", "--port", "65536"));
    stage_expect(1,
                 stage_shell("rm -rf $DEV_DIR; \"$POSTBUS\" dev --dir $DEV_DIR/$(printf 'x%.0s' {1..90})"));
    stage_expect(0, stage_shell("rm -rf $DEV_DIR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_goes_all_the_way_and_ctrl_c_leaves_nothing),
        cmocka_unit_test(kept_data_are_used_again_and_kept),
        cmocka_unit_test(a_killed_dev_leaves_no_server),
        cmocka_unit_test(a_server_that_ends_by_itself_ends_dev_with_a_fault),
        cmocka_unit_test(directories_with_other_files_are_refused_and_left_alone),
        cmocka_unit_test(what_cannot_be_started_is_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

/* A disk that is full, PostgreSQL's or the broker's: whoever publishes is told by PostgreSQL, what was committed arrives, and all goes on when there
 * is room. Skipped where nothing can be mounted. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LEFT_BYTES = 65536, BLOCK_BYTES = 65536 };

/* A file system of its own, in memory. */
typedef struct small_disk {
    char path[64], filler[80];
} small_disk;

static small_disk pg_disk, kafka_disk;

static bool mount_small(small_disk *d, const char *options)
{
    snprintf(d->path, sizeof d->path, "/tmp/postbus-disk.XXXXXX");
    assert_non_null(mkdtemp(d->path));
    snprintf(d->filler, sizeof d->filler, "%s/filler", d->path);
    if (mount("postbus-test", d->path, "tmpfs", 0, options) == 0)
        return true;
    rmdir(d->path);
    return false;
}

static void unmount(const small_disk *d)
{
    umount2(d->path, MNT_DETACH);
    rmdir(d->path);
}

static uint64_t free_bytes(const small_disk *d)
{
    struct statvfs info;
    assert_int_equal(statvfs(d->path, &info), 0);
    return (uint64_t)info.f_bavail * info.f_frsize;
}

/* Leaves less than a segment of anything. What others free meanwhile is taken, too, when it is called again. */
static void fill(const small_disk *d)
{
    static const char block[BLOCK_BYTES];
    int fd = open(d->filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (free_bytes(d) > LEFT_BYTES && write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

static void make_room(const small_disk *d)
{
    assert_int_equal(unlink(d->filler), 0);
}

static int open_stage(void **state)
{
    (void)state;
    static const char *const small_files[] = {"log.segment.bytes=16777216", "log.index.size.max.bytes=65536",
                                              NULL};
    setenv("POSTBUS_TEST_TMP", kafka_disk.path, 1);
    kafka_fixture *kafka = kafka_fixture_new(small_files);
    setenv("POSTBUS_TEST_TMP", pg_disk.path, 1);
    int answer = stage_open_with(kafka);
    unsetenv("POSTBUS_TEST_TMP");
    return answer;
}

/* Random letters, so that neither compression nor TOAST makes them small. The SQLSTATE; "" when it is committed. */
static const char *try_to_publish(const outbox *o)
{
    return pg_refused(
        o->conn,
        "SELECT count(postbus.publish('%s', (SELECT string_agg(md5(random()::text || j), '') FROM "
        "generate_series(1, 600) j), 'k' || i %% 5)) FROM generate_series(1, 20) i",
        o->topic);
}

static void start_postgresql_again(outbox *o)
{
    pg_fixture_restart(stage_pg, PG_STOP_IMMEDIATE);
    PQreset(o->conn);
    assert_int_equal(PQstatus(o->conn), CONNECTION_OK);
}

/* PostgreSQL may have ended for want of room in its log: then it is started again, as whoever runs it would do. */
static void a_full_disk_of_postgresql_is_told_to_those_who_publish_and_loses_nothing(void **state)
{
    (void)state;
    static const char *const flags[] = {"--reconnect-max-ms", "200", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    assert_string_equal(try_to_publish(o), "");
    expect_drained(o);
    fill(&pg_disk);
    const char *sqlstate;
    int n_taken = 0;
    while (*(sqlstate = try_to_publish(o)) == '\0' && PQstatus(o->conn) == CONNECTION_OK) {
        assert_true(++n_taken < 1000);
        fill(&pg_disk);
    }
    if (PQstatus(o->conn) == CONNECTION_OK)
        assert_string_equal(sqlstate, "53100");
    assert_true(proc_fixture_running(relay));
    make_room(&pg_disk);
    start_postgresql_again(o);
    assert_string_equal(try_to_publish(o), "");
    expect_drained(o);
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

static bool no_broker_runs(void *arg)
{
    fill(&kafka_disk);
    return proc_fixture_wait_log(arg, "kafka.down", 0);
}

/* A broker that cannot append gives its disk up, and ends. */
static void a_full_disk_of_the_broker_holds_events_up_and_loses_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    assert_string_equal(try_to_publish(o), "");
    expect_drained(o);
    fill(&kafka_disk);
    for (int i = 0; i < 20; i++)
        assert_string_equal(try_to_publish(o), "");
    assert_true(wait_until(no_broker_runs, relay, SOON_MS));
    assert_string_equal(try_to_publish(o), "");
    make_room(&kafka_disk);
    kafka_fixture_kill(stage_kafka);
    kafka_fixture_start(stage_kafka);
    expect_drained(o);
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_of_postgresql_is_told_to_those_who_publish_and_loses_nothing),
        cmocka_unit_test(a_full_disk_of_the_broker_holds_events_up_and_loses_nothing),
    };
    if (!mount_small(&pg_disk, "size=192m,mode=755"))
        return 77;
    if (!mount_small(&kafka_disk, "size=96m,mode=755")) {
        unmount(&pg_disk);
        return 77;
    }
    int answer = cmocka_run_group_tests(tests, open_stage, stage_close);
    unmount(&pg_disk);
    unmount(&kafka_disk);
    return answer;
}

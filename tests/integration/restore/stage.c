/* Sets up what is failed over and restored, and judges what Kafka has in the end; must never know how a rebase works inside. */
#include "stage.h"

#include "cmocka_all.h"
#include "pg_query.h"
#include "topic_reader.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kafka_fixture *stage_kafka;

int stage_open(void **state)
{
    (void)state;
    stage_kafka = kafka_fixture_shared();
    return 0;
}

int stage_close(void **state)
{
    (void)state;
    kafka_fixture_free(stage_kafka);
    return 0;
}

/* ---- outboxes ---- */

void shop_roles(const pg_fixture *pg)
{
    PGconn *conn = shop_connect(pg);
    pg_run(conn, "CREATE ROLE relay LOGIN; GRANT postbus_relay TO relay");
    PQfinish(conn);
}

pg_fixture *shop_new(const char *const *settings)
{
    pg_fixture *pg = pg_fixture_new(settings);
    pg_fixture_create_outbox(pg, "shop");
    shop_roles(pg);
    return pg;
}

PGconn *shop_connect(const pg_fixture *pg)
{
    return pg_fixture_connect(pg, "shop", NULL);
}

void upgrade(pg_fixture *from, pg_fixture *to)
{
    char line[600];
    bool checksums_differ = pg_fixture_version(from) < 180000 && pg_fixture_version(to) >= 180000;
    pg_fixture_stop(from, PG_STOP_FAST);
    pg_fixture_stop(to, PG_STOP_FAST);
    if (checksums_differ) /* initdb turns them on from 18 on, and pg_upgrade wants both to be alike */
        assert_int_equal(pg_fixture_shell(to, "$BIN/pg_checksums --disable -D data"), 0);
    snprintf(line, sizeof line,
             "$BIN/pg_upgrade -b $(cat %s/bin) -B $BIN -d %s/data -D data -U postgres -p %d -P %d -s $DIR%s",
             pg_fixture_directory(from), pg_fixture_directory(from), pg_fixture_port(from),
             pg_fixture_port(to), pg_fixture_version(to) >= 150000 ? " --no-sync" : "");
    assert_int_equal(pg_fixture_shell(to, line), 0);
    pg_fixture_start(to);
}

pg_fixture *shop_follow(const pg_fixture *primary)
{
    pg_fixture *standby = pg_fixture_new_standby(primary);
    PGconn *conn = shop_connect(primary);
    expect_sql(conn, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'");
    PQfinish(conn);
    return standby;
}

void expect_caught_up(PGconn *primary)
{
    expect_sql(primary,
               "SELECT bool_and(replay_lsn >= pg_current_wal_flush_lsn())::int FROM pg_stat_replication");
}

char *topic_new(void)
{
    return kafka_fixture_new_topic(stage_kafka, "t", 1, NULL);
}

void publish(PGconn *conn, const char *topic, int n)
{
    static int n_published, turn;
    for (int end = n_published + n; n_published < end;) {
        int some = end - n_published < 7 ? end - n_published : 7, first = n_published + 1,
            last = n_published + some;
        switch (turn++ % 4) {
        case 0:
            pg_run(conn,
                   "SELECT postbus.publish('%s', 'v' || i, 'k' || i %% 5) FROM generate_series(%d, %d) i",
                   topic, first, last);
            break;
        case 1:
            pg_run(conn, "BEGIN");
            for (int i = first; i <= last; i++)
                pg_run(conn, "SAVEPOINT s; SELECT postbus.publish('%s', 'v%d', 'k%d')", topic, i, i % 5);
            pg_run(conn, "COMMIT");
            break;
        case 2:
            pg_run(conn,
                   "SELECT postbus.publish_batch(array_fill('%s'::text, ARRAY[%d]), array_agg(('v' || "
                   "i)::bytea ORDER BY i), "
                   "array_agg(('k' || i %% 5)::bytea ORDER BY i)) FROM generate_series(%d, %d) i",
                   topic, some, first, last);
            break;
        default:
            pg_run(conn,
                   "INSERT INTO postbus.outbox (topic, value, key) SELECT '%s', ('v' || i)::bytea, ('k' || i "
                   "%% 5)::bytea FROM "
                   "generate_series(%d, %d) i",
                   topic, first, last);
        }
        n_published += some;
    }
}

/* ---- relays ---- */

proc_fixture *relay_start_with(const pg_fixture *pg, const pg_fixture *or_else, const char *const *flags)
{
    char database[400];
    const char *argv[16];
    const pg_fixture *other = or_else ? or_else : pg;
    snprintf(database, sizeof database,
             "host=%s,%s port=%d,%d dbname=shop user=relay target_session_attrs=read-write",
             pg_fixture_directory(pg), pg_fixture_directory(other), pg_fixture_port(pg),
             pg_fixture_port(other));
    size_t n = 0;
    argv[n++] = "relay";
    argv[n++] = "--database";
    argv[n++] = database;
    argv[n++] = "--brokers";
    argv[n++] = kafka_fixture_brokers(stage_kafka);
    argv[n++] = "--reconnect-max-ms";
    argv[n++] = "200";
    for (; flags && *flags; flags++) {
        assert_true(n + 1 < sizeof argv / sizeof argv[0]);
        argv[n++] = *flags;
    }
    argv[n] = NULL;
    return proc_fixture_start_postbus(argv, NULL);
}

proc_fixture *relay_start(const pg_fixture *pg, const pg_fixture *or_else)
{
    return relay_start_with(pg, or_else, NULL);
}

void relay_expect_leading(proc_fixture *relay)
{
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
}

void relay_stop(proc_fixture *relay)
{
    int code = proc_fixture_end(relay, SIGTERM, SOON_MS);
    if (code != 0)
        fail_msg("the relay ended with %d:\n%s", code, proc_fixture_log(relay));
    proc_fixture_free(relay);
}

void relay_kill(proc_fixture *relay)
{
    proc_fixture_end(relay, SIGKILL, SOON_MS);
    proc_fixture_free(relay);
}

void relay_expect_refusal(proc_fixture *relay, const char *sentence)
{
    int code = proc_fixture_wait_exit(relay, SOON_MS);
    char *log = proc_fixture_log(relay);
    if (code != 1 || !strstr(log, "relay.refused") || !strstr(log, sentence) ||
        !strstr(log, "postbus rebase"))
        fail_msg("%d, and the log does not refuse with \"%s\":\n%s", code, sentence, log);
    free(log);
    proc_fixture_free(relay);
}

/* ---- waiting ---- */

typedef struct question {
    PGconn *conn;
    const char *sql;
} question;

static bool holds(void *arg)
{
    const question *q = arg;
    return pg_number(q->conn, "%s", q->sql) > 0;
}

void expect_sql(PGconn *conn, const char *sql)
{
    question q = {conn, sql};
    if (!wait_until(holds, &q, SOON_MS))
        fail_msg("never came true: %s", sql);
}

void expect_drained(PGconn *conn)
{
    expect_sql(conn, "SELECT (pending + parked = 0)::int FROM postbus.backlog()");
}

/* ---- what Kafka has ---- */

static int by_event_id(const void *a, const void *b)
{
    const topic_record *const *r = a, *const *s = b;
    int order = strcmp(topic_record_header(*r, "id"), topic_record_header(*s, "id"));
    return order ? order : (*r)->offset < (*s)->offset ? -1 : 1;
}

/* The record that first had it. */
static const topic_record *find(const topic_record *const *sorted, size_t n, const char *event_id)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(topic_record_header(sorted[middle], "id"), event_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && strcmp(topic_record_header(sorted[low], "id"), event_id) == 0 ? sorted[low] : NULL;
}

static size_t count_events(const topic_record *const *sorted, size_t n)
{
    size_t n_events = 0;
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && strcmp(topic_record_header(sorted[i], "id"),
                                     topic_record_header(sorted[i - 1], "id")) == 0;
        n_events += !again;
        if (again && strcmp(sorted[i]->value, sorted[i - 1]->value) != 0)
            fail_msg("%s and %s have one event id, %s", sorted[i]->value, sorted[i - 1]->value,
                     topic_record_header(sorted[i], "id"));
    }
    return n_events;
}

enum { N_KEYS = 5 };

/* Keys k0 to k4 are published by one session; others have no order that numbers would tell. */
static void check_order(const topic_record *r, int64_t *last_offset)
{
    if (!r->key || r->key[0] != 'k')
        return;
    int64_t *last = &last_offset[atoi(r->key + 1)];
    if (r->offset < *last)
        fail_msg("%s came before an earlier one of its key", r->value);
    *last = r->offset;
}

static void compare(PGresult *rows, const topic_record *const *sorted, size_t n)
{
    int64_t last_offset[N_KEYS] = {-1, -1, -1, -1, -1};
    for (int i = 0; i < PQntuples(rows); i++) {
        const char *event_id = PQgetvalue(rows, i, 0), *value = PQgetvalue(rows, i, 1);
        const topic_record *r = find(sorted, n, event_id);
        if (!r)
            fail_msg("%s, row %s, never came as %s", value, PQgetvalue(rows, i, 2), event_id);
        assert_string_equal(r->value, value);
        check_order(r, last_offset);
    }
}

/* Values are numbered in the order in which they were published. */
found expect_whole(PGconn *conn, const char *topic)
{
    PGresult *rows = pg_rows(conn,
                             "SELECT coalesce(event_id, postbus.event_id(id)), convert_from(value, 'UTF8'), "
                             "id FROM postbus.outbox "
                             "WHERE topic = '%s' ORDER BY substr(convert_from(value, 'UTF8'), 2)::int",
                             topic);
    topic_records records =
        topic_read(kafka_fixture_brokers(stage_kafka), topic, (size_t)PQntuples(rows), SOON_MS);
    const topic_record **sorted = calloc(records.n_rows + 1, sizeof *sorted);
    assert_non_null(sorted);
    for (size_t i = 0; i < records.n_rows; i++) {
        sorted[i] = &records.rows[i];
        assert_non_null(topic_record_header(sorted[i], "id"));
    }
    qsort(sorted, records.n_rows, sizeof *sorted, by_event_id);
    found f = {.n_records = records.n_rows, .n_events = count_events(sorted, records.n_rows)};
    f.n_repeated = f.n_records - f.n_events;
    compare(rows, sorted, records.n_rows);
    free(sorted);
    topic_records_done(&records);
    PQclear(rows);
    return f;
}

static proc_fixture *rebase_start(const pg_fixture *pg, const char *const *flags)
{
    char *database = pg_fixture_conninfo(pg, "shop", NULL);
    const char *argv[12] = {"rebase", "--database", database};
    for (size_t n = 3; *flags; flags++) {
        assert_true(n + 1 < sizeof argv / sizeof argv[0]);
        argv[n++] = *flags;
    }
    proc_fixture *proc = proc_fixture_start_postbus(argv, NULL);
    free(database);
    return proc;
}

static int rebase_end(proc_fixture *proc, char **out_text)
{
    int code = proc_fixture_wait_exit(proc, SOON_MS);
    if (out_text)
        *out_text = proc_fixture_log(proc);
    proc_fixture_free(proc);
    return code;
}

int rebase(const pg_fixture *pg, const char *const *flags, char **out_text)
{
    return rebase_end(rebase_start(pg, flags), out_text);
}

int rebase_that_waits(const pg_fixture *pg, const char *const *flags, PGconn *conn, PGconn *open,
                      char **out_text)
{
    proc_fixture *proc = rebase_start(pg, flags);
    expect_sql(conn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postbus rebase' AND "
                     "wait_event IN ('PgSleep', 'relation')");
    pg_run(open, "COMMIT");
    return rebase_end(proc, out_text);
}

/* Sets up what relays need and compares topics with outboxes; must never know how a relay works inside. */
#include "stage.h"

#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FLAGS = 40 };

pg_fixture *stage_pg;
kafka_fixture *stage_kafka;

int stage_open_with(kafka_fixture *kafka)
{
    static const char *const settings[] = {"max_wal_size=2GB", NULL};
    stage_kafka = kafka;
    stage_pg = pg_fixture_new(settings);
    PGconn *conn = pg_fixture_connect(stage_pg, NULL, NULL);
    pg_run(conn, "CREATE ROLE relay LOGIN");
    PQfinish(conn);
    return 0;
}

int stage_open(void **state)
{
    (void)state;
    return stage_open_with(kafka_fixture_shared());
}

int stage_open_with_own_broker(void **state)
{
    (void)state;
    return stage_open_with(kafka_fixture_new(NULL));
}

int stage_close(void **state)
{
    (void)state;
    pg_fixture_free(stage_pg);
    kafka_fixture_free(stage_kafka);
    return 0;
}

outbox *outbox_new(void)
{
    return outbox_new_of(kafka_fixture_new_topic(stage_kafka, "t", 1, NULL));
}

static void create_database_of(const char *name, const char *encoding)
{
    PGconn *conn = pg_fixture_connect(stage_pg, NULL, NULL);
    pg_run(conn, "CREATE DATABASE %s ENCODING '%s' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'", name,
           encoding);
    PQfinish(conn);
    pg_fixture_migrate(stage_pg, name);
}

/* encoding NULL: the server's. */
static outbox *make_outbox(char *topic, const char *encoding)
{
    static int n;
    outbox *o = calloc(1, sizeof *o);
    assert_non_null(o);
    snprintf(o->database, sizeof o->database, "outbox_%d", ++n);
    if (encoding)
        create_database_of(o->database, encoding);
    else
        pg_fixture_create_outbox(stage_pg, o->database);
    o->conn = outbox_connect(o);
    o->conninfo = pg_fixture_conninfo(stage_pg, o->database, "relay");
    o->topic = topic;
    pg_run(o->conn, "GRANT postbus_relay TO relay");
    return o;
}

outbox *outbox_new_of(char *topic)
{
    return make_outbox(topic, NULL);
}

outbox *outbox_new_in(const char *encoding)
{
    return make_outbox(kafka_fixture_new_topic(stage_kafka, "t", 1, NULL), encoding);
}

PGconn *outbox_connect(const outbox *o)
{
    return pg_fixture_connect(stage_pg, o->database, NULL);
}

void outbox_free(outbox *o)
{
    PQfinish(o->conn);
    free(o->conninfo);
    free(o->topic);
    free(o);
}

void publish(PGconn *conn, const char *topic, const char *key, int n)
{
    if (key)
        pg_run(conn, "SELECT count(postbus.publish('%s', 'v' || i, '%s')) FROM generate_series(1, %d) i",
               topic, key, n);
    else
        pg_run(conn,
               "SELECT count(postbus.publish('%s', 'v' || i, 'k' || i %% 5)) FROM generate_series(1, %d) i",
               topic, n);
}

void publish_with(const outbox *o, int n, int large)
{
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', convert_to('k' || i %% 5, 'UTF8'), "
           "convert_to(repeat('x', CASE WHEN i = %d THEN 30000 ELSE 10 END), 'UTF8') FROM generate_series(1, "
           "%d) i",
           o->topic, large, n);
}

void redrive_all(const outbox *o)
{
    pg_run(o->conn, "SELECT postbus.redrive(why => 'limit raised')");
}

static proc_fixture *start(const outbox *o, const char *what, const char *point, const char *const *flags)
{
    char environment_of_point[64];
    const char *argv[MOST_FLAGS] = {"relay",
                                    "--database",
                                    o->conninfo,
                                    "--brokers",
                                    kafka_fixture_brokers(stage_kafka),
                                    "--topic-retry-ms",
                                    "50"};
    size_t n = 7;
    for (; flags && *flags; flags++) {
        assert_true(n + 1 < MOST_FLAGS);
        argv[n++] = *flags;
    }
    snprintf(environment_of_point, sizeof environment_of_point, "%s=%s", what, point);
    const char *const environment[] = {environment_of_point, NULL};
    return proc_fixture_start_postbus(argv, &(proc_fixture_options){.environment = environment});
}

proc_fixture *relay_start(const outbox *o, const char *const *flags)
{
    return start(o, "POSTBUS_CRASH_AT", "", flags);
}

proc_fixture *relay_start_crashing(const outbox *o, const char *point, const char *const *flags)
{
    return start(o, "POSTBUS_CRASH_AT", point, flags);
}

proc_fixture *relay_start_freezing(const outbox *o, const char *point, const char *const *flags)
{
    return start(o, "POSTBUS_FREEZE_AT", point, flags);
}

proc_fixture *relay_start_leading(const outbox *o, const char *const *flags)
{
    proc_fixture *relay = relay_start(o, flags);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    return relay;
}

/* The outbox's own connection holds the lock: it is older than what a test has set for the database. */
proc_fixture *relay_start_held_up(const outbox *o, const char *const *flags, const char *longer_than)
{
    char sql[256];
    PGconn *other = outbox_connect(o);
    pg_run(o->conn, "BEGIN; LOCK TABLE postbus.leadership");
    proc_fixture *relay = relay_start(o, flags);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity WHERE usename = 'relay' AND wait_event_type = 'Lock' AND "
             "query_start < clock_timestamp() - interval '%s'",
             longer_than);
    expect_sql(other, sql);
    pg_run(o->conn, "COMMIT");
    PQfinish(other);
    return relay;
}

PGconn *outbox_take_lead(const outbox *o)
{
    PGconn *holder = outbox_connect(o);
    pg_run(holder, "SELECT pg_advisory_lock(%lld)", SQL_LOCK_LEADER);
    return holder;
}

void relay_stop(proc_fixture *relay)
{
    int code = proc_fixture_end(relay, SIGTERM, SOON_MS);
    if (code != 0) {
        char *log = proc_fixture_log(relay);
        fail_msg("the relay ended with %d:\n%s", code, log);
    }
    proc_fixture_free(relay);
}

void relay_kill(proc_fixture *relay)
{
    assert_int_equal(proc_fixture_end(relay, SIGKILL, SOON_MS), 128 + SIGKILL);
    proc_fixture_free(relay);
}

long relay_counted(proc_fixture *relay, const char *key)
{
    char with[64];
    snprintf(with, sizeof with, " %s=", key);
    char *log = proc_fixture_log(relay);
    const char *line = strstr(log, "relay.stopped");
    const char *at = line ? strstr(line, with) : NULL;
    if (!at)
        fail_msg("%s is not in the log:\n%s", key, log);
    long n = strtol(at + strlen(with), NULL, 10);
    free(log);
    return n;
}

static long peak_kib(proc_fixture *relay)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)proc_fixture_pid(relay));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

void expect_peak_below(proc_fixture *relay, const char *of, long most_mib)
{
    long kib = peak_kib(relay);
    print_message("%s: peak of %ld KiB\n", of, kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(kib, 1, most_mib * 1024);
#else
    (void)most_mib;
#endif
}

static bool drained(void *arg)
{
    const outbox *o = arg;
    return pg_number(o->conn, "SELECT pending + parked FROM postbus.backlog()") == 0;
}

bool is_drained(const outbox *o, int deadline_ms)
{
    return wait_until(drained, (void *)(uintptr_t)o, deadline_ms);
}

void expect_drained(const outbox *o)
{
    if (!is_drained(o, SOON_MS))
        fail_msg("%lld events are still pending and %lld parked",
                 (long long)pg_number(o->conn, "SELECT pending FROM postbus.backlog()"),
                 (long long)pg_number(o->conn, "SELECT parked FROM postbus.backlog()"));
}

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

void expect_nothing_pending(const outbox *o)
{
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
}

void expect_published(const outbox *o, long n)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT (published >= %ld)::int FROM postbus.current_progress", n);
    expect_sql(o->conn, sql);
}

/* ---- topics against outboxes ---- */

enum truth_column { T_EVENT_ID, T_ID, T_KEY_NUMBER, T_KEY, T_VALUE_MD5, T_VALUE_SIZE };

typedef struct truth {
    PGresult *rows; /* sorted by event id */
    bool *seen;
    int64_t *last_id; /* by key number */
} truth;

static truth load(const outbox *o, const char *topic)
{
    truth t = {.rows = pg_rows(
                   o->conn,
                   "SELECT coalesce(event_id, postbus.event_id(id))::text COLLATE \"C\", id, "
                   "dense_rank() OVER (ORDER BY key), encode(key, 'hex'), md5(value), octet_length(value) "
                   "FROM postbus.outbox WHERE topic = '%s' ORDER BY 1",
                   topic)};
    size_t n = (size_t)PQntuples(t.rows) + 2;
    t.seen = calloc(n, sizeof *t.seen);
    t.last_id = calloc(n, sizeof *t.last_id);
    assert_true(t.seen && t.last_id);
    return t;
}

static int find(const truth *t, const char *event_id)
{
    int low = 0, high = PQntuples(t->rows);
    while (low < high) {
        int middle = (low + high) / 2;
        if (strcmp(PQgetvalue(t->rows, middle, T_EVENT_ID), event_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < PQntuples(t->rows) && strcmp(PQgetvalue(t->rows, low, T_EVENT_ID), event_id) == 0 ? low : -1;
}

static void check_bytes(const truth *t, int i, const topic_record *r)
{
    bool no_key = PQgetisnull(t->rows, i, T_KEY), no_value = PQgetisnull(t->rows, i, T_VALUE_SIZE);
    assert_int_equal(no_key, r->key == NULL);
    assert_int_equal(no_value, r->value == NULL);
    if (!no_value)
        assert_int_equal(atoll(PQgetvalue(t->rows, i, T_VALUE_SIZE)), r->value_size);
    if (no_key)
        return;
    const char *hex = PQgetvalue(t->rows, i, T_KEY);
    assert_int_equal(strlen(hex), 2 * r->key_size);
    for (size_t k = 0; k < r->key_size; k++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", (unsigned char)r->key[k]);
        assert_memory_equal(two, hex + 2 * k, 2);
    }
}

/* Whether it came before. */
static bool check_record(truth *t, const topic_record *r)
{
    const char *event_id = topic_record_header(r, "id");
    if (!event_id)
        fail_msg("offset %lld has no event id", (long long)r->offset);
    int i = find(t, event_id);
    if (i < 0)
        fail_msg("offset %lld is of no committed event: %s", (long long)r->offset, event_id);
    check_bytes(t, i, r);
    if (t->seen[i])
        return true;
    t->seen[i] = true;
    int64_t id = strtoll(PQgetvalue(t->rows, i, T_ID), NULL, 10);
    int64_t *last = &t->last_id[atoi(PQgetvalue(t->rows, i, T_KEY_NUMBER))];
    if (r->key && id < *last)
        fail_msg("event %lld came after event %lld of its key", (long long)id, (long long)*last);
    *last = id;
    return false;
}

void tell_progress(const outbox *o)
{
    PGresult *rows =
        PQexec(o->conn,
               "SELECT n, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id FROM postbus.progress ORDER BY n");
    for (int i = 0; i < PQntuples(rows); i++) {
        print_error("progress");
        for (int column = 0; column < PQnfields(rows); column++)
            print_error(" %s=%s", PQfname(rows, column), PQgetvalue(rows, i, column));
        print_error("\n");
    }
    PQclear(rows);
}

typedef topic_records reading(const char *brokers, const char *topic, size_t at_least, int deadline_ms);

static told expect_all_read(const outbox *o, const char *topic, reading *read_topic)
{
    truth t = load(o, topic);
    size_t n = (size_t)PQntuples(t.rows);
    topic_records records = read_topic(kafka_fixture_brokers(stage_kafka), topic, n, SOON_MS);
    told answer = {.n_records = records.n_rows};
    for (size_t i = 0; i < records.n_rows; i++)
        answer.n_repeated += check_record(&t, &records.rows[i]);
    size_t n_lost = 0;
    for (size_t i = 0; i < n; i++) {
        if (!t.seen[i] && n_lost++ < 50)
            print_error("event %s never came\n", PQgetvalue(t.rows, (int)i, T_ID));
    }
    if (n_lost > 0)
        tell_progress(o);
    if (n_lost > 0)
        fail_msg("%zu of %zu events never came; %zu records were read", n_lost, n, records.n_rows);
    topic_records_done(&records);
    PQclear(t.rows);
    free(t.seen);
    free(t.last_id);
    return answer;
}

told expect_all_arrived(const outbox *o, const char *topic)
{
    return expect_all_read(o, topic, topic_read);
}

void expect_each_committed_once(const outbox *o, const char *topic)
{
    told answer = expect_all_read(o, topic, topic_read_committed);
    if (answer.n_repeated > 0)
        fail_msg("%zu of %zu records came again", answer.n_repeated, answer.n_records);
}

void expect_each_arrived_once(const outbox *o, const char *topic)
{
    told answer = expect_all_arrived(o, topic);
    if (answer.n_repeated > 0)
        tell_progress(o);
    if (answer.n_repeated > 0)
        fail_msg("%zu of %zu records came again", answer.n_repeated, answer.n_records);
}

void finish(outbox *o, proc_fixture *relay)
{
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

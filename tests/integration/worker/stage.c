/* Sets up and clears what the worker's tests stand on; must never share a database or a topic between two tests. */
#include "stage.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

#include "delivered.h"
#include "postbus_sql.h"

pg_fixture *stage_server;
kafka_fixture *stage_kafka;

int stage_group_setup(void **state)
{
    (void)state;
    stage_server = pg_fixture_new(NULL);
    stage_kafka = kafka_fixture_shared();
    return 0;
}

int stage_group_teardown(void **state)
{
    (void)state;
    pg_fixture_free(stage_server);
    kafka_fixture_free(stage_kafka);
    return 0;
}

void stage_create_database(const char *database)
{
    pg_fixture_create_database(stage_server, database);
    PGconn *conn = pg_fixture_connect(stage_server, database, NULL);
    pg_run(conn, "%s", subscriber_sql_query("migration_table"));
    for (const sql_migration *step = subscriber_sql_migrations; step->name; step++) {
        pg_run(conn, "BEGIN");
        pg_run(conn, "%s", step->text);
        pg_run(conn, "COMMIT");
    }
    pg_run(conn, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_app') THEN"
                 " CREATE ROLE billing_app LOGIN; END IF; END $$");
    pg_run(conn, "GRANT postbus_subscriber TO billing_app");
    pg_run(conn, "CREATE TABLE effect (n bigserial, subscription text, topic text, partition int, "
                 "kafka_offset bigint, key text,"
                 " value text, attempt int); GRANT ALL ON effect TO billing_app; GRANT ALL ON effect_n_seq "
                 "TO billing_app");
    PQfinish(conn);
}

void stage_create_outbox(stage *s)
{
    pg_run(s->conn, "%s", sql_query("migration_table"));
    for (const sql_migration *step = sql_migrations; step->name; step++) {
        pg_run(s->conn, "BEGIN");
        pg_run(s->conn, "%s", step->text);
        pg_run(s->conn, "COMMIT");
    }
}

stage *stage_new(char *topic)
{
    stage *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    stage_create_database("billing");
    s->conn = pg_fixture_connect(stage_server, "billing", NULL);
    s->conninfo = pg_fixture_conninfo(stage_server, "billing", "billing_app");
    s->topic = topic;
    return s;
}

int stage_setup(void **state)
{
    *state = stage_new(kafka_fixture_new_topic(stage_kafka, "orders", 2, NULL));
    return 0;
}

int stage_teardown(void **state)
{
    stage *s = *state;
    stage_open_gate(s);
    pbus_worker_free(s->worker);
    PQfinish(s->conn);
    free(s->conninfo);
    free(s->topic);
    free(s);
    return 0;
}

static rd_kafka_t *producer(void)
{
    static rd_kafka_t *rk;
    char why[256];
    if (rk)
        return rk; /* for the whole program, which does not destroy it */
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_fixture_brokers(stage_kafka), why, sizeof why);
    rd_kafka_conf_set(conf, "partitioner", "murmur2_random", why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", why, sizeof why);
    delivered_watch(conf);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk)
        fail_msg("no producer: %s", why);
    return rk;
}

static void produce_headers(const char *topic, const char *key, const void *value, size_t size,
                            rd_kafka_headers_t *headers)
{
    const rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(intptr_t)key, key ? strlen(key) : 0}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(intptr_t)value, size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(producer(), record, sizeof record / sizeof record[0]);
    if (error)
        fail_msg("a record cannot be produced: %s", rd_kafka_error_string(error));
}

static void produce(const char *topic, const char *key, const void *value, size_t size, const char *type,
                    const char *id)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    if (id)
        rd_kafka_header_add(headers, "id", -1, id, -1);
    if (type)
        rd_kafka_header_add(headers, "type", -1, type, -1);
    produce_headers(topic, key, value, size, headers);
}

void stage_produce_with(const char *topic, const char *value, const pbus_record_header *headers, size_t n)
{
    rd_kafka_headers_t *all = rd_kafka_headers_new(n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_header_add(all, headers[i].name, -1, headers[i].value, (ssize_t)headers[i].value_size);
    produce_headers(topic, NULL, value, strlen(value), all);
    stage_produce_flush();
}

void stage_produce_one(const char *topic, const char *key, const char *value, const char *type,
                       const char *id)
{
    produce(topic, key, value, value ? strlen(value) : 0, type, id);
}

void stage_produce_bytes(const char *topic, const char *key, const void *value, size_t size, const char *type)
{
    produce(topic, key, value, size, type, NULL);
    stage_produce_flush();
}

void stage_produce_flush(void)
{
    delivered_all(producer(), STAGE_DEADLINE_MS);
}

void stage_produce(const char *topic, const char *key, const char *value, const char *type, const char *id)
{
    stage_produce_one(topic, key, value, type, id);
    stage_produce_flush();
}

void stage_produce_many(const char *topic, int n, int n_keys)
{
    char key[24], value[48], id[40];
    static int n_ids;
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "k%d", i % n_keys);
        snprintf(value, sizeof value, "%s:%d", key, i / n_keys + 1);
        snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", ++n_ids);
        stage_produce_one(topic, key, value, "t", id);
    }
    stage_produce_flush();
}

static void on_notice(const pbus_notice *notice, void *arg)
{
    stage *s = arg;
    pthread_mutex_lock(&s->lock);
    s->n_notices[notice->kind]++;
    snprintf(s->last_message[notice->kind], sizeof s->last_message[notice->kind], "%s", notice->message);
    pthread_mutex_unlock(&s->lock);
    if (getenv("POSTBUS_TEST_LOUD"))
        fprintf(stderr, "notice %d %s %s[%d]@%lld: %s\n", (int)notice->kind, notice->subscription,
                notice->topic ? notice->topic : "-", (int)notice->partition, (long long)notice->offset,
                notice->message);
}

pbus_worker_options stage_options(stage *s, const pbus_subscription *list, size_t n)
{
    static const pbus_kafka_setting quick[] = {
        {"fetch.wait.max.ms", "20"}, {"heartbeat.interval.ms", "300"}, {"session.timeout.ms", "6000"}};
    return (pbus_worker_options){.size = sizeof(pbus_worker_options),
                                 .application = s->topic, /* so that no two tests share a group */
                                 .conninfo = s->conninfo,
                                 .brokers = kafka_fixture_brokers(stage_kafka),
                                 .kafka = quick,
                                 .n_kafka = sizeof quick / sizeof quick[0],
                                 .subscriptions = list,
                                 .n_subscriptions = n,
                                 .notice = on_notice,
                                 .notice_arg = s};
}

void stage_start(stage *s, const pbus_subscription *list, size_t n)
{
    pbus_worker_options options = stage_options(s, list, n);
    if (pbus_worker_start(&options, &s->worker, &s->err) != PBUS_OK)
        fail_msg("the worker does not start: %s", s->err.message);
}

void stage_stop(stage *s)
{
    if (pbus_worker_stop(s->worker, STAGE_STOP_MS, &s->err) != PBUS_OK)
        fail_msg("the worker does not stop: %s", s->err.message);
    pbus_worker_free(s->worker);
    s->worker = NULL;
}

pbus_subscription stage_subscription(stage *s, pbus_handler *handler)
{
    return (pbus_subscription){.key = "main",
                               .topics = (const char *const *)&s->topic,
                               .n_topics = 1,
                               .handler = handler,
                               .arg = s,
                               .n_threads = 4,
                               .retry = {.first_ms = 1, .most_ms = 20, .max_attempts = 4}};
}

pbus_outcome stage_insert(const pbus_delivery *event, PGconn *tx, void *arg)
{
    char partition[16], offset[24], attempt[16];
    (void)arg;
    snprintf(partition, sizeof partition, "%d", (int)event->partition);
    snprintf(offset, sizeof offset, "%lld", (long long)event->offset);
    snprintf(attempt, sizeof attempt, "%d", event->attempt);
    const char *values[] = {event->subscription, event->topic, partition, offset,
                            event->key,          event->value, attempt};
    PGresult *result = PQexecParams(tx,
                                    "INSERT INTO effect (subscription, topic, partition, kafka_offset, key, "
                                    "value, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                                    7, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

static bool copy_one(PGconn *tx, const pbus_delivery *e)
{
    char line[256];
    int size = snprintf(line, sizeof line, "%s\t%s\t%d\t%lld\t%s\t%s\t%d\n", e->subscription, e->topic,
                        (int)e->partition, (long long)e->offset, (const char *)e->key, (const char *)e->value,
                        e->attempt);
    return size > 0 && size < (int)sizeof line && PQputCopyData(tx, line, size) == 1;
}

pbus_outcome stage_copy(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    (void)arg;
    PGresult *result = PQexec(
        tx, "COPY effect (subscription, topic, partition, kafka_offset, key, value, attempt) FROM STDIN");
    bool ok = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    for (size_t i = 0; ok && i < n; i++)
        ok = copy_one(tx, events[i]);
    ok = ok && PQputCopyEnd(tx, NULL) == 1;
    while ((result = PQgetResult(tx)) != NULL) {
        ok = ok && PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

static bool is_open(void *arg)
{
    stage *s = arg;
    pthread_mutex_lock(&s->lock);
    bool open = s->gate_open;
    pthread_mutex_unlock(&s->lock);
    return open;
}

pbus_outcome stage_gated(const pbus_delivery *event, PGconn *tx, void *arg)
{
    stage *s = arg;
    pbus_outcome outcome = stage_insert(event, tx, arg);
    if (!event->value || strncmp(event->value, "wait", 4) != 0)
        return outcome;
    pthread_mutex_lock(&s->lock);
    s->n_at_gate++;
    pthread_mutex_unlock(&s->lock);
    wait_until(is_open, s, STAGE_DEADLINE_MS);
    return outcome;
}

void stage_open_gate(stage *s)
{
    pthread_mutex_lock(&s->lock);
    s->gate_open = true;
    pthread_mutex_unlock(&s->lock);
}

typedef struct expected_queue {
    stage *s;
    uint64_t n;
} expected_queue;

static bool is_queued(void *arg)
{
    expected_queue *e = arg;
    pbus_worker_counts counts;
    return pbus_worker_count(e->s->worker, "main", &counts) && counts.n_queued == e->n;
}

void stage_expect_queued(stage *s, uint64_t n)
{
    expected_queue e = {s, n};
    assert_true(wait_until(is_queued, &e, STAGE_DEADLINE_MS));
}

typedef struct question {
    stage *s;
    const char *sql;
    int64_t expected, last;
} question;

static bool is_answered(void *arg)
{
    question *q = arg;
    q->last = pg_number(q->s->conn, "%s", q->sql);
    return q->last == q->expected;
}

void stage_expect_soon(stage *s, int64_t expected, const char *sql)
{
    question q = {s, sql, expected, 0};
    if (!wait_until(is_answered, &q, STAGE_DEADLINE_MS))
        fail_msg("%s: %lld instead of %lld; the database said: %s; Kafka said: %s", sql, (long long)q.last,
                 (long long)expected, s->last_message[PBUS_NOTICE_DATABASE],
                 s->last_message[PBUS_NOTICE_KAFKA]);
}

void stage_expect_settled(stage *s, int n)
{
    char all[100];
    snprintf(all, sizeof all, "SELECT sum(next_offset)::bigint - %d FROM postbus_inbox.position", n);
    stage_expect_soon(s, 0, all);
}

void stage_expect_exactly(stage *s, int n)
{
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), n);
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT value) FROM effect"), n);
    assert_int_equal(
        pg_number(s->conn, "SELECT count(*) FROM (SELECT split_part(value, ':', 2)::int AS v,"
                           " lag(split_part(value, ':', 2)::int) OVER (PARTITION BY key ORDER BY n) AS before"
                           " FROM effect) x WHERE v < before"),
        0);
}

int stage_notices(stage *s, pbus_notice_kind kind)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n_notices[kind];
    pthread_mutex_unlock(&s->lock);
    return n;
}

typedef struct expected_notice {
    stage *s;
    pbus_notice_kind kind;
} expected_notice;

static bool was_told(void *arg)
{
    expected_notice *e = arg;
    return stage_notices(e->s, e->kind) > 0;
}

void stage_expect_notice(stage *s, pbus_notice_kind kind)
{
    expected_notice e = {s, kind};
    if (!wait_until(was_told, &e, STAGE_DEADLINE_MS))
        fail_msg("notice %d did not come", (int)kind);
}

static bool is_waiting_at_gate(void *arg)
{
    stage *s = arg;
    pthread_mutex_lock(&s->lock);
    bool waits = s->n_at_gate > 0;
    pthread_mutex_unlock(&s->lock);
    return waits;
}

void stage_expect_at_gate(stage *s)
{
    assert_true(wait_until(is_waiting_at_gate, s, STAGE_DEADLINE_MS));
}

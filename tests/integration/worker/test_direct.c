/* Subscriptions without a database, against a real Kafka: at least once, in the order of keys, positions in Kafka. */
#include "stage.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "proc_fixture.h"
#include "topic_reader.h"

enum { MOST_LINES = 20000, N_KEYS = 23 };

/* What handlers have done, in its order. The stage, which has no database here, holds the rest. */
typedef struct journal {
    stage *s;
    char *lines[MOST_LINES];
    int n;
    int n_refused;              /* attempts that this handler let fail */
    int n_done_of[2], stuck_in; /* by partition */
} journal;

static int group_setup(void **state)
{
    (void)state;
    stage_kafka = kafka_fixture_shared();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    kafka_fixture_free(stage_kafka);
    return 0;
}

static void make(void **state, int n_partitions)
{
    journal *j = calloc(1, sizeof *j);
    j->s = calloc(1, sizeof *j->s);
    pthread_mutex_init(&j->s->lock, NULL);
    j->s->topic = kafka_fixture_new_topic(stage_kafka, "orders", n_partitions, NULL);
    *state = j;
}

static int setup(void **state)
{
    make(state, 2);
    return 0;
}

static int setup_one_partition(void **state)
{
    make(state, 1);
    return 0;
}

static int teardown(void **state)
{
    journal *j = *state;
    void *s = j->s;
    stage_teardown(&s); /* its handlers end first */
    for (int i = 0; i < j->n; i++)
        free(j->lines[i]);
    free(j);
    return 0;
}

static void write_down(journal *j, const char *line)
{
    pthread_mutex_lock(&j->s->lock);
    if (j->n < MOST_LINES)
        j->lines[j->n++] = strdup(line);
    pthread_mutex_unlock(&j->s->lock);
}

static bool is_open(void *arg)
{
    journal *j = arg;
    pthread_mutex_lock(&j->s->lock);
    bool open = j->s->gate_open;
    pthread_mutex_unlock(&j->s->lock);
    return open;
}

static void wait_at_gate(journal *j)
{
    pthread_mutex_lock(&j->s->lock);
    j->s->n_at_gate++;
    pthread_mutex_unlock(&j->s->lock);
    wait_until(is_open, j, STAGE_DEADLINE_MS);
}

/* Values: "wait" waits for the gate; "bad …" is rejected; "stuck …" fails until the gate is open, "poor …" always; all else, and one in 50 only the second time, is done. */
static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *arg)
{
    journal *j = arg;
    const char *value = event->value;
    if (tx || event->deadline_ms != 0)
        return pbus_dead("there is a transaction");
    if (strcmp(value, "wait") == 0)
        wait_at_gate(j);
    pthread_mutex_lock(&j->s->lock);
    bool fails = strncmp(value, "poor", 4) == 0 || (strncmp(value, "stuck", 5) == 0 && !j->s->gate_open) ||
                 (event->attempt == 1 && event->offset % 50 == 7);
    j->n_refused += fails;
    j->n_done_of[event->partition] += !fails;
    j->stuck_in = strncmp(value, "stuck", 5) == 0 ? event->partition : j->stuck_in;
    pthread_mutex_unlock(&j->s->lock);
    if (strncmp(value, "bad", 3) == 0)
        return pbus_dead("nobody wants it");
    if (fails)
        return pbus_retry("not now", -1);
    write_down(j, value);
    return pbus_ack();
}

static pbus_subscription subscription(journal *j)
{
    pbus_subscription sub = stage_subscription(j->s, handle);
    sub.arg = j;
    sub.retry.max_attempts = -1;
    return sub;
}

/* No member dies in this process. One that a slow machine stopped for so long that the group put it out would handle events again. */
static pbus_worker_options options_of(journal *j, const pbus_subscription *sub)
{
    static const pbus_kafka_setting patient[] = {
        {"fetch.wait.max.ms", "20"},
        {"heartbeat.interval.ms", "300"},
        {"session.timeout.ms", "60000"},
        {"linger.ms", "60000"}}; /* no matter of consumers, and not of who produces dead letters */
    pbus_worker_options options = stage_options(j->s, sub, 1);
    options.positions = PBUS_POSITIONS_KAFKA;
    options.kafka = patient;
    options.n_kafka = sizeof patient / sizeof patient[0];
    return options;
}

static void start(journal *j, const pbus_subscription *sub)
{
    pbus_worker_options options = options_of(j, sub);
    if (pbus_worker_start(&options, &j->s->worker, &j->s->err) != PBUS_OK)
        fail_msg("the worker does not start: %s", j->s->err.message);
}

/* ---- what is waited for ---- */

typedef struct wanted {
    journal *j;
    int64_t n;
    int32_t partition;
} wanted;

static bool has_lines(void *arg)
{
    const wanted *w = arg;
    pthread_mutex_lock(&w->j->s->lock);
    bool enough = w->j->n >= w->n;
    pthread_mutex_unlock(&w->j->s->lock);
    return enough;
}

static void expect_lines(journal *j, int n)
{
    wanted w = {.j = j, .n = n};
    if (!wait_until(has_lines, &w, STAGE_DEADLINE_MS))
        fail_msg("%d events instead of %d were handled; Kafka said: %s", j->n, n,
                 j->s->last_message[PBUS_NOTICE_KAFKA]);
}

static bool has_refused(void *arg)
{
    const wanted *w = arg;
    pthread_mutex_lock(&w->j->s->lock);
    bool enough = w->j->n_refused >= w->n;
    pthread_mutex_unlock(&w->j->s->lock);
    return enough;
}

static rd_kafka_t *group(const journal *j)
{
    char name[300], why[256];
    snprintf(name, sizeof name, "%s.main", j->s->topic);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_fixture_brokers(stage_kafka), why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", name, why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(rk);
    return rk;
}

/* The sum over the first two partitions, or of one; what was never committed counts as 0. */
static int64_t committed(const journal *j, int32_t partition)
{
    rd_kafka_t *rk = group(j);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    int64_t sum = 0;
    for (int32_t i = 0; i < 2; i++)
        if (partition < 0 || partition == i)
            rd_kafka_topic_partition_list_add(list, j->s->topic, i);
    if (rd_kafka_committed(rk, list, STAGE_DEADLINE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        sum = -1;
    for (int i = 0; i < list->cnt && sum >= 0; i++)
        sum += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return sum;
}

static bool is_committed(void *arg)
{
    const wanted *w = arg;
    return committed(w->j, w->partition) == w->n;
}

static void expect_committed(journal *j, int32_t partition, int64_t n)
{
    wanted w = {.j = j, .n = n, .partition = partition};
    if (!wait_until(is_committed, &w, STAGE_DEADLINE_MS))
        fail_msg("%lld is committed instead of %lld; Kafka said: %s", (long long)committed(j, partition),
                 (long long)n, j->s->last_message[PBUS_NOTICE_KAFKA]);
}

/* Of each key 1, 2, 3 … as they come for the first time, and each of n events; how many came again. */
static int expect_order(char *const *lines, int n_lines, int n)
{
    int last[N_KEYS] = {0}, n_new = 0, key, number;
    for (int i = 0; i < n_lines; i++) {
        assert_int_equal(sscanf(lines[i], "k%d:%d", &key, &number), 2);
        assert_in_range(key, 0, N_KEYS - 1);
        if (number > last[key] + 1)
            fail_msg("of key %d %d comes after %d", key, number, last[key]);
        n_new += number == last[key] + 1;
        last[key] = number > last[key] ? number : last[key];
    }
    assert_int_equal(n_new, n);
    return n_lines - n_new;
}

/* ---- tests ---- */

static void events_are_handled_in_the_order_of_their_keys_and_positions_are_in_kafka(void **state)
{
    journal *j = *state;
    const int n = 400;
    pbus_subscription sub = subscription(j);
    stage_produce_many(j->s->topic, n, N_KEYS);
    start(j, &sub);
    expect_lines(j, n);
    expect_committed(j, -1, n);
    stage_stop(j->s);
    assert_int_equal(expect_order(j->lines, j->n, n), 0);
    start(j, &sub);
    stage_produce(j->s->topic, "k", "one more", NULL, NULL);
    expect_lines(j, n + 1);
    assert_string_equal(j->lines[n], "one more");
    assert_int_equal(stage_notices(j->s, PBUS_NOTICE_DATABASE), 0);
}

/* A handler writes down what it has done before the worker counts it. */
static bool are_left(void *arg)
{
    const wanted *w = arg;
    pbus_worker_counts counts;
    return pbus_worker_count(w->j->s->worker, "main", &counts) && counts.n_queued == (uint64_t)w->n &&
           counts.n_behind == 1;
}

static void an_event_that_is_tried_again_holds_up_its_key_alone(void **state)
{
    journal *j = *state;
    pbus_subscription sub = subscription(j);
    sub.n_threads = 2;
    start(j, &sub);
    stage_produce(j->s->topic, "a", "stuck", NULL, NULL);
    stage_produce(j->s->topic, "a", "behind it", NULL, NULL);
    for (int i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "b%d", i);
        stage_produce_one(j->s->topic, key, "another", NULL, NULL);
    }
    stage_produce_flush();
    expect_lines(j, 20);
    wanted refused = {.j = j, .n = 5};
    assert_true(wait_until(has_refused, &refused, STAGE_DEADLINE_MS));
    wanted left = {.j = j, .n = 2};
    assert_true(wait_until(are_left, &left, STAGE_DEADLINE_MS));
    assert_int_equal(j->n, 20);
    expect_committed(j, 1 - j->stuck_in, j->n_done_of[1 - j->stuck_in]);
    assert_int_equal(committed(j, j->stuck_in), 0);
    stage_open_gate(j->s);
    expect_lines(j, 22);
    assert_string_equal(j->lines[20], "stuck");
    assert_string_equal(j->lines[21], "behind it");
    expect_committed(j, -1, 22);
}

static void an_unordered_subscription_lets_later_events_of_the_key_pass(void **state)
{
    journal *j = *state;
    pbus_subscription sub = subscription(j);
    sub.unordered = true;
    start(j, &sub);
    stage_produce(j->s->topic, "a", "stuck", NULL, NULL);
    stage_produce(j->s->topic, "a", "behind it", NULL, NULL);
    expect_lines(j, 1);
    assert_string_equal(j->lines[0], "behind it");
    stage_open_gate(j->s);
    expect_lines(j, 2);
}

static bool is_full(void *arg)
{
    const wanted *w = arg;
    pbus_worker_counts counts;
    return pbus_worker_count(w->j->s->worker, "main", &counts) && counts.n_queued >= (uint64_t)w->n;
}

static void what_waits_counts_and_nothing_is_read_beyond_the_limit(void **state)
{
    journal *j = *state;
    pbus_worker_counts counts;
    pbus_subscription sub = subscription(j);
    sub.queue_events = 8;
    stage_produce(j->s->topic, "k0", "stuck", NULL, NULL);
    stage_produce_many(j->s->topic, 40, 1);
    start(j, &sub);
    wanted full = {.j = j, .n = 8}, refused = {.j = j, .n = 10};
    assert_true(wait_until(is_full, &full, STAGE_DEADLINE_MS));
    assert_true(wait_until(has_refused, &refused, STAGE_DEADLINE_MS));
    assert_true(pbus_worker_count(j->s->worker, "main", &counts));
    assert_int_equal(counts.n_read, 8);
    stage_open_gate(j->s);
    expect_lines(j, 41);
    assert_string_equal(j->lines[0], "stuck");
    assert_int_equal(expect_order(j->lines + 1, 40, 40), 0);
}

static void expect_header(const topic_record *record, const char *name, const char *value)
{
    const char *is = topic_record_header(record, name);
    if (!is || strcmp(is, value) != 0)
        fail_msg("header %s is %s instead of %s", name, is ? is : "missing", value);
}

static void dead_letters_go_to_a_topic_and_their_key_goes_on(void **state)
{
    journal *j = *state;
    static const char id[] = "00000000-0000-4000-8000-0000000000aa";
    char *graves = kafka_fixture_new_topic(stage_kafka, "graves", 1, NULL);
    pbus_subscription sub = subscription(j);
    sub.dead_letter_topic = graves;
    sub.retry.max_attempts = 3;
    stage_produce(j->s->topic, "a", "bad", "order.paid", id);
    stage_produce(j->s->topic, "a", "poor", NULL, NULL);
    stage_produce(j->s->topic, "a", "good", NULL, NULL);
    start(j, &sub);
    expect_lines(j, 1);
    expect_committed(j, 0, 3);
    topic_records dead = topic_read(kafka_fixture_brokers(stage_kafka), graves, 2, STAGE_DEADLINE_MS);
    assert_int_equal(dead.n_rows, 2);
    const topic_record *bad = &dead.rows[0], *poor = &dead.rows[1];
    assert_string_equal(bad->key, "a");
    assert_string_equal(bad->value, "bad");
    expect_header(bad, "type", "order.paid");
    expect_header(bad, "original-topic", j->s->topic);
    expect_header(bad, "original-offset", "0");
    expect_header(bad, "original-id", id);
    expect_header(bad, "dead-application", j->s->topic);
    expect_header(bad, "dead-subscription", "main");
    expect_header(bad, "dead-reason", "rejected");
    expect_header(bad, "dead-attempts", "1");
    expect_header(bad, "dead-error", "nobody wants it");
    assert_string_not_equal(topic_record_header(bad, "id"), id);
    assert_string_equal(poor->value, "poor");
    expect_header(poor, "dead-reason", "exhausted");
    expect_header(poor, "dead-attempts", "3");
    assert_non_null(topic_record_header(poor, "dead-first-at"));
    assert_int_equal(stage_notices(j->s, PBUS_NOTICE_DEAD), 2);
    topic_records_done(&dead);
    free(graves);
}

static void without_a_topic_a_subscription_stops_before_what_is_dead(void **state)
{
    journal *j = *state;
    pbus_subscription sub = subscription(j);
    stage_produce(j->s->topic, "a", "good", NULL, NULL);
    stage_produce(j->s->topic, "a", "bad", NULL, NULL);
    stage_produce(j->s->topic, "a", "good", NULL, NULL);
    start(j, &sub);
    stage_expect_notice(j->s, PBUS_NOTICE_STOPPED);
    assert_non_null(strstr(j->s->last_message[PBUS_NOTICE_STOPPED], "rejected: nobody wants it"));
    stage_stop(j->s);
    assert_int_equal(j->n, 1);
    expect_committed(j, 0, 1);
    sub.at_dead = PBUS_AT_DEAD_SKIP;
    start(j, &sub);
    expect_lines(j, 2);
    expect_committed(j, 0, 3);
    assert_int_equal(stage_notices(j->s, PBUS_NOTICE_DEAD), 1);
}

static void a_topic_that_refuses_a_dead_letter_is_as_none(void **state)
{
    journal *j = *state;
    static const char *const small[] = {"max.message.bytes=300", NULL};
    char large[1000] = "bad ";
    char *graves = kafka_fixture_new_topic(stage_kafka, "graves", 1, small);
    pbus_subscription sub = subscription(j);
    sub.dead_letter_topic = graves;
    memset(large + 4, 'x', sizeof large - 5);
    stage_produce(j->s->topic, "a", large, NULL, NULL);
    stage_produce(j->s->topic, "a", "good", NULL, NULL);
    start(j, &sub);
    stage_expect_notice(j->s, PBUS_NOTICE_STOPPED);
    assert_non_null(strstr(j->s->last_message[PBUS_NOTICE_STOPPED], "does not take it"));
    stage_stop(j->s);
    assert_int_equal(j->n, 0);
    sub.at_dead = PBUS_AT_DEAD_SKIP;
    start(j, &sub);
    expect_lines(j, 1);
    assert_int_equal(stage_notices(j->s, PBUS_NOTICE_UNPUBLISHED), 1);
    free(graves);
}

static void what_the_filter_cannot_read_is_dead(void **state)
{
    journal *j = *state;
    static const pbus_condition condition = {"value:total", PBUS_TEST_PRESENT, NULL};
    pbus_subscription sub = subscription(j);
    sub.filter = &condition;
    sub.n_conditions = 1;
    sub.at_dead = PBUS_AT_DEAD_SKIP;
    stage_produce(j->s->topic, "a", "no JSON", NULL, NULL);
    stage_produce(j->s->topic, "a", "{}", NULL, NULL);
    stage_produce(j->s->topic, "a", "{\"total\": 1}", NULL, NULL);
    start(j, &sub);
    expect_lines(j, 1);
    expect_committed(j, 0, 3);
    assert_non_null(strstr(j->s->last_message[PBUS_NOTICE_DEAD], "unreadable"));
}

static void from_the_latest_nothing_is_missed_once_it_has_begun(void **state)
{
    journal *j = *state;
    pbus_subscription sub = subscription(j);
    sub.begin = PBUS_BEGIN_LATEST;
    stage_produce(j->s->topic, "a", "old", NULL, NULL);
    start(j, &sub);
    expect_committed(j, 0, 1);
    stage_stop(j->s);
    stage_produce(j->s->topic, "a", "new", NULL, NULL);
    start(j, &sub);
    expect_lines(j, 1);
    assert_string_equal(j->lines[0], "new");
}

/* As after the topic was made anew. */
static void a_position_behind_the_end_is_told_and_read_from_the_beginning(void **state)
{
    journal *j = *state;
    pbus_subscription sub = subscription(j);
    rd_kafka_t *rk = group(j);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, j->s->topic, 0)->offset = 1000;
    assert_int_equal(rd_kafka_commit(rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    stage_produce(j->s->topic, "a", "first", NULL, NULL);
    start(j, &sub);
    expect_lines(j, 1);
    expect_committed(j, 0, 1);
    assert_int_equal(stage_notices(j->s, PBUS_NOTICE_GAP), 1);
}

/* ---- other processes ---- */

static proc_fixture *subject_start(const journal *j, const char *path, const char *sleep_us,
                                   const char *fails_one_in)
{
    const char *argv[] = {POSTBUS_TEST_DIRECT_SUBJECT,
                          kafka_fixture_brokers(stage_kafka),
                          j->s->topic,
                          j->s->topic,
                          path,
                          sleep_us,
                          fails_one_in,
                          NULL};
    return proc_fixture_start(argv, NULL);
}

static void read_lines(journal *j, const char *path)
{
    char line[200];
    FILE *file = fopen(path, "re");
    for (; j->n > 0; j->n--)
        free(j->lines[j->n - 1]);
    while (file && j->n < MOST_LINES && fgets(line, sizeof line, file))
        j->lines[j->n++] = strdup(line);
    if (file)
        fclose(file);
}

typedef struct wanted_lines {
    journal *j;
    const char *path;
    int n;
} wanted_lines;

static bool file_has_lines(void *arg)
{
    const wanted_lines *w = arg;
    read_lines(w->j, w->path);
    return w->j->n >= w->n;
}

static void expect_in_file(journal *j, const char *path, int n)
{
    wanted_lines w = {j, path, n};
    if (!wait_until(file_has_lines, &w, STAGE_DEADLINE_MS))
        fail_msg("%d lines instead of %d", j->n, n);
}

static void new_file(char path[64])
{
    snprintf(path, 64, "/tmp/postbus-direct.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void killed_subscribers_lose_nothing(void **state)
{
    journal *j = *state;
    const int n = 2000;
    char path[64];
    proc_fixture *two[2] = {NULL, NULL};
    new_file(path);
    stage_produce_many(j->s->topic, n, N_KEYS);
    for (int round = 0; round < 4; round++) {
        proc_fixture **one = &two[round % 2];
        proc_fixture_free(*one); /* SIGKILL; at first there is none */
        *one = subject_start(j, path, "500", "50");
        expect_in_file(j, path, 250 * (round + 1));
    }
    expect_committed(j, -1, n);
    read_lines(j, path);
    expect_order(j->lines, j->n, n);
    for (int i = 0; i < 2; i++)
        proc_fixture_free(two[i]);
    unlink(path);
}

static void members_that_come_and_go_lose_nothing_and_keep_order(void **state)
{
    journal *j = *state;
    const int n = 2000;
    char path[64];
    new_file(path);
    stage_produce_many(j->s->topic, n, N_KEYS);
    proc_fixture *first = subject_start(j, path, "1000", "0");
    expect_in_file(j, path, 50);
    for (int round = 0; round < 3; round++) {
        proc_fixture *second = subject_start(j, path, "1000", "0");
        proc_fixture_expect_log(second, "notice 1", STAGE_DEADLINE_MS);
        expect_in_file(j, path, 300 * (round + 1));
        assert_int_equal(proc_fixture_end(second, SIGTERM, STAGE_DEADLINE_MS), 0);
        proc_fixture_free(second);
    }
    expect_committed(j, -1, n);
    assert_int_equal(proc_fixture_end(first, SIGTERM, STAGE_DEADLINE_MS), 0);
    proc_fixture_free(first);
    read_lines(j, path);
    print_message("%d of %d events came again\n", expect_order(j->lines, j->n, n), n);
    unlink(path);
}

static bool is_rebalancing(void *arg)
{
    const journal *j = arg;
    const struct rd_kafka_group_list *groups = NULL;
    char name[300];
    rd_kafka_t *rk = group(j);
    snprintf(name, sizeof name, "%s.main", j->s->topic);
    bool is = rd_kafka_list_groups(rk, name, &groups, STAGE_DEADLINE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
              groups->group_cnt == 1 && strcmp(groups->groups[0].state, "PreparingRebalance") == 0;
    if (groups)
        rd_kafka_group_list_destroy(groups);
    rd_kafka_destroy(rk);
    return is;
}

static void what_is_being_handled_ends_before_partitions_are_another_s(void **state)
{
    journal *j = *state;
    pbus_worker *second;
    pbus_subscription sub = subscription(j);
    pbus_worker_options options = options_of(j, &sub);
    stage_produce(j->s->topic, "a", "wait", NULL, NULL);
    stage_produce(j->s->topic, "a", "good", NULL, NULL);
    start(j, &sub);
    stage_expect_at_gate(j->s);
    assert_int_equal(pbus_worker_start(&options, &second, &j->s->err), PBUS_OK);
    bool waits = wait_until(is_rebalancing, j, STAGE_DEADLINE_MS);
    stage_open_gate(j->s);
    expect_lines(j, 2);
    expect_committed(j, 0, 2);
    pbus_worker_free(second);
    assert_true(waits);
    assert_int_equal(j->s->n_at_gate, 1);
    assert_int_equal(j->n, 2);
    assert_string_equal(j->lines[1], "good");
}

/* ---- what is refused ---- */

static void expect_refused(journal *j, const pbus_subscription *sub, const pbus_worker_options *options,
                           const char *says)
{
    pbus_worker_options given = *options;
    given.subscriptions = sub;
    assert_int_equal(pbus_worker_start(&given, &j->s->worker, &j->s->err), PBUS_ERROR_ARGUMENT);
    assert_null(j->s->worker);
    if (!strstr(j->s->err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", j->s->err.message, says);
}

static void what_needs_a_database_is_refused(void **state)
{
    journal *j = *state;
    pbus_subscription sub = subscription(j), with = sub;
    pbus_worker_options options = stage_options(j->s, &sub, 1), other;
    options.positions = PBUS_POSITIONS_KAFKA;
    with.batch_size = 10;
    expect_refused(j, &with, &options, "batch_size is 10");
    with = sub;
    with.time_limit_ms = 1000;
    expect_refused(j, &with, &options, "time_limit_ms is 1000");
    with = sub;
    with.at_dead = (pbus_at_dead)2;
    expect_refused(j, &with, &options, "at_dead is 2");
    other = options;
    other.conninfo = "";
    expect_refused(j, &sub, &other, "leave conninfo NULL");
    other = options;
    other.list_version = 3;
    expect_refused(j, &sub, &other, "list_version is 3");
    other = options;
    other.positions = (pbus_positions)2;
    expect_refused(j, &sub, &other, "positions is 2");
    other.positions = PBUS_POSITIONS_DATABASE;
    expect_refused(j, &sub, &other, "conninfo is NULL");
    other.conninfo = "host=/nowhere";
    with = sub;
    with.at_dead = PBUS_AT_DEAD_SKIP;
    expect_refused(j, &with, &other, "at_dead is for positions in Kafka");
}

#define DIRECT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define ONE_PARTITION_TEST(f) cmocka_unit_test_setup_teardown(f, setup_one_partition, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECT_TEST(what_needs_a_database_is_refused),
        DIRECT_TEST(events_are_handled_in_the_order_of_their_keys_and_positions_are_in_kafka),
        DIRECT_TEST(an_event_that_is_tried_again_holds_up_its_key_alone),
        DIRECT_TEST(an_unordered_subscription_lets_later_events_of_the_key_pass),
        DIRECT_TEST(what_waits_counts_and_nothing_is_read_beyond_the_limit),
        ONE_PARTITION_TEST(dead_letters_go_to_a_topic_and_their_key_goes_on),
        ONE_PARTITION_TEST(without_a_topic_a_subscription_stops_before_what_is_dead),
        ONE_PARTITION_TEST(a_topic_that_refuses_a_dead_letter_is_as_none),
        ONE_PARTITION_TEST(what_the_filter_cannot_read_is_dead),
        ONE_PARTITION_TEST(from_the_latest_nothing_is_missed_once_it_has_begun),
        ONE_PARTITION_TEST(a_position_behind_the_end_is_told_and_read_from_the_beginning),
        ONE_PARTITION_TEST(what_is_being_handled_ends_before_partitions_are_another_s),
        DIRECT_TEST(killed_subscribers_lose_nothing),
        DIRECT_TEST(members_that_come_and_go_lose_nothing_and_keep_order),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

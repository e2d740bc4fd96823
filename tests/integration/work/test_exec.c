/* postbus work --exec: a process for each event. */
#include "working.h"

#include "topic_reader.h"
#include "text_file.h"

#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_DONE "SELECT count(*) FROM postbus_inbox.waiting"
#define N_DEAD "SELECT count(*) FROM postbus_inbox.dead"

static const char *const id = "0190f3e4-7c1a-8def-8000-00000000002a";

static json_t *line_of(char **at)
{
    char *line = strsep(at, "\n");
    json_t *json = line ? json_loads(line, 0, NULL) : NULL;
    if (!json)
        fail_msg("no JSON: %s", line ? line : "(no line)");
    return json;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "(none)";
}

static void check_document(const working *w, const json_t *d)
{
    assert_string_equal(text_of(d, "id"), id);
    assert_string_equal(text_of(d, "topic"), w->s->topic);
    assert_string_equal(text_of(d, "application"), w->s->topic);
    assert_string_equal(text_of(d, "subscription"), "main");
    assert_string_equal(text_of(d, "key"), "k");
    assert_string_equal(text_of(d, "type"), "order.paid");
    assert_int_equal(json_integer_value(json_object_get(d, "attempt")), 1);
    assert_int_equal(json_integer_value(json_object_get(d, "offset")), 0);
    assert_true(json_integer_value(json_object_get(d, "timestamp_ms")) > 0);
    assert_true(json_integer_value(json_object_get(d, "deadline_ms")) > 0);
    assert_int_equal(json_array_size(json_object_get(d, "headers")), 2);
}

static void the_deadline_of_the_document_is_in_the_environment_too(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "k", "{}", NULL, NULL);
    working_start(w,
                  (const char *const[]){"--exec",
                                        "read -r document; case $document in"
                                        " *'\"deadline_ms\":'\"$POSTBUS_DEADLINE_MS\",*) echo same;;"
                                        " *) echo \"other $POSTBUS_DEADLINE_MS\";; esac >> $WORK/variables",
                                        NULL});
    stage_expect_soon(w->s, 1, "SELECT count(*) FROM postbus_inbox.inbox");
    char *variables = working_read(w, "variables");
    assert_string_equal(variables, "same\n");
    free(variables);
}

static void an_event_is_a_document_on_standard_input_and_metadata_in_the_environment(void **state)
{
    working *w = *state;
    char expected[300];
    stage_produce(w->s->topic, "k", "{\"n\": 12345678901234567890123,\n \"x\": 1.10}", "order.paid", id);
    stage_produce(w->s->topic, "k", "plain", NULL, NULL);
    stage_produce(w->s->topic, "k", "\xff\x01", NULL, NULL);
    stage_produce(w->s->topic, "k", NULL, NULL, NULL);
    working_start(w,
                  (const char *const[]){
                      "--exec",
                      "cat >> $WORK/documents; echo \"$POSTBUS_ID $POSTBUS_TYPE $POSTBUS_KEY $POSTBUS_OFFSET "
                      "$POSTBUS_ATTEMPT $POSTBUS_VALUE_FORM ${POSTBUS_SECRET-safe}\" >> $WORK/variables",
                      NULL});
    stage_expect_soon(w->s, 4, "SELECT count(*) FROM postbus_inbox.inbox");
    char *documents = working_read(w, "documents"), *at = documents;
    assert_non_null(strstr(documents, "\"value\":{\"n\": 12345678901234567890123,  \"x\": 1.10}}\n"));
    char *first = strsep(&at, "\n");
    json_t *d = json_loads(first, JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(d);
    assert_string_equal(text_of(d, "value_form"), "json");
    json_decref(d);
    *strstr(first, "\"value\":{") = '\0'; /* the integers of the rest as integers */
    char head[2000];
    snprintf(head, sizeof head, "%s\"value\":null}", first);
    d = json_loads(head, 0, NULL);
    check_document(w, d);
    int partition = (int)json_integer_value(json_object_get(d, "partition"));
    json_decref(d);
    static const char *const others[][2] = {{"text", "plain"}, {"base64", "/wE="}, {"none", "(none)"}};
    for (size_t i = 0; i < 3; i++) {
        d = line_of(&at);
        assert_string_equal(text_of(d, "value_form"), others[i][0]);
        assert_string_equal(text_of(d, "value"), others[i][1]);
        json_decref(d);
    }
    free(documents);
    snprintf(expected, sizeof expected,
             "%s order.paid k 0 1 json safe\n%s/%d/1  k 1 1 text safe\n%s/%d/2  k 2 1 base64 safe\n"
             "%s/%d/3  k 3 1 none safe\n",
             id, w->s->topic, partition, w->s->topic, partition, w->s->topic, partition);
    char *variables = working_read(w, "variables");
    assert_string_equal(variables, expected);
    free(variables);
}

static void the_exit_status_decides(void **state)
{
    working *w = *state;
    static const char *const values[] = {"0", "75", "1", "65", "127", "kill"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        stage_produce(w->s->topic, values[i], values[i], NULL, NULL);
    working_start(
        w, (const char *const[]){"--exec",
                                 "[ $POSTBUS_ATTEMPT = 1 ] || { echo $POSTBUS_KEY >> $WORK/again; exit 0; };"
                                 "echo \"says $POSTBUS_KEY\" >&2;"
                                 "[ $POSTBUS_KEY != kill ] || kill -SEGV $$; exit $POSTBUS_KEY",
                                 NULL});
    stage_expect_soon(w->s, 6, "SELECT count(*) FROM postbus_inbox.inbox");
    stage_expect_soon(w->s, 0, ALL_DONE);
    stage_expect_soon(w->s, 1,
                      N_DEAD
                      " WHERE key = '65' AND reason = 'rejected' AND last_error = 'exit status 65: says 65'");
    char *again = working_read(w, "again"), *log = proc_fixture_log(w->proc);
    assert_non_null(again);
    assert_int_equal(strlen(again), strlen("75\n1\n127\nkill\n"));
    assert_non_null(strstr(log, "killed by SIGSEGV: says kill"));
    assert_non_null(strstr(log, "exit status 75: says 75"));
    assert_non_null(strstr(log, "exit status 127: says 127"));
    assert_non_null(strstr(log, "\nsays 1\n")); /* passed on */
    free(again);
    free(log);
}

/* The command itself takes long, and until it has seen that other keys go on. */
static void a_command_may_take_longer_than_the_group_s_patience(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "long", "1", NULL, NULL);
    stage_produce(w->s->topic, "long", "2", NULL, NULL);
    working_start(w, (const char *const[]){
                         "--consumer", "max.poll.interval.ms=6000", "--threads", "4", "--exec",
                         "[ $POSTBUS_KEY$POSTBUS_OFFSET != long0 ] || { echo $$ > $WORK/begun; sleep 9; "
                         "until [ -s $WORK/effects ]; do sleep 0.05; done; }; "
                         "echo $POSTBUS_KEY $POSTBUS_OFFSET $POSTBUS_ATTEMPT >> $WORK/effects",
                         NULL});
    working_expect_any(w, "begun");
    stage_produce_many(w->s->topic, 20, 20);
    stage_expect_soon(w->s, 22, "SELECT count(*) FROM postbus_inbox.inbox");
    char *effects = working_read(w, "effects"), *log = proc_fixture_log(w->proc);
    int n = 0;
    for (const char *at = effects; (at = strchr(at, '\n')) != NULL; at++)
        n++;
    assert_int_equal(n, 22);
    const char *first = strstr(effects, "long 0 1\n"), *second = strstr(effects, "long 1 1\n");
    assert_true(first && second && first < second);
    const char *assigned = strstr(log, "work.assigned");
    assert_true(assigned && !strstr(assigned + 1, "work.assigned"));
    assert_null(strstr(log, "work.revoked"));
    assert_null(strstr(log, "work.kafka"));
    free(effects);
    free(log);
}

/* It ignores SIGTERM, and has a process of its own in the background. */
static void what_takes_too_long_is_killed_with_all_its_processes(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "k", "v", NULL, NULL);
    working_start(w,
                  (const char *const[]){
                      "--time-limit-ms", "1000", "--kill-after-ms", "100", "--retry-attempts", "0", "--exec",
                      "[ ! -e $WORK/stuck ] || exit 0; trap '' TERM; sleep 1000 & echo $! > $WORK/stuck; "
                      "while :; do wait; sleep 1; done",
                      NULL});
    proc_fixture_expect_log(w->proc, "not done within 1000 ms", STAGE_DEADLINE_MS);
    stage_expect_soon(w->s, 1, "SELECT count(*) FROM postbus_inbox.inbox");
    stage_expect_soon(w->s, 0, ALL_DONE);
    working_expect_gone(w, "stuck");
    assert_int_equal(pg_number(w->s->conn, N_DEAD), 0);
}

#define UNTIL_OPEN "echo $$ > $WORK/pid; until [ -e $WORK/open ]; do sleep 0.05; done; "

static void sigterm_lets_what_runs_finish_and_takes_up_nothing_more(void **state)
{
    working *w = *state;
    const char *const words[] = {"--exec", UNTIL_OPEN "echo $POSTBUS_KEY >> $WORK/done", NULL};
    stage_produce(w->s->topic, "a", "v", NULL, NULL);
    working_start(w, words);
    working_expect_any(w, "pid");
    stage_produce(w->s->topic, "b", "v", NULL, NULL);
    proc_fixture_signal(w->proc, SIGTERM);
    proc_fixture_expect_log(w->proc, "work.stopping", STAGE_DEADLINE_MS);
    working_touch(w, "open");
    assert_int_equal(proc_fixture_wait_exit(w->proc, STAGE_DEADLINE_MS), 0);
    working_expect(w, "done", "a\n");
    working_start(w, words);
    working_expect(w, "done", "a\nb\n");
}

/* further: four more words. */
static void end_before_it_is_done(working *w, const char *const further[4])
{
    enum { MOST = 9 };
    const char *all[MOST] = {"--drain-ms", "100", "--exec", UNTIL_OPEN "echo $POSTBUS_ATTEMPT > $WORK/done"};
    for (size_t i = 0; further && i < 4; i++)
        all[4 + i] = further[i];
    stage_produce(w->s->topic, "a", "v", NULL, NULL);
    working_start(w, all);
    working_expect_any(w, "pid");
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 3);
    working_expect_gone(w, "pid");
    working_touch(w, "open");
    working_start(w, all);
    working_expect(w, "done", "1\n");
}

static void what_outlasts_the_drain_is_ended_and_counts_as_no_attempt(void **state)
{
    end_before_it_is_done(*state, NULL);
}

/* words: what becomes of dead events. */
static void end_without_a_database(working *w, const char *const words[2])
{
    end_before_it_is_done(w, (const char *const[]){"--positions=kafka", "--retry=never", words[0], words[1]});
}

static void without_a_database_too_where_what_fails_is_skipped(void **state)
{
    end_without_a_database(*state, (const char *const[2]){"--at-dead", "skip"});
}

static void without_a_database_too_where_what_fails_has_a_topic(void **state)
{
    char *graves = kafka_fixture_new_topic(stage_kafka, "graves", 1, NULL);
    end_without_a_database(*state, (const char *const[2]){"--dead-letter-topic", graves});
    topic_records dead = topic_read(kafka_fixture_brokers(stage_kafka), graves, 0, STAGE_DEADLINE_MS);
    assert_int_equal(dead.n_rows, 0);
    topic_records_done(&dead);
    free(graves);
}

static void a_killed_worker_takes_its_command_with_it_and_loses_nothing(void **state)
{
    working *w = *state;
    const char *const words[] = {"--exec", UNTIL_OPEN "echo $POSTBUS_ATTEMPT >> $WORK/done", NULL};
    stage_produce(w->s->topic, "a", "v", NULL, NULL);
    working_start(w, words);
    working_expect_any(w, "pid");
    proc_fixture_end(w->proc, SIGKILL, STAGE_DEADLINE_MS);
    working_expect_gone(w, "pid");
    working_touch(w, "open");
    working_start(w, words);
    working_expect(w, "done", "1\n");
    stage_expect_soon(w->s, 1, "SELECT count(*) FROM postbus_inbox.inbox");
}

static void the_first_process_of_a_container_too(void **state)
{
    ((working *)*state)->adopts = true;
    a_killed_worker_takes_its_command_with_it_and_loses_nothing(state);
}

/* Children of the process, dead ones included. */
static int n_children(pid_t parent)
{
    char path[64];
    int n = 0, theirs;
    DIR *all = opendir("/proc");
    assert_non_null(all);
    for (struct dirent *each; (each = readdir(all));) {
        snprintf(path, sizeof path, "/proc/%.20s/stat", each->d_name);
        FILE *stat = *each->d_name >= '0' && *each->d_name <= '9' ? fopen(path, "r") : NULL;
        if (!stat)
            continue;
        n += fscanf(stat, "%*d (%*[^)]) %*c %d", &theirs) == 1 && theirs == parent;
        fclose(stat);
    }
    closedir(all);
    return n;
}

static bool has_one_child(void *arg)
{
    const working *w = arg;
    return n_children(proc_fixture_pid(w->proc)) == 1;
}

/* One is killed with its command's group, the other has left that. */
static void as_the_first_process_of_a_container_it_collects_what_commands_leave_behind(void **state)
{
    working *w = *state;
    w->adopts = true;
    stage_produce_many(w->s->topic, 20, 5);
    working_start(w, (const char *const[]){"--exec", "sleep 1000 & setsid sleep 0.1 & exit 0", NULL});
    stage_expect_soon(w->s, 20, "SELECT count(*) FROM postbus_inbox.inbox");
    if (!wait_until(has_one_child, w, STAGE_DEADLINE_MS))
        fail_msg("%d children", n_children(proc_fixture_pid(w->proc)));
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 0);
}

/* As who starts it may have left it: nobody is told how a child ended. */
static void a_command_s_end_is_seen_where_the_ends_of_children_were_ignored(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "v", NULL, NULL);
    signal(SIGCHLD, SIG_IGN);
    working_start(
        w, (const char *const[]){"--exec",
                                 "echo $POSTBUS_ATTEMPT >> $WORK/attempts; [ $POSTBUS_ATTEMPT = 2 ]", NULL});
    signal(SIGCHLD, SIG_DFL);
    stage_expect_soon(w->s, 1, "SELECT count(*) FROM postbus_inbox.inbox");
    stage_expect_soon(w->s, 0, ALL_DONE);
    working_expect(w, "attempts", "1\n2\n");
}

static void a_file_describes_several_subscriptions(void **state)
{
    working *w = *state;
    char text[1200];
    snprintf(text, sizeof text,
             "application = \"%s\"  # of both\n"
             "list_version = 7\n"
             "consumer = {\"fetch.wait.max.ms=20\"}\n"
             "subscription paid {\n"
             "    topics = \"%s\"\n"
             "    filter = {\"type = order.paid\", \"value:total value\"}\n"
             "    exec = 'echo $POSTBUS_KEY >> $WORK/paid'\n"
             "}\n"
             "subscription dead {\n"
             "    topics = \"%s\"\n"
             "    retry = never\n"
             "    exec = \"exit 1\"\n"
             "}\n",
             w->s->topic, w->s->topic, w->s->topic);
    stage_produce(w->s->topic, "a", "{\"total\": 1}", "order.paid", NULL);
    stage_produce(w->s->topic, "b", "{\"total\": 1}", "order.sent", NULL);
    stage_produce(w->s->topic, "c", "{}", "order.paid", NULL);
    working_start_file(w, text, (const char *const[]){NULL});
    stage_expect_soon(w->s, 3, N_DEAD " WHERE last_error = 'exit status 1'");
    working_expect(w, "paid", "a\n");
    pg_expect(w->s->conn, "7,7",
              "SELECT string_agg(list_version::text, ',') FROM postbus_inbox.subscription");
}

static void without_a_database_positions_are_kept_in_kafka(void **state)
{
    working *w = *state;
    char *graves = kafka_fixture_new_topic(stage_kafka, "graves", 1, NULL);
    stage_produce(w->s->topic, "a", "1", NULL, NULL);
    stage_produce(w->s->topic, "a", "2", "bad", NULL);
    stage_produce(w->s->topic, "a", "3", NULL, NULL);
    working_start(
        w, (const char *const[]){"--positions", "kafka", "--dead-letter-topic", graves, "--exec",
                                 "[ \"$POSTBUS_TYPE\" != bad ] || exit 65; [ $POSTBUS_ATTEMPT = 2 ] || exit "
                                 "1; echo $POSTBUS_OFFSET >> $WORK/done",
                                 NULL});
    working_expect_any(w, "done");
    topic_records dead = topic_read(kafka_fixture_brokers(stage_kafka), graves, 1, STAGE_DEADLINE_MS);
    assert_int_equal(dead.n_rows, 1);
    assert_string_equal(dead.rows[0].value, "2");
    assert_string_equal(topic_record_header(&dead.rows[0], "dead-error"), "exit status 65");
    topic_records_done(&dead);
    stage_expect_soon(w->s, 0, "SELECT count(*) FROM postbus_inbox.subscription");
    free(graves);
}

static void a_dead_letter_that_has_nowhere_to_go_ends_the_process(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "1", NULL, NULL);
    working_start(w, (const char *const[]){"--positions", "kafka", "--exec", "exit 65", NULL});
    proc_fixture_expect_log(w->proc, "work.subscription_stopped", STAGE_DEADLINE_MS);
    assert_int_equal(proc_fixture_wait_exit(w->proc, STAGE_DEADLINE_MS), 1);
}

static void a_command_need_not_read_its_event(void **state)
{
    working *w = *state;
    size_t size = 900000;
    char *value = malloc(size + 1);
    memset(value, 'x', size);
    value[size] = '\0';
    stage_produce(w->s->topic, "a", value, NULL, NULL);
    stage_produce(w->s->topic, "a", value, NULL, NULL);
    free(value);
    working_start(w, (const char *const[]){
                         "--exec", "[ $POSTBUS_OFFSET = 0 ] || wc -c | tr -d ' ' > $WORK/size; :", NULL});
    stage_expect_soon(w->s, 2, "SELECT count(*) FROM postbus_inbox.inbox");
    working_expect_any(w, "size");
    char *found = working_read(w, "size");
    assert_true(strtol(found, NULL, 10) > 900000);
    free(found);
    assert_int_equal(pg_number(w->s->conn, ALL_DONE) + pg_number(w->s->conn, N_DEAD), 0);
}

static void write_schema(const char *path)
{
    text_file_write(path,
                    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},"
                    "{\"name\":\"name\",\"type\":\"string\"}]}");
}

/* One that cannot be read is dead, and no command sees it. */
static void avro_comes_as_json_and_is_filtered_by_its_fields(void **state)
{
    working *w = *state;
    char path[100];
    snprintf(path, sizeof path, "%s/r.avsc", w->dir);
    write_schema(path);
    stage_produce(w->s->topic, "k", "\2\6Ada", NULL, NULL);
    stage_produce(w->s->topic, "k", "\4\6Bea", NULL, NULL);
    stage_produce(w->s->topic, "k", "\4\6Cas, and more", NULL, NULL);
    stage_produce(w->s->topic, "k", "\6\6Dan", NULL, NULL);
    working_start(w, (const char *const[]){
                         "--avro", "file", "--avro-schema", path, "--filter", "value:id ~ [13]", "--exec",
                         "cat >> $WORK/documents; echo $POSTBUS_VALUE_FORM >> $WORK/forms", NULL});
    stage_expect_soon(w->s, 2, "SELECT count(*) FROM postbus_inbox.inbox WHERE kafka_offset IN (0, 3)");
    stage_expect_soon(w->s, 1, N_DEAD " WHERE reason = 'unreadable' AND kafka_offset = 2");
    working_expect(w, "forms", "avro\navro\n");
    char *documents = working_read(w, "documents");
    assert_non_null(
        strstr(documents, "\"value_form\":\"avro\",\"value_avro\":{\"id\":1,\"name\":\"Ada\"}}\n"));
    assert_non_null(
        strstr(documents, "\"value_form\":\"avro\",\"value_avro\":{\"id\":3,\"name\":\"Dan\"}}\n"));
    assert_null(strstr(documents, "\"value\":{"));
    free(documents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKING_TEST(an_event_is_a_document_on_standard_input_and_metadata_in_the_environment),
        WORKING_TEST(the_deadline_of_the_document_is_in_the_environment_too),
        WORKING_TEST(the_exit_status_decides),
        WORKING_TEST(what_takes_too_long_is_killed_with_all_its_processes),
        WORKING_TEST(a_command_may_take_longer_than_the_group_s_patience),
        WORKING_TEST(sigterm_lets_what_runs_finish_and_takes_up_nothing_more),
        WORKING_TEST(what_outlasts_the_drain_is_ended_and_counts_as_no_attempt),
        WORKING_TEST(without_a_database_too_where_what_fails_is_skipped),
        WORKING_TEST(without_a_database_too_where_what_fails_has_a_topic),
        WORKING_TEST(a_killed_worker_takes_its_command_with_it_and_loses_nothing),
        WORKING_TEST(the_first_process_of_a_container_too),
        WORKING_TEST(as_the_first_process_of_a_container_it_collects_what_commands_leave_behind),
        WORKING_TEST(a_command_s_end_is_seen_where_the_ends_of_children_were_ignored),
        WORKING_TEST(avro_comes_as_json_and_is_filtered_by_its_fields),
        WORKING_TEST(a_file_describes_several_subscriptions),
        WORKING_TEST(without_a_database_positions_are_kept_in_kafka),
        WORKING_TEST(a_dead_letter_that_has_nowhere_to_go_ends_the_process),
        WORKING_TEST(a_command_need_not_read_its_event),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

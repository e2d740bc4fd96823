/* postbus work --exec-lines: a process for each thread, a line for each event. */
#include "working.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define N_INBOX "SELECT count(*) FROM postbus_inbox.inbox"
#define N_WAITING "SELECT count(*) FROM postbus_inbox.waiting"
#define N_DEAD "SELECT count(*) FROM postbus_inbox.dead"

/* Answers by the key, and by whether it is the first attempt. */
static const char answering[] =
    "echo start >> $WORK/starts\n"
    "while read -r line; do\n"
    "  case $line in\n"
    "    *'\"key\":\"dead\"'*) echo '{\"result\": \"dead\", \"reason\": \"no such order\"}';;\n"
    "    *'\"attempt\":1,'*'\"value\":\"retry\"'*) echo "
    "'{\"result\":\"retry\",\"reason\":\"later\",\"delay_ms\":1}';;\n"
    "    *'\"attempt\":1,'*'\"value\":\"die\"'*) echo 'dying' >&2; exit 0;;\n"
    "    *'\"attempt\":1,'*'\"value\":\"crash\"'*) kill -SEGV $$;;\n"
    "    *'\"attempt\":1,'*'\"value\":\"garbage\"'*) echo 'done!';;\n"
    "    *'\"attempt\":1,'*'\"value\":\"twice\"'*) printf "
    "'{\"result\":\"ack\"}\\n{\"result\":\"ack\"}\\n';;\n"
    "    *) echo '{\"result\":\"ack\"}';;\n"
    "  esac\n"
    "done\n"
    "echo end >> $WORK/ends\n";

static void one_process_answers_many_events(void **state)
{
    working *w = *state;
    stage_produce_many(w->s->topic, 50, 5);
    working_start(w, (const char *const[]){"--exec-lines", answering, NULL});
    stage_expect_soon(w->s, 50, N_INBOX);
    working_expect(w, "starts", "start\n");
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 0);
    working_expect(w, "ends", "end\n"); /* it was given the end of its input, and the time to say this */
    assert_int_equal(pg_number(w->s->conn, N_WAITING) + pg_number(w->s->conn, N_DEAD), 0);
}

static void the_reply_decides(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "retry", NULL, NULL);
    stage_produce(w->s->topic, "dead", "v", NULL, NULL);
    stage_produce(w->s->topic, "b", "v", NULL, NULL);
    working_start(w, (const char *const[]){"--exec-lines", answering, NULL});
    stage_expect_soon(w->s, 3, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    stage_expect_soon(w->s, 1, N_DEAD " WHERE reason = 'rejected' AND last_error = 'no such order'");
    working_expect(w, "starts", "start\n");
    proc_fixture_expect_log(w->proc, "later", STAGE_DEADLINE_MS);
}

static void one_that_dies_or_talks_nonsense_is_a_retry_and_started_again(void **state)
{
    working *w = *state;
    static const char *const values[] = {"die", "crash", "garbage"};
    for (size_t i = 0; i < 3; i++)
        stage_produce(w->s->topic, values[i], values[i], NULL, NULL);
    working_start(w, (const char *const[]){"--exec-lines", answering, NULL});
    stage_expect_soon(w->s, 3, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    working_expect(w, "starts", "start\nstart\nstart\nstart\n");
    char *log = proc_fixture_log(w->proc);
    assert_non_null(strstr(log, "ended without a reply: dying"));
    assert_non_null(strstr(log, "killed by SIGSEGV"));
    assert_non_null(strstr(log, "the reply is no JSON object"));
    free(log);
    assert_int_equal(pg_number(w->s->conn, N_DEAD), 0);
}

/* Its second line must not become the answer to the next event. */
static void a_line_that_nobody_asked_for_ends_the_process(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "twice", NULL, NULL);
    stage_produce(w->s->topic, "a", "v", NULL, NULL);
    stage_produce(w->s->topic, "dead", "v", NULL, NULL);
    working_start(w, (const char *const[]){"--exec-lines", answering, NULL});
    stage_expect_soon(w->s, 3, N_INBOX);
    stage_expect_soon(w->s, 1, N_DEAD);
    working_expect(w, "starts", "start\nstart\n");
}

/* What it has not read of an event must not become the beginning of the next one. */
static void an_answer_to_an_event_that_was_not_read_ends_the_process(void **state)
{
    working *w = *state;
    enum { LARGE = 300000 };
    char *large = calloc(1, LARGE + 1);
    memset(large, 'x', LARGE);
    stage_produce(w->s->topic, "k", large, NULL, NULL);
    stage_produce(w->s->topic, "k", "b", NULL, NULL);
    free(large);
    working_start(w, (const char *const[]){"--retry", "never", "--exec-lines",
                                           "exec python3 " POSTBUS_TEST_IMPATIENT " $WORK", NULL});
    working_expect(w, "whole", "b 1\n");
    assert_null(working_read(w, "parts"));
    stage_expect_soon(w->s, 1, N_DEAD " WHERE last_error = 'it answered before it had read its event'");
    assert_int_equal(pg_number(w->s->conn, N_DEAD), 1);
}

/* It goes on behind the end of its input, and ends when it is told to. What it could have of time between the two is an hour. */
static void one_that_is_idle_has_no_longer_than_the_drain(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "k", "v", NULL, NULL);
    working_start(w, (const char *const[]){"--drain-ms", "200", "--kill-after-ms", "1h", "--exec-lines",
                                           "while read -r line; do echo '{\"result\":\"ack\"}'; done; "
                                           "echo $$ > $WORK/idle; exec sleep 10000",
                                           NULL});
    stage_expect_soon(w->s, 1, N_INBOX);
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 0);
    working_expect_gone(w, "idle");
}

static void one_that_does_not_answer_is_killed(void **state)
{
    working *w = *state;
    stage_produce(w->s->topic, "a", "v", NULL, NULL);
    working_start(
        w, (const char *const[]){
               "--time-limit-ms", "1000", "--kill-after-ms", "100", "--retry-attempts", "0", "--exec-lines",
               "read -r line; [ ! -e $WORK/stuck ] || { echo '{\"result\":\"ack\"}'; read -r line; exit; }; "
               "trap '' TERM; sleep 1000 & echo $! > $WORK/stuck; while :; do wait; sleep 1; done",
               NULL});
    proc_fixture_expect_log(w->proc, "not done within 1000 ms", STAGE_DEADLINE_MS);
    stage_expect_soon(w->s, 1, N_INBOX);
    stage_expect_soon(w->s, 0, N_WAITING);
    working_expect_gone(w, "stuck");
}

static void each_thread_has_a_process(void **state)
{
    working *w = *state;
    /* The two meet: neither answers before the other has its event. */
    static const char meeting[] = "while read -r line; do touch $WORK/here.$$; "
                                  "until [ $(ls -d $WORK/here.* | wc -l) = 2 ]; do sleep 0.05; done; "
                                  "echo '{\"result\":\"ack\"}'; done";
    stage_produce_many(w->s->topic, 40, 40);
    working_start(w, (const char *const[]){"--threads", "2", "--exec-lines", meeting, NULL});
    stage_expect_soon(w->s, 40, N_INBOX);
}

static void the_example_in_python_writes_each_total_once(void **state)
{
    working *w = *state;
    static const char *const id = "0190f3e4-7c1a-8def-8000-00000000002a";
    stage_produce(w->s->topic, "a", "{\"total\": 42}", NULL, id);
    stage_produce(w->s->topic, "a", "{\"total\": 42}", NULL, id); /* the relay repeats it */
    stage_produce(w->s->topic, "b", "{\"sum\": 1}", NULL, NULL);
    working_start(w, (const char *const[]){"--exec-lines", "python3 " POSTBUS_TEST_TOTALS " $WORK", NULL});
    stage_expect_soon(w->s, 1, N_DEAD " WHERE last_error = 'an order without a total'");
    working_expect(w, id, "a 42\n");
    assert_int_equal(proc_fixture_end(w->proc, SIGTERM, STAGE_DEADLINE_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKING_TEST(one_process_answers_many_events),
        WORKING_TEST(the_reply_decides),
        WORKING_TEST(one_that_dies_or_talks_nonsense_is_a_retry_and_started_again),
        WORKING_TEST(a_line_that_nobody_asked_for_ends_the_process),
        WORKING_TEST(an_answer_to_an_event_that_was_not_read_ends_the_process),
        WORKING_TEST(one_that_is_idle_has_no_longer_than_the_drain),
        WORKING_TEST(one_that_does_not_answer_is_killed),
        WORKING_TEST(each_thread_has_a_process),
        WORKING_TEST(the_example_in_python_writes_each_total_once),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}

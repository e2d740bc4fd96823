/* What becomes of events that no request can carry; no server is needed for it. */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "poster.h"

enum { KEY_SIZE = 400000 }; /* three times as much in percent-encoding */

typedef struct posting {
    poster p;
    pbus_delivery e;
    pbus_outcome outcome;
} posting;

static void *run(void *arg)
{
    posting *one = arg;
    one->outcome = poster_post(&one->e, NULL, &one->p);
    return NULL;
}

/* By a thread, whose connection ends with it. */
static pbus_outcome post(size_t key_size)
{
    static char key[KEY_SIZE];
    static const signer unsigned_ = {0};
    pthread_t thread;
    for (size_t i = 0; i < key_size; i++)
        key[i] = i % 2 ? '\xa4' : '\xc3';
    posting one = {.p = {.url = "http://127.0.0.1:1/",
                         .source = "",
                         .ca_file = "",
                         .secrets = &unsigned_,
                         .time_limit_ms = 60000,
                         .stop_fd = eventfd(0, EFD_CLOEXEC)},
                   .e = {.application = "shop",
                         .subscription = "main",
                         .topic = "orders",
                         .key = key,
                         .key_size = key_size,
                         .value = "v",
                         .value_size = 1,
                         .attempt = 1}};
    assert_true(poster_init(&one.p));
    assert_int_equal(pthread_create(&thread, NULL, run, &one), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    poster_done(&one.p);
    close(one.p.stop_fd);
    return one.outcome;
}

static void what_no_request_can_carry_is_a_dead_letter_at_once(void **state)
{
    (void)state;
    pbus_outcome outcome = post(KEY_SIZE);
    if (outcome.verdict != PBUS_DEAD)
        fail_msg("%s", outcome.reason);
    assert_non_null(strstr(outcome.reason, "900000 bytes of headers"));
}

static void a_server_that_is_not_there_is_tried_again(void **state)
{
    (void)state;
    pbus_outcome outcome = post(KEY_SIZE / 4);
    assert_int_equal(outcome.verdict, PBUS_RETRY);
    assert_non_null(strstr(outcome.reason, "no answer: Failed to connect"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_request_can_carry_is_a_dead_letter_at_once),
        cmocka_unit_test(a_server_that_is_not_there_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

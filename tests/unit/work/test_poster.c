/* What becomes of events that no request can carry, and while a name is looked for; no server is needed for it. */
#include "cmocka_all.h"
#include "wait_until.h"

#include <curl/curl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "poster.h"

enum { KEY_SIZE = 400000 }; /* three times as much in percent-encoding */
enum { DEADLINE_MS = 120000, PATIENCE_MS = 20000 };

/* ---- a name server that does not answer ---- */

static atomic_int n_asking;
static atomic_bool answers;

static bool is_answered(void *arg)
{
    (void)arg;
    return answers;
}

static bool nobody_asks(void *arg)
{
    (void)arg;
    return n_asking == 0;
}

/* In the place of libc's, for libcurl too. A while longer than any time limit here, in case somebody waits for it. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **out)
{
    (void)name;
    (void)service;
    (void)hints;
    *out = NULL;
    n_asking++;
    wait_until(is_answered, NULL, PATIENCE_MS);
    n_asking--;
    return EAI_AGAIN;
}

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
static pbus_outcome post_to(const char *url, size_t key_size, int64_t time_limit_ms)
{
    static char key[KEY_SIZE];
    static const signer unsigned_ = {0};
    pthread_t thread;
    for (size_t i = 0; i < key_size; i++)
        key[i] = i % 2 ? '\xa4' : '\xc3';
    posting one = {.p = {.url = url,
                         .source = "",
                         .ca_file = "",
                         .secrets = &unsigned_,
                         .time_limit_ms = time_limit_ms,
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

static pbus_outcome post(size_t key_size)
{
    return post_to("http://127.0.0.1:1/", key_size, 60000);
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

/* Older ones wait for the thread, and c-ares has none. */
static bool resolver_can_be_left(void)
{
    const curl_version_info_data *is = curl_version_info(CURLVERSION_NOW);
    return LIBCURL_VERSION_NUM >= 0x075700 && is->version_num >= 0x075700 && !is->ares;
}

static void the_time_limit_holds_while_a_name_is_looked_for(void **state)
{
    (void)state;
    if (!resolver_can_be_left())
        skip();
    pbus_outcome outcome = post_to("http://shop.example/", 0, 300);
    int n = n_asking; /* the question is still open */
    answers = true;
    assert_true(wait_until(nobody_asks, NULL, DEADLINE_MS));
    assert_int_equal(outcome.verdict, PBUS_RETRY);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_request_can_carry_is_a_dead_letter_at_once),
        cmocka_unit_test(a_server_that_is_not_there_is_tried_again),
        cmocka_unit_test(the_time_limit_holds_while_a_name_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

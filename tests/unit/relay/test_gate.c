/* The gate stops what librdkafka's own threads send, in the open and under TLS, and nobody else. */
#include "cmocka_all.h"
#include "gate.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <librdkafka/rdkafka_mock.h>

#include "clock.h"
#include "wait_until.h"

enum { SOON_MS = 120000 };

/* A producer behind a gate, and the brokers of another one, which are before none. */
typedef struct stage {
    gate gate;
    rd_kafka_t *brokers, *producer;
    rd_kafka_mock_cluster_t *mock;
    size_t n_delivered, n_refused;
    int64_t last_offset;
} stage;

static stage at;

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque; /* the gate's */
    at.n_delivered += m->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    at.last_offset = m->offset;
}

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
    (void)rk;
    (void)error;
    (void)opaque;
    at.n_refused += strstr(reason, strerror(EPIPE)) != NULL;
}

static rd_kafka_t *new_client(rd_kafka_conf_t *conf)
{
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!client)
        fail_msg("%s", reason);
    return client;
}

static int open_stage(void **state)
{
    (void)state;
    at = (stage){.last_offset = -1};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", "unused", NULL, 0);
    at.brokers = new_client(conf);
    at.mock = rd_kafka_mock_cluster_new(at.brokers, 1);
    assert_non_null(at.mock);
    gate_init(&at.gate, NULL, 1000);
    conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(at.mock), NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "0", NULL, 0);
    rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "200", NULL, 0);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    gate_guard(&at.gate, conf);
    at.producer = new_client(conf);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    rd_kafka_destroy(at.producer);
    rd_kafka_mock_cluster_destroy(at.mock);
    rd_kafka_destroy(at.brokers);
    return 0;
}

static void produce(void)
{
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = "t"},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = (char[]){'v'}, .size = 1}},
    };
    assert_null(rd_kafka_produceva(at.producer, parts, 3));
}

static bool has_delivered(void *n)
{
    rd_kafka_poll(at.producer, 0);
    return at.n_delivered == *(size_t *)n;
}

static void expect_delivered(size_t n)
{
    assert_true(wait_until(has_delivered, &n, SOON_MS));
}

static bool has_been_refused(void *unused)
{
    (void)unused;
    rd_kafka_poll(at.producer, 0);
    return at.n_refused > 0;
}

static void the_libraries_call_ours(void **state)
{
    (void)state;
    assert_ptr_equal(dlsym(RTLD_DEFAULT, "sendmsg"), (void *)(uintptr_t)sendmsg);
    assert_ptr_equal(dlsym(RTLD_DEFAULT, "write"), (void *)(uintptr_t)write);
}

static void what_is_handed_over_before_the_gate_shuts_does_not_leave_after(void **state)
{
    (void)state;
    gate_open(&at.gate, CLOCK_NEVER);
    produce();
    expect_delivered(1);
    gate_shut(&at.gate);
    produce();
    assert_true(wait_until(has_been_refused, NULL, SOON_MS));
    assert_int_equal(at.n_delivered, 1);
    gate_open(&at.gate, CLOCK_NEVER);
    expect_delivered(2);
    assert_int_equal(at.last_offset, 1);
}

static void it_shuts_by_itself_when_its_time_is_over(void **state)
{
    (void)state;
    gate_open(&at.gate, CLOCK_NEVER);
    produce();
    expect_delivered(1);
    gate_open(&at.gate, clock_now_us());
    produce();
    assert_true(wait_until(has_been_refused, NULL, SOON_MS));
    assert_int_equal(at.n_delivered, 1);
}

static void it_stands_before_no_other_socket(void **state)
{
    (void)state;
    int pair[2];
    char byte = 0;
    gate_shut(&at.gate);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[0], "x", 1), 1);
    assert_int_equal(read(pair[1], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_libraries_call_ours),
        cmocka_unit_test_setup_teardown(what_is_handed_over_before_the_gate_shuts_does_not_leave_after,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(it_shuts_by_itself_when_its_time_is_over, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(it_stands_before_no_other_socket, open_stage, close_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

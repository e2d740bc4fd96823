/* The network of the tests breaks in the ways it says, mends, and loses nothing that it took. */
#include "cmocka_all.h"
#include "kafka_fixture.h"
#include "net_proxy.h"
#include "topic_reader.h"
#include "wait_until.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

enum { SOON_MS = 120000, MANY = 150 };

/* A server that the test itself is, and the proxy before it. */
static int listener;
static net_proxy *proxy;

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int open_stage(void **state)
{
    (void)state;
    struct sockaddr_in at = local(0);
    socklen_t size = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 512), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    proxy = net_proxy_new();
    net_proxy_aim(proxy, ntohs(at.sin_port));
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    net_proxy_free(proxy);
    close(listener);
    return 0;
}

/* ---- the two ends of a connection ---- */

typedef struct ends {
    int client, server;
} ends;

static int start_to_connect(void)
{
    struct sockaddr_in to = local(net_proxy_port(proxy));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int answer = connect(fd, (struct sockaddr *)&to, sizeof to);
    assert_true(answer == 0 || errno == EINPROGRESS);
    return fd;
}

static bool becomes(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};
    return poll(&wait, 1, SOON_MS) == 1;
}

static ends connect_through(void)
{
    ends e = {.client = start_to_connect()};
    assert_true(becomes(e.client, POLLOUT));
    assert_true(becomes(listener, POLLIN));
    e.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(e.server >= 0);
    return e;
}

static void close_both(ends e)
{
    close(e.client);
    close(e.server);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads to the last byte of the text, no further. */
static void expect_to_hear(int fd, const char *text)
{
    char heard[256];
    size_t size = strlen(text), n = 0;
    while (n < size) {
        assert_true(becomes(fd, POLLIN));
        ssize_t got = read(fd, heard + n, size - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(heard, text, size);
}

static bool hears_nothing(int fd)
{
    char byte;
    return read(fd, &byte, 1) < 0 && errno == EAGAIN;
}

static struct tcp_info info_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info;
}

static bool has_repeated_itself(void *fd)
{
    return info_of(*(int *)fd).tcpi_retransmits >= 1;
}

static bool is_acknowledged(void *fd)
{
    return info_of(*(int *)fd).tcpi_unacked == 0;
}

static bool has_given_up(void *fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(*(int *)fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == ETIMEDOUT;
}

/* ---- tests ---- */

static void bytes_and_ends_go_through(void **state)
{
    (void)state;
    ends e = connect_through();
    say(e.client, "question");
    expect_to_hear(e.server, "question");
    shutdown(e.client, SHUT_WR);
    char byte;
    assert_true(becomes(e.server, POLLIN));
    assert_int_equal(read(e.server, &byte, 1), 0);
    say(e.server, "answer");
    expect_to_hear(e.client, "answer");
    close(e.server);
    assert_true(becomes(e.client, POLLIN));
    assert_int_equal(read(e.client, &byte, 1), 0);
    close(e.client);
}

/* The sender repeats itself, as it does on a network that is gone; after the cut everything is there, in order. */
static void what_is_cut_is_neither_delivered_nor_acknowledged(void **state)
{
    (void)state;
    ends e = connect_through();
    const struct {
        net_way way;
        int from, to;
    } ways[] = {{NET_TO_SERVER, e.client, e.server}, {NET_TO_CLIENT, e.server, e.client}};
    for (size_t i = 0; i < 2; i++) {
        int from = ways[i].from, to = ways[i].to;
        say(from, "before ");
        expect_to_hear(to, "before ");
        net_proxy_cut(proxy, ways[i].way);
        say(from, "during ");
        assert_true(wait_until(has_repeated_itself, &from, SOON_MS));
        assert_true(hears_nothing(to));
        say(to, "the other way");
        expect_to_hear(from, "the other way");
        net_proxy_heal(proxy);
        say(from, "after");
        expect_to_hear(to, "during after");
    }
    close_both(e);
}

static void a_sender_gives_up_on_a_cut_but_not_on_a_hold(void **state)
{
    (void)state;
    ends cut = connect_through(), held = connect_through();
    unsigned int patience_ms = 500;
    setsockopt(cut.client, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
    net_proxy_hold(proxy, NET_BOTH_WAYS);
    say(held.client, "held");
    assert_true(wait_until(is_acknowledged, &held.client, SOON_MS));
    net_proxy_cut(proxy, NET_BOTH_WAYS);
    say(cut.client, "cut");
    assert_true(wait_until(has_given_up, &cut.client, SOON_MS));
    assert_true(hears_nothing(held.server));
    net_proxy_heal(proxy);
    expect_to_hear(held.server, "held");
    close_both(cut);
    close_both(held);
}

static void nobody_connects_during_a_cut(void **state)
{
    (void)state;
    static const net_way ways[] = {NET_TO_SERVER, NET_TO_CLIENT};
    for (size_t i = 0; i < 2; i++) {
        net_proxy_cut(proxy, ways[i]);
        int fd = start_to_connect();
        assert_true(wait_until(has_repeated_itself, &fd, SOON_MS));
        assert_int_equal(info_of(fd).tcpi_state, TCP_SYN_SENT);
        net_proxy_heal(proxy);
        assert_true(becomes(fd, POLLOUT));
        assert_true(becomes(listener, POLLIN));
        close(accept(listener, NULL, NULL));
        close(fd);
    }
}

static void whoever_connects_may_be_refused(void **state)
{
    (void)state;
    ends e = connect_through();
    for (int i = 0; i < 2; i++) {
        net_proxy_refuse(proxy);
        struct sockaddr_in to = local(net_proxy_port(proxy));
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
        assert_int_equal(errno, ECONNREFUSED);
        close(fd);
        say(e.client, "still here");
        expect_to_hear(e.server, "still here");
        net_proxy_heal(proxy);
        close_both(connect_through());
    }
    close_both(e);
}

static bool is_reset(int fd)
{
    char byte;
    return becomes(fd, POLLIN) && read(fd, &byte, 1) < 0 && errno == ECONNRESET;
}

static void a_reset_reaches_both_sides(void **state)
{
    (void)state;
    ends e = connect_through();
    net_proxy_reset(proxy);
    assert_true(is_reset(e.client));
    assert_true(is_reset(e.server));
    close_both(e);
}

/* A side that dies without an end resets the other, unless the network is cut. */
static void a_dying_side_resets_the_other(void **state)
{
    (void)state;
    struct linger at_once = {.l_onoff = 1};
    ends e = connect_through();
    setsockopt(e.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(e.client);
    assert_true(is_reset(e.server));
    close(e.server);
}

static bool are_open(void *n)
{
    return net_proxy_n_connections(proxy) == *(size_t *)n;
}

static void expect_open(size_t n)
{
    assert_true(wait_until(are_open, &n, SOON_MS));
}

static void the_other_side_hears_of_no_death_during_a_cut(void **state)
{
    (void)state;
    expect_open(0);
    ends e = connect_through();
    net_proxy_cut(proxy, NET_BOTH_WAYS);
    close(e.client);
    say(e.server, "hello?");
    assert_true(wait_until(has_repeated_itself, &e.server, SOON_MS));
    assert_true(hears_nothing(e.server));
    net_proxy_heal(proxy);
    close_both(connect_through());
    close(e.server);
    expect_open(0);
}

static void a_delay_is_added_to_each_byte(void **state)
{
    (void)state;
    ends e = connect_through();
    net_proxy_delay(proxy, NET_TO_CLIENT, 300);
    int64_t before = wait_now_ms();
    say(e.client, "quick");
    expect_to_hear(e.server, "quick");
    say(e.server, "slow");
    say(e.server, "ly");
    expect_to_hear(e.client, "slowly");
    assert_true(wait_now_ms() - before >= 299);
    net_proxy_heal(proxy);
    close_both(e);
}

static void a_limit_slows_each_connection(void **state)
{
    (void)state;
    char bytes[100] = {0};
    ends e = connect_through();
    net_proxy_limit(proxy, NET_TO_SERVER, 10000);
    int64_t before = wait_now_ms();
    uint64_t passed = net_proxy_n_bytes(proxy, NET_TO_SERVER);
    for (int i = 0; i < 50; i++)
        assert_int_equal(send(e.client, bytes, sizeof bytes, 0), sizeof bytes);
    for (size_t n = 0; n < 50 * sizeof bytes;) {
        assert_true(becomes(e.server, POLLIN));
        ssize_t got = read(e.server, bytes, sizeof bytes);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_true(wait_now_ms() - before >= 450); /* 5,000 bytes, the last portion unpaid */
    assert_int_equal(net_proxy_n_bytes(proxy, NET_TO_SERVER) - passed, 5000);
    net_proxy_heal(proxy);
    close_both(e);
}

static void many_connections_survive_changing_faults(void **state)
{
    (void)state;
    static ends all[MANY];
    expect_open(0);
    for (int i = 0; i < MANY; i++)
        all[i] = connect_through();
    expect_open(MANY);
    for (int round = 0; round < 20; round++) {
        if (round % 4 == 0)
            net_proxy_cut(proxy, NET_BOTH_WAYS);
        else if (round % 4 == 1)
            net_proxy_hold(proxy, NET_TO_SERVER);
        else
            net_proxy_delay(proxy, NET_BOTH_WAYS, round);
        for (int i = 0; i < MANY; i++) {
            say(all[i].client, "ping");
            say(all[i].server, "pong");
        }
        net_proxy_heal(proxy);
    }
    for (int i = 0; i < MANY; i++)
        for (int round = 0; round < 20; round++) {
            expect_to_hear(all[i].server, "ping");
            expect_to_hear(all[i].client, "pong");
        }
    net_proxy_reset(proxy);
    expect_open(0);
    for (int i = 0; i < MANY; i++) {
        assert_true(is_reset(all[i].client));
        close_both(all[i]);
    }
}

/* ---- a broker behind it ---- */

static rd_kafka_t *start_producer(const char *brokers)
{
    char message[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "0", NULL, 0);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof message);
    assert_non_null(producer);
    return producer;
}

static void produce(rd_kafka_t *producer, const char *topic, const char *value)
{
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, strlen(value)}},
    };
    assert_null(rd_kafka_produceva(producer, parts, 2));
}

static void clients_of_a_broker_stay_behind_the_proxy(void **state)
{
    (void)state;
    net_proxy *between = net_proxy_new();
    kafka_fixture *kafka = kafka_fixture_new_behind(between, NULL);
    char *topic = kafka_fixture_new_topic(kafka, "behind", 1, NULL);
    rd_kafka_t *producer = start_producer(net_proxy_address(between));
    produce(producer, topic, "through");
    assert_int_equal(rd_kafka_flush(producer, SOON_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    net_proxy_hold(between, NET_TO_SERVER);
    produce(producer, topic, "held");
    assert_int_equal(rd_kafka_flush(producer, 300), RD_KAFKA_RESP_ERR__TIMED_OUT);
    topic_records records = topic_read(kafka_fixture_brokers(kafka), topic, 1, SOON_MS);
    assert_int_equal(records.n_rows, 1);
    topic_records_done(&records);
    net_proxy_heal(between);
    assert_int_equal(rd_kafka_flush(producer, SOON_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    records = topic_read(kafka_fixture_brokers(kafka), topic, 2, SOON_MS);
    assert_int_equal(records.n_rows, 2);
    topic_records_done(&records);
    rd_kafka_destroy(producer);
    free(topic);
    kafka_fixture_free(kafka);
    net_proxy_free(between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_ends_go_through),
        cmocka_unit_test(what_is_cut_is_neither_delivered_nor_acknowledged),
        cmocka_unit_test(a_sender_gives_up_on_a_cut_but_not_on_a_hold),
        cmocka_unit_test(nobody_connects_during_a_cut),
        cmocka_unit_test(whoever_connects_may_be_refused),
        cmocka_unit_test(a_reset_reaches_both_sides),
        cmocka_unit_test(a_dying_side_resets_the_other),
        cmocka_unit_test(the_other_side_hears_of_no_death_during_a_cut),
        cmocka_unit_test(a_delay_is_added_to_each_byte),
        cmocka_unit_test(a_limit_slows_each_connection),
        cmocka_unit_test(many_connections_survive_changing_faults),
        cmocka_unit_test(clients_of_a_broker_stay_behind_the_proxy),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}

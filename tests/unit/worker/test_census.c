/* Who is silent holds up no end: a server that takes connections, and answers nothing that it is asked. */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "census.h"
#include "wait_until.h"

enum { SOON_MS = 120000, MOST = 64 };

/* It lets the first in, and hangs up on all others: these are cancels. */
typedef struct server {
    int fd, port;
    int first;
    atomic_bool asked;
    pthread_t thread;
} server;

static void let_in(server *s)
{
    static const char welcome[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'};
    char said[1000];
    assert_true(recv(s->first, said, sizeof said, 0) > 0);
    assert_int_equal(send(s->first, welcome, sizeof welcome, MSG_NOSIGNAL), sizeof welcome);
    assert_true(recv(s->first, said, sizeof said, 0) > 0);
    assert_int_equal(said[0], 'Q');
    atomic_store(&s->asked, true);
}

static void *serve(void *arg)
{
    server *s = arg;
    s->first = accept(s->fd, NULL, NULL);
    let_in(s);
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;)
        close(fd);
    return NULL;
}

static void start(server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *s = (server){.fd = socket(AF_INET, SOCK_STREAM, 0), .first = -1};
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->fd, MOST), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->first);
    close(s->fd);
}

static bool is_asked(void *arg)
{
    return atomic_load(&((server *)arg)->asked);
}

typedef struct ending {
    census *census;
    atomic_bool over;
} ending;

static void *end(void *arg)
{
    ending *e = arg;
    census_done(e->census);
    atomic_store(&e->over, true);
    return NULL;
}

static bool is_over(void *arg)
{
    return atomic_load(&((ending *)arg)->over);
}

static void who_is_silent_after_the_connection_holds_up_no_end(void **state)
{
    (void)state;
    server s;
    census c;
    feed f;
    pthread_t thread;
    char conninfo[120];
    start(&s);
    snprintf(conninfo, sizeof conninfo,
             "host=127.0.0.1 port=%d user=x dbname=x sslmode=disable gssencmode=disable", s.port);
    const worker_config cfg = {.application = (char[]){"a"}, .conninfo = conninfo};
    const subscription sub = {.key = (char[]){"k"}, .n_threads = 1};
    assert_true(feed_init(&f, &cfg, &sub));
    assert_true(census_init(&c, &cfg, &f, 1));
    census_want(&c);
    assert_true(wait_until(is_asked, &s, SOON_MS));
    ending e = {.census = &c};
    assert_int_equal(pthread_create(&thread, NULL, end, &e), 0);
    bool over = wait_until(is_over, &e, SOON_MS / 4);
    shutdown(s.first, SHUT_RDWR); /* lets go what does not end by itself */
    pthread_join(thread, NULL);
    stop(&s);
    feed_done(&f);
    assert_true(over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_silent_after_the_connection_holds_up_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

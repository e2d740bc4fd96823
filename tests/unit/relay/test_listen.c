/* Addresses as the configuration writes them: a bare port stays on this machine, and what is not an address is refused. */
#include "cmocka_all.h"
#include "listen.h"

#include <string.h>
#include <unistd.h>

static void expect_listens(const char *text, const char *prefix)
{
    listen_address address;
    char where[80];
    if (!listen_parse(text, &address))
        fail_msg("%s was refused", text);
    int fd = listen_open(&address);
    assert_true(fd >= 0);
    listen_text(fd, where, sizeof where);
    close(fd);
    assert_memory_equal(where, prefix, strlen(prefix));
}

static void a_bare_port_is_one_of_this_machine_only(void **state)
{
    (void)state;
    expect_listens("0", "127.0.0.1:");
    expect_listens("localhost:0", "127.0.0.1:");
}

static void an_address_is_taken_as_written(void **state)
{
    (void)state;
    expect_listens("0.0.0.0:0", "0.0.0.0:");
    expect_listens("127.0.0.2:0", "127.0.0.2:");
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
    (void)state;
    listen_address address;
    assert_true(listen_parse("[::1]:9464", &address));
    assert_int_equal(address.at.ss_family, AF_INET6);
    assert_true(listen_parse("[::]:0", &address));
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",          " ",       "x",      "65536",     "-1",          "1 ",     "0x10",
        "1.2.3:4",   ":9464",   "*:9464", "host:9464", "127.0.0.1:",  "::1",    "[::1]",
        "[::1]9464", "[::1]:x", "[x]:1",  "[:1",       "1.2.3.4:1:2", "123456", "255.255.255.255.255:1"};
    listen_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (listen_parse(wrong[i], &address))
            fail_msg("\"%s\" was taken", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_port_is_one_of_this_machine_only),
        cmocka_unit_test(an_address_is_taken_as_written),
        cmocka_unit_test(an_ipv6_address_stands_in_brackets),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

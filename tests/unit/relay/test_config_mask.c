/* Connection strings as logs may show them. */
#include "cmocka_all.h"

#include <string.h>

#include "config.h"

static void secrets_never_show(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "host=h password=geheim",
        "host=h password='ge heim'",
        "password=geheim host=h sslpassword=geheim",
        "postgresql://u:geheim@h/d",
        "postgres://u:geheim@h:5432/d?sslmode=require",
        "postgresql://u@h/d?password=geheim",
        "postgresql://u@h/d?sslpassword=geheim",
        "postgresql://u:%67eheim@h/d",
        "postgresql://u:%67%65%68%65%69%6d@h/d",
        "postgresql://u@h/d?passw%6frd=geheim",
        "dbname='postgresql://u:geheim@h/d'",
        "dbname='host=h password=geheim'",
        "geheim",
        "host=h password='geheim",
        "postgresql://u:geheim%zz@h/d",
        "host=h pasword=geheim",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *masked = config_mask_conninfo(cases[i]);
        assert_non_null(masked);
        if (strstr(masked, "heim") || strstr(masked, "%67"))
            fail_msg("%s shows as %s", cases[i], masked);
        free(masked);
    }
}

static void the_rest_of_it_shows(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"host=h password=geheim dbname=d", "password=******** dbname=d host=h"},
        {"postgresql://u@/d?host=/tmp/my%20sockets", "user=u dbname=d host='/tmp/my sockets'"},
        {"postgresql://u@h/a%0Cb", "user=u dbname='a\fb' host=h"},
        {"user='o''x' ", "(a connection string that cannot be read)"},
        {"user='o\\'x'", "user='o\\'x'"},
        {"", ""},
        {"postgresql://", "postgresql://"},
        {" ", "postgresql://"}, /* as "" it would be no setting */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *masked = config_mask_conninfo(cases[i][0]);
        assert_string_equal(masked, cases[i][1]);
        free(masked);
    }
}

static void settings_of_kafka_with_secrets_are_known(void **state)
{
    (void)state;
    static const char *const secret[] = {"sasl.password",
                                         "ssl.key.password",
                                         "ssl.key.pem",
                                         "ssl_key",
                                         "ssl.keystore.password",
                                         "sasl.oauthbearer.client.secret",
                                         "sasl.oauthbearer.config"};
    static const char *const open[] = {"sasl.username", "linger.ms", "ssl.ca.pem", "ssl.key.location",
                                       "client.id"};
    for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
        assert_true(config_kafka_is_secret(secret[i]));
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        assert_false(config_kafka_is_secret(open[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_never_show),
        cmocka_unit_test(the_rest_of_it_shows),
        cmocka_unit_test(settings_of_kafka_with_secrets_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

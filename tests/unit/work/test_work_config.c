/* The file of subscriptions, and the flags that describe one. */
#include "cmocka_all.h"

#include <string.h>
#include <unistd.h>

#include "work_config.h"

static char message[1024];

static bool load_bytes(work_config *cfg, const char *text, size_t size, const work_flag *flags, size_t n)
{
    char path[] = "/tmp/postbus-work-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (int)size);
    close(fd);
    bool ok = work_config_load(cfg, path, flags, n, message, sizeof message);
    unlink(path);
    return ok;
}

static bool load(work_config *cfg, const char *text, const work_flag *flags, size_t n)
{
    return load_bytes(cfg, text, strlen(text), flags, n);
}

static void a_file_is_read_with_defaults_for_what_it_leaves_out(void **state)
{
    (void)state;
    work_config cfg;
    const work_flag flags[] = {{"drain-ms", "2s"}};
    const char *text =
        "application = shop\n"
        "drain_ms = 1s\n"
        "list_version = 4\n"
        "positions = kafka\n"
        "consumer = {\"session.timeout.ms=6000\"}\n"
        "subscription a {\n  topics = \"orders,payments\"\n  exec = 'echo \"$POSTBUS_KEY\" #x'\n}\n"
        "subscription b {\n  topics = orders\n  exec_lines = \"cat\"\n  threads = 4\n"
        "  time_limit_ms = 5min\n  retry = patient\n  unordered = true\n  begin = latest\n"
        "  filter = {\"type = order paid\", \"value:a.b ~ x|y\", \"header:h absent\"}\n}\n";
    if (!load(&cfg, text, flags, 1))
        fail_msg("%s", message);
    assert_string_equal(cfg.application, "shop");
    assert_int_equal(cfg.drain_ms, 2000);
    assert_int_equal(cfg.list_version, 4);
    assert_string_equal(cfg.positions, "kafka");
    assert_string_equal(cfg.consumer[0], "session.timeout.ms=6000");
    assert_int_equal(cfg.n_subscriptions, 2);
    const work_subscription *a = &cfg.subscriptions[0], *b = &cfg.subscriptions[1];
    assert_string_equal(a->key, "a");
    assert_int_equal(a->n_topics, 2);
    assert_string_equal(a->topic_names[1], "payments");
    assert_string_equal(a->exec, "echo \"$POSTBUS_KEY\" #x");
    assert_int_equal(a->time_limit_ms, 60000);
    assert_int_equal(a->queue_bytes, 16 << 20);
    assert_string_equal(a->retry, "exponential");
    assert_string_equal(a->at_dead, "stop");
    assert_string_equal(a->dead_letter_topic, "");
    assert_int_equal(b->threads, 4);
    assert_int_equal(b->time_limit_ms, 300000);
    assert_true(b->unordered);
    assert_int_equal(b->n_filter, 3);
    assert_string_equal(b->conditions[0].text, "order paid");
    assert_int_equal(b->conditions[1].test, PBUS_TEST_MATCHES);
    assert_string_equal(b->conditions[2].field, "header:h");
    assert_null(b->conditions[2].text);
    work_config_done(&cfg);
}

static void a_file_with_a_byte_of_zero_is_refused(void **state)
{
    (void)state;
    static const char text[] = "application = a\nthreads#";
    work_config cfg;
    assert_false(load_bytes(&cfg, text, sizeof text, NULL, 0));
    assert_non_null(strstr(message, "a byte of zero in line 2"));
}

static void a_bad_file_is_refused_with_the_place_and_the_remedy(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "no application"},
        {"application = a\n", "the file has no subscription"},
        {"application = a\nsubscription s { topics = t }\n",
         "subscription s: it takes one of exec, exec_lines and http"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n exec_lines = y\n}\n",
         "it takes one of"},
        {"application = a\nsubscription s {\n exec = x\n}\n", "subscription s: topics is missing"},
        {"application = a\nsubscription s {\n topics = \",\"\n exec = x\n}\n", "topics is missing"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n thread = 2\n}\n",
         ":5: there is no setting thread"},
        {"application = a\nthreads = 2\n", ":2: there is no setting threads"},
        {"application =//\n", "a value is missing"},
        {"application = a\napplication = b\n", ":2: application is said twice"},
        {"application = a\nsubscription s {\n topics = t\n topics = u\n exec = x\n}\n",
         ":4: topics is said twice"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n threads = 0\n}\n",
         "subscription s: threads is \"0\"; it has to be 1 to 256"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n retry = often\n}\n",
         "it has to be exponential, patient or never"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n retry = or\n}\n", "retry is \"or\""},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n filter = {\"type is x\"}\n}\n",
         "filter is \"type is x\"; write FIELD = TEXT"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n filter = {}\n}\n",
         "subscription s: filter is an empty list"},
        {"application = a\nconsumer = {\"x\"}\nsubscription s {\n topics = t\n exec = x\n}\n",
         "write NAME=VALUE"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n}\nsubscription s {\n topics = t\n exec "
         "= x\n}\n",
         "duplicate"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n", "a section is not closed"},
        {"application = a\nsubscription {\n topics = t\n exec = x\n}\n", "missing title"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        work_config cfg;
        if (load(&cfg, cases[i][0], NULL, 0))
            fail_msg("\"%s\" is taken", cases[i][0]);
        if (!strstr(message, cases[i][1]))
            fail_msg("\"%s\" does not say \"%s\"", message, cases[i][1]);
    }
    work_config cfg;
    assert_false(work_config_load(&cfg, "/nowhere/work.conf", NULL, 0, message, sizeof message));
    assert_non_null(strstr(message, "/nowhere/work.conf: cannot be opened"));
}

#define HTTP "application = a\nsubscription s {\n topics = t\n http = \"https://h.example/x?token=hidden\"\n"

static void a_bad_setting_of_http_is_refused_and_no_secret_shown(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"application = a\nsubscription s {\n topics = t\n http = x\n exec = y\n}\n", "it takes one of"},
        {"application = a\nsubscription s {\n topics = t\n http = \"h.example/x\"\n}\n", "http is no URL"},
        {"application = a\nsubscription s {\n topics = t\n http = \"ftp://h.example/x\"\n}\n",
         "http is no URL"},
        {"application = a\nsubscription s {\n topics = t\n http = \"file:///etc/passwd\"\n}\n",
         "http is no URL"},
        {"application = a\nsubscription s {\n topics = t\n http = \"http://me:hidden@h.example/\"\n}\n",
         "without user and password"},
        {"application = a\nsubscription s {\n topics = t\n http = \"http://me@h.example/\"\n}\n",
         "without user and password"},
        {"application = a\nsubscription s {\n topics = t\n http = \"http://h.example/a b\"\n}\n",
         "http is no URL"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n http_mode = structured\n}\n",
         "is for http, which is not given"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n http_secret_env = X\n}\n",
         "is for http, which is not given"},
        {HTTP " http_mode = batched\n}\n", "it has to be binary or structured"},
        {HTTP " http_source = \"a b\"\n}\n", "http_source is no URI"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro = yes\n}\n", "avro"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro = file\n}\n",
         "avro is file; name it by avro_schema"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro = database\n avro_schema = f\n}\n",
         "avro_schema is for avro = file"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro = registry\n avro_database = "
         "f\n}\n",
         "avro_database is for avro = database and avro = both"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro_reader_schema = f\n}\n",
         "avro_reader_schema is for values that are Avro"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro = file\n avro_schema = "
         "\"/nowhere/f\"\n}\n",
         "avro_schema is \"/nowhere/f\", which cannot be read: No such file"},
        {"application = a\nsubscription s {\n topics = t\n exec = x\n avro = both\n avro_reader_schema = "
         "\"/\"\n}\n",
         "avro_reader_schema is \"/\", which cannot be read: Is a directory"},
        {HTTP " http_ca_file = \"/nowhere/ca.crt\"\n}\n",
         "http_ca_file is \"/nowhere/ca.crt\", which cannot be opened: No such file"},
        {HTTP " http_secret_file = \"/nowhere/s\"\n}\n", "http_secret_file is \"/nowhere/s\", which cannot"},
        {HTTP " http_secret_file = a\n http_secret_env = b\n}\n",
         "it takes one of http_secret_file and http_secret_env"},
        {HTTP " http_secret_env = POSTBUS_TEST_NONE\n}\n",
         "http_secret_env is \"POSTBUS_TEST_NONE\", and there secret 1 is missing"},
        {HTTP " http_secret_env = POSTBUS_TEST_BAD\n}\n", "secret 2 does not begin with whsec_"},
    };
    setenv("POSTBUS_TEST_BAD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw hidden", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        work_config cfg;
        if (load(&cfg, cases[i][0], NULL, 0))
            fail_msg("\"%s\" is taken", cases[i][0]);
        if (!strstr(message, cases[i][1]) || strstr(message, "hidden") || strstr(message, "MfKQ"))
            fail_msg("\"%s\" does not say \"%s\"", message, cases[i][1]);
    }
    setenv("POSTBUS_TEST_GOOD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
    work_config cfg;
    if (!load(&cfg, HTTP " http_secret_env = POSTBUS_TEST_GOOD\n}\n", NULL, 0))
        fail_msg("%s", message);
    assert_int_equal(cfg.subscriptions[0].secrets.n_secrets, 1);
    assert_string_equal(cfg.subscriptions[0].http_mode, "binary");
    work_config_done(&cfg);
}

static void flags_describe_one_subscription_or_none(void **state)
{
    (void)state;
    work_config cfg;
    const work_flag flags[] = {{"topics", "orders"},       {"exec", "x"},        {"application", "shop"},
                               {"filter", "type present"}, {"filter", "key = "}, {"time-limit-ms", "0"},
                               {"unordered", "true"}};
    size_t n = sizeof flags / sizeof flags[0];
    assert_true(work_config_load(&cfg, NULL, flags, n, message, sizeof message));
    assert_string_equal(cfg.subscriptions[0].key, "main");
    assert_int_equal(cfg.subscriptions[0].n_filter, 2);
    assert_string_equal(cfg.subscriptions[0].conditions[1].text, "");
    assert_int_equal(cfg.subscriptions[0].time_limit_ms, 0);
    assert_true(cfg.subscriptions[0].unordered);
    work_config_done(&cfg);
    assert_false(load(&cfg, "application = a\nsubscription s {\n topics = t\n exec = x\n}\n", flags, n));
    assert_non_null(strstr(message, "--topics describes a subscription, and so does the file"));
    const work_flag bad[] = {{"application", "a"}, {"kill-after-ms", "soon"}};
    assert_false(work_config_load(&cfg, NULL, bad, 2, message, sizeof message));
    assert_non_null(strstr(message, "--kill-after-ms: kill_after_ms is \"soon\""));
}

static void conditions_have_a_field_a_test_and_a_text_where_it_takes_one(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "type",         "type =x",       "= x", "type  is x",
                                      "type ==  x", "type blank x", "type presents", " ",   "value"};
    pbus_condition condition;
    char *text;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(work_condition_parse(bad[i], &condition, &text));
    assert_true(work_condition_parse("  type   =  a b ", &condition, &text));
    assert_string_equal(condition.field, "type");
    assert_string_equal(condition.text, " a b ");
    free(text);
    assert_true(work_condition_parse("key blank  ", &condition, &text));
    assert_int_equal(condition.test, PBUS_TEST_BLANK);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_with_defaults_for_what_it_leaves_out),
        cmocka_unit_test(a_file_with_a_byte_of_zero_is_refused),
        cmocka_unit_test(a_bad_file_is_refused_with_the_place_and_the_remedy),
        cmocka_unit_test(a_bad_setting_of_http_is_refused_and_no_secret_shown),
        cmocka_unit_test(flags_describe_one_subscription_or_none),
        cmocka_unit_test(conditions_have_a_field_a_test_and_a_text_where_it_takes_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

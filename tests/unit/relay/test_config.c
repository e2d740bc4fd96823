/* The layers of the configuration: what overrides what, and what is refused in which words. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_table.h"

typedef struct given {
    const char *file; /* its text; NULL = none */
    const char *environment[4];
    config_flag flags[4];
} given;

static char path[] = "/tmp/postbus-test-config-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static bool load(const given *g, config *out, char message[1024])
{
    config_input input = {.environment = g->environment, .flags = g->flags};
    while (input.n_flags < 4 && g->flags[input.n_flags].name)
        input.n_flags++;
    if (g->file) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(g->file, file);
        fclose(file);
        input.file = path;
    }
    message[0] = '\0';
    return config_load(out, &input, message, 1024);
}

static void refused(const given *g, const char *const *parts)
{
    config cfg;
    char message[1024];
    if (load(g, &cfg, message)) {
        config_done(&cfg);
        fail_msg("accepted: %s", g->file             ? g->file
                                 : g->environment[0] ? g->environment[0]
                                                     : g->flags[0].value);
    }
    for (; *parts; parts++)
        if (!strstr(message, *parts))
            fail_msg("\"%s\" does not say \"%s\"", message, *parts);
}

#define REFUSED(g, ...) refused(&(given)g, (const char *const[]){__VA_ARGS__, NULL})
#define G(...)                                                                                               \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static void nothing_given_gives_the_defaults(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    assert_true(load(&(given){0}, &cfg, message));
    assert_string_equal(cfg.id_header, "id");
    assert_true(cfg.receipts);
    assert_false(cfg.create_topics);
    assert_int_equal(cfg.topic_partitions, -1);
    assert_int_equal(cfg.page_rows, 10000);
    assert_int_equal(cfg.page_bytes, 8 << 20);
    assert_int_equal(cfg.in_flight_bytes, 32 << 20);
    assert_int_equal(cfg.n_kafka, 0);
    assert_non_null(strchr(cfg.relay_id, ':'));
    config_done(&cfg);
}

static void a_flag_overrides_the_environment_which_overrides_the_file(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.file = "page_rows = 1\nidle_ms = 2\nsettle_ms = 3\n",
               .environment = {"POSTBUS_IDLE_MS=20", "POSTBUS_SETTLE_MS=30"},
               .flags = {{"settle_ms", "300"}}};
    assert_true(load(&g, &cfg, message));
    assert_int_equal(cfg.page_rows, 1);
    assert_int_equal(cfg.idle_ms, 20);
    assert_int_equal(cfg.settle_ms, 300);
    assert_string_equal(cfg.sources[config_setting_find("settle_ms") - config_table], "--settle-ms");
    assert_string_equal(cfg.sources[config_setting_find("idle_ms") - config_table], "POSTBUS_IDLE_MS");
    assert_non_null(strstr(cfg.sources[config_setting_find("page_rows") - config_table], ":1"));
    config_done(&cfg);
}

static void a_topic_has_the_park_policy_it_is_given_or_that_of_all(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.file = "park_policy = skip\npark_policy_of = \"orders=stop,a.b-c=block_key\"\n"};
    assert_true(load(&g, &cfg, message));
    assert_int_equal(config_park_policy(&cfg, "orders"), PARK_STOP);
    assert_int_equal(config_park_policy(&cfg, "a.b-c"), PARK_BLOCK_KEY);
    assert_int_equal(config_park_policy(&cfg, "order"), PARK_SKIP);
    assert_int_equal(config_park_policy(&cfg, "ordersx"), PARK_SKIP);
    config_done(&cfg);
    assert_true(load(&(given){0}, &cfg, message));
    assert_int_equal(config_park_policy(&cfg, "orders"), PARK_BLOCK_KEY);
    config_done(&cfg);
}

static void a_park_policy_of_another_form_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"orders", "=stop",        "orders=",        "orders=wait",
                                        ",",      "orders=stop,", "a=stop,,b=skip", "a=stop b=skip"};
    config cfg;
    char message[1024];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (load(&(given){.flags = {{"park_policy_of", wrong[i]}}}, &cfg, message))
            fail_msg("\"%s\" was taken", wrong[i]);
    assert_false(load(&(given){.flags = {{"park_policy", "drop"}}}, &cfg, message));
    assert_non_null(strstr(message, "block_key, skip or stop"));
}

static void sizes_and_times_may_have_units(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.file = "page_bytes = 512KiB\nin_flight_bytes = \"2 GiB\"\nshutdown_timeout_ms = "
                       "2min\ntopic_retry_ms = 10s\n"
                       "topic_partitions = 12\nlog_level = debug\n"};
    assert_true(load(&g, &cfg, message));
    assert_int_equal(cfg.page_bytes, 512 * 1024);
    assert_int_equal(cfg.in_flight_bytes, 2LL << 30);
    assert_int_equal(cfg.shutdown_timeout_ms, 120000);
    assert_int_equal(cfg.topic_retry_ms, 10000);
    assert_int_equal(cfg.topic_partitions, 12);
    assert_int_equal(cfg.log_level, LOG_LEVEL_DEBUG);
    config_done(&cfg);
}

static void long_values_stay_whole(void **state)
{
    (void)state;
    char text[9000] = "kafka.ssl.ca.pem = \"";
    size_t at = strlen(text);
    memset(text + at, 'x', 8000);
    strcpy(text + at + 8000, "\"\n");
    config cfg;
    char message[1024];
    /* librdkafka parses a PEM only when it is used */
    assert_true(load(&(given){.file = text}, &cfg, message));
    assert_int_equal(strlen(cfg.kafka[0].value), 8000);
    config_done(&cfg);
}

static void kafka_settings_come_from_all_layers_and_the_last_counts(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.file = "kafka.linger.ms = 1\nkafka.client.id = file\n",
               .environment = {"POSTBUS_KAFKA_LINGER_MS=2"},
               .flags = {{"kafka.queue.buffering.max.ms", "3"}}};
    assert_true(load(&g, &cfg, message));
    assert_int_equal(cfg.n_kafka, 3);
    assert_string_equal(cfg.kafka[0].name, "client.id");
    assert_string_equal(cfg.kafka[1].name, "linger.ms");
    assert_string_equal(cfg.kafka[1].value, "2");
    assert_string_equal(cfg.kafka[2].value, "3"); /* an alias of linger.ms, set after it */
    config_done(&cfg);
}

static void promises_stay_even_where_the_same_value_is_said(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {
        .flags = {{"kafka.acks", "all"}, {"kafka.enable.idempotence", "true"}, {"kafka.max.in.flight", "1"}}};
    assert_true(load(&g, &cfg, message));
    config_done(&cfg);
}

static void settings_that_break_a_promise_are_refused(void **state)
{
    (void)state;
    static const config_flag cases[] = {
        {"kafka.acks", "1"},
        {"kafka.acks", "0"},
        {"kafka.request.required.acks", "1"},
        {"kafka.enable.idempotence", "false"},
        {"kafka.enable.idempotence", "FALSE"},
        {"kafka.max.in.flight", "5"},
        {"kafka.max.in.flight.requests.per.connection", "2"},
        {"kafka.max.in.flight", "11"},
        {"kafka.enable.gapless.guarantee", "false"},
        {"kafka.message.timeout.ms", "300000"},
        {"kafka.delivery.timeout.ms", "1"},
        {"kafka.retries", "3"},
        {"kafka.message.send.max.retries", "2147483647"},
        {"kafka.queuing.strategy", "lifo"},
        {"kafka.delivery.report.only.error", "true"},
        {"kafka.transactional.id", "x"},
        {"kafka.bootstrap.servers", "x:9092"},
        {"kafka.metadata.broker.list", "x:9092"},
        {"kafka.partitioner", "random"},
        {"kafka.log.queue", "true"},
        {"kafka.enabled_events", "1"},
        {"kafka.api.version.request", "false"},
        {"kafka.broker.version.fallback", "0.9.0"},
        {"kafka.topic.blacklist", "^x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        REFUSED(G(.flags = {cases[i]}), "--kafka", cases[i].name, "must not be");
}

static void a_transaction_timeout_needs_transactions(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.file = "delivery = exactly_once\nkafka.transaction.timeout.ms = 5000\n"};
    assert_true(load(&g, &cfg, message));
    assert_int_equal(cfg.delivery, DELIVERY_EXACTLY_ONCE);
    config_done(&cfg);
    REFUSED(G(.file = "\nkafka.transaction.timeout.ms = 5000\n"), ":2", "\"5000\"",
            "set delivery to exactly_once");
    REFUSED(G(.file = "delivery = twice\n"), ":1:", "\"twice\"", "at_least_once or exactly_once");
}

static void kafka_settings_that_are_none_are_refused(void **state)
{
    (void)state;
    REFUSED(G(.flags = {{"kafka.lingr.ms", "1"}}), "did you mean kafka.linger.ms?");
    REFUSED(G(.file = "kafka.compresion.type = lz4\n"), ":1:", "did you mean kafka.compression.type?");
    REFUSED(G(.flags = {{"kafka.zzzzzzzzzz", "1"}}), "is not a setting of librdkafka");
    REFUSED(G(.flags = {{"kafka.linger.ms", "soon"}}), "refused by librdkafka", "linger.ms");
    REFUSED(G(.flags = {{"kafka.linger.ms", "-1"}}), "refused by librdkafka");
    REFUSED(G(.flags = {{"kafka.compression.type", "lz5"}}), "refused by librdkafka");
    REFUSED(G(.flags = {{"kafka.group.id", "x"}}), "for consumers");
    REFUSED(G(.flags = {{"kafka.dr_msg_cb", "x"}}), "kafka.dr_msg_cb");
    REFUSED(G(.flags = {{"kafka.", "x"}}), "is not a setting");
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "page_rows = 0",
        "page_rows = -1",
        "page_rows = 1000001",
        "page_rows = 1e3",
        "page_rows = 0x10",
        "page_rows = 10.5",
        "page_rows = \"\"",
        "page_rows = \" 5\"",
        "page_rows = \"5 \"",
        "page_rows = \"+5\"",
        "page_rows = 99999999999999999999",
        "page_rows = 5KiB",
        "page_bytes = 8MB",
        "page_bytes = 8mib",
        "page_bytes = 9223372036854775807GiB",
        "page_bytes = 0",
        "idle_ms = 10m",
        "idle_ms = 0",
        "idle_ms = 2min5s",
        "settle_ms = -1",
        "lane_timeout_ms = 2499",
        "receipts = yes",
        "receipts = TRUE",
        "receipts = 1",
        "receipts = \"\"",
        "log_level = verbose",
        "log_level = INFO",
        "topic_partitions = 0",
        "topic_partitions = -1",
        "topic_replication_factor = 32768",
        "in_flight_bytes = 1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        REFUSED(G(.file = lines[i]), ":1: ", " is \"", "it has to be ");
}

static void names_that_are_none_are_refused_with_the_nearest(void **state)
{
    (void)state;
    REFUSED(G(.file = "\n\npage_row = 5\n"), ":3:", "page_row", "did you mean page_rows?");
    REFUSED(G(.file = "datbase = x\n"), "did you mean database?");
    REFUSED(G(.file = "linger.ms = 5\n"), "written kafka.linger.ms");
    REFUSED(G(.file = "colour = red\n"), "there is no setting colour", "--help");
    REFUSED(G(.flags = {{"page_rwos", "5"}}), "did you mean page_rows?");
    REFUSED(G(.environment = {"POSTBUS_PAGE_ROW=5"}), "POSTBUS_PAGE_ROW ", "did you mean POSTBUS_PAGE_ROWS?");
    REFUSED(G(.environment = {"POSTBUS_DATABSE=x"}), "did you mean POSTBUS_DATABASE?");
}

static void variables_of_other_software_are_left_alone(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.environment = {"POSTBUS_SERVICE_HOST=10.0.0.1", "POSTBUS_PORT_9090_TCP=x",
                               "POSTBUS_KAFKA_SERVICE_PORT=9092"}};
    assert_true(load(&g, &cfg, message));
    config_done(&cfg);
}

static void malformed_files_are_refused_with_the_line(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "page_rows\n",
        "page_rows 5\n",
        "page_rows = \n",
        "= 5\n",
        "page_rows = {1, 2}\n",
        "page_rows = 5 6\n",
        "page_rows = \"5\n",
        "relay { page_rows = 5 }\n",
        "page_rows += 5\n",
        "include(\"/etc/passwd\")\n",
        "}\n",
        "\x01\x02\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        REFUSED(G(.file = texts[i]), path);
    REFUSED(G(.file = "page_rows = 5\npage_rows = 6\n"), ":2:", "twice");
    REFUSED(G(.file = "brokers =//"), path, "a value is missing");
}

static void a_file_with_a_byte_of_zero_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"database=#", "page_rows = 5\n", ""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        config cfg;
        char message[1024], line[8];
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(texts[i], 1, strlen(texts[i]) + 1, file);
        fclose(file);
        assert_false(config_load(&cfg, &(config_input){.file = path}, message, sizeof message));
        snprintf(line, sizeof line, ":%d: ", i == 1 ? 2 : 1);
        assert_non_null(strstr(message, line));
        assert_non_null(strstr(message, "a byte of zero"));
    }
}

static void a_file_that_is_not_there_is_refused(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    assert_false(config_load(&cfg, &(config_input){.file = "/nowhere/relay.conf"}, message, sizeof message));
    assert_non_null(strstr(message, "/nowhere/relay.conf"));
    assert_non_null(strstr(message, "No such file"));
}

static void headers_of_one_name_are_refused(void **state)
{
    (void)state;
    REFUSED(G(.flags = {{"id_header", "x"}, {"type_header", "x"}}), "id_header and type_header");
    REFUSED(G(.flags = {{"relayed_at_header", "type"}}), "type_header and relayed_at_header");
}

static void connection_strings_that_cannot_be_read_are_refused_without_their_secrets(void **state)
{
    (void)state;
    static const char *const cases[] = {"postgresql://u:geheim%zz@h/d", "host=h password='geheim", "geheim",
                                        "host=h pasword=geheim", "postgresql://u:p@h:port:geheim/d"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        config cfg;
        char message[1024];
        given g = {.flags = {{"database", cases[i]}}};
        if (load(&g, &cfg, message)) { /* libpq takes it; then it is not for us to refuse */
            config_done(&cfg);
            continue;
        }
        assert_non_null(strstr(message, "--database"));
        assert_null(strstr(message, "geheim"));
    }
}

static void secrets_of_kafka_are_not_in_messages(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    given g = {.flags = {{"kafka.ssl.key.pem", ""}, {"kafka.sasl.passwort", "geheim"}}};
    assert_false(load(&g, &cfg, message));
    assert_null(strstr(message, "geheim"));
    assert_non_null(strstr(message, "sasl.password"));
}

static char secret_path[] = "/tmp/postbus-test-secret-XXXXXX";

static void write_secret(const char *text, size_t size)
{
    FILE *file = fopen(secret_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
}

static int make_secret(void **state)
{
    (void)state;
    memcpy(strchr(secret_path, '\0') - 6, "XXXXXX", 6);
    int fd = mkstemp(secret_path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_secret(void **state)
{
    (void)state;
    unlink(secret_path);
    return 0;
}

static void expect_secret(const given *g, const char *source)
{
    config cfg;
    char message[1024];
    if (!load(g, &cfg, message))
        fail_msg("%s", message);
    assert_int_equal(cfg.n_kafka, 1);
    assert_string_equal(cfg.kafka[0].name, "sasl.password");
    assert_string_equal(cfg.kafka[0].value, "ge heim");
    if (!strstr(cfg.kafka[0].source, source) || !strstr(cfg.kafka[0].source, secret_path))
        fail_msg("%s", cfg.kafka[0].source);
    config_done(&cfg);
}

static void a_secret_is_read_from_a_file_of_its_own_in_every_layer(void **state)
{
    (void)state;
    char line[200], variable[200];
    snprintf(line, sizeof line, "kafka.sasl.password_file = \"%s\"\n", secret_path);
    snprintf(variable, sizeof variable, "POSTBUS_KAFKA_SASL_PASSWORD_FILE=%s", secret_path);
    static const char *const texts[] = {"ge heim", "ge heim\n", "ge heim\r\n"};
    for (size_t i = 0; i < 3; i++) {
        write_secret(texts[i], strlen(texts[i]));
        expect_secret(&(given){.file = line}, ":1");
        expect_secret(&(given){.environment = {variable}}, "POSTBUS_KAFKA_SASL_PASSWORD_FILE");
        expect_secret(&(given){.flags = {{"kafka.sasl.password_file", secret_path}}}, "--kafka");
        expect_secret(&(given){.file = "kafka.sasl.password = \"overridden\"\n", .environment = {variable}},
                      "POSTBUS_KAFKA_SASL_PASSWORD_FILE");
    }
}

static void a_secret_file_that_cannot_be_used_is_refused_without_telling_it(void **state)
{
    (void)state;
    given g = {.flags = {{"kafka.sasl.password_file", secret_path}}};
    static char large[65540];
    write_secret("", 0);
    refused(&g, (const char *const[]){"kafka.sasl.password_file", secret_path, "is empty", NULL});
    write_secret("\n", 1);
    refused(&g, (const char *const[]){"is empty", NULL});
    write_secret("ge\0heim", 7);
    refused(&g, (const char *const[]){"zero byte", NULL});
    memset(large, 'x', sizeof large);
    write_secret(large, sizeof large);
    refused(&g, (const char *const[]){"64 KiB", NULL});
    given missing = {.flags = {{"kafka.sasl.password_file", "/does/not/exist"}}};
    refused(&missing, (const char *const[]){"cannot be opened", "No such file", NULL});
    given no_secret = {.flags = {{"kafka.client.id_file", secret_path}}};
    refused(&no_secret, (const char *const[]){"is not a setting of librdkafka", NULL});
    config cfg;
    char message[1024];
    given broken = {.flags = {{"kafka.ssl.key.pem_file", secret_path}}};
    write_secret("geheim", 6);
    if (load(&broken, &cfg, message))
        config_done(&cfg);
    assert_null(strstr(message, "geheim"));
}

static char *printed(const config *cfg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    config_print(&(config_list){(config *)(uintptr_t)cfg, 1}, to);
    fclose(to);
    return text;
}

static void the_printed_configuration_masks_secrets_and_can_be_read_again(void **state)
{
    (void)state;
    config cfg, again;
    char message[1024];
    given g = {.flags = {{"database", "postgresql://u:geheim@h/d"},
                         {"kafka.sasl.password", "geheim"},
                         {"relay_id", "a\"b\\c"},
                         {"page_bytes", "1536KiB"}}};
    assert_true(load(&g, &cfg, message));
    char *text = printed(&cfg);
    assert_null(strstr(text, "geheim"));
    assert_non_null(strstr(text, "page_bytes = \"1536KiB\"  # --page-bytes\n"));
    given from_text = {.file = text};
    if (!load(&from_text, &again, message))
        fail_msg("%s", message);
    assert_string_equal(again.relay_id, cfg.relay_id);
    assert_int_equal(again.page_bytes, cfg.page_bytes);
    assert_int_equal(again.n_kafka, 1);
    config_done(&again);
    config_done(&cfg);
    free(text);
}

static void variables_in_values_are_filled_in(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    setenv("TEST_RELAY_NAME", "berta", 1);
    given g = {.file = "relay_id = \"${TEST_RELAY_NAME}\"\nid_header = '${TEST_RELAY_NAME}'\n"};
    assert_true(load(&g, &cfg, message));
    assert_string_equal(cfg.relay_id, "berta");
    assert_string_equal(cfg.id_header, "${TEST_RELAY_NAME}");
    config_done(&cfg);
}

static void every_setting_has_a_name_for_each_layer_and_a_word_on_what_it_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        assert_non_null(config_table[i].name);
        assert_non_null(config_table[i].preset);
        assert_true(strlen(config_table[i].effect) > 20);
        assert_ptr_equal(config_setting_find(config_table[i].name), &config_table[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_gives_the_defaults),
        cmocka_unit_test(a_flag_overrides_the_environment_which_overrides_the_file),
        cmocka_unit_test(a_topic_has_the_park_policy_it_is_given_or_that_of_all),
        cmocka_unit_test(a_park_policy_of_another_form_is_refused),
        cmocka_unit_test(sizes_and_times_may_have_units),
        cmocka_unit_test(long_values_stay_whole),
        cmocka_unit_test(kafka_settings_come_from_all_layers_and_the_last_counts),
        cmocka_unit_test(promises_stay_even_where_the_same_value_is_said),
        cmocka_unit_test(settings_that_break_a_promise_are_refused),
        cmocka_unit_test(a_transaction_timeout_needs_transactions),
        cmocka_unit_test(kafka_settings_that_are_none_are_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(names_that_are_none_are_refused_with_the_nearest),
        cmocka_unit_test(variables_of_other_software_are_left_alone),
        cmocka_unit_test(malformed_files_are_refused_with_the_line),
        cmocka_unit_test(a_file_with_a_byte_of_zero_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_refused),
        cmocka_unit_test(headers_of_one_name_are_refused),
        cmocka_unit_test(connection_strings_that_cannot_be_read_are_refused_without_their_secrets),
        cmocka_unit_test(secrets_of_kafka_are_not_in_messages),
        cmocka_unit_test_setup_teardown(a_secret_is_read_from_a_file_of_its_own_in_every_layer, make_secret,
                                        remove_secret),
        cmocka_unit_test_setup_teardown(a_secret_file_that_cannot_be_used_is_refused_without_telling_it,
                                        make_secret, remove_secret),
        cmocka_unit_test(the_printed_configuration_masks_secrets_and_can_be_read_again),
        cmocka_unit_test(variables_in_values_are_filled_in),
        cmocka_unit_test(every_setting_has_a_name_for_each_layer_and_a_word_on_what_it_does),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}

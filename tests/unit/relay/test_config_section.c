/* Sections of the configuration file: what each database gets, which of them is chosen, and what is refused in which words. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_load.h"
#include "config_table.h"

#define TWO                                                                                                  \
    "database orders {\n    database = \"dbname=orders\"\n}\ndatabase billing {\n    database = "            \
    "\"dbname=billing password=geheim\"\n}\n"

typedef struct given {
    const char *file;
    const char *environment[4];
    config_flag flags[4];
    bool without_sections;
} given;

static char path[] = "/tmp/postbus-test-sections-XXXXXX";

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

static config_input input_of(const given *g)
{
    config_input input = {.file = path,
                          .environment = g->environment,
                          .flags = g->flags,
                          .without_sections = g->without_sections};
    while (input.n_flags < 4 && g->flags[input.n_flags].name)
        input.n_flags++;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(g->file, file);
    fclose(file);
    return input;
}

static config_list loaded(const given *g)
{
    config_list list;
    char message[1024];
    config_input input = input_of(g);
    if (!config_load_each(&list, &input, message, sizeof message))
        fail_msg("%s", message);
    return list;
}

/* message says each of parts, and nothing secret. */
static void expect_said(const char *message, const char *const *parts)
{
    for (; *parts; parts++)
        if (!strstr(message, *parts))
            fail_msg("\"%s\" does not say \"%s\"", message, *parts);
    assert_null(strstr(message, "geheim"));
}

static void refused(const given *g, const char *const *parts)
{
    config_list list;
    char message[1024];
    config_input input = input_of(g);
    if (config_load_each(&list, &input, message, sizeof message)) {
        config_list_done(&list);
        fail_msg("accepted: %s", g->file);
    }
    expect_said(message, parts);
}

#define REFUSED(g, ...) refused(&(given)g, (const char *const[]){__VA_ARGS__, NULL})
#define G(...)                                                                                               \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static const char *source_of(const config *cfg, const char *setting)
{
    const char *source = cfg->sources[config_setting_find(setting) - config_table],
               *colon = strrchr(source, ':');
    return colon ? colon : source;
}

/* ---- what each gets ---- */

static void a_section_overrides_what_stands_outside_before_and_behind_it(void **state)
{
    (void)state;
    config_list list = loaded(&(given){.file = "page_rows = 1\n"
                                               "database orders {\n"
                                               "    database = \"dbname=orders\"\n"
                                               "    settle_ms = 2\n"
                                               "}\n"
                                               "database billing {\n"
                                               "    database = \"dbname=billing\"\n"
                                               "    page_rows = 3\n"
                                               "    brokers = \"b:1\"\n"
                                               "    kafka.linger.ms = 7\n"
                                               "}\n"
                                               "brokers = \"a:1\"\n"
                                               "settle_ms = 4\n"
                                               "kafka.linger.ms = 6\n"
                                               "kafka.client.id = x\n"});
    assert_int_equal(list.n, 2);
    const config *orders = &list.each[0], *billing = &list.each[1];
    assert_string_equal(orders->name, "orders");
    assert_string_equal(orders->database, "dbname=orders");
    assert_string_equal(orders->brokers, "a:1");
    assert_int_equal(orders->page_rows, 1);
    assert_int_equal(orders->settle_ms, 2);
    assert_string_equal(source_of(orders, "settle_ms"), ":4");
    assert_string_equal(billing->name, "billing");
    assert_string_equal(billing->brokers, "b:1");
    assert_int_equal(billing->page_rows, 3);
    assert_int_equal(billing->settle_ms, 4);
    assert_string_equal(source_of(billing, "page_rows"), ":8");
    assert_int_equal(orders->n_kafka, 2);
    assert_string_equal(orders->kafka[0].value, "6");
    assert_int_equal(billing->n_kafka, 2);
    assert_string_equal(billing->kafka[0].name, "client.id");
    assert_string_equal(billing->kafka[1].value, "7");
    config_list_done(&list);
}

static void environment_and_flags_override_every_section(void **state)
{
    (void)state;
    config_list list =
        loaded(&(given){.file = "database a {\n database = \"dbname=a\"\n page_rows = 1\n idle_ms = 1\n}\n"
                                "database b {\n database = \"dbname=b\"\n}\n",
                        .environment = {"POSTBUS_IDLE_MS=20"},
                        .flags = {{"page_rows", "300"}}});
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(list.each[i].page_rows, 300);
        assert_int_equal(list.each[i].idle_ms, 20);
    }
    config_list_done(&list);
}

static void a_file_without_sections_gives_one_database_without_a_name(void **state)
{
    (void)state;
    config_list list = loaded(&(given){.file = "database = \"dbname=a\"\n"});
    assert_int_equal(list.n, 1);
    assert_null(list.each[0].name);
    config_list_done(&list);
}

static void one_section_gives_one_database_with_a_name(void **state)
{
    (void)state;
    config_list list = loaded(&(given){.file = "database \"a.b-c_1\" { database = \"dbname=a\" }\n"});
    assert_int_equal(list.n, 1);
    assert_string_equal(list.each[0].name, "a.b-c_1");
    config_list_done(&list);
}

/* ---- which is chosen ---- */

static void a_name_chooses_one_of_several(void **state)
{
    (void)state;
    const given by_flag = {.file = TWO, .flags = {{"database", "billing"}}};
    const given by_environment = {.file = TWO, .environment = {"POSTBUS_DATABASE=billing"}};
    const given by_both = {
        .file = TWO, .environment = {"POSTBUS_DATABASE=orders"}, .flags = {{"database", "billing"}}};
    const given *const all[] = {&by_flag, &by_environment, &by_both};
    for (size_t i = 0; i < 3; i++) {
        config cfg;
        char message[1024];
        config_input input = input_of(all[i]);
        if (!config_load(&cfg, &input, message, sizeof message))
            fail_msg("%s", message);
        assert_string_equal(cfg.name, "billing");
        assert_string_equal(cfg.database, "dbname=billing password=geheim");
        assert_string_equal(source_of(&cfg, "database"), ":5");
        config_done(&cfg);
    }
}

static void who_needs_one_of_several_is_told_which_there_are(void **state)
{
    (void)state;
    config cfg;
    char message[1024];
    const given g = {.file = TWO, .environment = {"POSTBUS_DATABASE="}};
    config_input input = input_of(&g);
    assert_false(config_load(&cfg, &input, message, sizeof message));
    expect_said(message, (const char *const[]){path, "--database NAME", "orders, billing", NULL});
}

static void a_connection_string_beside_sections_is_refused_and_not_repeated(void **state)
{
    (void)state;
    REFUSED(G(.file = TWO, .flags = {{"database", "dbname=x password=geheim"}}),
            "--database has to be the name", "orders and billing");
    REFUSED(G(.file = TWO, .environment = {"POSTBUS_DATABASE=postgresql://u:geheim@h/d"}),
            "POSTBUS_DATABASE has to be the name", "orders and billing");
    REFUSED(G(.file = TWO, .flags = {{"database", "stock"}}), "--database stock", "orders and billing");
}

static void who_needs_no_database_reads_what_stands_outside(void **state)
{
    (void)state;
    config_list list = loaded(&(given){.file = "page_rows = 5\n" TWO, .without_sections = true});
    assert_int_equal(list.n, 1);
    assert_null(list.each[0].name);
    assert_int_equal(list.each[0].page_rows, 5);
    assert_string_equal(list.each[0].database, "");
    config_list_done(&list);
}

/* ---- what is refused ---- */

static void a_section_is_refused_with_its_line(void **state)
{
    (void)state;
    REFUSED(G(.file = "\ndatabase a {\n}\n"), ":3: ", "database a", "CONNINFO");
    REFUSED(G(.file = "database a {\n database = \"\"\n}\n"), ":3: ", "does not say which");
    REFUSED(G(.file = "database a {\n database = \"dbname=a\"\n}\ndatabase a {\n"), ":4: ", "already");
    REFUSED(G(.file = "database a {\n database = \"dbname=a\"\n page_row = 1\n}\n"), ":3: ", "page_row",
            "did you mean page_rows?");
    REFUSED(G(.file = "database a {\n database = \"dbname=a\"\n page_rows = 0\n}\n"), ":3: ", "1 to 1000000");
    REFUSED(G(.file = "database a {\n database = \"dbname=a\"\n kafka.acks = 1\n}\n"), ":3: ", "kafka.acks");
    REFUSED(G(.file = "database a {\n idle_ms = 1\n idle_ms = 2\n}\n"), ":3: ", "twice in this section");
    REFUSED(G(.file = "database a {\n database = \"dbname=a\"\n}\nidle_ms = 1\nidle_ms = 2\n"),
            ":5: ", "twice in this file");
    REFUSED(G(.file = "database \"a b\" {\n database = \"dbname=a\"\n}\n"), ":3: ", "\"a b\"", "letters");
    REFUSED(G(.file = "database a {\n database b {\n}\n}\n"), ":2: ");
    REFUSED(G(.file = "database a {\n database = \"dbname=geheim x\"\n}\n"),
            ":2: ", "is not a connection string or URI");
}

static void what_is_of_the_process_is_refused_in_a_section(void **state)
{
    (void)state;
    static const char *const lines[] = {"http_listen = 9464", "log_level = warn", "log_json = true"};
    for (size_t i = 0; i < 3; i++) {
        char file[200];
        snprintf(file, sizeof file, "database a {\n database = \"dbname=a\"\n %s\n}\n", lines[i]);
        REFUSED(G(.file = file), ":3: ", "of the whole process");
    }
}

static void a_setting_and_sections_are_not_mixed_up(void **state)
{
    (void)state;
    REFUSED(G(.file = "database = \"dbname=x\"\n" TWO), ":1: ", "sections", "database NAME { … }");
    REFUSED(G(.file = TWO "database = \"dbname=x\"\n"), ":7: ", "sections", "database NAME { … }");
    REFUSED(G(.file = "database \"dbname=geheim\"\nidle_ms = 1\n"), ":2: ", "database = \"CONNINFO\"");
    REFUSED(G(.file = "database a {\n database = \"dbname=a\"\n"), "not closed");
    REFUSED(G(.file = "page_row = 1\n" TWO), ":1: ", "did you mean page_rows?");
}

static void the_same_database_twice_is_refused(void **state)
{
    (void)state;
    REFUSED(G(.file = "database a {\n database = \"host=h dbname=x user=u password=geheim\"\n}\n"
                      "database b {\n database = \"postgresql://v:geheim@h/x\"\n}\n"),
            ":5: b is the same database as a", ":2)");
}

static void databases_differ_by_host_port_or_name(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"host=a dbname=x", "dbname=x host=a user=u connect_timeout=3", true},
        {"host=a dbname=x", "host=a dbname=y", false},
        {"host=a dbname=x", "host=b dbname=x", false},
        {"host=a dbname=x", "host=a dbname=x port=5433", false},
        {"host=a dbname=x", "host=a dbname=x hostaddr=10.0.0.1", false},
        {"host=a dbname=x port=5432", "host=a dbname=x", true},
        {"host=a user=x", "host=a dbname=x", true},
        {"postgresql://u@a:5432/x", "host=a dbname=x", true},
    };
    unsetenv("PGPORT");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (config_same_database(cases[i].a, cases[i].b) != cases[i].same)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
}

/* ---- printing ---- */

static void the_printed_sections_mask_secrets_and_can_be_read_again(void **state)
{
    (void)state;
    config_list list =
        loaded(&(given){.file = "http_listen = 9464\n" TWO "database \"c.d\" {\n database = \"dbname=c\"\n"
                                " kafka.sasl.password = geheim\n page_rows = 9\n}\n"});
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    config_print(&list, to);
    fclose(to);
    assert_null(strstr(text, "geheim"));
    const char *listen = strstr(text, "http_listen");
    assert_non_null(listen);
    assert_null(strstr(listen + 1, "http_listen"));
    config_list again = loaded(&(given){.file = text});
    assert_int_equal(again.n, 3);
    assert_string_equal(again.each[0].http_listen, "9464");
    assert_string_equal(again.each[2].name, "c.d");
    assert_int_equal(again.each[2].page_rows, 9);
    assert_int_equal(again.each[2].n_kafka, 1);
    config_list_done(&again);
    config_list_done(&list);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_overrides_what_stands_outside_before_and_behind_it),
        cmocka_unit_test(environment_and_flags_override_every_section),
        cmocka_unit_test(a_file_without_sections_gives_one_database_without_a_name),
        cmocka_unit_test(one_section_gives_one_database_with_a_name),
        cmocka_unit_test(a_name_chooses_one_of_several),
        cmocka_unit_test(who_needs_one_of_several_is_told_which_there_are),
        cmocka_unit_test(a_connection_string_beside_sections_is_refused_and_not_repeated),
        cmocka_unit_test(who_needs_no_database_reads_what_stands_outside),
        cmocka_unit_test(a_section_is_refused_with_its_line),
        cmocka_unit_test(what_is_of_the_process_is_refused_in_a_section),
        cmocka_unit_test(a_setting_and_sections_are_not_mixed_up),
        cmocka_unit_test(the_same_database_twice_is_refused),
        cmocka_unit_test(databases_differ_by_host_port_or_name),
        cmocka_unit_test(the_printed_sections_mask_secrets_and_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}

/* The command line: what is taken, what is refused in which words, and which exit code it gives. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static char said[65536]; /* standard output and standard error */

/* Runs the program's main with both outputs in a file. */
static int run_in(const char *const *environment, const char *const *words)
{
    const char *argv[20] = {"postbus"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    FILE *file = tmpfile();
    fflush(stdout);
    fflush(stderr);
    int out = dup(1), err = dup(2);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    int code = postbus_main(argc, argv, environment);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return code;
}

static const char *const bare[] = {NULL};
#define RUN(...) run_in(bare, (const char *const[]){__VA_ARGS__, NULL})

static void says(const char *part)
{
    if (!strstr(said, part))
        fail_msg("\"%s\" does not say \"%s\"", said, part);
}

#define MISUSED(part, ...)                                                                                   \
    do {                                                                                                     \
        assert_int_equal(RUN(__VA_ARGS__), EXIT_USAGE);                                                      \
        says(part);                                                                                          \
    } while (0)

static void every_command_helps_and_names_its_flags_and_exit_codes(void **state)
{
    (void)state;
    for (size_t i = 0; commands[i]; i++) {
        assert_int_equal(RUN(commands[i]->name, "--help"), EXIT_OK);
        says("Usage: postbus ");
        says("Exit codes:");
        says("Examples:");
        for (const command_option *option = commands[i]->options; option->name; option++)
            says(option->name);
        assert_int_equal(RUN("help", commands[i]->name), EXIT_OK);
    }
}

static void help_and_version_go_to_standard_output_with_0(void **state)
{
    (void)state;
    assert_int_equal(RUN("--version"), EXIT_OK);
    says("postbus ");
    assert_int_equal(RUN("--help"), EXIT_OK);
    for (size_t i = 0; commands[i]; i++)
        says(commands[i]->name);
}

static void commands_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_int_equal(run_in(bare, bare), EXIT_USAGE);
    MISUSED("did you mean migrate?", "migrat");
    MISUSED("did you mean status?", "statsu");
    MISUSED("there is no command", "frobnicate");
    MISUSED("there is no command", "help", "frobnicate");
    MISUSED("there is no command", "");
    MISUSED("there is no command", "--frobnicate");
}

static void flags_that_are_none_are_refused_with_the_nearest(void **state)
{
    (void)state;
    MISUSED("did you mean --dry-run?", "migrate", "--dryrun");
    MISUSED("did you mean --page-rows?", "relay", "--page-row", "5");
    MISUSED("did you mean --database?", "status", "--databse=x");
    MISUSED("there is no flag --zzz", "status", "--zzz");
    MISUSED("there is no flag -z", "status", "-z");
    MISUSED("there is no flag --brokers", "status", "--brokers", "x:1"); /* it would do nothing */
    MISUSED("there is no flag --page-rows", "publish", "t", "v", "--page-rows", "5");
}

static void flags_without_their_value_are_refused(void **state)
{
    (void)state;
    MISUSED("--database", "migrate", "--database");
    MISUSED("--key", "publish", "t", "v", "--key");
    MISUSED("--dry-run", "migrate", "--dry-run=yes");
}

static void too_few_and_too_many_words_are_refused(void **state)
{
    (void)state;
    MISUSED("postbus publish TOPIC VALUE", "publish");
    MISUSED("one word too many", "publish", "t", "hello", "world");
    MISUSED("postbus tail TOPIC", "tail");
    MISUSED("flags only", "migrate", "now");
    MISUSED("flags only", "relay", "x");
    MISUSED("flags only", "status", "x");
    MISUSED("flags only", "dev", "x");
}

static void what_is_needed_and_missing_is_named(void **state)
{
    (void)state;
    MISUSED("POSTBUS_DATABASE", "migrate");
    MISUSED("POSTBUS_DATABASE", "status");
    MISUSED("POSTBUS_DATABASE", "publish", "t", "v");
    MISUSED("POSTBUS_DATABASE", "relay", "--brokers", "x:1");
    MISUSED("POSTBUS_BROKERS", "relay", "--database", "host=x");
    MISUSED("POSTBUS_BROKERS", "tail", "t");
}

static void publish_refuses_what_contradicts_itself(void **state)
{
    (void)state;
    MISUSED("no value is given", "publish", "t");
    MISUSED("more than one way", "publish", "t", "v", "--file", "x");
    MISUSED("more than one way", "publish", "t", "v", "--tombstone", "--key", "k");
    MISUSED("deletes nothing", "publish", "t", "--tombstone");
    MISUSED("NAME=VALUE", "publish", "t", "v", "--header", "x");
    MISUSED("NAME=VALUE", "publish", "t", "v", "--header", "=x");
    MISUSED("given twice", "publish", "t", "v", "--header", "a=1", "--header", "a=2");
    MISUSED("not UTF-8", "publish", "t", "v", "--header", "a=\xff");
    MISUSED("--key is given twice", "publish", "t", "v", "--key", "a", "--key", "b");
    MISUSED("give --lines too", "publish", "t", "v", "--batch", "5");
    MISUSED("give --lines too", "publish", "t", "v", "--key-field", "k");
    MISUSED("both give the key", "publish", "t", "--lines", "--key", "k", "--key-field", "k");
    MISUSED("leave out --lines", "publish", "t", "--lines", "--tombstone", "--key", "k");
    MISUSED("come from a file", "publish", "t", "v", "--lines");
    MISUSED("it has to be a number", "publish", "t", "--lines", "--batch", "0");
    MISUSED("it has to be a number", "publish", "t", "--lines", "--batch", "-5");
    MISUSED("it has to be a number", "publish", "t", "--lines", "--batch", "many");
}

static void tail_refuses_what_means_nothing(void **state)
{
    (void)state;
    MISUSED("--from is \"yesterday\"", "tail", "t", "--brokers", "x:1", "--from", "yesterday");
    MISUSED("use one of the two", "tail", "t", "--brokers", "x:1", "--json", "--format", "%v");
    MISUSED("\"%z\"", "tail", "t", "--brokers", "x:1", "--format", "%k %z");
    MISUSED("it has to be a number", "tail", "t", "--brokers", "x:1", "--count", "0");
    MISUSED("must not be", "tail", "t", "--brokers", "x:1", "--kafka", "acks=1");
}

static void other_contradictions_are_refused(void **state)
{
    (void)state;
    MISUSED("one of the two", "migrate", "--dry-run", "--json");
    MISUSED("give --watch too", "status", "--every", "5");
    MISUSED("--kafka NAME=VALUE", "relay", "--kafka", "linger.ms");
    MISUSED("--kafka NAME=VALUE", "relay", "--kafka", "=5");
    MISUSED("No such file", "relay", "--config", "/nowhere/x.conf");
    MISUSED("page_rows is \"0\"", "relay", "--page-rows", "0");
    MISUSED("there is no page", "docs", "man", "frobnicate");
    MISUSED("there is no reference", "docs", "frobnicate");
}

static void check_config_prints_values_with_their_sources(void **state)
{
    (void)state;
    static const char *const environment[] = {"POSTBUS_PAGE_ROWS=77",
                                              "POSTBUS_DATABASE=postgresql://u:geheim@h/d", NULL};
    static const char *const words[] = {"relay", "--check-config",    "--brokers",  "x:1",   "--log-json",
                                        "-X",    "kafka.linger.ms=3", "--receipts", "false", NULL};
    assert_int_equal(run_in(environment, words), EXIT_OK);
    says("page_rows = \"77\"  # POSTBUS_PAGE_ROWS\n");
    says("brokers = \"x:1\"  # --brokers\n");
    says("log_json = \"true\"  # --log-json\n");
    says("receipts = \"false\"  # --receipts\n");
    says("kafka.linger.ms = \"3\"  # --kafka\n");
    assert_null(strstr(said, "geheim"));
}

/* A file with two sections; the second's brokers are missing where outside is none. */
static void write_sections(char *path, const char *outside)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd,
            "%s\ndatabase orders {\n database = \"host=/nowhere dbname=o password=geheim\"\n brokers = "
            "\"o:1\"\n}\n"
            "database billing {\n database = \"host=/nowhere dbname=b password=geheim\"\n}\n",
            outside);
    close(fd);
}

static void a_relay_takes_every_section_and_other_commands_one(void **state)
{
    (void)state;
    char path[] = "/tmp/postbus-test-call-XXXXXX";
    write_sections(path, "brokers = \"x:1\"");
    assert_int_equal(RUN("relay", "--config", path, "--check-config"), EXIT_OK);
    says("\ndatabase orders {\n");
    says("\ndatabase billing {\n");
    assert_int_equal(RUN("relay", "--config", path, "--check-config", "--database", "billing"), EXIT_OK);
    assert_null(strstr(said, "database orders {"));
    says("    brokers = \"x:1\"");
    static const char *const others[] = {"status", "migrate", "doctor"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        MISUSED("orders, billing", others[i], "--config", path);
        MISUSED("orders and billing", others[i], "--config", path, "--database", "stock");
    }
    assert_int_equal(RUN("status", "--config", path, "--database", "orders"), EXIT_FAULT);
    says("dbname=o");
    assert_null(strstr(said, "geheim"));
    unlink(path);
}

static void a_section_without_brokers_is_named(void **state)
{
    (void)state;
    char path[] = "/tmp/postbus-test-call-XXXXXX";
    write_sections(path, "");
    MISUSED("no brokers are given for the database billing", "relay", "--config", path, "--check-config");
    unlink(path);
}

static void a_database_that_cannot_be_reached_is_a_fault_without_its_password(void **state)
{
    (void)state;
    assert_int_equal(RUN("status", "--database", "host=/nowhere user=u password=geheim"), EXIT_FAULT);
    says("/nowhere");
    says("check the server and --database");
    assert_null(strstr(said, "geheim"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one sentence on one line */
}

static void brokers_that_do_not_answer_are_a_fault(void **state)
{
    (void)state;
    assert_int_equal(RUN("tail", "t", "--brokers", "127.0.0.1:1", "--exit-at-end"), EXIT_FAULT);
    says("127.0.0.1:1 do not answer");
    says("check --brokers");
}

static void every_manual_page_is_made(void **state)
{
    (void)state;
    assert_int_equal(RUN("docs", "man", "postbus"), EXIT_OK);
    says(".SH NAME");
    assert_int_equal(RUN("docs", "man", "postbus.conf"), EXIT_OK);
    for (size_t i = 0; commands[i]; i++) {
        assert_int_equal(RUN("docs", "man", commands[i]->name), EXIT_OK);
        says(".SH EXIT STATUS");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_helps_and_names_its_flags_and_exit_codes),
        cmocka_unit_test(help_and_version_go_to_standard_output_with_0),
        cmocka_unit_test(commands_that_are_none_are_refused),
        cmocka_unit_test(flags_that_are_none_are_refused_with_the_nearest),
        cmocka_unit_test(flags_without_their_value_are_refused),
        cmocka_unit_test(too_few_and_too_many_words_are_refused),
        cmocka_unit_test(what_is_needed_and_missing_is_named),
        cmocka_unit_test(publish_refuses_what_contradicts_itself),
        cmocka_unit_test(tail_refuses_what_means_nothing),
        cmocka_unit_test(other_contradictions_are_refused),
        cmocka_unit_test(check_config_prints_values_with_their_sources),
        cmocka_unit_test(a_relay_takes_every_section_and_other_commands_one),
        cmocka_unit_test(a_section_without_brokers_is_named),
        cmocka_unit_test(a_database_that_cannot_be_reached_is_a_fault_without_its_password),
        cmocka_unit_test(brokers_that_do_not_answer_are_a_fault),
        cmocka_unit_test(every_manual_page_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

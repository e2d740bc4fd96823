/* Writes the reference pages in Markdown; every fact comes from the tables. */
#include "docs.h"

#include "config_kafka.h"
#include "doctor.h"
#include "help.h"
#include "metrics.h"
#include "subscriber_metrics.h"

#include <string.h>

static const char generated[] = "<!-- Made by `postbus docs`; change the tables in relay/config_table.c, "
                                "relay/metrics_table.c and relay/cli "
                                "instead. -->\n\n";

static const char generated_of_subscribers[] =
    "<!-- Made by `postbus docs`; change the tables in sdk/metrics/subscriber_metrics_table.c and "
    "relay/metrics_table.c instead. -->\n\n";

static void put_setting(FILE *to, const config_setting *setting)
{
    char flag[120], environment[120], range[120];
    help_setting_flag_text(setting, flag, sizeof flag);
    config_environment_name(setting->name, environment, sizeof environment);
    config_setting_range(setting, range, sizeof range);
    fprintf(to, "### %s\n\n%s\n\n", setting->name, setting->effect);
    fprintf(to, "| values | default | flag | environment |\n|---|---|---|---|\n");
    fprintf(to, "| %s | %s%s%s | `%s` | `%s` |\n\n", range, *setting->preset ? "`" : "",
            *setting->preset ? setting->preset : "none", *setting->preset ? "`" : "", flag, environment);
}

/* Each word as code, commas between. */
static void put_words(FILE *to, const char *words, const char *before)
{
    while (*words) {
        size_t length = strcspn(words, " ");
        fprintf(to, "`%s%.*s`", before, (int)length, words);
        words += length;
        if (*words == ' ') {
            fputs(", ", to);
            words++;
        }
    }
}

/* Those of librdkafka 2.0.2, so that the page does not change with the library it is made with. */
static void put_secrets(FILE *to)
{
    put_words(
        to,
        "sasl.password ssl.key.password ssl.key.pem ssl.keystore.password sasl.oauthbearer.client.secret "
        "sasl.oauthbearer.config",
        "kafka.");
}

static void put_kafka(FILE *to)
{
    fputs("## Settings of librdkafka\n\n"
          "Every setting that librdkafka has for producers can be given: `kafka.NAME` in the file, "
          "`POSTBUS_KAFKA_NAME` in the "
          "environment (capitals, `_` for `.`), `--kafka NAME=VALUE` as a flag. Names and values are checked "
          "before anything starts; a setting for "
          "consumers is refused, because it would have no effect.\n\n"
          "Each that holds a secret can be read from a file of its own instead, as container platforms hand "
          "them "
          "out: `kafka.sasl.password_file = \"/run/secrets/kafka\"`, "
          "`POSTBUS_KAFKA_SASL_PASSWORD_FILE`, `--kafka sasl.password_file=PATH`. A line feed at the end of "
          "the file does not "
          "count. They are: ",
          to);
    put_secrets(to);
    fputs(".\n\nThese are refused because they would break "
          "a promise:\n\n"
          "| setting | accepted | why |\n|---|---|---|\n",
          to);
    for (const kafka_rule *rule = kafka_rules; rule->names; rule++) {
        fputs("| ", to);
        put_words(to, rule->names, "kafka.");
        fputs(" | ", to);
        if (rule->accepted)
            put_words(to, rule->accepted, "");
        else if (rule->refused) {
            fputs("all but ", to);
            put_words(to, rule->refused, "");
        } else
            fputs("none", to);
        fprintf(to, " | %s |\n", rule->reason);
    }
}

static void put_process_settings(FILE *to)
{
    const char *before = "";
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        if (!config_table[i].of_process)
            continue;
        fprintf(to, "%s`%s`", before, config_table[i].name);
        before = ", ";
    }
}

static void put_sections(FILE *to)
{
    fputs("## Several databases\n\n"
          "One relay process serves several databases where the file has a section for each. What stands "
          "outside "
          "of the sections holds for all of them, before or behind; a section overrides it:\n\n"
          "```\n"
          "brokers = \"kafka-1:9092,kafka-2:9092\"\n"
          "http_listen = 9464\n"
          "\n"
          "database orders {\n"
          "    database = \"host=db-1 dbname=orders user=relay\"\n"
          "}\n"
          "\n"
          "database billing {\n"
          "    database = \"host=db-2 dbname=billing user=relay\"\n"
          "    brokers = \"kafka-eu:9092\"\n"
          "    in_flight_bytes = 8MiB\n"
          "}\n"
          "```\n\n"
          "The name is of letters, digits, `_`, `-` and `.`, at most 63. Log lines of the database carry "
          "`database=NAME`, metrics the label `database`. Every setting may stand in a section but those of "
          "the "
          "whole process: ",
          to);
    put_process_settings(to);
    fputs(". Environment and flags override every section. `database` cannot stand outside of the sections "
          "then; "
          "`--database` or `POSTBUS_DATABASE` give the *name* of a section: a relay serves that database "
          "alone, and "
          "every other command, which needs one database, works on that one.\n\n",
          to);
}

void docs_configuration(FILE *to)
{
    fprintf(to, "%s# Configuration\n\n", generated);
    fputs("A setting is given in a file, in the environment, or as a flag; a flag overrides the environment, "
          "and the environment "
          "overrides the file. `postbus relay --check-config` prints the effective value of each and where "
          "it comes from, secrets masked.\n\n"
          "The file is named by `--config` or `POSTBUS_CONFIG`; without either there is none. Its lines are "
          "`NAME = \"VALUE\"`, and `#` begins "
          "a comment. `${NAME}` in a value stands for a variable of the environment, unless the value is in "
          "single quotes:\n\n"
          "```\n"
          "database = \"host=db.internal dbname=shop user=relay\"\n"
          "brokers = \"kafka-1:9092,kafka-2:9092\"\n"
          "page_rows = 5000\n"
          "shutdown_timeout_ms = 30s\n"
          "kafka.compression.type = zstd\n"
          "kafka.sasl.password = \"${KAFKA_PASSWORD}\"\n"
          "```\n\n"
          "A name that is no setting is an error, and so is a value out of range: the message says where it "
          "stands, what is accepted, and which "
          "name was probably meant. In the environment only a name that differs from a setting's by one or "
          "two letters is an error; others are "
          "left alone, because other software makes variables of that form too (Kubernetes does, for a "
          "service called postbus).\n\n"
          "Sizes may be written with `KiB`, `MiB` or `GiB`, times with `ms`, `s` or `min`; a bare number is "
          "bytes or milliseconds.\n\n",
          to);
    put_sections(to);
    fputs("## Settings\n\n", to);
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        put_setting(to, &config_table[i]);
    put_kafka(to);
}

static void put_flag_row(FILE *to, const char *flag, const char *effect)
{
    fprintf(to, "- `%s`: %s\n", flag, effect);
}

static void put_command_flags(FILE *to, const command *cmd)
{
    fputs("Flags:\n\n", to);
    put_flag_row(to, "-h, --help", "Prints how the command is used.");
    for (const command_option *option = cmd->options; option && option->name; option++) {
        char flag[120];
        help_flag_text(option, flag, sizeof flag);
        put_flag_row(to, flag, option->effect);
    }
    if (cmd->takes)
        put_flag_row(to, "-c, --config FILE", "A configuration file; also `POSTBUS_CONFIG`.");
    if (cmd->takes & TAKES_KAFKA)
        put_flag_row(to, "-X, --kafka NAME=VALUE …", "A setting of librdkafka.");
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        if (!command_takes_setting(cmd, &config_table[i]) || (cmd->takes & TAKES_RELAY && i > 1))
            continue;
        char flag[120];
        help_setting_flag_text(&config_table[i], flag, sizeof flag);
        put_flag_row(to, flag, config_table[i].effect);
    }
    if (cmd->takes & TAKES_RELAY)
        fputs("- every other setting of [the configuration](configuration.md), with `-` for `_`\n", to);
    fputc('\n', to);
}

static void put_checks(FILE *to)
{
    fputs("\n| check | looks at | why | remedy |\n|---|---|---|---|\n", to);
    for (const doctor_check *check = doctor_checks; check->name; check++)
        fprintf(to, "| `%s` | %s | %s | %s |\n", check->name, check->looks_at, check->why, check->remedy);
}

void docs_commands(FILE *to)
{
    fprintf(to,
            "%s# Commands\n\n`postbus COMMAND [flags] [words]`. Results go to standard output; what went "
            "wrong, in one sentence with the "
            "remedy, to standard error.\n\n## Exit codes\n\n",
            generated);
    for (size_t i = 0; help_exit_codes[i]; i++)
        fprintf(to, "- `%c`: %s\n", help_exit_codes[i][0], help_exit_codes[i] + 3);
    for (size_t i = 0; commands[i]; i++) {
        const command *cmd = commands[i];
        fprintf(to, "\n## postbus %s\n\n`postbus %s [flags]%s%s`\n\n%s\n\n", cmd->name, cmd->name,
                *cmd->synopsis ? " " : "", cmd->synopsis, cmd->description);
        put_command_flags(to, cmd);
        fprintf(to, "Examples:\n\n```\n%s\n```\n", cmd->examples);
        if (cmd == &command_doctor)
            put_checks(to);
    }
}

/* A label's name is part of the promise, its values are not. */
static const char *labels_of(const metric *row)
{
    if (row->kind == METRIC_BY_PARKED)
        return "topic, reason";
    return row->kind == METRIC_BUILD ? "version, librdkafka, libpq" : "";
}

static const char *sample_ending(const metric *row)
{
    if (row->kind == METRIC_BUILD)
        return "_info";
    return row->kind == METRIC_COUNTER || row->kind == METRIC_SECONDS ? "_total" : "";
}

static const char metrics_columns[] = "| name | type | labels | what it promises |\n|---|---|---|---|\n";

static void put_metric(FILE *to, const metric *row)
{
    fprintf(to, "| `%s%s` | %s | %s | %s |\n", row->name, sample_ending(row), metric_type(row),
            labels_of(row), row->help);
}

static void put_histogram_bounds(FILE *to)
{
    fputs("Each histogram has the buckets", to);
    for (int i = 0; i < HISTOGRAM_N_BOUNDS; i++)
        fprintf(to, "%s %lld", i ? "," : "", (long long)histogram_bounds[i]);
    fputs(" (events, or milliseconds) and +Inf.\n\n", to);
}

void docs_metrics(FILE *to)
{
    fprintf(to, "%s# Metrics\n\n", generated);
    fputs("With [http_listen](configuration.md#http_listen) set, the relay serves them at `/metrics` in the "
          "form of OpenMetrics 1.0, which Prometheus reads. "
          "[Monitoring](../monitoring.md) says which of them to watch.\n\n"
          "Counters begin at 0 with the process and never fall while it lives, whatever becomes of its "
          "sessions and producers. What is not known is left "
          "out: a missing sample is never a zero. The number of time series is bounded by this table.\n\n",
          to);
    put_histogram_bounds(to);
    fputs(metrics_columns, to);
    for (const metric *row = metrics_table; row->name; row++)
        put_metric(to, row);
}

static const char *labels_of_subscriber(const subscriber_metric *row)
{
    static const char *const labels[] = {[BY_SUBSCRIPTION] = "application, subscription",
                                         [BY_TOPIC] = "application, subscription, topic",
                                         [BY_OUTCOME] = "application, subscription, outcome"};
    return labels[row->by];
}

void docs_subscriber_metrics(FILE *to)
{
    fprintf(to, "%s# Metrics of subscribers\n\n", generated_of_subscribers);
    fputs("`postbus work --http-listen PORT` serves them at `/metrics` in the form of OpenMetrics 1.0, which "
          "Prometheus reads; a program in C writes them by `pbus_worker_write_metrics` "
          "([worker.h](../../sdk/include/postbus/worker.h)), but for those of the process, the last four. "
          "[Monitoring](../monitoring.md#subscribers) says which of them to watch.\n\n"
          "Counters begin at 0 with the process and never fall while it lives. What is not known is left "
          "out: a missing sample is never a zero. The number of time series is bounded by this table, the "
          "subscriptions of the process and their topics.\n\n",
          to);
    put_histogram_bounds(to);
    fputs(metrics_columns, to);
    for (const subscriber_metric *row = subscriber_metrics_table; row->name; row++)
        fprintf(to, "| `%s%s` | %s | %s | %s |\n", row->name, row->kind == SUBSCRIBER_COUNTER ? "_total" : "",
                subscriber_metric_type(row), labels_of_subscriber(row), row->help);
    for (const metric *row = metrics_table; row->name; row++)
        if (row->of_process)
            put_metric(to, row);
}

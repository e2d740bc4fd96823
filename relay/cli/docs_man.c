/* Writes the manual pages in man(7) form; every fact comes from the tables. */
#include "docs.h"

#include "config_kafka.h"
#include "doctor.h"
#include "help.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Plain text for roff: no letter of it is taken for a request or an escape. */
static void put(FILE *to, const char *text)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            fputs("\\&", to);
        at_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else if (strncmp(text, "…", strlen("…")) == 0) {
            fputs("...", to);
            text += strlen("…") - 1;
        } else
            fputc(*text, to);
    }
}

static void put_format(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_format(FILE *to, const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) >= 0) {
        put(to, text);
        free(text);
    }
    va_end(ap);
}

/* Paragraphs separated by an empty line. */
static void put_paragraphs(FILE *to, const char *text)
{
    const char *end;
    while ((end = strstr(text, "\n\n")) != NULL) {
        put_format(to, "%.*s", (int)(end - text), text);
        fputs("\n.PP\n", to);
        text = end + 2;
    }
    put(to, text);
    fputc('\n', to);
}

static void put_item(FILE *to, const char *term, const char *text)
{
    fputs(".TP\n.B ", to);
    put(to, term);
    fputc('\n', to);
    put(to, text);
    fputc('\n', to);
}

static void put_title(FILE *to, const char *name, int section, const char *summary)
{
    fprintf(to, ".TH \"%s\" %d \"\" \"postbus %s\" \"Postbus\"\n.SH NAME\n", name, section, POSTBUS_VERSION);
    put_format(to, "%s - %s", name, summary);
    fputc('\n', to);
}

static void put_setting(FILE *to, const config_setting *setting, bool as_flag)
{
    char term[120], environment[120], range[120];
    if (as_flag)
        help_setting_flag_text(setting, term, sizeof term);
    else
        snprintf(term, sizeof term, "%s", setting->name);
    config_environment_name(setting->name, environment, sizeof environment);
    config_setting_range(setting, range, sizeof range);
    put_item(to, term, setting->effect);
    put_format(to, "Values: %s. Default: %s. Environment: %s.", range,
               *setting->preset ? setting->preset : "none", environment);
    fputc('\n', to);
}

static void put_flags(FILE *to, const command *cmd)
{
    fputs(".SH OPTIONS\n", to);
    put_item(to, "-h, --help", "Prints how the command is used.");
    for (const command_option *option = cmd->options; option && option->name; option++) {
        char flag[120];
        help_flag_text(option, flag, sizeof flag);
        put_item(to, flag, option->effect);
    }
    if (cmd->takes)
        put_item(to, "-c, --config FILE",
                 "A configuration file, see postbus.conf(5). Environment: POSTBUS_CONFIG.");
    if (cmd->takes & TAKES_KAFKA)
        put_item(to, "-X, --kafka NAME=VALUE", "A setting of librdkafka; may be given several times.");
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        if (command_takes_setting(cmd, &config_table[i]))
            put_setting(to, &config_table[i], true);
}

static void put_examples(FILE *to, const char *examples)
{
    fputs(".SH EXAMPLES\n.nf\n", to);
    put(to, examples);
    fputs("\n.fi\n", to);
}

static void put_exit_codes(FILE *to)
{
    fputs(".SH EXIT STATUS\n", to);
    for (size_t i = 0; help_exit_codes[i]; i++) {
        char code[2] = {help_exit_codes[i][0], '\0'};
        put_item(to, code, help_exit_codes[i] + 3);
    }
}

static void put_see_also(FILE *to)
{
    fputs(".SH SEE ALSO\n.BR postbus (1)", to);
    for (size_t i = 0; commands[i]; i++)
        fprintf(to, ",\n.BR postbus\\-%s (1)", commands[i]->name);
    fputs(",\n.BR postbus.conf (5)\n", to);
}

static void put_checks(FILE *to)
{
    fputs(".SH CHECKS\n", to);
    for (const doctor_check *check = doctor_checks; check->name; check++) {
        put_item(to, check->name, check->looks_at);
        put_format(to, "%s %s\n", check->why, check->remedy);
    }
}

static void man_program(FILE *to)
{
    put_title(to, "postbus", 1, "events of PostgreSQL transactions on Kafka");
    fputs(".SH SYNOPSIS\n.B postbus\n.I COMMAND\n[flags] [words]\n.SH DESCRIPTION\n", to);
    put_paragraphs(to, "Publishes events to Kafka as part of PostgreSQL transactions: an event reaches its "
                       "topic if and only if its transaction "
                       "commits. Each command has a page of its own and prints its flags with --help.");
    fputs(".SH COMMANDS\n", to);
    for (size_t i = 0; commands[i]; i++)
        put_item(to, commands[i]->name, commands[i]->summary);
    put_exit_codes(to);
    put_see_also(to);
}

void docs_man(FILE *to, const command *cmd)
{
    if (!cmd) {
        man_program(to);
        return;
    }
    char name[40];
    snprintf(name, sizeof name, "postbus-%s", cmd->name);
    put_title(to, name, 1, cmd->summary);
    fputs(".SH SYNOPSIS\n", to);
    put_format(to, "postbus %s [flags] %s", cmd->name, cmd->synopsis);
    fputs("\n.SH DESCRIPTION\n", to);
    put_paragraphs(to, cmd->description);
    put_flags(to, cmd);
    if (cmd == &command_doctor)
        put_checks(to);
    put_examples(to, cmd->examples);
    put_exit_codes(to);
    put_see_also(to);
}

void docs_man_configuration(FILE *to)
{
    put_title(to, "postbus.conf", 5, "configuration of postbus");
    fputs(".SH DESCRIPTION\n", to);
    put_paragraphs(
        to,
        "A configuration file has lines of the form NAME = \"VALUE\"; # begins a comment, and "
        "${NAME} in a value stands for a "
        "variable of the environment unless the value is in single quotes. It is named by "
        "--config or POSTBUS_CONFIG. The environment overrides it, and "
        "flags override both.\n\n"
        "Sizes may be written with KiB, MiB or GiB, times with ms, s, min, h or d; a bare number is "
        "bytes or milliseconds.\n\n"
        "A section database NAME { … } has settings of one database, and there may be several; what stands "
        "outside of them holds for all. Each has a line database = \"CONNINFO\" of its own. --database NAME "
        "or "
        "POSTBUS_DATABASE then choose one. http_listen, log_level and log_json stand outside of sections "
        "only.");
    fputs(".SH SETTINGS\n", to);
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        put_setting(to, &config_table[i], false);
    fputs(".SH SETTINGS OF LIBRDKAFKA\n", to);
    put_paragraphs(to, "kafka.NAME hands a setting to librdkafka. These are refused, or refused with other "
                       "values than those accepted:");
    for (const kafka_rule *rule = kafka_rules; rule->names; rule++) {
        put_item(to, rule->names, rule->reason);
        if (rule->accepted)
            put_format(to, ". Accepted: %s.\n", rule->accepted);
    }
    put_see_also(to);
}

/* Prints --help from the tables of commands and settings; no text about a flag is written here. */
#include "help.h"

#include <string.h>

#define WIDTH 100
#define INDENT 8

const char *const help_exit_codes[] = {
    "0  done",
    "1  it could not be done; the sentence on stderr says why",
    "2  the command line, the environment or the configuration file is wrong; nothing was done",
    "3  relay and dev: stopped before all that was sent had been settled; the next relay publishes that "
    "again; work: stopped before all that had been begun was handled; it is begun again",
    "4  doctor: at least one check found an error; schema: it is not compatible",
    NULL,
};

#define HEADER "_header"

bool command_takes_setting(const command *cmd, const config_setting *setting)
{
    if (strcmp(setting->name, "database") == 0)
        return cmd->takes & TAKES_DATABASE;
    if (strcmp(setting->name, "brokers") == 0)
        return cmd->takes & TAKES_BROKERS;
    if (strncmp(setting->name, "registry_", 9) == 0)
        return cmd->takes & TAKES_REGISTRY;
    size_t size = strlen(setting->name);
    if (size > strlen(HEADER) && strcmp(setting->name + size - strlen(HEADER), HEADER) == 0)
        return cmd->takes & (TAKES_HEADERS | TAKES_RELAY);
    return cmd->takes & TAKES_RELAY;
}

static void put_wrapped(FILE *to, int indent, const char *text)
{
    while (*text) {
        int column = fprintf(to, "%*s", indent, "");
        bool first = true;
        while (*text && *text != '\n') {
            size_t word = strcspn(text, " \n");
            if (!first && column + 1 + (int)word > WIDTH)
                break;
            column += fprintf(to, "%s%.*s", first ? "" : " ", (int)word, text);
            first = false;
            text += word;
            text += strspn(text, " ");
        }
        fputc('\n', to);
        if (*text == '\n')
            text++;
    }
}

void help_flag_text(const command_option *option, char *out, size_t out_size)
{
    char letter[8] = "";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, out_size, "%s--%s%s%s%s", letter, option->name, option->placeholder ? " " : "",
             option->placeholder ? option->placeholder : "", option->repeated ? " …" : "");
}

void help_setting_flag_text(const config_setting *setting, char *out, size_t out_size)
{
    char flag[80];
    config_flag_name(setting->name, flag, sizeof flag);
    snprintf(out, out_size, "--%s%s%s", flag, setting->placeholder ? " " : "",
             setting->placeholder ? setting->placeholder : "[=BOOL]");
}

static void put_setting(FILE *to, const config_setting *setting)
{
    char flag[120], environment[120], range[120];
    help_setting_flag_text(setting, flag, sizeof flag);
    config_environment_name(setting->name, environment, sizeof environment);
    config_setting_range(setting, range, sizeof range);
    fprintf(to, "  %s\n", flag);
    put_wrapped(to, INDENT, setting->effect);
    fprintf(to, "%*s%s; default %s; %s\n", INDENT, "", range, *setting->preset ? setting->preset : "none",
            environment);
}

static void put_configuration(FILE *to, const command *cmd)
{
    if (!cmd->takes)
        return;
    fputs("\nConfiguration (a flag overrides the environment, the environment overrides the file):\n", to);
    fputs("  -c, --config FILE\n", to);
    put_wrapped(to, INDENT,
                "A configuration file of lines NAME = \"VALUE\", the names being those of the flags with _ "
                "for -. POSTBUS_CONFIG.");
    if (cmd->takes & TAKES_KAFKA) {
        fputs("  -X, --kafka NAME=VALUE …\n", to);
        put_wrapped(to, INDENT,
                    "A setting of librdkafka; kafka.NAME in the file, POSTBUS_KAFKA_NAME in the environment. "
                    "Refused where it would break a promise.");
    }
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        if (command_takes_setting(cmd, &config_table[i]))
            put_setting(to, &config_table[i]);
}

void help_command(FILE *to, const command *cmd)
{
    fprintf(to, "Usage: postbus %s [flags]%s%s\n\n", cmd->name, *cmd->synopsis ? " " : "", cmd->synopsis);
    put_wrapped(to, 0, cmd->description);
    fputs("\nFlags:\n  -h, --help\n        Prints this.\n", to);
    for (const command_option *option = cmd->options; option && option->name; option++) {
        char flag[120];
        help_flag_text(option, flag, sizeof flag);
        fprintf(to, "  %s\n", flag);
        put_wrapped(to, INDENT, option->effect);
    }
    put_configuration(to, cmd);
    if (cmd->examples) {
        fputs("\nExamples:\n", to);
        put_wrapped(to, 2, cmd->examples);
    }
    fputs("\nExit codes:\n", to);
    for (size_t i = 0; help_exit_codes[i]; i++)
        fprintf(to, "  %s\n", help_exit_codes[i]);
}

void help_overview(FILE *to)
{
    fputs("Usage: postbus COMMAND [flags] [words]\n\n", to);
    put_wrapped(to, 0,
                "Publishes events to Kafka as part of PostgreSQL transactions: an event reaches its topic if "
                "and only if its "
                "transaction commits.");
    fputs("\nCommands:\n", to);
    for (size_t i = 0; commands[i]; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\npostbus COMMAND --help tells more. postbus --version prints the version.\n", to);
}

/* Reads a command's flags by popt and its configuration; never does what the command is for. */
#include "command.h"

#include "help.h"
#include "nearest.h"

#include <inttypes.h>
#include <popt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { VAL_HELP = 1, VAL_CONFIG, VAL_KAFKA, VAL_SETTING = 100, VAL_OPTION = VAL_SETTING + CONFIG_N_SETTINGS };

/* The flags of one command as popt wants them, and what is collected while they are read. */
typedef struct parsing {
    call *c;
    struct poptOption options[CONFIG_N_SETTINGS + 40];
    char flags[CONFIG_N_SETTINGS][64];
    size_t n_options;
    config_flag *settings;
    char **owned; /* strings that settings point to */
    size_t n_settings;
    char *config_path;
    bool help;
} parsing;

static void say(const call *c, const char *format, va_list ap)
{
    fprintf(stderr, "postbus %s: ", c->command->name);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
}

int fault(const call *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(c, format, ap);
    va_end(ap);
    return EXIT_FAULT;
}

int misuse(const call *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(c, format, ap);
    va_end(ap);
    return EXIT_USAGE;
}

const char *call_text(const call *c, const char *option)
{
    for (size_t i = c->n_given; i > 0; i--)
        if (strcmp(c->given[i - 1].option->name, option) == 0)
            return c->given[i - 1].value;
    return NULL;
}

bool call_has(const call *c, const char *option)
{
    for (size_t i = 0; i < c->n_given; i++)
        if (strcmp(c->given[i].option->name, option) == 0)
            return true;
    return false;
}

int64_t call_count(const call *c, const char *option, int64_t otherwise)
{
    const char *text = call_text(c, option);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static void add(parsing *p, const char *name, char letter, int arg_info, int val)
{
    p->options[p->n_options++] =
        (struct poptOption){.longName = name, .shortName = letter, .argInfo = (unsigned)arg_info, .val = val};
}

static void add_all(parsing *p, const command *cmd)
{
    add(p, "help", 'h', POPT_ARG_NONE, VAL_HELP);
    if (cmd->takes)
        add(p, "config", 'c', POPT_ARG_STRING, VAL_CONFIG);
    if (cmd->takes & TAKES_KAFKA)
        add(p, "kafka", 'X', POPT_ARG_STRING, VAL_KAFKA);
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        if (!command_takes_setting(cmd, &config_table[i]))
            continue;
        config_flag_name(config_table[i].name, p->flags[i], sizeof p->flags[i]);
        int optional = config_table[i].kind == SETTING_BOOL ? (int)POPT_ARGFLAG_OPTIONAL : 0;
        add(p, p->flags[i], '\0', POPT_ARG_STRING | optional, VAL_SETTING + (int)i);
    }
    for (size_t i = 0; cmd->options && cmd->options[i].name; i++)
        add(p, cmd->options[i].name, cmd->options[i].letter,
            cmd->options[i].kind == OPTION_SWITCH ? POPT_ARG_NONE : POPT_ARG_STRING, VAL_OPTION + (int)i);
}

static bool keep_setting(parsing *p, char *name, char *value)
{
    config_flag *settings = realloc(p->settings, (p->n_settings + 1) * sizeof *settings);
    if (settings)
        p->settings = settings;
    char **owned = realloc(p->owned, (p->n_settings + 1) * 2 * sizeof *owned);
    if (owned)
        p->owned = owned;
    if (!settings || !owned || !name || !value) {
        free(name);
        free(value);
        return false;
    }
    p->owned[2 * p->n_settings] = name;
    p->owned[2 * p->n_settings + 1] = value;
    p->settings[p->n_settings++] = (config_flag){name, value};
    return true;
}

static int keep_kafka(parsing *p, char *text)
{
    char *equals = text ? strchr(text, '=') : NULL;
    if (!equals || equals == text) {
        int code = misuse(p->c, "--kafka is \"%s\"; write --kafka NAME=VALUE, with a setting of librdkafka",
                          text ? text : "");
        free(text);
        return code;
    }
    *equals = '\0';
    const char *bare = strncmp(text, "kafka.", 6) == 0 ? text + 6 : text;
    char *name = NULL;
    if (asprintf(&name, "kafka.%s", bare) < 0)
        name = NULL;
    bool ok = keep_setting(p, name, strdup(equals + 1));
    free(text);
    return ok ? EXIT_OK : fault(p->c, "out of memory");
}

static bool is_count(const command_option *option, const char *text)
{
    char *end;
    long long number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number >= option->lowest &&
           number <= option->highest;
}

static int keep_option(parsing *p, const command_option *option, char *value)
{
    call *c = p->c;
    if (option->kind == OPTION_COUNT && !is_count(option, value)) {
        int code = misuse(c, "--%s is \"%s\"; it has to be a number from %" PRId64 " to %" PRId64,
                          option->name, value, option->lowest, option->highest);
        free(value);
        return code;
    }
    if (!option->repeated && call_has(c, option->name)) {
        free(value);
        return misuse(c, "--%s is given twice; give it once", option->name);
    }
    given_option *grown = realloc(c->given, (c->n_given + 1) * sizeof *grown);
    if (!grown) {
        free(value);
        return fault(c, "out of memory");
    }
    c->given = grown;
    c->given[c->n_given++] = (given_option){option, value};
    return EXIT_OK;
}

static int keep(parsing *p, int val, char *text)
{
    if (val == VAL_HELP) {
        p->help = true;
        free(text);
        return EXIT_OK;
    }
    if (val == VAL_CONFIG) {
        free(p->config_path);
        p->config_path = text;
        return EXIT_OK;
    }
    if (val == VAL_KAFKA)
        return keep_kafka(p, text);
    if (val >= VAL_OPTION)
        return keep_option(p, &p->c->command->options[val - VAL_OPTION], text);
    /* cppcheck-suppress arrayIndexOutOfBoundsCond; options are numbered from VAL_OPTION, settings below it */
    bool ok = keep_setting(p, strdup(config_table[val - VAL_SETTING].name), text ? text : strdup("true"));
    return ok ? EXIT_OK : fault(p->c, "out of memory");
}

static int bad_flag(const parsing *p, poptContext context, int error)
{
    const char *flag = poptBadOption(context, POPT_BADOPTION_NOALIAS);
    if (error != POPT_ERROR_BADOPT)
        return misuse(p->c, "%s: %s; postbus %s --help shows how it is written", flag, poptStrerror(error),
                      p->c->command->name);
    nearest best = {0};
    char bare[64];
    snprintf(bare, sizeof bare, "%s", flag + strspn(flag, "-"));
    bare[strcspn(bare, "=")] = '\0';
    for (size_t i = 0; i < p->n_options; i++)
        if (p->options[i].longName)
            nearest_consider(&best, bare, p->options[i].longName);
    if (best.name)
        return misuse(p->c, "there is no flag %s; did you mean --%s?", flag, best.name);
    return misuse(p->c, "there is no flag %s; postbus %s --help lists those there are", flag,
                  p->c->command->name);
}

static int keep_words(parsing *p, poptContext context)
{
    const char **words = poptGetArgs(context);
    call *c = p->c;
    while (words && words[c->n_words])
        c->n_words++;
    c->words = calloc(c->n_words + 1, sizeof *c->words);
    if (!c->words)
        return fault(c, "out of memory");
    for (size_t i = 0; i < c->n_words; i++)
        if (!(c->words[i] = strdup(words[i])))
            return fault(c, "out of memory");
    if (p->help || (c->n_words >= c->command->least_words && c->n_words <= c->command->most_words))
        return EXIT_OK;
    if (c->n_words > c->command->most_words)
        return misuse(c, "\"%s\" is one word too many; %s", c->words[c->command->most_words],
                      c->command->words_remedy);
    return misuse(c, "a word is missing; %s", c->command->words_remedy);
}

static int read_flags(parsing *p, int argc, const char **argv)
{
    poptContext context = poptGetContext(NULL, argc, argv, p->options, 0);
    if (!context)
        return fault(p->c, "out of memory");
    int code = EXIT_OK, val = 0;
    while (code == EXIT_OK && (val = poptGetNextOpt(context)) > 0)
        code = keep(p, val, poptGetOptArg(context));
    if (code == EXIT_OK && val < -1)
        code = bad_flag(p, context, val);
    if (code == EXIT_OK)
        code = keep_words(p, context);
    poptFreeContext(context);
    return code;
}

static const char *environment_get(const char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static int read_config(parsing *p, const char *const *environment)
{
    const char *path = p->config_path ? p->config_path : environment_get(environment, "POSTBUS_CONFIG");
    config_input input = {.file = path && *path ? path : NULL,
                          .environment = environment,
                          .flags = p->settings,
                          .n_flags = p->n_settings,
                          .without_sections = !(p->c->command->takes & TAKES_DATABASE)};
    char message[1024];
    bool every = p->c->command->takes & TAKES_EVERY;
    if (every ? !config_load_each(&p->c->all, &input, message, sizeof message)
              : !config_load(&p->c->cfg, &input, message, sizeof message))
        return misuse(p->c, "%s", message);
    if (every)
        p->c->cfg = p->c->all.each[0];
    return EXIT_OK;
}

static void parsing_done(parsing *p)
{
    for (size_t i = 0; i < 2 * p->n_settings; i++)
        free(p->owned[i]);
    free(p->owned);
    free(p->settings);
    free(p->config_path);
}

int call_parse(const command *cmd, int argc, const char **argv, const char *const *environment, call *out,
               bool *out_help)
{
    *out = (call){.command = cmd};
    parsing p = {.c = out};
    add_all(&p, cmd);
    int code = read_flags(&p, argc, argv);
    if (code == EXIT_OK && !p.help && cmd->takes)
        code = read_config(&p, environment);
    *out_help = p.help;
    parsing_done(&p);
    if (code != EXIT_OK)
        call_done(out);
    return code;
}

void call_done(call *c)
{
    for (size_t i = 0; i < c->n_given; i++)
        free(c->given[i].value);
    free(c->given);
    for (size_t i = 0; c->words && i < c->n_words; i++)
        free(c->words[i]);
    free(c->words);
    if (c->all.n > 0)
        config_list_done(&c->all);
    else
        config_done(&c->cfg);
    *c = (call){.command = c->command};
}

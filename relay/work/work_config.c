/* Puts together what `postbus work` is told, and checks it; never starts anything. */
#include "work_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_load.h"
#include "poster.h"
#include "work_file.h"

#define ROW(member, flag, kind_, preset_, lowest_, highest_, choices_, placeholder_, effect_)                \
    {.name = #member,                                                                                        \
     .kind = SETTING_##kind_,                                                                                \
     .offset = offsetof(ROW_OF, member),                                                                     \
     .preset = preset_,                                                                                      \
     .lowest = lowest_,                                                                                      \
     .highest = highest_,                                                                                    \
     .choices = choices_,                                                                                    \
     .placeholder = placeholder_,                                                                            \
     .effect = effect_},

#define ROW_OF work_config
const config_setting work_process_table[] = {WORK_PROCESS_SETTINGS(ROW){.name = NULL}};
#undef ROW_OF
#define ROW_OF work_subscription
const config_setting work_table[] = {WORK_SETTINGS(ROW){.name = NULL}};
#undef ROW_OF

/* ---- lists ---- */

static bool add_text(char ***list, size_t *n, const char *text, size_t size)
{
    char **grown = realloc(*list, (*n + 1) * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    grown[*n] = strndup(text, size);
    return grown[*n] && ++*n;
}

static void free_texts(char **list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        free(list[i]);
    free(list);
}

/* ---- conditions ---- */

static const struct {
    const char *word;
    pbus_test test;
    bool takes_text;
} tests[] = {
    {"=", PBUS_TEST_EQUALS, true},         {"~", PBUS_TEST_MATCHES, true},
    {"present", PBUS_TEST_PRESENT, false}, {"absent", PBUS_TEST_ABSENT, false},
    {"empty", PBUS_TEST_EMPTY, false},     {"blank", PBUS_TEST_BLANK, false},
    {"value", PBUS_TEST_VALUE, false},
};

/* The word at *at becomes a text of its own; *at moves to the next one. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " ");
    *at = word + strcspn(word, " ");
    if (**at)
        *(*at)++ = '\0';
    return word;
}

bool work_condition_parse(const char *text, pbus_condition *out, char **out_text)
{
    char *copy = strdup(text), *at = copy;
    *out_text = copy;
    if (!copy)
        return false;
    const char *field = next_word(&at), *word = next_word(&at);
    for (size_t i = 0; *field && i < sizeof tests / sizeof tests[0]; i++) {
        if (strcmp(tests[i].word, word) != 0 || (!tests[i].takes_text && at[strspn(at, " ")]))
            continue;
        *out = (pbus_condition){field, tests[i].test, tests[i].takes_text ? at : NULL};
        return true;
    }
    free(copy);
    *out_text = NULL;
    return false;
}

static bool parse_conditions(work_subscription *s, char *message, size_t message_size)
{
    s->conditions = calloc(s->n_filter + 1, sizeof *s->conditions);
    s->condition_texts = calloc(s->n_filter + 1, sizeof *s->condition_texts);
    if (!s->conditions || !s->condition_texts) {
        snprintf(message, message_size, "out of memory");
        return false;
    }
    for (size_t i = 0; i < s->n_filter; i++)
        if (!work_condition_parse(s->filter[i], &s->conditions[i], &s->condition_texts[i])) {
            snprintf(
                message, message_size,
                "filter is \"%s\"; write FIELD = TEXT, FIELD ~ REGEX, or FIELD and one of present, absent, "
                "empty, blank, value, with spaces between",
                s->filter[i]);
            return false;
        }
    return true;
}

/* ---- one subscription ---- */

static void subscription_free(work_subscription *s)
{
    char *const texts[] = {s->key,
                           s->topics,
                           s->exec,
                           s->exec_lines,
                           s->http,
                           s->retry,
                           s->begin,
                           s->dead_letter_topic,
                           s->at_dead,
                           s->http_mode,
                           s->http_source,
                           s->http_ca_file,
                           s->http_secret_file,
                           s->http_secret_env,
                           s->avro,
                           s->avro_database,
                           s->avro_schema,
                           s->avro_reader_schema,
                           s->avro_text,
                           s->avro_reader_text};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free_texts(s->condition_texts, s->n_filter);
    free_texts(s->filter, s->n_filter);
    free_texts(s->topic_names, s->n_topics);
    free(s->conditions);
    signer_done(&s->secrets);
}

static bool set_presets(const config_setting *table, void *into, char *message, size_t message_size)
{
    for (const config_setting *s = table; s->name; s++)
        if (!config_setting_parse(s, s->preset, into, message, message_size))
            return false;
    return true;
}

static bool split_topics(work_subscription *s)
{
    for (const char *at = s->topics; *at;) {
        size_t size = strcspn(at, ",");
        if (size > 0 && !add_text(&s->topic_names, &s->n_topics, at, size))
            return false;
        at += size + (at[size] == ',');
    }
    return true;
}

/* ---- http ---- */

/* The characters of a URI (RFC 3986), and no more. */
static bool is_uri_text(const char *text)
{
    return !text[strspn(
        text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%")];
}

static const char *http_fault(const work_subscription *s)
{
    bool has_more = strcmp(s->http_mode, "binary") != 0 || *s->http_source || *s->http_ca_file ||
                    *s->http_secret_file || *s->http_secret_env;
    if (!*s->http)
        return has_more ? "what begins with http_ is for http, which is not given" : NULL;
    if (!poster_takes_url(s->http))
        return "http is no URL that can be used; write http://HOST:PORT/PATH or https://HOST/PATH, without "
               "user and password";
    if (!is_uri_text(s->http_source))
        return "http_source is no URI; percent-encode what a URI cannot hold";
    if (*s->http_secret_file && *s->http_secret_env)
        return "it takes one of http_secret_file and http_secret_env";
    return NULL;
}

/* Found here, and not by each request. */
static bool check_ca_file(const work_subscription *s, char *message, size_t message_size)
{
    FILE *file = *s->http_ca_file ? fopen(s->http_ca_file, "re") : NULL;
    if (*s->http_ca_file && !file) {
        snprintf(message, message_size, "http_ca_file is \"%s\", which cannot be opened: %s", s->http_ca_file,
                 strerror(errno));
        return false;
    }
    if (file)
        fclose(file);
    return true;
}

static bool read_secrets(work_subscription *s, char *message, size_t message_size)
{
    bool by_file = *s->http_secret_file;
    const char *setting = by_file ? "http_secret_file" : "http_secret_env";
    const char *from = by_file ? s->http_secret_file : s->http_secret_env;
    char why[300], *file = NULL;
    if (!*from)
        return true;
    if (by_file && !(file = config_secret_read(from, why, sizeof why))) {
        snprintf(message, message_size, "%s %s", setting, why);
        return false;
    }
    const char *text = by_file ? file : getenv(from);
    bool ok = signer_read(&s->secrets, text ? text : "", why, sizeof why);
    if (!ok)
        snprintf(message, message_size,
                 "%s is \"%s\", and there %s; write whsec_BASE64, with white space between", setting, from,
                 why);
    if (file)
        explicit_bzero(file, strlen(file));
    free(file);
    return ok;
}

static bool finish_http(work_subscription *s, char *message, size_t message_size)
{
    const char *fault = http_fault(s);
    if (!fault)
        return !*s->http ||
               (check_ca_file(s, message, message_size) && read_secrets(s, message, message_size));
    snprintf(message, message_size, "%s", fault);
    return false;
}

/* ---- avro ---- */

static const char *avro_fault(const work_subscription *s)
{
    bool by_file = strcmp(s->avro, "file") == 0;
    bool by_database = strcmp(s->avro, "database") == 0 || strcmp(s->avro, "both") == 0;
    if (by_file && !*s->avro_schema)
        return "avro is file; name it by avro_schema";
    if (!by_file && *s->avro_schema)
        return "avro_schema is for avro = file";
    if (!by_database && *s->avro_database)
        return "avro_database is for avro = database and avro = both";
    if (strcmp(s->avro, "no") == 0 && *s->avro_reader_schema)
        return "avro_reader_schema is for values that are Avro; say where their schemas are by avro";
    return NULL;
}

/* A file of which all is text; "": *out stays NULL. */
static bool read_text(const char *setting, const char *path, char **out, char *message, size_t message_size)
{
    size_t size = 0;
    char part[4096];
    FILE *file = *path ? fopen(path, "re") : NULL, *to = file ? open_memstream(out, &size) : NULL;
    if (!*path)
        return true;
    bool ok = to != NULL;
    for (size_t n; ok && (n = fread(part, 1, sizeof part, file)) > 0;)
        ok = size <= PBUS_SCHEMA_MAX_BYTES && fwrite(part, 1, n, to) == n && fflush(to) == 0;
    int error = errno;
    ok = ok && !ferror(file);
    ok = (!to || fclose(to) == 0) && ok;
    if (file)
        fclose(file);
    if (!ok)
        snprintf(message, message_size, "%s is \"%s\", which cannot be read: %s", setting, path,
                 size > PBUS_SCHEMA_MAX_BYTES ? "it is too large" : strerror(error));
    return ok;
}

static bool finish_avro(work_subscription *s, char *message, size_t message_size)
{
    const char *fault = avro_fault(s);
    if (!fault)
        return read_text("avro_schema", s->avro_schema, &s->avro_text, message, message_size) &&
               read_text("avro_reader_schema", s->avro_reader_schema, &s->avro_reader_text, message,
                         message_size);
    snprintf(message, message_size, "%s", fault);
    return false;
}

/* ---- all of one ---- */

static bool finish_subscription(work_subscription *s, char *message, size_t message_size)
{
    const char *fault = NULL;
    if (!split_topics(s))
        fault = "out of memory";
    else if (s->n_topics == 0)
        fault = "topics is missing; name at least one topic";
    else if (!!*s->exec + !!*s->exec_lines + !!*s->http != 1)
        fault = "it takes one of exec, exec_lines and http";
    if (!fault)
        return finish_http(s, message, message_size) && finish_avro(s, message, message_size) &&
               parse_conditions(s, message, message_size);
    snprintf(message, message_size, "%s", fault);
    return false;
}

static bool add_subscription(work_config *cfg, const char *key, char *message, size_t message_size)
{
    work_subscription *grown = realloc(cfg->subscriptions, (cfg->n_subscriptions + 1) * sizeof *grown);
    if (!grown) {
        snprintf(message, message_size, "out of memory");
        return false;
    }
    cfg->subscriptions = grown;
    work_subscription *s = &grown[cfg->n_subscriptions++];
    *s = (work_subscription){.key = strdup(key)};
    return set_presets(work_table, s, message, message_size);
}

/* ---- all of it ---- */

static bool set(const config_setting *table, void *into, const char *name, const char *value, char *message,
                size_t message_size)
{
    char why[700];
    for (const config_setting *s = table; s->name; s++) {
        if (strcmp(s->name, name) != 0)
            continue;
        bool ok = config_setting_parse(s, value, into, why, sizeof why);
        if (!ok)
            snprintf(message, message_size, "%s %s", name, why);
        return ok;
    }
    snprintf(message, message_size, "there is no setting %s", name);
    return false;
}

static bool on_told(void *arg, const char *key, const char *name, const char *value, char *message,
                    size_t message_size)
{
    work_config *cfg = arg;
    bool ok = true;
    if (key && !name)
        return add_subscription(cfg, key, message, message_size);
    if (!key && strcmp(name, "consumer") == 0)
        ok = add_text(&cfg->consumer, &cfg->n_consumer, value, strlen(value));
    else if (!key)
        return set(work_process_table, cfg, name, value, message, message_size);
    else {
        work_subscription *s = &cfg->subscriptions[cfg->n_subscriptions - 1];
        if (strcmp(name, "filter") != 0)
            return set(work_table, s, name, value, message, message_size);
        ok = add_text(&s->filter, &s->n_filter, value, strlen(value));
    }
    if (!ok)
        snprintf(message, message_size, "out of memory");
    return ok;
}

static bool is_of_process(const char *name)
{
    bool found = strcmp(name, "consumer") == 0;
    for (const config_setting *s = work_process_table; s->name; s++)
        found = found || strcmp(s->name, name) == 0;
    return found;
}

/* "time_limit_ms" of "time-limit-ms". */
static void name_of_flag(const char *flag, char *out, size_t out_size)
{
    snprintf(out, out_size, "%s", flag);
    for (char *c = out; *c; c++)
        if (*c == '-')
            *c = '_';
}

static bool apply_flags(work_config *cfg, bool has_file, const work_flag *flags, size_t n, char *message,
                        size_t message_size)
{
    const char *key = "main";
    char name[64], why[750];
    for (size_t i = 0; i < n; i++)
        if (strcmp(flags[i].name, "subscription") == 0)
            key = flags[i].value;
    if (!has_file && !add_subscription(cfg, key, message, message_size))
        return false;
    for (size_t i = 0; i < n; i++) {
        name_of_flag(flags[i].name, name, sizeof name);
        bool of_process = is_of_process(name);
        if (has_file && !of_process) {
            snprintf(message, message_size,
                     "--%s describes a subscription, and so does the file; leave one of them out",
                     flags[i].name);
            return false;
        }
        if (strcmp(name, "subscription") != 0 &&
            !on_told(cfg, of_process ? NULL : key, name, flags[i].value, why, sizeof why)) {
            snprintf(message, message_size, "--%s: %s", flags[i].name, why);
            return false;
        }
    }
    return true;
}

static bool finish(work_config *cfg, char *message, size_t message_size)
{
    char why[750];
    if (!*cfg->application) {
        snprintf(message, message_size,
                 "no application is given; use --application NAME, or application in the file");
        return false;
    }
    if (cfg->n_subscriptions == 0) {
        snprintf(message, message_size, "the file has no subscription; write subscription KEY { … }");
        return false;
    }
    for (size_t i = 0; i < cfg->n_consumer; i++) {
        const char *equals = strchr(cfg->consumer[i], '=');
        if (!equals || equals == cfg->consumer[i]) {
            snprintf(message, message_size,
                     "consumer is \"%s\"; write NAME=VALUE, with a setting of librdkafka", cfg->consumer[i]);
            return false;
        }
    }
    for (size_t i = 0; i < cfg->n_subscriptions; i++)
        if (!finish_subscription(&cfg->subscriptions[i], why, sizeof why)) {
            snprintf(message, message_size, "subscription %s: %s", cfg->subscriptions[i].key, why);
            return false;
        }
    return true;
}

bool work_config_load(work_config *out, const char *file, const work_flag *flags, size_t n_flags,
                      char *message, size_t message_size)
{
    *out = (work_config){0};
    bool ok = set_presets(work_process_table, out, message, message_size) &&
              (!file || work_file_read(file, on_told, out, message, message_size)) &&
              apply_flags(out, file != NULL, flags, n_flags, message, message_size) &&
              finish(out, message, message_size);
    if (!ok)
        work_config_done(out);
    return ok;
}

void work_config_done(work_config *cfg)
{
    for (size_t i = 0; i < cfg->n_subscriptions; i++)
        subscription_free(&cfg->subscriptions[i]);
    free(cfg->subscriptions);
    free(cfg->application);
    free(cfg->positions);
    free(cfg->http_listen);
    free_texts(cfg->consumer, cfg->n_consumer);
    *cfg = (work_config){0};
}

/* Writes the relay's log, one line an event of interest; never payloads, and never more than one write(2) a line. */
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    log_level least;
    bool json;
} settings = {LOG_LEVEL_INFO, false};

static _Thread_local const char *database;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(log_level least, bool json)
{
    settings.least = least;
    settings.json = json;
}

void log_database(const char *name)
{
    database = name;
}

static void timestamp(char *out, size_t out_size)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t at = strftime(out, out_size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + at, out_size - at, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Where the next pair of the format starts: behind a space, letters, digits, '.' or '_', then '='. */
static const char *next_pair(const char *format)
{
    for (const char *at = strchr(format, ' '); at; at = strchr(at + 1, ' ')) {
        size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._");
        if (length > 0 && at[1 + length] == '=')
            return at + 1;
    }
    return NULL;
}

/* How long the output of the format's first n bytes is. */
static size_t prefix_length(const char *format, size_t n, va_list ap)
{
    char *prefix = strndup(format, n);
    va_list copy;
    va_copy(copy, ap);
    int length = prefix ? vsnprintf(NULL, 0, prefix, copy) : -1;
    va_end(copy);
    free(prefix);
    return length < 0 ? 0 : (size_t)length;
}

static bool is_plain(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] <= ' ' || value[i] == '"' || value[i] == '=' || value[i] == '\\' ||
            value[i] == 0x7f)
            return false;
    return length > 0;
}

static void put_text(FILE *to, const char *value, size_t length)
{
    if (is_plain(value, length)) {
        fwrite(value, 1, length, to);
        return;
    }
    fputc('"', to);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", to);
        else if (c == '\t')
            fputs("\\t", to);
        else if (c < ' ' || c == 0x7f)
            fprintf(to, "\\x%02x", c);
        else
            fputc(c, to);
    }
    fputc('"', to);
}

/* A value that is no UTF-8 is shown with '?' for its bytes above 0x7f. */
static json_t *json_text(const char *value, size_t length)
{
    json_t *text = json_stringn(value, length);
    char *copy = text ? NULL : strndup(value, length);
    if (!copy)
        return text;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    text = json_string(copy);
    free(copy);
    return text;
}

typedef struct line {
    FILE *text; /* one of the two */
    json_t *json;
} line;

static void line_put(line *l, const char *key, size_t key_length, const char *value, size_t length)
{
    if (l->text) {
        fputc(' ', l->text);
        fwrite(key, 1, key_length, l->text);
        fputc('=', l->text);
        put_text(l->text, value, length);
        return;
    }
    char *name = strndup(key, key_length);
    if (name)
        json_object_set_new(l->json, name, json_text(value, length));
    free(name);
}

static void line_put_database(line *l)
{
    if (database)
        line_put(l, "database", strlen("database"), database, strlen(database));
}

static void line_put_pairs(line *l, const char *format, va_list ap)
{
    va_list copy;
    va_copy(copy, ap);
    char *all = NULL;
    int length = vasprintf(&all, format, copy);
    va_end(copy);
    if (length < 0)
        return;
    const char *next;
    for (const char *pair = format; pair && *pair; pair = next) {
        next = next_pair(pair);
        size_t from = prefix_length(format, (size_t)(pair - format), ap);
        size_t to = next ? prefix_length(format, (size_t)(next - 1 - format), ap) : (size_t)length;
        size_t key_length = strcspn(pair, "=");
        if (from + key_length + 1 <= to)
            line_put(l, pair, key_length, all + from + key_length + 1, to - from - key_length - 1);
    }
    free(all);
}

static void write_all(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(STDERR_FILENO, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        size -= (size_t)n;
    }
}

static void write_text(log_level level, const char *ts, const char *event, const char *pairs, va_list ap)
{
    char *text = NULL;
    size_t size = 0;
    line l = {.text = open_memstream(&text, &size)};
    if (!l.text)
        return;
    fprintf(l.text, "%s %s %s", level_names[level], ts, event);
    line_put_database(&l);
    line_put_pairs(&l, pairs, ap);
    fputc('\n', l.text);
    fclose(l.text);
    if (text)
        write_all(text, size);
    free(text);
}

static void write_json(log_level level, const char *ts, const char *event, const char *pairs, va_list ap)
{
    line l = {.json = json_pack("{s:s, s:s, s:s}", "level", level_names[level], "ts", ts, "event", event)};
    if (!l.json)
        return;
    line_put_database(&l);
    line_put_pairs(&l, pairs, ap);
    char *text = json_dumps(l.json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    size_t length = text ? strlen(text) : 0;
    if (text) {
        text[length] = '\n'; /* in place of the terminator: one write */
        write_all(text, length + 1);
    }
    free(text);
    json_decref(l.json);
}

void log_event(log_level level, const char *event, const char *pairs, ...)
{
    if (level < settings.least)
        return;
    char ts[40];
    timestamp(ts, sizeof ts);
    va_list ap;
    va_start(ap, pairs);
    if (settings.json)
        write_json(level, ts, event, pairs, ap);
    else
        write_text(level, ts, event, pairs, ap);
    va_end(ap);
}

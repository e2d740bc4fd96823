/* Feeds any bytes to what reads the configuration files of `postbus work`: it neither crashes nor leaks; it says why it refuses one, or each setting is within its
 * limits. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cheap_names.h"
#include "work_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool holds(const uint8_t *data, size_t size, const char *text)
{
    return memmem(data, size, text, strlen(text)) != NULL;
}

/* These name files, which are read: any file of the machine. */
static bool names_a_file(const uint8_t *data, size_t size)
{
    return holds(data, size, "_file") || holds(data, size, "_schema");
}

static void check(const work_subscription *s)
{
    must(*s->key && s->n_topics > 0 && !!*s->exec + !!*s->exec_lines + !!*s->http == 1);
    for (size_t i = 0; i < s->n_topics; i++)
        must(*s->topic_names[i]);
    for (const config_setting *t = work_table; t->name; t++) {
        int64_t number;
        if (t->kind != SETTING_COUNT && t->kind != SETTING_DURATION_MS && t->kind != SETTING_BYTES)
            continue;
        memcpy(&number, (const char *)s + t->offset, sizeof number);
        must(number >= t->lowest && number <= t->highest);
    }
    for (size_t i = 0; i < s->n_filter; i++)
        must(s->conditions[i].field != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[40], message[1024] = "";
    work_config cfg;
    if (names_a_file(data, size))
        return 0;
    if (fd < 0)
        fd = memfd_create("work", MFD_CLOEXEC);
    must(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!work_config_load(&cfg, path, NULL, 0, message, sizeof message)) {
        must(*message && strnlen(message, sizeof message) < sizeof message);
        return 0;
    }
    must(*cfg.application && cfg.n_subscriptions > 0);
    for (size_t i = 0; i < cfg.n_subscriptions; i++)
        check(&cfg.subscriptions[i]);
    work_config_done(&cfg);
    return 0;
}

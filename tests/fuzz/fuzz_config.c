/* Feeds any bytes to the parser of configuration files: it must neither crash nor leak, and what it accepts it must print in a form
 * that it accepts again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cheap_names.h"
#include "config.h"
#include "config_kafka.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const kafka_names *__wrap_kafka_names_known(void);
const kafka_names *__real_kafka_names_known(void);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__real_fopen(const char *path, const char *mode);

/* Of librdkafka's settings: some of each role, and some that are refused. libconfuse compares each option of a file with all the others there are, and copies
 * them, twice for each input: with all of the settings that took nine tenths of the time. */
static const char *const some[] = {"linger.ms",
                                   "acks",
                                   "request.required.acks",
                                   "enable.idempotence",
                                   "message.timeout.ms",
                                   "compression.codec",
                                   "partitioner",
                                   "client.id",
                                   "sasl.password",
                                   "sasl.password_file",
                                   "ssl.keystore.location",
                                   "bootstrap.servers",
                                   "consume.callback.max.messages",
                                   "dr_cb"};

enum { N_SOME = sizeof some / sizeof some[0] };

const kafka_names *__wrap_kafka_names_known(void)
{
    static char *settings[N_SOME], *names[N_SOME], roles[N_SOME];
    static kafka_names few = {settings, names, roles, 0};
    const kafka_names *all = __real_kafka_names_known();
    for (; few.n < N_SOME; few.n++) {
        size_t at = kafka_names_find(all, some[few.n]);
        if (at == all->n)
            abort();
        settings[few.n] = all->settings[at];
        names[few.n] = all->names[at];
        roles[few.n] = all->roles[at];
    }
    return &few;
}

static struct {
    const void *at;
    size_t size;
} memory; /* the file of that name, of which the kernel need know nothing */

FILE *__wrap_fopen(const char *path, const char *mode)
{
    if (strcmp(path, "memory") != 0)
        return __real_fopen(path, mode);
    return memory.size > 0 ? fmemopen((void *)(uintptr_t)memory.at, memory.size, "r")
                           : __real_fopen("/dev/null", "r");
}

static bool load(const void *text, size_t size, config_list *out, char message[256])
{
    memory.at = text;
    memory.size = size;
    return config_load_each(out, &(config_input){.file = "memory"}, message, 256);
}

static char *printed(const config_list *list)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    config_print(list, to);
    fclose(to);
    return text;
}

/* Whether this was printed lately, but for where each setting was said: in which lines of an input settings stand is most of what inputs differ in. */
__attribute__((no_sanitize("coverage", "address"))) static bool is_known(const char *text)
{
    static uint64_t known[1 << 16];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (bool told = false; *text; text++) {
        told =
            *text != '\n' && (told || (text[0] == '"' && text[1] == ' ' && text[2] == ' ' && text[3] == '#'));
        if (!told)
            hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    uint64_t *place = &known[(hash ^ hash >> 32) & 0xFFFF];
    bool is = *place == hash;
    *place = hash;
    return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    config_list list, again;
    char message[256];
    if (!load(data, size, &list, message))
        return 0;
    char *text = printed(&list);
    if (is_known(text))
        ;
    else if (load(text, strlen(text), &again, message))
        config_list_done(&again);
    else if (!strstr(message, "is the same database")) /* two that differ in what is masked only */
        abort();
    config_list_done(&list);
    free(text);
    return 0;
}

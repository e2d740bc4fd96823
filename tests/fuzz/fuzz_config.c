/* Feeds any bytes to the parser of configuration files: it must neither crash nor leak, and what it accepts it must print in a form
 * that it accepts again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool load(const void *text, size_t size, config *out)
{
    static int fd = -1;
    char path[40], message[256];
    if (fd < 0)
        fd = memfd_create("config", MFD_CLOEXEC);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return config_load(out, &(config_input){.file = path}, message, sizeof message);
}

static char *printed(const config *cfg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    config_print(cfg, to);
    fclose(to);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    config cfg, again;
    if (!load(data, size, &cfg))
        return 0;
    char *text = printed(&cfg);
    if (!load(text, strlen(text), &again))
        abort();
    config_done(&again);
    config_done(&cfg);
    free(text);
    return 0;
}

/* Feeds any bytes to the parser of configuration files: it must neither crash nor leak, and what it accepts it must print in a form
 * that it accepts again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cheap_names.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool load(const void *text, size_t size, config_list *out, char message[256])
{
    static int fd = -1;
    char path[40];
    if (fd < 0)
        fd = memfd_create("config", MFD_CLOEXEC);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return config_load_each(out, &(config_input){.file = path}, message, 256);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    config_list list, again;
    char message[256];
    if (!load(data, size, &list, message))
        return 0;
    char *text = printed(&list);
    if (load(text, strlen(text), &again, message))
        config_list_done(&again);
    else if (!strstr(message, "is the same database")) /* two that differ in what is masked only */
        abort();
    config_list_done(&list);
    free(text);
    return 0;
}

/* Reads a secret from a file of its own; must never tell anybody what is in it. */
#include "config_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 65536 /* a chain of certificates is larger than any password, and smaller than this */

/* One line feed at the end is the editor's, not the secret's. */
static size_t without_end(const char *text, size_t size)
{
    if (size > 0 && text[size - 1] == '\n')
        size--;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    return size;
}

static const char *fault_of(const char *text, size_t size)
{
    if (size > MOST_BYTES)
        return "is larger than 64 KiB";
    if (memchr(text, '\0', size))
        return "holds a zero byte";
    return without_end(text, size) == 0 ? "is empty" : NULL;
}

char *config_secret_read(const char *path, char *message, size_t message_size)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(message, message_size, "is \"%s\", which cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(MOST_BYTES + 2);
    size_t size = text ? fread(text, 1, MOST_BYTES + 1, file) : 0;
    const char *fault = ferror(file) ? strerror(errno) : text ? fault_of(text, size) : "out of memory";
    fclose(file);
    if (fault) {
        snprintf(message, message_size, "is \"%s\", which cannot be used: it %s", path, fault);
        free(text);
        return NULL;
    }
    text[without_end(text, size)] = '\0';
    return text;
}

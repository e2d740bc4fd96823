/* Reads a file into memory and puts a line behind it; never knows what a line means. */
#include "file_text.h"

#include <string.h>

/* Behind a line feed, so that it is no part of a comment. */
#define LAST_LINE "\n'" FILE_TEXT_END "' = ''\n"

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

file_text file_text_read(FILE *file)
{
    file_text f = {NULL};
    char part[4096];
    size_t n;
    FILE *to = open_memstream(&f.text, &f.size);
    while (to && (n = fread(part, 1, sizeof part, file)) > 0)
        fwrite(part, 1, n, to);
    if (to) {
        fputs(LAST_LINE, to);
        fclose(to);
    }
    if (!f.text)
        return f;
    const char *nul = memchr(f.text, '\0', f.size);
    f.nul_line = nul ? line_of(f.text, nul) : 0;
    f.size_without = f.size - strlen(LAST_LINE) + 1;
    return f;
}

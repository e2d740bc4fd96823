/* The text of a file for libconfuse, which takes the file's end for that of every section, and reads wrongly where there is a byte of zero. */
#ifndef POSTBUS_RELAY_FILE_TEXT_H
#define POSTBUS_RELAY_FILE_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* The name of a setting in a last line of our own: in a section that nobody closed it is no option. */
#define FILE_TEXT_END "end of the file"

typedef struct file_text {
    char *text;          /* to be freed */
    size_t size;         /* with the last line */
    size_t size_without; /* of the file alone, and a line feed */
    int nul_line;        /* where the first byte of zero is; 0: there is none */
} file_text;

/* All of it, at once: a pipe can be read only once. text is NULL where there is no memory. */
file_text file_text_read(FILE *file);

#endif

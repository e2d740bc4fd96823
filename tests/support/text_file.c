#include "text_file.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <sys/stat.h>

void text_file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

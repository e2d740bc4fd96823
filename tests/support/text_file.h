/* Files that a test writes for the programs it starts. */
#ifndef POSTBUS_TEST_TEXT_FILE_H
#define POSTBUS_TEST_TEXT_FILE_H

/* In place of what was there; for any user to read, since servers do not run as root. */
void text_file_write(const char *path, const char *text);

#endif

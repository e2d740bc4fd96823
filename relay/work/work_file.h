/* The file of subscriptions, as it stands there. */
#ifndef POSTBUS_WORK_FILE_H
#define POSTBUS_WORK_FILE_H

#include "work_config.h"

/* Told of each thing in turn. key: of the section, which is told first with name NULL; NULL: outside of all. False ends the reading; the reason
 * is in message. */
typedef bool work_file_told(void *arg, const char *key, const char *name, const char *value, char *message,
                            size_t message_size);

/* False: message says why, beginning with the file's name. */
bool work_file_read(const char *path, work_file_told *told, void *arg, char *message, size_t message_size);

#endif

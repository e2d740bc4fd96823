/* The layer of the configuration that is a file. */
#ifndef POSTBUS_RELAY_CONFIG_FILE_H
#define POSTBUS_RELAY_CONFIG_FILE_H

#include "config_load.h"

/* Reads a file by its stream; name is what messages call it. */
bool config_file_read(config_load_state *state, FILE *file, const char *name);

#endif

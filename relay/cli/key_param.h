/* Keys of events on the command line. */
#ifndef POSTBUS_CLI_KEY_PARAM_H
#define POSTBUS_CLI_KEY_PARAM_H

/* A key as it is given, or as lists print it: text, text as a JSON string in quotes, or \x and hex. Returns it as bytea's text, \x and hex, for the caller to
 * free. NULL: text is NULL, or there is no memory. */
char *key_param(const char *text);

/* Prints which key was meant: one of key_param's, as lists print it, and in hex. */
void key_param_tell(const char *key);

#endif

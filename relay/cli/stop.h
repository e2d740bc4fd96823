/* SIGTERM and SIGINT as a descriptor to poll. */
#ifndef POSTBUS_CLI_STOP_H
#define POSTBUS_CLI_STOP_H

/* Blocks both signals in the calling thread, and so in every thread started later, and returns a descriptor that gets one byte
 * for each that arrives; -1 with errno set on failure. To be called once, before any other thread is started. */
int stop_open(void);

#endif

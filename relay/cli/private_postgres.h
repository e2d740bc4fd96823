/* A PostgreSQL server of our own, for postbus dev: made from the installed binaries, and ended with us. */
#ifndef POSTBUS_CLI_PRIVATE_POSTGRES_H
#define POSTBUS_CLI_PRIVATE_POSTGRES_H

#include <sys/types.h>

#include "command.h"

typedef struct private_postgres {
    char *dir;      /* holds data, socket, log and password */
    char *bin;      /* where initdb and postgres are */
    char *database; /* the URI of its database postbus */
    char password[40];
    int port;
    pid_t pid;    /* 0: not running */
    bool created; /* its data were made by this run */
    bool dir_created;
} private_postgres;

typedef struct private_postgres_options {
    const char *dir; /* NULL: a new one under TMPDIR */
    const char *bin; /* NULL: looked for */
    int port;        /* 0: any free one */
} private_postgres_options;

/* PostgreSQL refuses to run as root: the whole process becomes the user postgres, or nobody, and cannot go back. To be called
 * before any thread is started. */
int private_postgres_drop_root(const call *c, const char *dir);

/* Creates the data where they are missing, starts the server and waits until it answers. Anything but EXIT_OK: the reason was printed;
 * private_postgres_stop still has to be called. */
int private_postgres_start(const call *c, const private_postgres_options *options, private_postgres *out);

/* Stops the server and, unless keep, removes what this run made. */
void private_postgres_stop(private_postgres *server, bool keep);

#endif

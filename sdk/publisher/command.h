/* The command that publishes events: its SQL and its parameters, ready for libpq. */
#ifndef POSTBUS_PUBLISHER_COMMAND_H
#define POSTBUS_PUBLISHER_COMMAND_H

#include <postbus/publisher.h>

#include "bytes.h"

#define COMMAND_PARAMETERS 6

typedef struct command {
    const char *sql;
    Oid types[COMMAND_PARAMETERS];
    const char *values[COMMAND_PARAMETERS]; /* the caller's memory, or owned's */
    int sizes[COMMAND_PARAMETERS];
    int formats[COMMAND_PARAMETERS];
    bytes owned[COMMAND_PARAMETERS];
} command;

/* Builds the command for n_events, at least one, into zeroed storage. Refuses unsound events and more than
 * PBUS_PUBLISH_MAX_BYTES. Its result has a row an event, in their order: id and event id, both binary;
 * without tell_ids the event id may be NULL. The events must live as long as the command. Call command_done
 * also after a failure. */
PBUS_MUST_USE pbus_status command_build(command *cmd, const pbus_event *events, size_t n_events,
                                        bool tell_ids, bool ascii_only, pbus_error *err);
void command_done(command *cmd);

#endif

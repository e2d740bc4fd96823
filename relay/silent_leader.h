/* A waiting relay ends the session of a leader that has been silent for longer than its lease. */
#ifndef POSTBUS_RELAY_SILENT_LEADER_H
#define POSTBUS_RELAY_SILENT_LEADER_H

#include "session.h"

void silent_leader_prepare(session *s);
/* As a statement of the session's next transaction. */
void silent_leader_ask(session *s);

#endif

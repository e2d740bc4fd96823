/* Named points at which a test makes the relay die: POSTBUS_CRASH_AT=point[:n] aborts at the n-th passage (default 1);
 * POSTBUS_FREEZE_AT likewise stops it there, until SIGCONT. */
#ifndef POSTBUS_RELAY_FAILPOINT_H
#define POSTBUS_RELAY_FAILPOINT_H

#ifdef POSTBUS_FAILPOINTS
void failpoint(const char *point);
#else
#define failpoint(point) ((void)0)
#endif

#endif

/* Attempts at events of a worker without a database: the handler gets no transaction, and what fails waits in memory. */
#ifndef POSTBUS_WORKER_DIRECT_H
#define POSTBUS_WORKER_DIRECT_H

#include "lane.h"

/* An event that was read; it is taken over. */
void direct_read(lane *l, event *e);

/* The first event that waits, which is due. */
void direct_due(lane *l);

/* Gives back what waits and belongs to partitions of before. */
void direct_forget(lane *l);

#endif

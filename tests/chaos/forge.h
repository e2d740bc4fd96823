/* Faults put into a log on purpose, to see that the verdict finds each. */
#ifndef POSTBUS_CHAOS_FORGE_H
#define POSTBUS_CHAOS_FORGE_H

#include "topic_log.h"
#include "truth.h"

#define FORGERIES 4

/* Judges the same run again with one fault put in at a time; how many of FORGERIES the verdict, which was honest about the run itself,
 * then counts as what they are. -1: too few events to forge with, or no memory. Sorts the truth; the log is as before. */
int forge_all(truth *committed, const topic_log *log, const verdict *honest);

#endif

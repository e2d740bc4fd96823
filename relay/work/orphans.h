/* What programs leave behind when they end. */
#ifndef POSTBUS_WORK_ORPHANS_H
#define POSTBUS_WORK_ORPHANS_H

#include <stdbool.h>

/* Where orphans become children of this process (it is the first one of a container), the caller goes on in a child of it, and it waits for
 * whoever ends, hands SIGTERM and SIGINT on, and ends as the child does. Elsewhere nothing is done. To be called before there are threads. False:
 * errno says why. */
bool orphans_settle(void);

#endif

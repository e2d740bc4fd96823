/* Dies where a test says so, the way a crash would: no cleaning up. Compiled only into builds with tests. */
#include "failpoint.h"

#ifdef POSTBUS_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void failpoint(const char *point)
{
    static atomic_int passed;
    const char *at = getenv("POSTBUS_CRASH_AT");
    if (!at)
        return;
    size_t n = strcspn(at, ":");
    if (strlen(point) != n || strncmp(at, point, n) != 0)
        return;
    int wanted = at[n] == ':' ? atoi(at + n + 1) : 1;
    if (atomic_fetch_add(&passed, 1) + 1 == wanted)
        kill(getpid(), SIGKILL);
}

#else

typedef int failpoint_unused; /* an empty translation unit is not C */

#endif

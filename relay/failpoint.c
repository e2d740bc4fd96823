/* Dies, or stands still, where a test says so, the way a crash would: no cleaning up. Compiled only into builds with tests. */
#include "failpoint.h"

#ifdef POSTBUS_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void signal_at(const char *at, const char *point, atomic_int *passed, int number)
{
    size_t n = at ? strcspn(at, ":") : 0;
    if (!at || strlen(point) != n || strncmp(at, point, n) != 0)
        return;
    int wanted = at[n] == ':' ? atoi(at + n + 1) : 1;
    if (atomic_fetch_add(passed, 1) + 1 == wanted)
        kill(getpid(), number);
}

void failpoint(const char *point)
{
    static atomic_int passed_crash, passed_freeze;
    signal_at(getenv("POSTBUS_CRASH_AT"), point, &passed_crash, SIGKILL);
    signal_at(getenv("POSTBUS_FREEZE_AT"), point, &passed_freeze, SIGSTOP);
}

#else

typedef int failpoint_unused; /* an empty translation unit is not C */

#endif

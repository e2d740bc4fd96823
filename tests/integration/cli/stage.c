/* Runs the program under test; never looks into it. */
#include "cmocka_all.h"

#include <string.h>

#include "proc_fixture.h"
#include "stage.h"

#define DEADLINE_MS 120000

pg_fixture *stage_pg;
char *stage_said;
static char database[64];
static char variable[512];

int stage_open(void **state)
{
    (void)state;
    stage_pg = pg_fixture_new(NULL);
    return setenv("POSTBUS", POSTBUS_BINARY, 1);
}

int stage_close(void **state)
{
    (void)state;
    pg_fixture_free(stage_pg);
    free(stage_said);
    stage_said = NULL;
    return 0;
}

void stage_database(const char *name)
{
    pg_fixture_create_database(stage_pg, name);
    snprintf(database, sizeof database, "%s", name);
    char *conninfo = pg_fixture_conninfo(stage_pg, name, NULL);
    snprintf(variable, sizeof variable, "%s", conninfo);
    free(conninfo);
    setenv("POSTBUS_DATABASE", variable, 1);
}

PGconn *stage_connect(void)
{
    return pg_fixture_connect(stage_pg, database, NULL);
}

int stage_run(const char *const *words)
{
    free(stage_said);
    stage_said = NULL;
    return proc_fixture_run(words, NULL, &stage_said, DEADLINE_MS);
}

int stage_shell(const char *line)
{
    return stage_run((const char *const[]){"bash", "-c", line, NULL});
}

void stage_says(const char *part)
{
    if (!strstr(stage_said, part))
        fail_msg("\"%s\" does not say \"%s\"", stage_said, part);
}

void stage_does_not_say(const char *part)
{
    if (strstr(stage_said, part))
        fail_msg("\"%s\" says \"%s\"", stage_said, part);
}

void stage_expect(int expected, int code)
{
    if (code != expected)
        fail_msg("exit code %d instead of %d: %s", code, expected, stage_said);
}

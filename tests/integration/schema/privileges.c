/* Each object of the schema is open to whom privileges.txt says, and to nobody else: a new table, function or role of a later migration has to be
 * thought about, and written down there. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file || getdelim(&text, &size, '\0', file) < 0)
        fail_msg("%s cannot be read", path);
    fclose(file);
    return text;
}

/* One line an object, each with a newline. */
static char *told_by_the_catalogue(PGconn *conn)
{
    char *sql = text_of(PRIVILEGES_SQL), *text = NULL;
    size_t size = 0;
    pg_run(conn, "SET search_path = pg_catalog");
    PGresult *rows = pg_rows(conn, "%s", sql);
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    for (int i = 0; i < PQntuples(rows); i++)
        fprintf(to, "%s\n", PQgetvalue(rows, i, 0));
    fclose(to);
    PQclear(rows);
    free(sql);
    return text;
}

/* Prints the lines of one text that the other has not; how many. */
static int print_missing(const char *lines, const char *in, const char *what)
{
    int n = 0;
    char *copy = strdup(lines), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        size_t length = strlen(line);
        const char *at = length > 0 ? in : NULL;
        while (at && (at = strstr(at, line)) != NULL && !((at == in || at[-1] == '\n') && at[length] == '\n'))
            at++;
        if (length == 0 || at)
            continue;
        print_message("%s %s\n", what, line);
        n++;
    }
    free(copy);
    return n;
}

static void each_object_is_open_to_those_who_are_written_down(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    char *told = told_by_the_catalogue(owner), *written = text_of(PRIVILEGES_TXT);
    int n = print_missing(told, written, "there is, and is not written down:");
    n += print_missing(written, told, "is written down, and there is not:");
    if (n > 0)
        fail_msg("%s is not what the schema grants. Is the difference meant? Then write it down",
                 PRIVILEGES_TXT);
    assert_null(strstr(written, "PUBLIC"));
    free(told);
    free(written);
    PQfinish(owner);
}

/* What PostgreSQL does by itself with what a migration adds and says nothing about. */
static void an_object_that_a_migration_forgets_shows(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    char *before = told_by_the_catalogue(owner);
    pg_run(owner,
           "BEGIN; CREATE TABLE postbus.later (x int); CREATE VIEW postbus.sight AS SELECT 1 AS x;"
           "GRANT UPDATE (x) ON postbus.later TO postbus_viewer; GRANT postbus_relay TO postbus_viewer;"
           "CREATE FUNCTION postbus.later(int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'");
    char *after = told_by_the_catalogue(owner);
    assert_non_null(strstr(after, "\ntable later: nobody\n"));
    assert_non_null(strstr(after, "\nview sight: nobody\n"));
    assert_non_null(strstr(after, "column later.x: postbus_viewer UPDATE\n"));
    assert_non_null(strstr(after, "\nrole postbus_viewer member of postbus_relay: nobody\n"));
    assert_non_null(strstr(after, "\nfunction later(integer) as its owner: PUBLIC EXECUTE\n"));
    assert_int_equal(print_missing(after, before, "as it should be, new:"), 5);
    pg_run(owner, "ROLLBACK");
    free(before);
    free(after);
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_is_open_to_those_who_are_written_down),
        cmocka_unit_test(an_object_that_a_migration_forgets_shows),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}

/* Looks at --older-than before anything is chosen by it; must never let an age pass that chooses everything. */
#include "age_param.h"

#include "database.h"
#include "postbus_sql.h"

int age_param_check(const call *c, PGconn *conn)
{
    const char *age = call_text(c, "older-than");
    if (!age)
        return EXIT_OK;
    PGresult *row = database_query(c, conn, "--older-than is no interval", sql_query("age"), 1, &age);
    if (!row)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQgetvalue(row, 0, 1)[0] == 't')
        code = misuse(c, "--older-than \"%s\" has no unit: write \"%s seconds\", minutes, hours or days", age,
                      age);
    else if (PQgetvalue(row, 0, 0)[0] != 't')
        code = misuse(c,
                      "--older-than \"%s\" is no age: write how long ago at least, such as \"30 days\", "
                      "without \"ago\" or a minus",
                      age);
    PQclear(row);
    return code;
}

/* postbus schema bind and unbind: tells the database which topics' events are Avro; never waits with publishers behind it. */
#include "database.h"
#include "schema.h"

int schema_bind(const call *c, PGconn *conn)
{
    const char *framing = call_text(c, "framing");
    const char *params[] = {c->words[1], c->words[2], framing ? framing : "confluent"};
    PGresult *done =
        database_query(c, conn, "the topic cannot be bound", "SELECT postbus.bind($1, $2, $3)", 3, params);
    if (!done)
        return EXIT_FAULT;
    PQclear(done);
    printf("%s: bound to %s, in the framing %s\n", params[0], params[1], params[2]);
    return EXIT_OK;
}

int schema_unbind(const call *c, PGconn *conn)
{
    const char *topic = c->words[1];
    PGresult *done =
        database_query(c, conn, "the binding cannot be ended", "SELECT postbus.unbind($1)", 1, &topic);
    if (!done)
        return EXIT_FAULT;
    bool was_bound = PQgetvalue(done, 0, 0)[0] == 't';
    PQclear(done);
    if (!was_bound)
        return fault(c, "\"%s\" is not bound; postbus schema list shows what is", topic);
    printf("%s: no longer bound\n", topic);
    return EXIT_OK;
}

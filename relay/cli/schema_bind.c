/* postbus schema bind and unbind: tells the database which topics' events are Avro; never waits with publishers behind it. */
#include "database.h"
#include "schema.h"
#include "schema_registry.h"

static bool execute(const call *c, PGconn *conn, const char *sql, int n_params, const char *const *params)
{
    PGresult *done = database_query(c, conn, "the topic cannot be bound", sql, n_params, params);
    PQclear(done);
    return done != NULL;
}

/* In one transaction, so that no id is kept of a binding that was refused. */
static int bind_with_registry(const call *c, PGconn *conn)
{
    const char *params[] = {c->words[1], c->words[2], "confluent", c->cfg.registry_url};
    if (!execute(c, conn, "BEGIN", 0, NULL))
        return EXIT_FAULT;
    int code = schema_register_versions(c, conn, params[0], params[1]);
    if (code != EXIT_OK)
        return code;
    if (!execute(c, conn, "SELECT postbus.bind($1, $2, $3, $4)", 4, params) ||
        !execute(c, conn, "COMMIT", 0, NULL))
        return EXIT_FAULT;
    printf("%s: bound to %s, in the framing confluent, with the ids of the registry\n", params[0], params[1]);
    return EXIT_OK;
}

int schema_bind(const call *c, PGconn *conn)
{
    const char *framing = call_text(c, "framing");
    const char *params[] = {c->words[1], c->words[2], framing ? framing : "confluent"};
    if (call_has(c, "registry"))
        return bind_with_registry(c, conn);
    if (!execute(c, conn, "SELECT postbus.bind($1, $2, $3)", 3, params))
        return EXIT_FAULT;
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

/* Brings schemas into a registry and its ids into the database, so that publishers and relay never need it; must never note an id that the
 * registry has not given. */
#include "schema_registry.h"

#include "database.h"
#include "postbus_sql.h"
#include "registry_client.h"

#include <inttypes.h>
#include <string.h>

static int note(const call *c, PGconn *conn, const char *topic, const char *schema_id, int32_t registry_id)
{
    char id[16];
    snprintf(id, sizeof id, "%" PRId32, registry_id);
    const char *params[] = {topic, schema_id, id};
    PGresult *done = database_query(c, conn, "the registry's id cannot be kept",
                                    sql_query("schema_registered"), 3, params);
    PQclear(done);
    return done ? EXIT_OK : EXIT_FAULT;
}

static int register_one(const call *c, PGconn *conn, pbus_registry *registry, const char *topic,
                        const char *schema_id, const pbus_schema *schema)
{
    int32_t id;
    int code = registry_client_register(c, registry, topic, schema, &id);
    if (code == EXIT_OK)
        code = note(c, conn, topic, schema_id, id);
    if (code == EXIT_OK)
        printf("%s-value: has the id %" PRId32 " in the registry\n", topic, id);
    return code;
}

static int register_rows(const call *c, PGconn *conn, pbus_registry *registry, const char *topic,
                         const PGresult *rows)
{
    int code = EXIT_OK;
    for (int i = 0; code == EXIT_OK && i < PQntuples(rows); i++) {
        pbus_schema *schema = NULL;
        pbus_error err;
        if (pbus_schema_parse(PQgetvalue(rows, i, 2), (size_t)PQgetlength(rows, i, 2), NULL, 0, &schema,
                              &err) != PBUS_OK)
            return fault(c, "version %s: %s", PQgetvalue(rows, i, 0), err.message);
        code = register_one(c, conn, registry, topic, PQgetvalue(rows, i, 1), schema);
        pbus_schema_free(schema);
    }
    return code;
}

int schema_register_versions(const call *c, PGconn *conn, const char *topic, const char *subject)
{
    pbus_registry *registry;
    int code = registry_client_open(c, &registry);
    if (code == EXIT_OK && !registry)
        return misuse(c, "no registry is given; use --registry-url URL or POSTBUS_REGISTRY_URL");
    if (code != EXIT_OK)
        return code;
    PGresult *rows =
        database_query(c, conn, "the versions cannot be read", sql_query("schema_versions"), 1, &subject);
    code = rows ? register_rows(c, conn, registry, topic, rows) : EXIT_FAULT;
    PQclear(rows);
    pbus_registry_free(registry);
    return code;
}

int schema_register_new(const call *c, PGconn *conn, const char *subject, const char *schema_id,
                        const pbus_schema *schema, bool *out_asked)
{
    pbus_registry *registry = NULL;
    PGresult *topics = database_query(c, conn, "the bindings cannot be read",
                                      sql_query("schema_registry_topics"), 1, &subject);
    int n = topics ? PQntuples(topics) : 0, code = topics ? EXIT_OK : EXIT_FAULT;
    *out_asked = n > 0;
    if (n > 0)
        code = registry_client_open(c, &registry);
    if (code == EXIT_OK && n > 0 && !registry)
        code = misuse(c,
                      "%s has the ids of the registry %s, where the version has to be registered; use "
                      "--registry-url URL or POSTBUS_REGISTRY_URL",
                      PQgetvalue(topics, 0, 0), PQgetvalue(topics, 0, 1));
    for (int i = 0; code == EXIT_OK && i < n; i++) {
        const char *topic = PQgetvalue(topics, i, 0);
        code = call_has(c, "dry-run") ? registry_client_check(c, registry, topic, schema)
                                      : register_one(c, conn, registry, topic, schema_id, schema);
    }
    pbus_registry_free(registry);
    PQclear(topics);
    return code;
}

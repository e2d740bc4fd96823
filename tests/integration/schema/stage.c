/* Sets the stage for the tests of the schema; never touches a server that it did not start. */
#include "stage.h"

#include <stdlib.h>

pg_fixture *stage_pg;

int stage_start(void **state)
{
    (void)state;
    static const char *const settings[] = {"fsync=off", NULL};
    stage_pg = pg_fixture_new(settings);
    pg_fixture_create_outbox(stage_pg, "main");
    PGconn *conn = stage_connect("postgres", "main");
    pg_run(conn,
           "CREATE ROLE owner LOGIN SUPERUSER; CREATE ROLE publisher LOGIN IN ROLE postbus_publisher;"
           "CREATE ROLE viewer LOGIN IN ROLE postbus_viewer; CREATE ROLE relay LOGIN IN ROLE postbus_relay;"
           "CREATE ROLE operator LOGIN IN ROLE postbus_operator; CREATE ROLE stranger LOGIN; GRANT CREATE, "
           "TEMPORARY ON DATABASE main TO publisher, viewer, relay, operator");
    PQfinish(conn);
    return 0;
}

int stage_stop(void **state)
{
    (void)state;
    pg_fixture_free(stage_pg);
    return 0;
}

PGconn *stage_connect(const char *user, const char *database)
{
    PGconn *conn = pg_fixture_connect(stage_pg, database, user);
    assert_int_equal(PQsetClientEncoding(conn, "UTF8"), 0);
    return conn;
}

void stage_take_from_parked_by_an_intent(PGconn *relay, int id)
{
    pg_run(relay,
           "BEGIN; SELECT set_config('postbus.intent', 'on', true); DELETE FROM postbus.parked WHERE id = %d;"
           "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, "
           "intent, kafka_before) SELECT leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, "
           "pg_current_xact_id(), 0 FROM postbus.progress ORDER BY n DESC LIMIT 1; COMMIT",
           id);
}

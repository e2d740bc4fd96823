/* A private PostgreSQL server with the migrated schema, for the tests of the schema. */
#ifndef POSTBUS_TEST_SCHEMA_STAGE_H
#define POSTBUS_TEST_SCHEMA_STAGE_H

#include "cmocka_all.h"
#include "pg_fixture.h"
#include "pg_query.h"

/* The program's server. */
extern pg_fixture *stage_pg;

/* Group fixtures: a server of the program's own, a database "main" with the schema in it, and the login roles
 * "publisher", "viewer", "relay" and "owner" (a superuser), each a member of the role its name says. */
int stage_start(void **state);
int stage_stop(void **state);

/* A connection that speaks UTF-8, which the caller finishes; a failure fails the test. */
PGconn *stage_connect(const char *user, const char *database);

/* As the relay does it for a redriven event, up to where its Kafka transaction is in doubt. */
void stage_take_from_parked_by_an_intent(PGconn *relay, int id);

#endif

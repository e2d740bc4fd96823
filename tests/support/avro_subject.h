/* Avro schemas in an outbox's database, as `postbus schema add` puts them there. A failure fails the running cmocka test. */
#ifndef POSTBUS_TEST_AVRO_SUBJECT_H
#define POSTBUS_TEST_AVRO_SUBJECT_H

#include <libpq-fe.h>
#include <postbus/schema.h>

/* To be freed by the caller. */
pbus_schema *avro_schema(const char *text);

/* Makes the functions that check JSON by a schema. */
void avro_make_check(PGconn *owner, const pbus_schema *schema, const char *function);

/* Makes a schema the newest version of a subject, compatible or not, in a transaction of its own; returns its id. */
int avro_add(PGconn *owner, const char *subject, const char *text);

#endif

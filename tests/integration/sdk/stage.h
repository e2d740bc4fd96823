/* What each test of the publisher stands on: a private server with a fresh outbox, the application's
 * connection, whose role may publish and nothing else, and an operator's, which looks at what arrived. */
#ifndef POSTBUS_TEST_SDK_STAGE_H
#define POSTBUS_TEST_SDK_STAGE_H

#include "cmocka_all.h"

#include <postbus/postbus.h>

#include "pg_fixture.h"
#include "pg_query.h"

typedef struct stage {
    PGconn *app;
    PGconn *operator_conn;
    pbus_error err;
} stage;

extern pg_fixture *stage_server;

/* For cmocka's groups and tests. */
int stage_group_setup(void **state);
int stage_group_teardown(void **state);
int stage_setup(void **state);
int stage_teardown(void **state);

#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)

/* Another connection of the application's role. */
PGconn *stage_connect(void);

/* An event with a text for its value; key may be NULL. */
pbus_event stage_event(const char *topic, const char *key, const char *value);

/* Fails the test, with what err says, where a status is not the expected one. */
void stage_expect(stage *s, pbus_status status, pbus_status expected);

/* The status and what the message must say. */
void stage_expect_refusal(stage *s, pbus_status status, pbus_status expected, const char *says);

/* Committed events. */
int64_t stage_count(stage *s);

#endif

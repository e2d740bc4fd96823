/* Sets up and clears what the publisher's tests stand on; must never share an outbox between two tests. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

pg_fixture *stage_server;

int stage_group_setup(void **state)
{
    (void)state;
    stage_server = pg_fixture_new(NULL);
    return 0;
}

int stage_group_teardown(void **state)
{
    (void)state;
    pg_fixture_free(stage_server);
    return 0;
}

PGconn *stage_connect(void)
{
    return pg_fixture_connect(stage_server, "shop", "shop_app");
}

int stage_setup(void **state)
{
    stage *s = calloc(1, sizeof *s);
    pg_fixture_create_outbox(stage_server, "shop");
    s->operator_conn = pg_fixture_connect(stage_server, "shop", NULL);
    pg_run(s->operator_conn,
           "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_app') THEN"
           " CREATE ROLE shop_app LOGIN; END IF; END $$");
    pg_run(s->operator_conn, "GRANT postbus_publisher TO shop_app");
    s->app = stage_connect();
    *state = s;
    return 0;
}

int stage_teardown(void **state)
{
    stage *s = *state;
    PQfinish(s->app);
    PQfinish(s->operator_conn);
    free(s);
    return 0;
}

pbus_event stage_event(const char *topic, const char *key, const char *value)
{
    return (pbus_event){.topic = topic,
                        .key = key,
                        .key_size = key ? strlen(key) : 0,
                        .value = value,
                        .value_size = value ? strlen(value) : 0};
}

void stage_expect(stage *s, pbus_status status, pbus_status expected)
{
    if (status != expected)
        fail_msg("%s instead of %s: %s", pbus_status_name(status), pbus_status_name(expected),
                 status == PBUS_OK ? "" : s->err.message);
}

void stage_expect_refusal(stage *s, pbus_status status, pbus_status expected, const char *says)
{
    stage_expect(s, status, expected);
    assert_int_equal(s->err.status, expected);
    if (!strstr(s->err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", s->err.message, says);
}

int64_t stage_count(stage *s)
{
    return pg_number(s->operator_conn, "SELECT count(*) FROM postbus.outbox");
}

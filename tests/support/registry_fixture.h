/* A schema registry that speaks the documented API, in a process of its own. Fails the running cmocka test where something goes wrong. */
#ifndef POSTBUS_TEST_REGISTRY_FIXTURE_H
#define POSTBUS_TEST_REGISTRY_FIXTURE_H

typedef struct registry_fixture registry_fixture;

/* Starts an empty one at a port of its own. Further arguments of tests/support/schema-registry: end with NULL; NULL = none. */
registry_fixture *registry_fixture_new(const char *const *arguments);
/* Kills it where it runs, and removes what it keeps. NULL is taken. */
void registry_fixture_free(registry_fixture *r);

/* "http://127.0.0.1:PORT". */
const char *registry_fixture_url(const registry_fixture *r);
int registry_fixture_port(const registry_fixture *r);

/* Kills it; starts it again, at the same port and with all that was registered. */
void registry_fixture_kill(registry_fixture *r);
void registry_fixture_start(registry_fixture *r);
/* SIGSTOP and SIGCONT: it takes connections, and answers none. */
void registry_fixture_freeze(registry_fixture *r);
void registry_fixture_thaw(registry_fixture *r);

/* From now on every answer has this status; 0: none has. */
void registry_fixture_fault(const registry_fixture *r, int status);
/* "PUT", "/config/s", "{\"compatibility\":\"NONE\"}": HTTP's status. */
int registry_fixture_send(const registry_fixture *r, const char *method, const char *path, const char *body);
/* How often it was asked so, as "GET /schemas/ids/7", since it was started. */
int registry_fixture_asked(const registry_fixture *r, const char *request);

#endif

/* One request after another to a registry, over HTTP. */
#ifndef POSTBUS_SCHEMA_REGISTRY_HTTP_H
#define POSTBUS_SCHEMA_REGISTRY_HTTP_H

#include <postbus/registry.h>

#include <jansson.h>

typedef struct registry_http registry_http;

PBUS_MUST_USE pbus_status registry_http_new(const pbus_registry_options *options, registry_http **out,
                                            pbus_error *err);
void registry_http_free(registry_http *http);

/* "a%2Fb" for "a/b", for registry_http_forget; NULL: no memory. Any thread. */
char *registry_http_escape(const char *text);
void registry_http_forget(char *escaped);

/* The registry's own words in one line, cut where there is no room, without what would command a terminal. */
void registry_http_quote(const char *text, char *out, size_t out_size);

/* When a call that begins now has to be over, by registry_now_ms. */
int64_t registry_http_until_ms(const registry_http *http);

/* Sends GET, or POST where there is a body, which is sent as JSON, and waits no longer than until_ms. PBUS_OK: it answered with 2xx, and *out is the
 * answer's object, for json_decref. err is not NULL. One thread at a time. */
PBUS_MUST_USE pbus_status registry_http_ask(registry_http *http, int64_t until_ms, const char *path,
                                            const json_t *body, json_t **out, pbus_error *err);

/* Of a clock that only goes forward. */
int64_t registry_now_ms(void);

#endif

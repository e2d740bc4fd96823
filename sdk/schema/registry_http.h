/* One request after another to a registry, over HTTP. */
#ifndef POSTBUS_SCHEMA_REGISTRY_HTTP_H
#define POSTBUS_SCHEMA_REGISTRY_HTTP_H

#include <postbus/registry.h>

#include <jansson.h>

typedef struct registry_http registry_http;

PBUS_MUST_USE pbus_status registry_http_new(const pbus_registry_options *options, registry_http **out,
                                            pbus_error *err);
void registry_http_free(registry_http *http);

/* "a%2Fb" for "a/b", for registry_http_forget; NULL: no memory. */
char *registry_http_escape(registry_http *http, const char *text);
void registry_http_forget(char *escaped);

/* Sends GET, or POST where there is a body, which is sent as JSON. PBUS_OK: it answered with 2xx, and *out is the answer's
 * object, for json_decref. err is not NULL. One thread at a time. */
PBUS_MUST_USE pbus_status registry_http_ask(registry_http *http, const char *path, const json_t *body,
                                            json_t **out, pbus_error *err);

/* Of a clock that only goes forward. */
int64_t registry_now_ms(void);

#endif

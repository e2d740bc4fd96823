/* A client of Confluent's Schema Registry: the ids that Kafka records in Confluent's framing name their schemas by.
 *
 *     pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
 *     options.url = "https://registry:8081";
 *     if (pbus_registry_new(&options, &registry, &err) != PBUS_OK) ...
 *     if (pbus_registry_register(registry, "orders-value", schema, &id, &err) != PBUS_OK) ...
 *     ... and for a record:
 *     if (pbus_registry_schema(registry, frame.schema_id, &writer, &err) != PBUS_OK) ...
 *
 * Ids never change, so what was learnt once is kept until pbus_registry_free and asked for no more: a registry that
 * cannot be reached stops nothing that is known. While it cannot be reached, or is overloaded, calls that need it fail
 * at once for PBUS_REGISTRY_PAUSE_MS after each failure, so that a reader of many records does not wait for each of them; an
 * id that it does not know is not asked for again in the same time.
 *
 * The functions are in libpostbus_schema (pkg-config: postbus-schema). Any number of threads may use one registry at the
 * same time: what is known is answered at once, the rest one request after the other. Those that ask block, for the
 * timeout at most. They start no thread, use no signal, print nothing, follow no redirection, and send the password to no
 * other host.
 *
 * Failures: PBUS_ERROR_REGISTRY: no answer that can be used; err->retriable: it could not be reached, had no time, or is
 * out of order, and the same call may succeed later; else the message says what has to be changed (certificate, password,
 * URL). PBUS_ERROR_UNKNOWN_SCHEMA: it answered, and has no such thing. An answer that says nothing of the schema,
 * such as that a subject may only be read (42205), is PBUS_ERROR_REGISTRY; to a question by an id, so is all but 404.
 */
#ifndef POSTBUS_REGISTRY_H
#define POSTBUS_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include <postbus/schema.h>

#define PBUS_REGISTRY_PAUSE_MS 1000

typedef struct pbus_registry pbus_registry;

typedef struct pbus_registry_options {
    size_t size; /* sizeof(pbus_registry_options) */
    /* http:// or https://, host, port, and a path where it is not at the root; without a user, query or fragment. */
    const char *url;
    const char *user;     /* of HTTP's basic authentication; NULL: none */
    const char *password; /* NULL: "" */
    const char *ca_file; /* certificates in PEM that the registry's has to be signed by; NULL: the system's */
    uint32_t timeout_ms; /* for one call, from connecting to the last byte of the last answer; 0: 10,000 */
} pbus_registry_options;
/* clang-format off */
#define PBUS_REGISTRY_OPTIONS_INIT {sizeof(pbus_registry_options), NULL, NULL, NULL, NULL, 0}
/* clang-format on */

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a client, and asks nothing yet. The options are copied.
 *   out  yours, to be given to pbus_registry_free; written on PBUS_OK only
 * Returns: PBUS_OK; PBUS_ERROR_ARGUMENT, with the option that is wrong; PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_registry_new(const pbus_registry_options *options,
                                                     pbus_registry **out, pbus_error *err);

/* Closes the connection and forgets what was learnt. No other thread may use it any more. Takes NULL. Since: 0.2. */
PBUS_API void pbus_registry_free(pbus_registry *registry);

/* Makes a schema the newest version of a subject, where the subject does not have it already, and gives its id. May be
 * repeated without harm, also where it is not known whether a first call took effect.
 *   subject  by the usual strategy a topic's name and -value; 1 to 1,000 bytes of UTF-8
 *   schema   must define all the types it names; its text is sent
 *   out_id   written on PBUS_OK only
 * Returns: PBUS_OK; PBUS_ERROR_INCOMPATIBLE: refused for the versions there are, by the subject's mode in the registry;
 *   PBUS_ERROR_AVRO_SCHEMA: the registry does not take it for a schema; PBUS_ERROR_REGISTRY; PBUS_ERROR_ARGUMENT;
 *   PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_registry_register(pbus_registry *registry, const char *subject,
                                                          const pbus_schema *schema, int32_t *out_id,
                                                          pbus_error *err);

/* The id that a subject's schema has; registers nothing.
 * Returns: as pbus_registry_register; PBUS_ERROR_UNKNOWN_SCHEMA: the subject does not have it, or does not exist. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_registry_find(pbus_registry *registry, const char *subject,
                                                      const pbus_schema *schema, int32_t *out_id,
                                                      pbus_error *err);

/* Whether pbus_registry_register would take a schema, by the subject's mode; registers nothing and keeps nothing.
 * Returns: PBUS_OK: it would, also for a subject that does not exist; else as pbus_registry_register. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_registry_check(pbus_registry *registry, const char *subject,
                                                       const pbus_schema *schema, pbus_error *err);

/* The Avro schema of an id, with those it refers to.
 *   out  yours, to be given to pbus_schema_free; written on PBUS_OK only
 * Returns: PBUS_OK; PBUS_ERROR_UNKNOWN_SCHEMA: there is no such id; PBUS_ERROR_AVRO_SCHEMA: it is no Avro schema, or one that
 *   cannot be read; PBUS_ERROR_LIMIT: it refers to too many others; PBUS_ERROR_REGISTRY; PBUS_ERROR_ARGUMENT;
 *   PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_registry_schema(pbus_registry *registry, int32_t id,
                                                        pbus_schema **out, pbus_error *err);

#ifdef __cplusplus
}
#endif

#endif

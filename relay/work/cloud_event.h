/* An event as CloudEvents 1.0 over HTTP has it: headers and a body. */
#ifndef POSTBUS_WORK_CLOUD_EVENT_H
#define POSTBUS_WORK_CLOUD_EVENT_H

#include <curl/curl.h>

#include <postbus/worker.h>

typedef struct cloud_event {
    struct curl_slist *headers;
    const void *body; /* the event's value, or `document` */
    size_t body_size;
    char *document;
} cloud_event;

/* Fills *out, for cloud_event_done; the event has to outlive it. structured: the attributes are in the body, else in headers. source: of an event
 * that does not say its own; "": /postbus/TOPIC. deadline_ms: since 1970, 0 = none. False: no memory, and nothing to release. */
bool cloud_event_make(cloud_event *out, const pbus_delivery *event, bool structured, const char *source,
                      int64_t deadline_ms);
void cloud_event_done(cloud_event *c);

/* Adds "NAME: VALUE"; false: no memory, and the list is as it was. */
bool cloud_event_header(struct curl_slist **headers, const char *name, const char *value);

#endif

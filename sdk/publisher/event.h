/* One event of the caller's: is it sound, how large is it, and its headers as JSON. */
#ifndef POSTBUS_PUBLISHER_EVENT_H
#define POSTBUS_PUBLISHER_EVENT_H

#include <postbus/publisher.h>

#include "bytes.h"

/* Bytes that the parts of one or more events take when they are sent, without the framing of arrays. */
typedef struct event_sizes {
    size_t topic, value, key, type, headers, event_id;
    bool any_key, any_type, any_headers, any_event_id;
} event_sizes;

/* Checks the event that is at this place of n_events, and adds its sizes. ascii_only: the connection's
 * client_encoding is not UTF-8. What only the database knows (limits, the form of a topic) is not checked. */
PBUS_MUST_USE pbus_status event_check(const pbus_event *event, size_t at, size_t n_events, bool ascii_only,
                                      event_sizes *sizes, pbus_error *err);

/* The bytes event_put_headers will put; 0 for an event without headers. The event was checked. */
size_t event_headers_size(const pbus_event *event);

/* Puts the headers of a checked event as a JSON object. */
void event_put_headers(bytes *out, const pbus_event *event);

#endif

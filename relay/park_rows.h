/* Sends parked rows to PostgreSQL as arrays, many a statement. */
#ifndef POSTBUS_RELAY_PARK_ROWS_H
#define POSTBUS_RELAY_PARK_ROWS_H

#include "page.h"
#include "session.h"

/* statement: park or repark, prepared from the queries of these names. Rows that are not ROW_PARKED, or wait as they did, are left out.
 * false: no memory, and nothing was sent. */
bool park_rows_send(session *pg, const char *statement, const row *rows, size_t n);

#endif

/* Pages made by hand, as PostgreSQL would have sent them. */
#ifndef POSTBUS_TEST_MADE_PAGE_H
#define POSTBUS_TEST_MADE_PAGE_H

#include "page.h"

/* Lengths of -1 are NULL. */
typedef struct made_row {
    int64_t id;
    int64_t created_at_us; /* since 2000 */
    const char *topic;
    const char *key, *value, *type, *headers, *event_id;
    int key_size, value_size, type_size, headers_size, event_id_size;
} made_row;

/* A row of the columns that a test does not look at. */
made_row made_row_plain(int64_t id);
PGresult *made_result(const made_row *rows, int n);
/* A page of plain rows with ids from first_id on. */
page *made_page(int64_t first_id, int n);

#endif

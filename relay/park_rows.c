/* Writes the arrays that park.sql and repark.sql take; must never leave out a row without saying so. */
#include "park_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "refusal.h"

enum { N_ARRAYS = 6, MOST_BYTES = 40 }; /* of an element with its comma */

static const char *waits_name(const row *r)
{
    static const char *const names[] = {[WAITS_TOPIC] = "topic",
                                        [WAITS_OPERATOR] = "operator",
                                        [WAITS_STOP] = "operator",
                                        [WAITS_KEY] = "key"};
    return names[r->waits_for];
}

static int put_number_or_null(char *to, long long n)
{
    return n ? sprintf(to, "%lld", n) : sprintf(to, "NULL");
}

static int put_element(char *to, int array, const row *r)
{
    refusal_reason why = refusal_get(r->refusal_at);
    switch (array) {
    case 0:
        return sprintf(to, "%lld", (long long)r->id);
    case 1:
        return sprintf(to, "%s", why.reason);
    case 2:
        return sprintf(to, "%s", waits_name(r));
    case 3:
        return sprintf(to, "%c", r->waits_for == WAITS_STOP ? 't' : 'f');
    case 4:
        return put_number_or_null(to, r->waits_for == WAITS_OPERATOR || r->waits_for == WAITS_KEY
                                          ? (long long)(int64_t)r->queue
                                          : 0);
    default:
        return put_number_or_null(to, why.err);
    }
}

static bool is_meant(const row *r)
{
    return r->state == ROW_PARKED && r->waits_for != WAITS_AS_IT_DID;
}

static char *put_array(char *to, int array, const row *rows, size_t n)
{
    char *at = to;
    for (size_t i = 0; i < n; i++)
        if (is_meant(&rows[i])) {
            *at = at == to ? '{' : ',';
            at += 1 + put_element(at + 1, array, &rows[i]);
        }
    *at++ = '}';
    *at++ = '\0';
    return at;
}

bool park_rows_send(session *pg, const char *statement, const row *rows, size_t n)
{
    size_t n_meant = 0;
    for (size_t i = 0; i < n; i++)
        n_meant += is_meant(&rows[i]);
    if (n_meant == 0)
        return true;
    char *room = malloc(N_ARRAYS * (n_meant * MOST_BYTES + 2));
    const char *values[N_ARRAYS];
    if (!room)
        return false;
    char *at = room;
    for (int i = 0; i < N_ARRAYS; i++) {
        values[i] = at;
        at = put_array(at, i, rows, n);
    }
    session_execute(pg, statement, N_ARRAYS, values, false, NULL, NULL);
    free(room);
    return true;
}

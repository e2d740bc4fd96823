/* Judges the answers of HTTP servers; must never take one for an acknowledgement that is no 2xx. */
#include "answer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "outcome.h"

enum {
    REQUEST_TIMEOUT = 408,
    TOO_MANY_REQUESTS = 429,
    /* What a server says by mistake (milliseconds, a date of the wrong year) holds up the events of a key; a server that means it says it again. */
    LONGEST_DELAY_S = 86400,
};

int64_t answer_delay_ms(const char *text, int64_t now_s)
{
    text += strspn(text, " \t");
    size_t n_digits = strspn(text, "0123456789");
    int64_t delay_s;
    if (n_digits > 0 && text[n_digits + strspn(text + n_digits, " \t")] == '\0') {
        delay_s = n_digits > 9 ? LONGEST_DELAY_S : strtol(text, NULL, 10);
    } else {
        /* curl_getdate takes "10" for the tenth of this month, and more; each of the three forms begins with a day's name. */
        time_t at_s = isalpha((unsigned char)*text) ? curl_getdate(text, NULL) : -1;
        if (at_s == -1)
            return -1;
        delay_s = at_s > now_s ? at_s - now_s : 0;
    }
    return (delay_s < LONGEST_DELAY_S ? delay_s : LONGEST_DELAY_S) * 1000;
}

/* Of the body as much of its first line as fits behind why; the library takes away what is left of a character that was cut. */
static pbus_outcome retry_with_line(const char *why, const answer *a)
{
    size_t from = 0, size = 0, room = PBUS_REASON_SIZE - strlen(why) - 3;
    while (from < a->n_body && isspace((unsigned char)a->body[from]))
        from++;
    while (from + size < a->n_body && size < room && !strchr("\r\n", a->body[from + size]))
        size++;
    return outcome_retry(why, a->body + from, size);
}

pbus_outcome answer_outcome(const answer *a, int64_t now_s)
{
    char why[80];
    int class = a->status / 100;
    if (class == 2)
        return pbus_ack();
    snprintf(why, sizeof why, "HTTP status %d%s", a->status,
             class == 3 ? ", and redirects are not followed" : "");
    pbus_outcome outcome = retry_with_line(why, a);
    bool names_time = a->status == TOO_MANY_REQUESTS || class == 5;
    if (class == 4 && a->status != TOO_MANY_REQUESTS && a->status != REQUEST_TIMEOUT)
        outcome.verdict = PBUS_DEAD;
    else if (names_time && a->retry_after)
        outcome.delay_ms = answer_delay_ms(a->retry_after, now_s);
    return outcome;
}

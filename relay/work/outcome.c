/* Judges how a program ended or what it replied; must never take anything for an acknowledgement that is none. */
#include "outcome.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

enum {
    SHELL_SIGNALLED = 128
}; /* a shell's status of a command that a signal ended is this and the signal's number */

/* "why: the end of the tail", in one line, and no longer than a reason. What is cut off stands in front. */
static void put_reason(char out[PBUS_REASON_SIZE], const char *why, const char *tail, size_t n_tail)
{
    size_t n = (size_t)snprintf(out, PBUS_REASON_SIZE, "%s", why);
    while (n_tail > 0 && isspace((unsigned char)tail[n_tail - 1]))
        n_tail--;
    if (n_tail == 0 || n + 3 > PBUS_REASON_SIZE)
        return;
    size_t room = PBUS_REASON_SIZE - n - 3;
    size_t from = n_tail > room ? n_tail - room : 0;
    while (from < n_tail &&
           (isspace((unsigned char)tail[from]) || ((unsigned char)tail[from] & 0xc0) == 0x80))
        from++; /* nor does it begin within a character */
    memcpy(out + n, ": ", 2);
    n += 2;
    for (; from < n_tail; from++)
        out[n++] = iscntrl((unsigned char)tail[from]) ? ' ' : tail[from];
    out[n] = '\0';
}

pbus_outcome outcome_retry(const char *why, const char *tail, size_t n_tail)
{
    pbus_outcome outcome = pbus_retry(NULL, -1);
    put_reason(outcome.reason, why, tail, n_tail);
    return outcome;
}

static pbus_outcome signalled(int number, const char *tail, size_t n_tail)
{
    char why[80];
    const char *name = sigabbrev_np(number);
    snprintf(why, sizeof why, "killed by %s%s", name ? "SIG" : "a signal", name ? name : "");
    return outcome_retry(why, tail, n_tail);
}

pbus_outcome outcome_of_status(int status, const char *tail, size_t n_tail)
{
    char why[80];
    if (WIFSIGNALED(status))
        return signalled(WTERMSIG(status), tail, n_tail);
    int code = WEXITSTATUS(status);
    if (code == EX_OK)
        return pbus_ack();
    if (code > SHELL_SIGNALLED && sigabbrev_np(code - SHELL_SIGNALLED))
        return signalled(code - SHELL_SIGNALLED, tail, n_tail);
    snprintf(why, sizeof why, "exit status %d", code);
    pbus_outcome outcome = outcome_retry(why, tail, n_tail);
    if (code == EX_DATAERR)
        outcome.verdict = PBUS_DEAD;
    return outcome;
}

static bool read_verdict(const json_t *reply, pbus_verdict *out)
{
    static const char *const names[] = {[PBUS_ACK] = "ack", [PBUS_RETRY] = "retry", [PBUS_DEAD] = "dead"};
    const char *result = json_string_value(json_object_get(reply, "result"));
    for (size_t i = 0; result && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], result) == 0) {
            *out = (pbus_verdict)i;
            return true;
        }
    return false;
}

/* Absent and null are the same. */
static const json_t *member(const json_t *reply, const char *name)
{
    const json_t *value = json_object_get(reply, name);
    return json_is_null(value) ? NULL : value;
}

static const char *read_reply(const json_t *reply, pbus_outcome *out)
{
    const json_t *reason = member(reply, "reason"), *delay = member(reply, "delay_ms");
    if (!json_is_object(reply))
        return "the reply is no JSON object in a line";
    if (!read_verdict(reply, &out->verdict))
        return "the reply's \"result\" is none of ack, retry and dead";
    if (reason && !json_is_string(reason))
        return "the reply's \"reason\" is no string";
    if (delay && (!json_is_integer(delay) || json_integer_value(delay) < 0))
        return "the reply's \"delay_ms\" is no number of milliseconds";
    if (reason && out->verdict != PBUS_ACK)
        snprintf(out->reason, sizeof out->reason, "%s", json_string_value(reason));
    if (delay)
        out->delay_ms = json_integer_value(delay);
    return NULL;
}

bool outcome_of_reply(const char *line, pbus_outcome *out)
{
    json_t *reply = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    *out = pbus_ack();
    const char *fault = read_reply(reply, out);
    if (fault)
        *out = pbus_retry(fault, -1);
    json_decref(reply);
    return !fault;
}

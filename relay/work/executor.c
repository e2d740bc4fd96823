/* Has an event handled by a program; must never take the end of a program that was cut short for its answer. */
#include "executor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "clock.h"
#include "event_text.h"
#include "outcome.h"

/* A thread's process that speaks lines. */
typedef struct seat {
    const executor *x;
    child c;
} seat;

/* The thread ends; its process gets the end of its input. */
static void seat_leave(void *arg)
{
    seat *s = arg;
    if (s->c.pid > 0)
        child_dismiss(&s->c, s->x->grace_ms, s->x->leave_fd);
    free(s);
}

bool executor_init(executor *x)
{
    int error = pthread_key_create(&x->seat, seat_leave);
    x->has_seat = error == 0;
    errno = error;
    return x->has_seat;
}

void executor_done(executor *x)
{
    if (x->has_seat)
        pthread_key_delete(x->seat);
    x->has_seat = false;
}

static pbus_outcome not_started(int error)
{
    char why[160];
    snprintf(why, sizeof why, "the command cannot be started: %s", strerror(error));
    return pbus_retry(why, -1);
}

/* Of an attempt that begins now; 0: it has none. */
static int64_t deadline_of(const executor *x)
{
    return x->time_limit_ms < 0 ? 0 : clock_wall_ms() + x->time_limit_ms;
}

/* Ends a program that has not answered; how it ends then says nothing. */
static pbus_outcome cut_short(const executor *x, child *c, talk_end end)
{
    char why[120];
    if (end == TALK_TIMEOUT)
        snprintf(why, sizeof why, "not done within %lld ms", (long long)x->time_limit_ms);
    else if (end == TALK_STOPPED)
        snprintf(why, sizeof why, OUTCOME_STOPPED);
    else if (end == TALK_EARLY) /* the rest of the event would be the beginning of the next one */
        snprintf(why, sizeof why, "it answered before it had read its event");
    else
        snprintf(why, sizeof why, "it closed its output, or wrote a line without an end");
    child_end(c, x->grace_ms);
    return outcome_retry(why, c->tail, c->n_tail);
}

static bool start(const executor *x, child *c, const pbus_delivery *event, int64_t deadline_ms, bool reads)
{
    char **environment = event_environment(x->application, x->subscription, event, deadline_ms);
    errno = ENOMEM;
    bool ok = environment && child_start(c, x->command, environment, reads);
    int error = errno;
    event_environment_free(environment);
    errno = error;
    return ok;
}

pbus_outcome executor_run(const pbus_delivery *event, PGconn *tx, void *arg)
{
    const executor *x = arg;
    child c;
    size_t size = 0;
    (void)tx;
    int64_t deadline_ms = deadline_of(x);
    char *text = event_document(event, deadline_ms, &size);
    if (!text || !start(x, &c, event, deadline_ms, false)) {
        int error = text ? errno : ENOMEM;
        free(text);
        return not_started(error);
    }
    talk_end end = child_talk(&c, text, size, x->time_limit_ms, x->stop_fd);
    free(text);
    if (end != TALK_EXITED)
        return cut_short(x, &c, end);
    int status = child_end(&c, 0);
    return outcome_of_status(status, c.tail, c.n_tail);
}

/* The thread's process, started where there is none or it has ended since. NULL: errno says why. */
static child *take_seat(executor *x)
{
    seat *s = pthread_getspecific(x->seat);
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || pthread_setspecific(x->seat, s) != 0) {
            free(s);
            errno = ENOMEM;
            return NULL;
        }
        s->x = x;
    }
    /* What it says without having been asked would be taken for the next answer. */
    if (s->c.pid > 0 && (child_talk(&s->c, "", 0, 0, -1) != TALK_TIMEOUT || s->c.n_line > 0))
        child_end(&s->c, x->grace_ms);
    if (s->c.pid == 0 && !start(x, &s->c, NULL, 0, true))
        return NULL;
    s->c.n_tail = 0;
    return &s->c;
}

static pbus_outcome read_answer(const executor *x, child *c)
{
    pbus_outcome outcome;
    bool good = outcome_of_reply(c->line, &outcome);
    child_take_line(c);
    if (!good)
        child_end(c, x->grace_ms); /* who knows what its next line would be the answer to */
    return outcome;
}

/* Without an answer, an exit status of 0 is none either. */
static pbus_outcome ended_early(child *c)
{
    int status = child_end(c, 0);
    pbus_outcome outcome = outcome_of_status(status, c->tail, c->n_tail);
    if (outcome.verdict == PBUS_ACK)
        return outcome_retry("ended without a reply", c->tail, c->n_tail);
    outcome.verdict = PBUS_RETRY;
    return outcome;
}

pbus_outcome executor_ask(const pbus_delivery *event, PGconn *tx, void *arg)
{
    executor *x = arg;
    size_t size = 0;
    (void)tx;
    child *c = take_seat(x);
    if (!c)
        return not_started(errno);
    char *text = event_document(event, deadline_of(x), &size);
    if (!text)
        return not_started(ENOMEM);
    talk_end end = child_talk(c, text, size, x->time_limit_ms, x->stop_fd);
    free(text);
    if (end == TALK_LINE)
        return read_answer(x, c);
    return end == TALK_EXITED ? ended_early(c) : cut_short(x, c, end);
}

/* Has an event handled in a transaction and commits or undoes it; must never believe a handler about the transaction that it was given. */
#include "attempt.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "failure.h"
#include "postbus_sql.h"
#include "retry.h"
#include "text.h"

/* A deadlock or a serialization failure is nobody's fault: the transaction is run again at once, so often. */
enum { MOST_RERUNS = 10, LONGEST_NAP_MS = 40 };

/* An event that had waited and whose schema cannot be asked for is looked at again after so long. */
enum { UNREAD_MS = 5000 };

/* What a handler says may be any number. One that PostgreSQL cannot add to a time would fail each time that it is written down. */
#define LONGEST_DELAY_MS (INT64_C(365) * 24 * 3600 * 1000)

static const char *const ended_error = "the handler ended the transaction that it was given";

/* An attempt that may kill the process shares it with others of its kind; one at an event that was in hand when a process died has it for itself. So an event
 * that was only there at the time is blamed once. One for the process, since that is what dies. Never waited for in a transaction. */
static pthread_rwlock_t process = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

void attempt_copy_error(char *out, const char *text)
{
    snprintf(out, ATTEMPT_ERROR_SIZE, "%s", text);
    text_trim_cut(out);
    for (size_t bad; (bad = text_find_fault(out, strlen(out))) != SIZE_MAX;)
        out[bad] = '?';
    for (size_t n = strlen(out); n > 0 && out[n - 1] == '\n'; n--)
        out[n - 1] = '\0';
}

static void set_error(attempt *a, const char *text)
{
    attempt_copy_error(a->error, text);
}

/* Verbose messages begin with "SEVERITY:  SQLSTATE: ". */
static bool message_is_transient(const char *message)
{
    char sqlstate[6] = "";
    const char *colon = strchr(message, ':');
    if (colon && strlen(colon) > 8)
        memcpy(sqlstate, colon + 3, 5);
    return sqlstate_is_transient(sqlstate);
}

void attempt_nap(lane *l)
{
    const struct timespec pause = {.tv_nsec = (long)(lane_random(l) % LONGEST_NAP_MS + 1) * 1000000};
    nanosleep(&pause, NULL);
}

unsigned attempt_limits(const lane *l)
{
    return l->feed->sub->time_limit_ms > 0 ? LEDGER_LIMITED : LEDGER_PLAIN;
}

static pbus_outcome call(lane *l, event *const *events, size_t n)
{
    const subscription *sub = l->feed->sub;
    int64_t deadline_ms = sub->time_limit_ms ? feed_wall_ms() + sub->time_limit_ms : 0;
    for (size_t i = 0; i < n; i++) {
        pbus_delivery *view = &events[i]->view;
        view->application = l->feed->cfg->application;
        view->subscription = sub->key;
        view->deadline_ms = deadline_ms;
        l->views[i] = view;
    }
    return sub->batch_handler ? sub->batch_handler(l->views, n, l->session.conn, sub->arg)
                              : sub->handler(l->views[0], l->session.conn, sub->arg);
}

/* In which state the handler left the transaction. A pipeline that is left on is ended, by a Sync: after an error the server heeds nothing before the next one, and
 * only then tells the state. */
static PGTransactionStatusType state_left(PGconn *tx)
{
    PGTransactionStatusType state = PQtransactionStatus(tx);
    if (PQpipelineStatus(tx) == PQ_PIPELINE_OFF || state == PQTRANS_ACTIVE || state == PQTRANS_UNKNOWN)
        return state;
    PGresult *answer = PQpipelineSync(tx) ? PQgetResult(tx) : NULL;
    bool ended = PQresultStatus(answer) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(tx);
    PQclear(answer);
    return ended ? PQtransactionStatus(tx) : PQTRANS_ACTIVE;
}

bool attempt_call(attempt *a, event *const *events, size_t n)
{
    const subscription *sub = a->l->feed->sub;
    PGconn *tx = a->l->session.conn;
    int64_t began_us = feed_now_us();
    a->outcome = call(a->l, events, n);
    a->outcome.reason[PBUS_REASON_SIZE - 1] = '\0';
    int64_t took_us = feed_now_us() - began_us, took_ms = took_us / 1000;
    tally_note_attempt(&a->l->tally, n, took_us);
    a->l->handling_ms = took_ms;
    char message[ATTEMPT_ERROR_SIZE]; /* a Sync forgets it */
    attempt_copy_error(message, PQerrorMessage(tx));
    PGTransactionStatusType state = state_left(tx);
    a->ended = state == PQTRANS_IDLE;
    set_error(a, a->outcome.reason);
    if (a->ended)
        set_error(a, ended_error);
    else if (state == PQTRANS_INERROR) {
        a->transient = message_is_transient(message);
        if (a->outcome.verdict == PBUS_ACK || !*a->error)
            set_error(a, *message ? message : "a statement of the handler failed");
    } else if (state == PQTRANS_UNKNOWN)
        set_error(a, "the connection to PostgreSQL is lost");
    else if (state == PQTRANS_ACTIVE)
        set_error(a, "the handler left a command unfinished");
    else if (a->outcome.verdict == PBUS_ACK && sub->time_limit_ms && took_ms > sub->time_limit_ms)
        set_error(a, "the handler took longer than time_limit_ms");
    else if (a->outcome.verdict < PBUS_ACK || a->outcome.verdict > PBUS_DEAD)
        set_error(a, "the handler returned a verdict that there is not");
    else
        return a->outcome.verdict == PBUS_ACK;
    if (a->outcome.verdict != PBUS_DEAD)
        a->outcome.verdict = PBUS_RETRY;
    return false;
}

/* With the commit goes the claim of the event that was read next, where that is known: a third of the round trips that an event takes. */
static pbus_status commit(attempt *a, pbus_error *err)
{
    lane *l = a->l;
    const event *next = a->e->n || a->e->doubted ? NULL : lane_peek(l);
    if (!next)
        return ledger_commit(&l->session, a->xid, a->e, attempt_limits(l), err);
    return ledger_commit_and_claim(&l->session, a->xid, attempt_limits(l), l->feed->id, next,
                                   l->feed->sub->time_limit_ms, &l->ahead, err);
}

/* Commits. true: done. false: *out_status tells whether the session is still good; if so the attempt has failed. */
static bool commit_handled(attempt *a, pbus_status *out_status, pbus_error *err)
{
    *out_status = commit(a, err);
    if (*out_status == PBUS_OK)
        return true;
    bool unheeded = a->l->session.out_of_step; /* so nothing is committed */
    if (*out_status == PBUS_ERROR_CONNECTION && !unheeded)
        return false;
    a->ended = strcmp(err->sqlstate, "PB020") == 0;
    a->transient = sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, SESSION_FORGOTTEN) == 0;
    set_error(a, a->ended ? ended_error : err->message);
    a->outcome = pbus_retry(NULL, -1);
    *out_status = PBUS_OK;
    return false;
}

static pbus_status read_again(pbus_error *err)
{
    return failure(err, PBUS_ERROR_CONNECTION,
                   "a session was lost, or left in the middle of something, and the database may be an older "
                   "one now: what that lacks is read again");
}

/* Behind the new session may be an older database: a standby that lacks commits, a copy that was restored, or the same without what waited for no disk. The
 * number of an event that had waited may be another's there. */
static pbus_status replace_session(attempt *a, pbus_error *err)
{
    bool is_there = true;
    pbus_status status = lane_reopen(a->l, err);
    a->replaced = status == PBUS_OK;
    if (status == PBUS_OK && a->e->n)
        status = ledger_waits(&a->l->session, a->e, &is_there, err);
    return is_there ? status : read_again(err);
}

/* By the extended protocol: the answer to a simple query would be waited for, for ever, where the server heeds nothing before a Sync. */
static pbus_status run_plain(session *s, const char *sql, pbus_error *err)
{
    PGresult *result;
    const statement one = {.sql = sql};
    pbus_status status = session_run(s, &one, 1, &result, err);
    PQclear(result);
    return status;
}

pbus_status attempt_undo(attempt *a, pbus_error *err)
{
    session *s = &a->l->session;
    PGTransactionStatusType state = PQtransactionStatus(s->conn);
    bool can_go_on = state == PQTRANS_IDLE || state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
    if (!can_go_on || s->out_of_step || PQpipelineStatus(s->conn) != PQ_PIPELINE_OFF)
        return replace_session(a, err);
    if (state == PQTRANS_INTRANS && *a->xid) {
        const char *values[] = {a->xid};
        const statement same = {
            .sql = "SELECT postbus_inbox.same($1::xid8)", .n_params = 1, .values = values};
        PGresult *result;
        pbus_status status = session_run(s, &same, 1, &result, err);
        PQclear(result);
        if (status == PBUS_ERROR_CONNECTION)
            return replace_session(a, err);
        if (status != PBUS_OK && strcmp(err->sqlstate, "PB020") == 0) {
            a->ended = true;
            set_error(a, ended_error);
        }
    }
    pbus_status status = run_plain(s, state == PQTRANS_IDLE ? "SELECT 1" : "ROLLBACK", err);
    return status == PBUS_ERROR_CONNECTION ? replace_session(a, err) : status;
}

int64_t attempt_delay_ms(lane *l, const event *e, const pbus_outcome *outcome)
{
    int64_t delay_ms = retry_delay_ms(&l->feed->sub->retry, e->view.attempt);
    if (outcome->verdict == PBUS_DEAD || delay_ms < 0)
        return -1;
    if (outcome->delay_ms < 0)
        return retry_jitter_ms(delay_ms, lane_random(l));
    return outcome->delay_ms < LONGEST_DELAY_MS ? outcome->delay_ms : LONGEST_DELAY_MS;
}

static int64_t next_delay_ms(attempt *a)
{
    bool was_last = retry_delay_ms(&a->l->feed->sub->retry, a->e->view.attempt) < 0;
    if (was_last && a->n_died == 1 && a->e->deaths == 0)
        return 0; /* others were in hand, too: it is tried once more by itself */
    return attempt_delay_ms(a->l, a->e, &a->outcome);
}

static void tell_dead(attempt *a, const char *reason)
{
    feed *f = a->l->feed;
    feed_count(f, &f->counts.n_dead);
    feed_tell(f, PBUS_NOTICE_DEAD, a->e, a->e->view.attempt, "%s: %s", reason, a->error);
}

static void tell_retry(attempt *a, int64_t delay_ms)
{
    feed *f = a->l->feed;
    feed_count(f, &f->counts.n_retries);
    feed_tell(f, PBUS_NOTICE_RETRY, a->e, a->e->view.attempt, "again in %lld ms: %s", (long long)delay_ms,
              a->error);
    feed_due_in(f, delay_ms);
}

/* A dead letter goes to a topic as well, where the subscription wants that: in the transaction that makes it. */
static pbus_status publish_dead(lane *l, event *e, int64_t n, pbus_error *err)
{
    char why[300] = "";
    const char *topic = l->feed->sub->dead_letter_topic;
    if (!topic)
        return PBUS_OK;
    pbus_status status = ledger_publish_dead(&l->session, n, topic, why, sizeof why, err);
    if (status == PBUS_OK && *why)
        feed_tell(l->feed, PBUS_NOTICE_UNPUBLISHED, e, n, "dead letter %lld cannot be published to %s: %s",
                  (long long)n, topic, why);
    return status;
}

static pbus_status bury(lane *l, event *e, const char *reason, const char *error, pbus_error *err)
{
    int64_t n;
    pbus_status status = ledger_bury(&l->session, l->feed->id, e, reason, error, &n, err);
    return status == PBUS_OK ? publish_dead(l, e, n, err) : status;
}

/* An event that had waited is dead, or waits again. */
static pbus_status failed(attempt *a, int attempts_before, int64_t delay_ms, const char *reason,
                          bool *out_done, pbus_error *err)
{
    pbus_status status = ledger_failed(&a->l->session, a->e->n, attempts_before, delay_ms, reason, a->n_died,
                                       a->error, out_done, err);
    return status == PBUS_OK && *out_done && reason ? publish_dead(a->l, a->e, a->e->n, err) : status;
}

static const char *reason_of(const attempt *a)
{
    return a->outcome.verdict == PBUS_DEAD ? "rejected" : "exhausted";
}

/* It was handled before: the claim is undone, and an attempt at it has not begun. */
static pbus_status pass_over(attempt *a, pbus_error *err)
{
    pbus_status status = session_execute(&a->l->session, "ROLLBACK", err);
    return status == PBUS_OK && a->e->doubted ? ledger_put_down(&a->l->session, a->e, err) : status;
}

/* In a transaction of its own, begun and committed here: what became of an event that was read and could not be handled. */
static pbus_status note_read(attempt *a, pbus_error *err)
{
    session *s = &a->l->session;
    int id = a->l->feed->id;
    char xid[LEDGER_XID_SIZE];
    claim_state state;
    bool done, committed = false;
    int64_t delay_ms = next_delay_ms(a);
    const char *reason = delay_ms < 0 ? reason_of(a) : NULL;
    pbus_status status = ledger_begin_claims(s, id, &a->e, 1, 0, &state, xid, err);
    if (status == PBUS_OK && state == CLAIM_DUPLICATE)
        status = ledger_committed(s, a->xid, &committed, err);
    if (status != PBUS_OK)
        return status;
    if (state == CLAIM_DUPLICATE && !committed)
        return pass_over(a, err); /* another member has handled it meanwhile */
    if (committed)
        reason = "transaction_ended";
    status = reason ? bury(a->l, a->e, reason, a->error, err)
                    : ledger_set_aside(s, id, a->e, false, delay_ms, a->n_died, a->error, &done, err);
    if (status == PBUS_OK)
        status = ledger_commit(s, "", NULL, LEDGER_PLAIN, err);
    if (status == PBUS_OK && reason)
        tell_dead(a, reason);
    else if (status == PBUS_OK)
        tell_retry(a, delay_ms);
    return status;
}

/* The same of an event that had waited. */
static pbus_status note_due(attempt *a, pbus_error *err)
{
    session *s = &a->l->session;
    bool done = false, committed = false;
    int attempts_before = a->e->view.attempt - (a->n_died ? a->n_died : 1);
    int64_t delay_ms = next_delay_ms(a);
    const char *reason = delay_ms < 0 ? reason_of(a) : NULL;
    pbus_status status = session_execute(s, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", err);
    if (status == PBUS_OK)
        status = failed(a, attempts_before, delay_ms, reason, &done, err);
    if (status == PBUS_OK && !done)
        status = ledger_committed(s, a->xid, &committed, err);
    if (status == PBUS_OK && committed) {
        reason = "transaction_ended";
        status = failed(a, attempts_before + 1, -1, reason, &done, err);
    }
    if (status == PBUS_OK)
        status = ledger_commit(s, "", NULL, LEDGER_PLAIN, err);
    if (status == PBUS_OK && done && reason)
        tell_dead(a, reason);
    else if (status == PBUS_OK && done)
        tell_retry(a, delay_ms);
    return status;
}

/* What became of the event, whatever disturbs the writing. */
static pbus_status note(attempt *a, pbus_error *err)
{
    for (int i = 0;; i++) {
        pbus_status status = a->e->n ? note_due(a, err) : note_read(a, err);
        if (status == PBUS_OK || !sqlstate_is_transient(err->sqlstate) || i == MOST_RERUNS)
            return status;
        status = session_execute(&a->l->session, "ROLLBACK", err);
        if (status != PBUS_OK)
            return status;
        attempt_nap(a->l);
    }
}

/* Of an event that was read, what comes before it in its key may not be there any more, and would come behind it. It is noted when it has been read again. */
static bool is_out_of_order(const attempt *a)
{
    return a->replaced && !a->e->n;
}

static pbus_status note_in_order(attempt *a, pbus_error *err)
{
    if (!is_out_of_order(a))
        return note(a, err);
    bool counts = a->n_died == 0 && (a->ended || !a->transient); /* deaths stay noted where they are */
    return counts && owed_add(&a->l->owed, a) ? PBUS_OK : read_again(err);
}

/* An attempt that failed: undone, and noted. *out_again: to be run again at once instead. */
static pbus_status fail(attempt *a, int reruns, bool *out_again, pbus_error *err)
{
    *out_again = false;
    pbus_status status = attempt_undo(a, err);
    if (status != PBUS_OK)
        return status;
    if (feed_is_abandoned(a->l->feed))
        return failure(err, PBUS_ERROR_BUSY, "the worker was stopped before the handler returned");
    if (a->transient && !a->ended && reruns < MOST_RERUNS && !is_out_of_order(a)) {
        attempt_nap(a->l);
        *out_again = true;
        return PBUS_OK;
    }
    return note_in_order(a, err);
}

/* Earlier attempts have killed their processes. In the transaction that is open, which is undone: instead of another attempt that is noted. */
static pbus_status note_deaths(attempt *a, int n_died, pbus_error *err)
{
    int deaths = a->e->deaths + n_died;
    a->n_died = n_died;
    a->e->view.attempt += n_died - 1;
    a->outcome = pbus_retry(NULL, -1);
    snprintf(a->error, sizeof a->error, "the process died while handling it, %d time%s", deaths,
             deaths == 1 ? "" : "s");
    pbus_status status = attempt_undo(a, err);
    return status == PBUS_OK ? note_in_order(a, err) : status;
}

/* Has the event handled in the transaction that is open. */
static pbus_status handle(attempt *a, int reruns, bool *out_again, bool *out_handled, pbus_error *err)
{
    pbus_status status;
    feed *f = a->l->feed;
    *out_again = *out_handled = false;
    if (attempt_call(a, &a->e, 1) && !feed_is_abandoned(f)) {
        if (commit_handled(a, &status, err)) {
            tally_note_handled(&a->l->tally, a->e, tally_now());
            feed_count(f, &f->counts.n_handled);
            *out_handled = true;
            return PBUS_OK;
        }
        if (status != PBUS_OK)
            return status;
    }
    return fail(a, reruns, out_again, err);
}

const char *attempt_unfit(const event *e, claim_state state, const char **out_error)
{
    *out_error = state == CLAIM_FORGOTTEN
                     ? "it is so old that the inbox would have forgotten if it had been handled before"
                 : e->why ? e->why
                          : "the filter asks for a field of the value, which is no JSON";
    return state == CLAIM_FORGOTTEN ? "forgotten" : e->unreadable ? "unreadable" : NULL;
}

pbus_status attempt_bury(lane *l, event *e, const char *reason, const char *error, pbus_error *err)
{
    e->view.attempt = 0;
    return bury(l, e, reason, error, err);
}

void attempt_tell_buried(lane *l, event *e, const char *reason, const char *error)
{
    feed_count(l->feed, &l->feed->counts.n_dead);
    feed_tell(l->feed, PBUS_NOTICE_DEAD, e, 0, "%s: %s", reason, error);
}

static pbus_status bury_now(lane *l, event *e, const char *reason, const char *error, pbus_error *err)
{
    pbus_status status = attempt_bury(l, e, reason, error, err);
    if (status == PBUS_OK)
        status = ledger_commit(&l->session, "", NULL, LEDGER_PLAIN, err);
    if (status == PBUS_OK)
        attempt_tell_buried(l, e, reason, error);
    return status;
}

/* *out_handle: the event is to be handled; else it is done with. */
static pbus_status judge(attempt *a, claim_state state, bool *out_handle, pbus_error *err)
{
    feed *f = a->l->feed;
    session *s = &a->l->session;
    bool behind = false;
    pbus_status status = PBUS_OK;
    *out_handle = false;
    if (state == CLAIM_DUPLICATE) {
        feed_count(f, &f->counts.n_duplicates);
        return pass_over(a, err);
    }
    const char *error, *unfit = attempt_unfit(a->e, state, &error);
    if (unfit)
        return bury_now(a->l, a->e, unfit, error, err);
    if (state == CLAIM_BEHIND)
        status = ledger_set_aside(s, f->id, a->e, true, 0, 0, NULL, &behind, err);
    *out_handle = status == PBUS_OK && !behind;
    if (!behind)
        return status;
    status = ledger_commit(s, "", NULL, LEDGER_PLAIN, err);
    if (status == PBUS_OK)
        feed_count(f, &f->counts.n_behind);
    return status;
}

static bool may_rerun(attempt *a, pbus_status status, int reruns, pbus_error *err)
{
    pbus_error ignored;
    if (status == PBUS_OK || !sqlstate_is_transient(err->sqlstate) || reruns >= MOST_RERUNS)
        return false;
    return session_execute(&a->l->session, "ROLLBACK", &ignored) == PBUS_OK;
}

static pbus_status claim(attempt *a, claim_state *out, pbus_error *err)
{
    lane *l = a->l;
    int64_t limit_ms = l->feed->sub->time_limit_ms;
    if (l->ahead.event != a->e)
        return ledger_begin_claims(&l->session, l->feed->id, &a->e, 1, limit_ms, out, a->xid, err);
    l->ahead.event = NULL;
    *out = l->ahead.state;
    memcpy(a->xid, l->ahead.xid, sizeof a->xid);
    return PBUS_OK;
}

static pbus_status attempt_claimed(lane *l, event *e, int n_died, bool *out_handled, pbus_error *err)
{
    bool again = true, wanted = false;
    pbus_status status = PBUS_OK;
    for (int reruns = 0; again; reruns++) {
        attempt a = {.l = l, .e = e};
        claim_state state;
        e->view.attempt = 1;
        again = false;
        status = claim(&a, &state, err);
        if (status == PBUS_OK)
            status = judge(&a, state, &wanted, err);
        if (status != PBUS_OK)
            again = may_rerun(&a, status, reruns, err);
        else if (wanted && n_died)
            status = note_deaths(&a, n_died, err);
        else if (wanted)
            status = handle(&a, reruns, &again, out_handled, err);
    }
    return status;
}

static pbus_status attempt_doubted(lane *l, event *e, bool *out_handled, pbus_error *err)
{
    int n_died;
    feed *f = l->feed;
    pthread_rwlock_rdlock(&process);
    pbus_status status = ledger_pick_up(&l->session, e, f->instance, &n_died, err);
    if (status == PBUS_OK && n_died >= 0)
        status = attempt_claimed(l, e, n_died, out_handled, err);
    else if (status == PBUS_OK)
        feed_count(f, &f->counts.n_duplicates);
    pthread_rwlock_unlock(&process);
    return status;
}

/* Now that the event has come again, its attempt is noted instead of another one. */
static pbus_status note_late(attempt *a, lane *l, event *e, pbus_error *err)
{
    a->e = e;
    a->replaced = false;
    e->view.attempt = 1;
    pbus_status status = note(a, err);
    if (status == PBUS_ERROR_CONNECTION)
        owed_add(&l->owed, a);
    return status;
}

pbus_status attempt_read(lane *l, event *e, attempt_end *out, pbus_error *err)
{
    attempt late;
    bool handled = false;
    *out = ATTEMPT_DONE;
    if (owed_take(&l->owed, e, &late))
        return note_late(&late, l, e, err);
    pbus_status status =
        e->doubted ? attempt_doubted(l, e, &handled, err) : attempt_claimed(l, e, 0, &handled, err);
    if (handled)
        *out = ATTEMPT_HANDLED;
    else if (owed_has(&l->owed, e))
        *out = ATTEMPT_OWED;
    return status;
}

/* It could not be tried: dead where the value is unreadable, else it waits on. Neither counts as an attempt. */
static pbus_status note_unread(attempt *a, value_state state, pbus_error *err)
{
    session *s = &a->l->session;
    bool done = false;
    bool dead = state == VALUE_UNREADABLE;
    int attempts_before = a->e->view.attempt - 1;
    int64_t delay_ms = dead ? -1 : retry_jitter_ms(UNREAD_MS, lane_random(a->l));
    const char *reason = dead ? "unreadable" : NULL;
    a->n_died = LEDGER_NOT_TRIED;
    a->e->view.attempt = attempts_before;
    pbus_status status = session_execute(s, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", err);
    if (status == PBUS_OK)
        status = failed(a, attempts_before, delay_ms, reason, &done, err);
    if (status == PBUS_OK)
        status = ledger_commit(s, "", NULL, LEDGER_PLAIN, err);
    if (status == PBUS_OK && done && dead)
        tell_dead(a, reason);
    else if (status == PBUS_OK && done) {
        if (!feed_is_stopping(a->l->feed)) /* whose wait ends with it: nobody is away */
            feed_tell(a->l->feed, PBUS_NOTICE_SCHEMA, a->e, 0, "%s", a->error);
        feed_due_in(a->l->feed, delay_ms);
    }
    return status;
}

/* An event that had waited, in the transaction that took it. Nobody is asked for a schema in there: it is undone first, and begun again when the answer is there. */
static pbus_status handle_taken(attempt *a, int reruns, bool *out_again, pbus_error *err)
{
    pbus_error why;
    bool handled;
    value_reader *values = a->l->feed->sub->values;
    value_state state = value_read(values, a->e, false, &why);
    if (state == VALUE_READ)
        return handle(a, reruns, out_again, &handled, err);
    pbus_status status = attempt_undo(a, err);
    if (status != PBUS_OK)
        return status;
    if (state == VALUE_LATER)
        state = value_read(values, a->e, true, &why);
    *out_again = state == VALUE_READ;
    if (*out_again)
        return PBUS_OK;
    set_error(a, state == VALUE_LATER ? why.message : a->e->why ? a->e->why : "out of memory");
    return note_unread(a, state, err);
}

static pbus_status attempt_taken(lane *l, const due_event *due, pbus_error *err)
{
    bool again = true;
    pbus_status status = PBUS_OK;
    for (int reruns = 0; again; reruns++) {
        attempt a = {.l = l};
        again = false;
        status = ledger_begin_take(&l->session, due->n, l->feed->sub->time_limit_ms, &l->feed->cfg->headers,
                                   &a.e, a.xid, err);
        if (status == PBUS_OK && !a.e)
            return session_execute(&l->session, "ROLLBACK", err); /* another was faster */
        if (status == PBUS_OK)
            status = due->n_died ? note_deaths(&a, due->n_died, err) : handle_taken(&a, reruns, &again, err);
        event_free(a.e);
    }
    return status;
}

/* The lock is the caller's to release. */
static pbus_status pick_due(lane *l, due_event *out, pbus_error *err)
{
    feed *f = l->feed;
    pthread_rwlock_rdlock(&process);
    pbus_status status = ledger_pick_due(&l->session, f->id, f->instance, 0, out, err);
    if (status != PBUS_OK || out->deaths == 0)
        return status;
    pthread_rwlock_unlock(&process);
    pthread_rwlock_wrlock(&process);
    return ledger_pick_due(&l->session, f->id, f->instance, out->n, out, err);
}

pbus_status attempt_due(lane *l, bool *out_found, pbus_error *err)
{
    due_event due;
    pbus_status status = pick_due(l, &due, err);
    *out_found = status == PBUS_OK && due.n != 0;
    if (*out_found)
        status = attempt_taken(l, &due, err);
    pthread_rwlock_unlock(&process);
    return status;
}

/* Calls the functions of the schema postbus_inbox; must never commit what the transaction that claimed did not write. */
#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "failure.h"
#include "postbus_sql.h"
#include "text.h"

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_UUID = 2950, OID_BYTEA_ARRAY = 1001 };

/* What each event takes, and is prepared therefore: to parse and plan it costs more than to run it. */
static const statement begin_statement = {.name = "postbus_begin",
                                          .sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"};
static const statement same_statement = {.name = "postbus_same",
                                         .sql = "SELECT postbus_inbox.same($1::xid8)"};
static const statement commit_statement = {.name = "postbus_commit", .sql = "COMMIT"};

static statement claim_one_statement(void)
{
    return (statement){.name = "postbus_claim_one", .sql = subscriber_sql_query("claim_one")};
}

/* A command that limits the statements of this transaction that follow; 0: no limit. text: where it is put. */
typedef struct limit_command {
    char text[64];
} limit_command;

static statement limit_to(limit_command *command, int64_t limit_ms)
{
    snprintf(command->text, sizeof command->text, "SET LOCAL statement_timeout = %" PRId64, limit_ms);
    return (statement){.sql = command->text};
}

static void clear(PGresult **results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        PQclear(results[i]);
}

pbus_status ledger_holds(session *s, int subscription, const char *application, const char *key, bool *out,
                         pbus_error *err)
{
    char id[16];
    const char *values[] = {id, application, key};
    PGresult *result;
    snprintf(id, sizeof id, "%d", subscription);
    const statement holds = {.sql = subscriber_sql_query("holds"), .n_params = 3, .values = values};
    pbus_status status = session_run(s, &holds, 1, &result, err);
    if (status == PBUS_OK && PQntuples(result) != 1)
        status = failure(err, PBUS_ERROR_SCHEMA,
                         "subscription %d is not %s of %s in this database, which is older than this worker; "
                         "start the worker again",
                         subscription, key, application);
    if (status == PBUS_OK)
        *out = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return status;
}

pbus_status ledger_prepare(session *s, pbus_error *err)
{
    const statement all[] = {begin_statement, same_statement, commit_statement, claim_one_statement()};
    return session_prepare(s, all, sizeof all / sizeof all[0], err);
}

/* Of each event what a claim needs, as arrays: the parameters 2 to 7 of queries/claim.sql. */
enum { N_CLAIM_ARRAYS = 6 };

typedef struct claim_arrays {
    bytes run[N_CLAIM_ARRAYS];
} claim_arrays;

static void put_int4(bytes *run, int32_t value)
{
    array_put_size(run, 4);
    bytes_put_u32(run, (uint32_t)value);
}

static void put_int8(bytes *run, int64_t value)
{
    array_put_size(run, 8);
    bytes_put_u32(run, (uint32_t)((uint64_t)value >> 32));
    bytes_put_u32(run, (uint32_t)value);
}

static void claim_arrays_put(claim_arrays *a, const event *e)
{
    put_int4(&a->run[0], e->source);
    array_put(&a->run[1], e->identity.bytes, sizeof e->identity.bytes);
    put_int4(&a->run[2], e->view.partition);
    put_int8(&a->run[3], e->view.offset);
    put_int8(&a->run[4], e->view.timestamp_ms);
    if (e->has_queue)
        put_int8(&a->run[5], e->queue);
    else
        array_put_null(&a->run[5]);
}

static bool claim_arrays_init(claim_arrays *a, event *const *events, size_t n)
{
    static const Oid elements[] = {OID_INT4, OID_UUID, OID_INT4, OID_INT8, OID_INT8, OID_INT8};
    bool ok = true;
    *a = (claim_arrays){0};
    for (int i = 0; i < N_CLAIM_ARRAYS; i++)
        array_start(&a->run[i], elements[i], (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        claim_arrays_put(a, events[i]);
    for (int i = 0; i < N_CLAIM_ARRAYS; i++)
        ok = ok && !a->run[i].failed;
    return ok;
}

static void claim_arrays_done(claim_arrays *a)
{
    for (int i = 0; i < N_CLAIM_ARRAYS; i++)
        bytes_done(&a->run[i]);
}

static pbus_status read_claims(const PGresult *rows, const event *first, size_t n, claim_state *out,
                               char *out_xid, pbus_error *err)
{
    if (PQntuples(rows) != (int)n || PQgetisnull(rows, 0, 0))
        return failure(err, PBUS_ERROR_DATABASE,
                       "a source, such as %d, is not in postbus_inbox.source any more", first->source);
    for (size_t i = 0; i < n; i++)
        out[i] = (claim_state)atoi(PQgetvalue(rows, (int)i, 0));
    snprintf(out_xid, LEDGER_XID_SIZE, "%s", PQgetvalue(rows, 0, 1));
    return PBUS_OK;
}

static pbus_status run_claims(session *s, int subscription, const claim_arrays *arrays, int64_t limit_ms,
                              PGresult **out_rows, pbus_error *err)
{
    char id[16];
    const char *values[1 + N_CLAIM_ARRAYS] = {id};
    int lengths[1 + N_CLAIM_ARRAYS] = {0}, formats[1 + N_CLAIM_ARRAYS] = {0};
    limit_command limit = {""}; /* cppcheck takes it for read before it is written */
    statement all[4];
    PGresult *results[4];
    size_t n = 0, claim;
    snprintf(id, sizeof id, "%d", subscription);
    for (int i = 0; i < N_CLAIM_ARRAYS; i++) {
        values[i + 1] = (const char *)arrays->run[i].data;
        lengths[i + 1] = (int)arrays->run[i].size;
        formats[i + 1] = 1;
    }
    all[n++] = begin_statement;
    all[n++] = (statement){.sql = "SET LOCAL postbus.batch = 'open'"};
    claim = n++;
    all[claim] = (statement){.sql = subscriber_sql_query("claim"),
                             .n_params = 1 + N_CLAIM_ARRAYS,
                             .values = values,
                             .lengths = lengths,
                             .formats = formats};
    if (limit_ms)
        all[n++] = limit_to(&limit, limit_ms);
    pbus_status status = session_run(s, all, n, results, err);
    *out_rows = results[claim];
    results[claim] = NULL;
    clear(results, n);
    return status;
}

static pbus_status claim_many(session *s, int subscription, event *const *events, size_t n, int64_t limit_ms,
                              claim_state *out, char *out_xid, pbus_error *err)
{
    claim_arrays arrays;
    PGresult *rows = NULL;
    pbus_status status = claim_arrays_init(&arrays, events, n)
                             ? run_claims(s, subscription, &arrays, limit_ms, &rows, err)
                             : failure(err, PBUS_ERROR_MEMORY, "no memory to claim events");
    if (status == PBUS_OK)
        status = read_claims(rows, events[0], n, out, out_xid, err);
    PQclear(rows);
    claim_arrays_done(&arrays);
    return status;
}

static const char *uuid_text(const pbus_uuid *id, char out[PBUS_UUID_TEXT_SIZE])
{
    pbus_uuid_format(id, out);
    return out;
}

/* The statements that begin a transaction and claim one event in it. */
enum { N_CLAIM_PARAMS = 7, N_MOST_CLAIM = 3, CLAIM_PLACE = 1 };

typedef struct claim_flight {
    statement all[N_MOST_CLAIM];
    size_t n;
    char numbers[N_CLAIM_PARAMS][24];
    const char *values[N_CLAIM_PARAMS];
    int lengths[N_CLAIM_PARAMS], formats[N_CLAIM_PARAMS];
    limit_command limit;
} claim_flight;

static size_t claim_flight_size(int64_t limit_ms)
{
    return limit_ms ? N_MOST_CLAIM : N_MOST_CLAIM - 1;
}

static void claim_flight_init(claim_flight *c, int subscription, const event *e, int64_t limit_ms)
{
    enum { IDENTITY = 2, QUEUE = 6 };
    const int64_t numbers[N_CLAIM_PARAMS] = {
        subscription, e->source, 0, e->view.partition, e->view.offset, e->view.timestamp_ms, e->queue};
    *c = (claim_flight){.n = claim_flight_size(limit_ms)};
    for (int i = 0; i < N_CLAIM_PARAMS; i++) {
        snprintf(c->numbers[i], sizeof c->numbers[i], "%" PRId64, numbers[i]);
        c->values[i] = c->numbers[i];
    }
    c->values[IDENTITY] = (const char *)e->identity.bytes;
    c->lengths[IDENTITY] = sizeof e->identity.bytes;
    c->formats[IDENTITY] = 1;
    if (!e->has_queue)
        c->values[QUEUE] = NULL;
    c->all[0] = begin_statement;
    c->all[CLAIM_PLACE] = claim_one_statement();
    c->all[CLAIM_PLACE].n_params = N_CLAIM_PARAMS;
    c->all[CLAIM_PLACE].values = c->values;
    c->all[CLAIM_PLACE].lengths = c->lengths;
    c->all[CLAIM_PLACE].formats = c->formats;
    if (limit_ms)
        c->all[N_MOST_CLAIM - 1] = limit_to(&c->limit, limit_ms);
}

static pbus_status claim_one(session *s, int subscription, const event *e, int64_t limit_ms, claim_state *out,
                             char *out_xid, pbus_error *err)
{
    claim_flight flight;
    PGresult *results[N_MOST_CLAIM];
    claim_flight_init(&flight, subscription, e, limit_ms);
    pbus_status status = session_run(s, flight.all, flight.n, results, err);
    if (status == PBUS_OK)
        status = read_claims(results[CLAIM_PLACE], e, 1, out, out_xid, err);
    clear(results, flight.n);
    return status;
}

pbus_status ledger_begin_claims(session *s, int subscription, event *const *events, size_t n,
                                int64_t limit_ms, claim_state *out, char *out_xid, pbus_error *err)
{
    if (n == 1)
        return claim_one(s, subscription, events[0], limit_ms, out, out_xid, err);
    return claim_many(s, subscription, events, n, limit_ms, out, out_xid, err);
}

pbus_status ledger_begin_take(session *s, int64_t n_wanted, int64_t limit_ms, const event_headers *names,
                              event **out, char *out_xid, pbus_error *err)
{
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, n_wanted);
    const char *values[] = {id};
    const Oid types[] = {OID_INT8};
    limit_command limit = {""}; /* cppcheck takes it for read before it is written */
    const statement all[] = {begin_statement,
                             {.sql = subscriber_sql_query("take"),
                              .n_params = 1,
                              .types = types,
                              .values = values,
                              .result_format = 1},
                             limit_to(&limit, limit_ms)};
    size_t n = limit_ms ? 3 : 2;
    PGresult *results[3];
    *out = NULL;
    pbus_status status = session_run(s, all, n, results, err);
    if (status == PBUS_OK && PQntuples(results[1]) == 1) {
        *out = event_from_row(results[1], names);
        snprintf(out_xid, LEDGER_XID_SIZE, "%" PRIu64, bytes_get_u64(PQgetvalue(results[1], 0, 0)));
        if (!*out)
            status = failure(err, PBUS_ERROR_MEMORY, "no memory for an event");
    }
    clear(results, n);
    return status;
}

/* The statements that end a transaction. */
enum { N_MOST_COMMIT = 5 };

typedef struct commit_flight {
    statement all[N_MOST_COMMIT];
    size_t n;
    char leave[24], source[16], identity[PBUS_UUID_TEXT_SIZE];
    const char *xid_values[1], *done_values[2];
    limit_command limit;
} commit_flight;

/* An event that waited leaves; one that was picked up is put down. */
static void commit_flight_end(commit_flight *c, const event *done)
{
    if (done->n) {
        snprintf(c->leave, sizeof c->leave, "%" PRId64, done->n);
        c->done_values[0] = c->leave;
        c->all[c->n++] = (statement){
            .sql = "SELECT postbus_inbox.leave($1::bigint)", .n_params = 1, .values = c->done_values};
    } else if (done->doubted) {
        snprintf(c->source, sizeof c->source, "%d", done->source);
        c->done_values[0] = c->source;
        c->done_values[1] = uuid_text(&done->identity, c->identity);
        c->all[c->n++] =
            (statement){.sql = subscriber_sql_query("put_down"), .n_params = 2, .values = c->done_values};
    }
}

static void commit_flight_init(commit_flight *c, const char *xid, const event *done, unsigned how)
{
    *c = (commit_flight){.n = 0};
    c->xid_values[0] = xid;
    if (how & LEDGER_LIMITED)
        c->all[c->n++] = limit_to(&c->limit, 0);
    if (*xid) {
        c->all[c->n] = same_statement;
        c->all[c->n].n_params = 1;
        c->all[c->n++].values = c->xid_values;
    }
    if (done)
        commit_flight_end(c, done);
    if (how & LEDGER_BATCH)
        c->all[c->n++] = (statement){.sql = "SET LOCAL postbus.batch = 'closed'"};
    c->all[c->n++] = commit_statement;
}

static bool is_committed(PGresult *done)
{
    return done && strcmp(PQcmdStatus(done), "COMMIT") == 0;
}

static pbus_status had_failed(pbus_error *err)
{
    return failure_sql(err, PBUS_ERROR_FAILED_TRANSACTION, NULL, true, "the transaction had failed");
}

pbus_status ledger_commit(session *s, const char *xid, const event *done, unsigned how, pbus_error *err)
{
    commit_flight flight;
    PGresult *results[N_MOST_COMMIT];
    commit_flight_init(&flight, xid, done, how);
    pbus_status status = session_run(s, flight.all, flight.n, results, err);
    if (status == PBUS_OK && !is_committed(results[flight.n - 1]))
        status = had_failed(err);
    clear(results, flight.n);
    return status;
}

/* The claim was not made, or after a commit that failed: nothing of it is left begun, and it is told what became of the commit. */
static pbus_status end_unclaimed(session *s, pbus_status status, bool committed, pbus_error *err)
{
    pbus_error other;
    if (status == PBUS_ERROR_CONNECTION)
        return status;
    if (PQtransactionStatus(s->conn) != PQTRANS_IDLE && session_execute(s, "ROLLBACK", &other) != PBUS_OK) {
        *err = other;
        return other.status;
    }
    if (committed)
        return PBUS_OK;
    return status == PBUS_OK ? had_failed(err) : status;
}

pbus_status ledger_commit_and_claim(session *s, const char *xid, unsigned how, int subscription,
                                    const event *next, int64_t limit_ms, ledger_claim *out_next,
                                    pbus_error *err)
{
    commit_flight commit;
    claim_flight claim;
    statement all[N_MOST_COMMIT + N_MOST_CLAIM];
    PGresult *results[N_MOST_COMMIT + N_MOST_CLAIM] = {NULL};
    pbus_error other;
    commit_flight_init(&commit, xid, NULL, how);
    claim_flight_init(&claim, subscription, next, limit_ms);
    memcpy(all, commit.all, commit.n * sizeof *all);
    memcpy(all + commit.n, claim.all, claim.n * sizeof *all);
    pbus_status status = session_run(s, all, commit.n + claim.n, results, err);
    bool committed = is_committed(results[commit.n - 1]);
    bool claimed = status == PBUS_OK && committed &&
                   read_claims(results[commit.n + CLAIM_PLACE], next, 1, &out_next->state, out_next->xid,
                               &other) == PBUS_OK;
    clear(results, commit.n + claim.n);
    out_next->event = claimed ? next : NULL;
    return claimed ? PBUS_OK : end_unclaimed(s, status, committed, err);
}

/* The parameters that tell what an event is: the first thirteen of set_aside and bury. */
enum { N_EVENT_PARAMS = 13, N_MOST_PARAMS = 17 };

typedef struct event_params {
    Oid types[N_MOST_PARAMS];
    const char *values[N_MOST_PARAMS];
    int lengths[N_MOST_PARAMS], formats[N_MOST_PARAMS];
    char numbers[6][24];
    bytes names, contents; /* of the headers, as arrays */
    int n;
} event_params;

static void put(event_params *p, Oid type, const void *value, size_t size, bool binary)
{
    p->types[p->n] = type;
    p->values[p->n] = value;
    p->lengths[p->n] = (int)size;
    p->formats[p->n++] = binary;
}

static void put_number(event_params *p, Oid type, int64_t value, int place)
{
    snprintf(p->numbers[place], sizeof p->numbers[place], "%" PRId64, value);
    put(p, type, p->numbers[place], 0, false);
}

static bool put_headers(event_params *p, const event *e)
{
    array_start(&p->names, OID_BYTEA, (uint32_t)e->view.n_headers);
    array_start(&p->contents, OID_BYTEA, (uint32_t)e->view.n_headers);
    for (size_t i = 0; i < e->view.n_headers; i++) {
        const pbus_record_header *h = &e->view.headers[i];
        array_put(&p->names, h->name, strlen(h->name));
        if (h->value)
            array_put(&p->contents, h->value, h->value_size);
        else
            array_put_null(&p->contents);
    }
    put(p, OID_BYTEA_ARRAY, p->names.data, p->names.size, true);
    put(p, OID_BYTEA_ARRAY, p->contents.data, p->contents.size, true);
    return !p->names.failed && !p->contents.failed;
}

static bool put_event(event_params *p, int subscription, const event *e)
{
    const pbus_delivery *v = &e->view;
    bool type_is_text = v->type && text_find_fault(v->type, strlen(v->type)) == SIZE_MAX;
    put_number(p, OID_INT4, subscription, 0);
    put_number(p, OID_INT4, e->source, 1);
    put_number(p, OID_INT4, v->partition, 2);
    put_number(p, OID_INT8, v->offset, 3);
    put(p, OID_UUID, e->identity.bytes, 16, true);
    put_number(p, OID_INT8, e->queue, 4);
    if (!e->has_queue)
        p->values[p->n - 1] = NULL;
    put(p, OID_UUID, v->event_id ? e->event_id.bytes : NULL, 16, true);
    put(p, OID_TEXT, type_is_text ? v->type : NULL, 0, false);
    put(p, OID_BYTEA, v->key, v->key_size, true);
    put(p, OID_BYTEA, v->value, v->value_size, true);
    if (!put_headers(p, e))
        return false;
    put_number(p, OID_INT8, v->timestamp_ms, 5);
    return true;
}

/* out: what it returned, as text. */
static pbus_status run_event(session *s, const char *query, event_params *p, char *out, size_t size,
                             pbus_error *err)
{
    const statement one = {.sql = subscriber_sql_query(query),
                           .n_params = p->n,
                           .types = p->types,
                           .values = p->values,
                           .lengths = p->lengths,
                           .formats = p->formats};
    PGresult *result;
    pbus_status status = session_run(s, &one, 1, &result, err);
    if (status == PBUS_OK)
        snprintf(out, size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return status;
}

static void params_done(event_params *p)
{
    bytes_done(&p->names);
    bytes_done(&p->contents);
}

pbus_status ledger_set_aside(session *s, int subscription, const event *e, bool only_behind, int64_t delay_ms,
                             int n_died, const char *error, bool *out_done, pbus_error *err)
{
    enum { OID_BOOL = 16 };
    event_params p = {.n = 0};
    char delay[24], died[16], answer[8] = "";
    snprintf(delay, sizeof delay, "%" PRId64, delay_ms);
    snprintf(died, sizeof died, "%d", n_died);
    pbus_status status = PBUS_ERROR_MEMORY;
    if (put_event(&p, subscription, e)) {
        put(&p, OID_BOOL, only_behind ? "t" : "f", 0, false);
        put(&p, OID_INT8, delay, 0, false);
        put(&p, OID_INT4, died, 0, false);
        put(&p, OID_TEXT, error, 0, false);
        status = run_event(s, "set_aside", &p, answer, sizeof answer, err);
    } else
        status = failure(err, PBUS_ERROR_MEMORY, "no memory to set an event aside");
    if (status == PBUS_OK)
        *out_done = answer[0] == 't';
    params_done(&p);
    return status;
}

pbus_status ledger_bury(session *s, int subscription, const event *e, const char *reason, const char *error,
                        int64_t *out_n, pbus_error *err)
{
    event_params p = {.n = 0};
    char answer[24] = "";
    pbus_status status;
    if (put_event(&p, subscription, e)) {
        put(&p, OID_TEXT, reason, 0, false);
        put(&p, OID_TEXT, error, 0, false);
        status = run_event(s, "bury", &p, answer, sizeof answer, err);
    } else
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for a dead letter");
    if (status == PBUS_OK)
        *out_n = strtoll(answer, NULL, 10);
    params_done(&p);
    return status;
}

/* One statement that returns one value, as text; "" for NULL. */
static pbus_status ask(session *s, const char *sql, int n_params, const char *const *values, char *out,
                       size_t size, pbus_error *err)
{
    const statement one = {.sql = sql, .n_params = n_params, .values = values};
    PGresult *result;
    pbus_status status = session_run(s, &one, 1, &result, err);
    if (status == PBUS_OK)
        snprintf(out, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return status;
}

pbus_status ledger_failed(session *s, int64_t n, int attempts_before, int64_t delay_ms, const char *reason,
                          int n_died, const char *error, bool *out_done, pbus_error *err)
{
    char id[24], attempts[16], delay[24], died[16], answer[8];
    snprintf(id, sizeof id, "%" PRId64, n);
    snprintf(attempts, sizeof attempts, "%d", attempts_before);
    snprintf(delay, sizeof delay, "%" PRId64, delay_ms);
    snprintf(died, sizeof died, "%d", n_died);
    const char *values[] = {
        id, attempts, delay_ms < 0 ? NULL : delay, reason, n_died == LEDGER_NOT_TRIED ? NULL : died, error};
    pbus_status status = ask(s, subscriber_sql_query("failed"), 6, values, answer, sizeof answer, err);
    if (status == PBUS_OK)
        *out_done = answer[0] == 't';
    return status;
}

pbus_status ledger_pick_up(session *s, const event *e, const char *member, int *out_n_died, pbus_error *err)
{
    char source[16], identity[PBUS_UUID_TEXT_SIZE], answer[16];
    const char *values[] = {source, uuid_text(&e->identity, identity), member};
    snprintf(source, sizeof source, "%d", e->source);
    pbus_status status = ask(s, subscriber_sql_query("pick_up"), 3, values, answer, sizeof answer, err);
    if (status == PBUS_OK)
        *out_n_died = atoi(answer);
    return status;
}

pbus_status ledger_put_down(session *s, const event *e, pbus_error *err)
{
    char source[16], identity[PBUS_UUID_TEXT_SIZE], answer[8];
    const char *values[] = {source, uuid_text(&e->identity, identity)};
    snprintf(source, sizeof source, "%d", e->source);
    return ask(s, subscriber_sql_query("put_down"), 2, values, answer, sizeof answer, err);
}

pbus_status ledger_pick_due(session *s, int subscription, const char *member, int64_t alone, due_event *out,
                            pbus_error *err)
{
    char id[16], n[24];
    const char *values[] = {id, member, alone ? n : NULL};
    const statement one = {.sql = subscriber_sql_query("pick_due"), .n_params = 3, .values = values};
    PGresult *result;
    snprintf(id, sizeof id, "%d", subscription);
    snprintf(n, sizeof n, "%" PRId64, alone);
    *out = (due_event){0};
    pbus_status status = session_run(s, &one, 1, &result, err);
    if (status == PBUS_OK && PQntuples(result) == 1)
        *out = (due_event){.n = strtoll(PQgetvalue(result, 0, 0), NULL, 10),
                           .deaths = atoi(PQgetvalue(result, 0, 1)),
                           .n_died = atoi(PQgetvalue(result, 0, 2))};
    PQclear(result);
    return status;
}

pbus_status ledger_publish_dead(session *s, int64_t n, const char *topic, char *out_why, size_t size,
                                pbus_error *err)
{
    char number[24];
    const char *values[] = {number, topic};
    snprintf(number, sizeof number, "%" PRId64, n);
    return ask(s, subscriber_sql_query("publish_dead"), 2, values, out_why, size, err);
}

pbus_status ledger_check_outlet(session *s, pbus_error *err)
{
    PGresult *result;
    const statement one = {.sql = subscriber_sql_query("outlet")};
    pbus_status status = session_run(s, &one, 1, &result, err);
    if (status == PBUS_OK && PQgetvalue(result, 0, 0)[0] != 't')
        status =
            failure(err, PBUS_ERROR_SCHEMA, "this database has no schema postbus; run postbus migrate in it");
    else if (status == PBUS_OK && PQgetvalue(result, 0, 1)[0] != 't')
        status =
            failure(err, PBUS_ERROR_PERMISSION, "the role %s may not publish; GRANT postbus_publisher to it",
                    PQgetvalue(result, 0, 2));
    PQclear(result);
    return status;
}

pbus_status ledger_waits(session *s, const event *e, bool *out, pbus_error *err)
{
    char n[24], source[16], identity[PBUS_UUID_TEXT_SIZE], answer[8];
    const char *values[] = {n, source, uuid_text(&e->identity, identity)};
    snprintf(n, sizeof n, "%" PRId64, e->n);
    snprintf(source, sizeof source, "%d", e->source);
    pbus_status status =
        ask(s,
            "SELECT EXISTS (SELECT FROM postbus_inbox.waiting WHERE n = $1::bigint AND source = "
            "$2::int AND identity = $3::uuid AND due_at IS NOT NULL)",
            3, values, answer, sizeof answer, err);
    *out = status == PBUS_OK && answer[0] == 't';
    return status;
}

pbus_status ledger_committed(session *s, const char *xid, bool *out, pbus_error *err)
{
    char answer[24] = "";
    pbus_status status = PBUS_OK;
    if (*xid)
        status = ask(s,
                     "SELECT CASE WHEN $1::xid8 < pg_snapshot_xmax(pg_current_snapshot()) THEN "
                     "pg_xact_status($1::xid8) END",
                     1, &xid, answer, sizeof answer, err);
    *out = strcmp(answer, "committed") == 0;
    return status;
}

pbus_status ledger_next_due_ms(session *s, int subscription, int64_t *out, pbus_error *err)
{
    char id[16], answer[24];
    const char *values[] = {id};
    snprintf(id, sizeof id, "%d", subscription);
    pbus_status status = ask(s, subscriber_sql_query("next_due"), 1, values, answer, sizeof answer, err);
    if (status == PBUS_OK)
        *out = *answer ? strtoll(answer, NULL, 10) : -1;
    return status;
}

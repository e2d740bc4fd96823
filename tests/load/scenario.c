/* The transactions of the load. Each must record every event it publishes in torture.truth, in the same
 * transaction. */
#include "scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PADDING_MAX 1500

const char scenario_tables[] =
    "DROP SCHEMA IF EXISTS torture CASCADE; CREATE SCHEMA torture;"
    "CREATE TABLE torture.truth (token bigint NOT NULL, topic text NOT NULL, key text, seq bigint, id bigint "
    "NOT NULL);"
    "CREATE TABLE torture.key (topic text, key text, seq bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, key))"
    " WITH (fillfactor = 30);"
    "CREATE TABLE torture.scratch (n bigint)";

static const char *topic_of(session *s)
{
    return s->stage->plan->topics[dice_below(&s->dice, STAGE_TOPICS)];
}

static void own_key(const session *s, char *out, size_t size)
{
    snprintf(out, size, "writer-%d", s->number);
}

static void hot_key(session *s, char *out, size_t size)
{
    snprintf(out, size, "hot-%d", dice_below(&s->dice, s->stage->plan->n_hot_keys));
}

/* Takes hold of the key (its row is locked to the end of the transaction) and of n places in its order. */
static bool take_key(session *s, const char *topic, const char *key, int n, int64_t *out_last)
{
    char many[16];
    const char *const values[] = {topic, key, many};

    snprintf(many, sizeof many, "%d", n);
    return session_number(
        s, "UPDATE torture.key SET seq = seq + $3::int WHERE topic = $1 AND key = $2 RETURNING seq", 3,
        values, out_last);
}

/* The three ways in which an application may publish: two forms of the function, and the plain INSERT. */
static const char *publish_statement(session *s)
{
    static const char *const statements[] = {
        "INSERT INTO torture.truth SELECT $1::bigint, $2, $3, $4::bigint,"
        " postbus.publish($2::text, $1::text || repeat(' pad', $5::int), $3::text)",
        "INSERT INTO torture.truth SELECT $1::bigint, $2, $3, $4::bigint,"
        " postbus.publish($2::text, convert_to($1::text || repeat(' pad', $5::int), 'UTF8'), "
        "convert_to($3::text, 'UTF8'),"
        " headers => '{\"trace\": \"torture\"}', type => 'torture')",
        "WITH event AS (INSERT INTO postbus.outbox (topic, value, key) VALUES"
        " ($2::text, convert_to($1::text || repeat(' pad', $5::int), 'UTF8'), convert_to($3::text, 'UTF8')) "
        "RETURNING id)"
        " INSERT INTO torture.truth SELECT $1::bigint, $2, $3, $4::bigint, id FROM event",
    };

    return statements[dice_below(&s->dice, 3)];
}

static bool publish_at(session *s, const char *topic, const char *key, int64_t seq)
{
    char token[24], place[24], padding[16];
    const char *const values[] = {token, topic, key, key ? place : NULL, padding};

    snprintf(token, sizeof token, "%" PRIu64, s->next_token++);
    snprintf(place, sizeof place, "%" PRId64, seq);
    snprintf(padding, sizeof padding, "%d",
             dice_below(&s->dice, dice_below(&s->dice, 10) ? 60 : PADDING_MAX));
    return session_run(s, publish_statement(s), 5, values);
}

/* key NULL: an event without a key. */
static bool publish(session *s, const char *topic, const char *key)
{
    int64_t seq = -1;

    return (!key || take_key(s, topic, key, 1, &seq)) && publish_at(s, topic, key, seq);
}

static bool publish_hot(session *s, int n)
{
    char key[32];

    for (int i = 0; i < n; i++) {
        hot_key(s, key, sizeof key);
        if (!publish(s, topic_of(s), key))
            return false;
    }
    return true;
}

static bool begin(session *s, const char *level)
{
    char sql[128];

    snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL %s", level);
    return SESSION_RUN(s, sql) &&
           (dice_below(&s->dice, 3) || SESSION_RUN(s, "SET LOCAL synchronous_commit = off"));
}

static outcome finish(session *s, bool worked)
{
    if (worked && SESSION_RUN(s, "COMMIT"))
        return OUTCOME_COMMITTED;
    SESSION_RUN(s, "ROLLBACK");
    return OUTCOME_FAILED;
}

static outcome plain(session *s)
{
    return finish(s, begin(s, "READ COMMITTED") && publish_hot(s, 1 + dice_below(&s->dice, 2)));
}

/* The cheapest transaction that takes hold of a key: one statement, one round trip. */
static outcome single(session *s)
{
    char token[24], key[32], padding[16];
    const char *const values[] = {token, topic_of(s), key, padding};

    hot_key(s, key, sizeof key);
    snprintf(token, sizeof token, "%" PRIu64, s->next_token++);
    snprintf(padding, sizeof padding, "%d", dice_below(&s->dice, 60));
    return session_run(s,
                       "WITH taken AS (UPDATE torture.key SET seq = seq + 1 WHERE topic = $2 AND key = $3 "
                       "RETURNING seq) INSERT INTO torture.truth SELECT $1::bigint, $2, $3, taken.seq,"
                       " postbus.publish($2::text, $1::text || repeat(' pad', $4::int), $3::text) FROM taken",
                       4, values)
               ? OUTCOME_COMMITTED
               : OUTCOME_FAILED;
}

static outcome early_xid(session *s)
{
    bool worked = begin(s, "READ COMMITTED") && SESSION_RUN(s, "SELECT pg_current_xact_id()");

    stage_pause(s->stage, dice_below(&s->dice, 150));
    return finish(s, worked && publish_hot(s, 1));
}

static outcome early_write(session *s)
{
    bool worked = begin(s, "READ COMMITTED") && SESSION_RUN(s, "INSERT INTO torture.scratch VALUES (1)");

    stage_pause(s->stage, dice_below(&s->dice, 150));
    return finish(s, worked && publish_hot(s, 1) && publish(s, topic_of(s), NULL));
}

static outcome savepoints(session *s)
{
    char key[32];
    bool worked;

    own_key(s, key, sizeof key);
    worked = begin(s, "READ COMMITTED") && publish_hot(s, 1) && SESSION_RUN(s, "SAVEPOINT a") &&
             publish_hot(s, 1) && publish(s, topic_of(s), key) && SESSION_RUN(s, "SAVEPOINT b") &&
             publish(s, topic_of(s), NULL) && SESSION_RUN(s, "ROLLBACK TO SAVEPOINT b");
    if (worked && dice_below(&s->dice, 2))
        worked = SESSION_RUN(s, "ROLLBACK TO SAVEPOINT a");
    return finish(s, worked && publish(s, topic_of(s), key) && publish_hot(s, 1));
}

/* All that it publishes was in a savepoint that is rolled back: the bell's lock goes with it. */
static outcome hollow(session *s)
{
    return finish(s, begin(s, "READ COMMITTED") && SESSION_RUN(s, "SAVEPOINT a") && publish_hot(s, 2) &&
                         SESSION_RUN(s, "ROLLBACK TO SAVEPOINT a"));
}

static outcome rolled_back(session *s)
{
    bool worked = begin(s, "READ COMMITTED") && publish_hot(s, 2) && publish(s, topic_of(s), NULL);

    return SESSION_RUN(s, "ROLLBACK") && worked ? OUTCOME_ROLLED_BACK : OUTCOME_FAILED;
}

static outcome long_open(session *s)
{
    char key[32];
    bool worked;

    own_key(s, key, sizeof key);
    worked = begin(s, "READ COMMITTED") && SESSION_RUN(s, "INSERT INTO torture.scratch VALUES (2)");
    stage_pause(s->stage, dice_below(&s->dice, 2500));
    worked = worked && publish(s, topic_of(s), key) && publish(s, topic_of(s), key);
    stage_pause(s->stage, dice_below(&s->dice, 2500));
    return finish(s, worked && publish(s, topic_of(s), NULL));
}

static outcome without_key(session *s)
{
    int n = 1 + dice_below(&s->dice, 5);
    bool worked = begin(s, "READ COMMITTED");

    for (int i = 0; worked && i < n; i++)
        worked = publish(s, topic_of(s), NULL);
    return finish(s, worked);
}

/* The level makes conflicts on the hot keys fail; like an application, it tries again. */
static outcome retried(session *s, const char *level)
{
    for (int i = 0; i < 5; i++) {
        bool worked = begin(s, level) &&
                      SESSION_RUN(s, "SELECT sum(seq) FROM torture.key WHERE key = 'hot-0'") &&
                      publish_hot(s, 1);

        if (finish(s, worked) == OUTCOME_COMMITTED)
            return OUTCOME_COMMITTED;
        if (PQstatus(s->conn) != CONNECTION_OK || !stage_pause(s->stage, dice_below(&s->dice, 10)))
            break;
    }
    return OUTCOME_FAILED;
}

static outcome repeatable_read(session *s)
{
    return retried(s, "REPEATABLE READ");
}

static outcome serializable(session *s)
{
    return retried(s, "SERIALIZABLE");
}

static outcome prepared(session *s)
{
    char key[32], gid[64], sql[128];
    bool kept = dice_below(&s->dice, 4) != 0;

    own_key(s, key, sizeof key);
    snprintf(gid, sizeof gid, "torture-%d-%" PRIu64, s->number, s->next_token);
    snprintf(sql, sizeof sql, "PREPARE TRANSACTION '%s'", gid);
    if (!SESSION_RUN(s, "BEGIN") || !SESSION_RUN(s, "SET LOCAL postbus.ring = off") ||
        !publish(s, topic_of(s), key) || !publish(s, topic_of(s), NULL) || !SESSION_RUN(s, sql)) {
        SESSION_RUN(s, "ROLLBACK");
        return OUTCOME_FAILED;
    }
    stage_pause(s->stage, dice_below(&s->dice, 2000));
    snprintf(sql, sizeof sql, "%s PREPARED '%s'", kept ? "COMMIT" : "ROLLBACK", gid);
    if (!SESSION_RUN(s, sql))
        return OUTCOME_FAILED;
    return kept ? OUTCOME_COMMITTED : OUTCOME_ROLLED_BACK;
}

void scenario_finish_prepared(session *s)
{
    char pattern[64], sql[192];
    const char *const values[] = {pattern};
    PGresult *r;

    snprintf(pattern, sizeof pattern, "torture-%d-%%", s->number);
    r = PQexecParams(s->conn, "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE $1", 1, NULL, values, NULL,
                     NULL, 0);
    for (int i = 0; i < PQntuples(r); i++) {
        snprintf(sql, sizeof sql, "COMMIT PREPARED '%s'", PQgetvalue(r, i, 0));
        SESSION_RUN(s, sql);
    }
    PQclear(r);
}

static const char *bulk_statement(bool by_batch)
{
    if (by_batch)
        return "INSERT INTO torture.truth SELECT $1::bigint + b.n, $2, $3, $4::bigint + b.n, b.id FROM"
               " (SELECT array_agg($2::text) AS topics, array_agg(convert_to(($1::bigint + g)::text, 'UTF8') "
               "ORDER BY g) AS"
               " contents, array_agg(convert_to($3::text, 'UTF8')) AS keys FROM generate_series(1, $5::int) "
               "g) a,"
               " LATERAL postbus.publish_batch(a.topics, a.contents, a.keys) WITH ORDINALITY AS b (id, "
               "event_id, n)";
    return "WITH event AS (INSERT INTO postbus.outbox (topic, value, key) SELECT $2::text,"
           " convert_to(($1::bigint + g)::text, 'UTF8'), convert_to($3::text, 'UTF8') FROM "
           "generate_series(1, $5::int) g"
           " RETURNING id, convert_from(value, 'UTF8')::bigint AS token)"
           " INSERT INTO torture.truth SELECT token, $2, $3, $4::bigint + token - $1::bigint, id FROM event";
}

static bool publish_bulk(session *s, const char *topic, const char *key, int n_rows)
{
    char token[24], place[24], rows[16];
    const char *const values[] = {token, topic, key, key ? place : NULL, rows};
    int64_t last = 0;

    if (key && !take_key(s, topic, key, n_rows, &last))
        return false;
    snprintf(token, sizeof token, "%" PRIu64, s->next_token - 1);
    snprintf(place, sizeof place, "%" PRId64, last - n_rows);
    snprintf(rows, sizeof rows, "%d", n_rows);
    s->next_token += (uint64_t)n_rows;
    return session_run(s, bulk_statement(dice_below(&s->dice, 2)), 5, values);
}

static outcome bulk(session *s)
{
    char key[32];
    bool keyed = dice_below(&s->dice, 2);

    hot_key(s, key, sizeof key);
    return finish(s, begin(s, "READ COMMITTED") && publish(s, topic_of(s), NULL) &&
                         publish_bulk(s, topic_of(s), keyed ? key : NULL, s->stage->plan->bulk_rows));
}

outcome scenario_straggler(session *s)
{
    char key[32];
    bool worked;

    own_key(s, key, sizeof key);
    worked = SESSION_RUN(s, "BEGIN") && publish_bulk(s, topic_of(s), key, s->stage->plan->straggler_rows);
    stage_pause(s->stage, 2000);
    return finish(s, worked && publish(s, topic_of(s), NULL));
}

outcome scenario_lone(session *s)
{
    return publish(s, topic_of(s), NULL) ? OUTCOME_COMMITTED : OUTCOME_FAILED;
}

const scenario scenarios[] = {
    {"single statement", 0, 600, false, single},
    {"plain", 300, 120, false, plain},
    {"xid taken early", 60, 20, false, early_xid},
    {"written early", 60, 20, false, early_write},
    {"savepoints", 90, 40, false, savepoints},
    {"savepoint rolled back alone", 30, 20, false, hollow},
    {"rolled back", 60, 40, false, rolled_back},
    {"open for seconds", 12, 2, true, long_open},
    {"without a key", 90, 60, false, without_key},
    {"repeatable read", 40, 20, false, repeatable_read},
    {"serializable", 40, 20, false, serializable},
    {"prepared", 16, 0, false, prepared},
    {"bulk", 2, 0, true, bulk},
    {NULL, 0, 0, false, NULL},
};

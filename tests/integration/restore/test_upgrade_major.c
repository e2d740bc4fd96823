/* pg_upgrade from the installed PostgreSQL to 18, for real, of an outbox in which all sorts of things are under way, and of an inbox: nothing is lost, comes
 * twice or out of order, and what was handled stays handled. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"
#include "topic_reader.h"
#include "wait_until.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACTLY_ONCE "--delivery=exactly_once"
#define EMPTIES_LEAVES EXACTLY_ONCE, "--retention-ms=100", "--retention-check-ms=20"
/* Migration 5 is the one that knows where the outbox is at home. */
enum { OLDER_VERSION = 4, N_HANDLED = 3 };

typedef struct scene {
    pg_fixture *old, *new;
    PGconn *conn; /* to the one that runs */
    char *topic;
    char *late;    /* a topic that is created after the upgrade */
    char *never;   /* one that is not created */
    char *older;   /* of the other database */
    char *content; /* before the upgrade */
    size_t n;      /* published to topic */
} scene;

static char *bin_of_18;

/* ---- programs ---- */

/* postbus with these words (ends with NULL) in a database; fails unless it ends with the code and says the sentence. */
static void expect_said(const pg_fixture *pg, const char *database, int code, const char *sentence,
                        const char *const *words)
{
    char *conninfo = pg_fixture_conninfo(pg, database, NULL);
    const char *argv[8];
    size_t n = 0;
    while (*words)
        argv[n++] = *words++;
    argv[n++] = "--database";
    argv[n++] = conninfo;
    argv[n] = NULL;
    proc_fixture *proc = proc_fixture_start_postbus(argv, NULL);
    int ended = proc_fixture_wait_exit(proc, SOON_MS);
    char *said = proc_fixture_log(proc);
    if (ended != code || !strstr(said, sentence))
        fail_msg("postbus %s: %d, and not \"%s\":\n%s", argv[0], ended, sentence, said);
    free(said);
    free(conninfo);
    proc_fixture_free(proc);
}
#define EXPECT_SAID(pg, database, code, sentence, ...)                                                       \
    expect_said(pg, database, code, sentence, (const char *const[]){__VA_ARGS__, NULL})

static void publish_some(scene *s, int n)
{
    publish(s->conn, s->topic, n);
    s->n += (size_t)n;
}

typedef struct flow {
    scene *s;
    proc_fixture *relay;
    const char *text;
} flow;

static bool publish_and_listen(void *arg)
{
    const flow *f = arg;
    publish_some(f->s, 1);
    return proc_fixture_wait_log(f->relay, f->text, 1);
}

static void publish_until_log(scene *s, proc_fixture *relay, const char *text)
{
    flow f = {s, relay, text};
    if (!wait_until(publish_and_listen, &f, SOON_MS))
        proc_fixture_expect_log(relay, text, 1);
}

/* ---- before ---- */

/* Its timeline is 2; pg_upgrade begins with 1. */
static void promote(scene *s)
{
    PQfinish(s->conn);
    pg_fixture_stop(s->old, PG_STOP_FAST);
    assert_int_equal(pg_fixture_shell(s->old, "touch data/standby.signal"), 0);
    pg_fixture_start(s->old);
    pg_fixture_promote(s->old);
    s->conn = shop_connect(s->old);
}

/* 1: the event was handled before, 0: it is handled now. */
static void expect_claim(PGconn *conn, int n, const char *expected)
{
    pg_expect(conn, expected,
              "SELECT state FROM postbus_inbox.claim_one(1, 1, '00000000-0000-4000-8000-%012d', 0, %d, "
              "(extract(epoch FROM clock_timestamp()) * 1000)::bigint, NULL)",
              n, n);
}

static void handle_some(PGconn *conn)
{
    pg_run(conn, "SELECT postbus_inbox.subscribe('billing', '[{\"key\": \"main\", \"topics\": [\"orders\"], "
                 "\"filter\": null, \"options\": {}}]')");
    for (int i = 1; i <= N_HANDLED; i++)
        expect_claim(conn, i, "0");
}

/* An outbox of an earlier release, with events that no relay has seen. */
static void create_older(const scene *s)
{
    pg_fixture_create_database(s->old, "older");
    PGconn *conn = pg_fixture_connect(s->old, "older", NULL);
    pg_run(conn, "%s", sql_query("migration_table"));
    for (const sql_migration *m = sql_migrations; m->version <= OLDER_VERSION; m++) {
        char *text = PQescapeLiteral(conn, m->text, strlen(m->text));
        pg_run(conn, "BEGIN");
        pg_run(conn, "%s", m->text);
        pg_run(conn,
               "INSERT INTO postbus.migration VALUES (%d, '%s', encode(sha256(convert_to(%s, 'UTF8')), "
               "'hex')); COMMIT",
               m->version, m->name, text);
        PQfreemem(text);
    }
    pg_run(conn, "SELECT postbus.publish('%s', 'v' || i, 'k' || i %% 5) FROM generate_series(1, 30) i",
           s->older);
    PQfinish(conn);
}

/* As a relay leaves it that died between its two commits: all that is pending counts as published, and what was parked for the late topic, too. Kafka does
 * not have the transaction. */
static void leave_intent(const scene *s)
{
    pg_run(s->conn, "BEGIN; SET LOCAL postbus.intent = 'on'; DELETE FROM postbus.parked WHERE topic = '%s'",
           s->late);
    pg_run(s->conn,
           "INSERT INTO postbus.receipt (leaf, first_id, last_id, acked_at, ids, partitions, offsets) "
           "SELECT (min(id) >> 30) & 15, min(id), max(id), now(), array_agg(id ORDER BY id), "
           "array_agg(0 ORDER BY id), array_agg(0 ORDER BY id) FROM postbus.event WHERE state = 'pending'");
    pg_run(s->conn,
           "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, "
           "intent, kafka_before) SELECT p.leaf, p.epoch, now.s, pg_snapshot_xmax(now.s), now.id, now.s, "
           "pg_snapshot_xmax(now.s), now.id, 0, now.id, p.published + 30, pg_current_xact_id(), 0 "
           "FROM postbus.current_progress p, (SELECT pg_current_snapshot() AS s, postbus.drawn_id() AS id) "
           "now; COMMIT");
}

/* A leaf that was emptied, parked events in it with their content, one of which is to be discarded, events that nobody has read. */
static void fill(scene *s)
{
    proc_fixture *relay = relay_start_with(s->old, NULL, (const char *const[]){EMPTIES_LEAVES, NULL});
    proc_fixture_expect_log(relay, "timeline.changed", SOON_MS);
    publish_some(s, 40);
    publish(s->conn, s->late, 12);
    pg_run(s->conn, "SELECT postbus.publish('%s', 'never ' || i, 'k') FROM generate_series(1, 2) i",
           s->never);
    expect_sql(s->conn, "SELECT (count(*) = 14)::int FROM postbus.parked");
    publish_until_log(s, relay, "retention.cleared leaf=0");
    relay_stop(relay);
    publish_some(s, 40);
    relay = relay_start_with(s->old, NULL, (const char *const[]){EXACTLY_ONCE, NULL});
    expect_sql(s->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
    relay_stop(relay);
    publish_some(s, 30);
    pg_run(s->conn, "SELECT postbus.discard(min(id), 'a test') FROM postbus.parked WHERE topic = '%s'",
           s->never);
    leave_intent(s);
}

static void scene_new(scene *s)
{
    *s = (scene){.old = s->old,
                 .topic = topic_new(),
                 .older = topic_new(),
                 .late = kafka_fixture_new_name("late"),
                 .never = kafka_fixture_new_name("never")};
    pg_fixture_create_database(s->old, "shop");
    EXPECT_SAID(s->old, "shop", 0, "up to date", "migrate");
    EXPECT_SAID(s->old, "shop", 0, "up to date", "migrate", "--subscriber");
    shop_roles(s->old);
    s->conn = shop_connect(s->old);
    promote(s);
    fill(s);
    handle_some(s->conn);
    create_older(s);
}

static void scene_free(scene *s)
{
    PQfinish(s->conn);
    pg_fixture_free(s->new);
    pg_fixture_free(s->old);
    free(s->topic);
    free(s->late);
    free(s->never);
    free(s->older);
    free(s->content);
}

/* ---- the upgrade ---- */

/* What is in each table, and who wrote it, and what the view of events tells. */
static char *content(PGconn *conn)
{
    pg_run(conn,
           "CREATE TEMP TABLE content AS SELECT 'event' AS what, md5(string_agg(e::text, '' ORDER BY id)) AS "
           "digest FROM postbus.event e; "
           "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT c.oid FROM pg_class c WHERE relkind = 'r' AND "
           "relnamespace IN ('postbus'::regnamespace, 'postbus_inbox'::regnamespace) LOOP EXECUTE format("
           "'INSERT INTO content SELECT %%L, md5(string_agg(x.xmin || x::text, '''' ORDER BY x::text)) FROM "
           "%%s x', t, t); END LOOP; END $$");
    return pg_text(conn,
                   "SELECT string_agg(concat_ws(' ', what, digest), E'\\n' ORDER BY what) FROM content");
}

static void upgrade_scene(scene *s)
{
    s->content = content(s->conn);
    PQfinish(s->conn);
    s->new = pg_fixture_new_of(bin_of_18, NULL);
    upgrade(s->old, s->new);
    s->conn = shop_connect(s->new);
    char *after = content(s->conn);
    assert_string_equal(after, s->content);
    free(after);
}

/* ---- afterwards ---- */

/* The event ids that publishers were told, up to that of a row. */
static char *event_ids(PGconn *conn, int64_t last_id)
{
    return pg_text(conn,
                   "SELECT string_agg(event_id::text, ' ' ORDER BY id) FROM postbus.event WHERE id <= %lld",
                   (long long)last_id);
}

static void expect_rebased(const scene *s)
{
    int64_t last_id = pg_number(s->conn, "SELECT max(id) FROM postbus.outbox");
    char *before = event_ids(s->conn, last_id);
    EXPECT_SAID(s->new, "shop", 0, "the cluster was upgraded", "rebase", "--upgraded", "--yes");
    char *after = event_ids(s->conn, last_id);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* Applications publish all the time. */
static void expect_refused_until_rebased(scene *s)
{
    publish_some(s, 20);
    EXPECT_SAID(s->new, "shop", 4, "postbus rebase --upgraded", "doctor");
    EXPECT_SAID(s->new, "shop", 0, "up to date", "migrate");
    EXPECT_SAID(s->new, "shop", 0, "up to date", "migrate", "--subscriber");
    relay_expect_refusal(relay_start_with(s->new, NULL, (const char *const[]){EXACTLY_ONCE, NULL}),
                         "another PostgreSQL cluster");
    expect_rebased(s);
    publish_some(s, 20);
    kafka_fixture_create_topic(stage_kafka, s->late, 1, NULL);
}

static void expect_all_once(PGconn *conn, const char *topic, size_t n)
{
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, n);
    assert_int_equal(f.n_repeated, 0);
}

/* Of the topic that is not there: what state its events are in, with their content. */
static void expect_never(const scene *s, const char *states)
{
    pg_expect(s->conn, states,
              "SELECT string_agg(concat_ws(' ', state, convert_from(value, 'UTF8')), ', ' ORDER BY id) "
              "FROM postbus.event JOIN postbus.outbox o USING (id) WHERE o.topic = '%s'",
              s->never);
}

static void expect_goes_on(scene *s)
{
    proc_fixture *relay = relay_start_with(s->new, NULL, (const char *const[]){EXACTLY_ONCE, NULL});
    relay_expect_leading(relay);
    expect_sql(s->conn, "SELECT (pending = 0 AND parked = 1)::int FROM postbus.backlog()");
    expect_all_once(s->conn, s->topic, s->n);
    expect_all_once(s->conn, s->late, 12);
    expect_never(s, "dead never 1, parked never 2");
    pg_expect(s->conn, "0",
              "SELECT count(*) - count(DISTINCT u.id) FROM postbus.receipt r, unnest(r.ids) u (id)");
    EXPECT_SAID(s->new, "shop", 0, "leader", "status");
    EXPECT_SAID(s->new, "shop", 0, "the one in which the outbox was made", "doctor");
    relay_stop(relay);
    relay = relay_start_with(s->new, NULL, (const char *const[]){EMPTIES_LEAVES, NULL});
    publish_until_log(s, relay, "retention.cleared leaf=");
    expect_sql(s->conn, "SELECT (pending = 0 AND parked = 1)::int FROM postbus.backlog()");
    relay_stop(relay);
    expect_all_once(s->conn, s->topic, s->n);
    expect_never(s, "parked never 2");
}

static void expect_handled_stays_handled(PGconn *conn)
{
    for (int i = 1; i <= N_HANDLED; i++)
        expect_claim(conn, i, "1");
    expect_claim(conn, N_HANDLED + 1, "0");
}

/* It is migrated where it is now, and then brought on. */
static void expect_older_goes_on(const scene *s)
{
    PGconn *conn = pg_fixture_connect(s->new, "older", NULL);
    char *conninfo = pg_fixture_conninfo(s->new, "older", NULL);
    EXPECT_SAID(s->new, "older", 0, "applied 0005", "migrate");
    pg_run(conn, "SELECT postbus.publish('%s', 'v31', 'k1')", s->older);
    EXPECT_SAID(s->new, "older", 0, "the cluster was upgraded", "rebase", "--upgraded", "--yes");
    proc_fixture *relay =
        proc_fixture_start_postbus((const char *const[]){"relay", "--database", conninfo, "--brokers",
                                                         kafka_fixture_brokers(stage_kafka), NULL},
                                   NULL);
    expect_drained(conn);
    expect_all_once(conn, s->older, 31);
    relay_stop(relay);
    free(conninfo);
    PQfinish(conn);
}

static void an_upgrade_to_18_loses_doubles_and_reorders_nothing(void **state)
{
    scene *s = *state;
    scene_new(s);
    upgrade_scene(s);
    expect_refused_until_rebased(s);
    expect_goes_on(s);
    expect_handled_stays_handled(s->conn);
    expect_older_goes_on(s);
    scene_free(s);
}

/* ---- what is needed ---- */

static bool can_be_upgraded(const pg_fixture *pg)
{
    if (pg_fixture_version(pg) >= 180000)
        print_message("skipped: the installed PostgreSQL is as new\n");
    else if (pg_fixture_shell(pg, "test -x $BIN/pg_controldata && test -x $BIN/pg_resetwal") != 0)
        print_message("skipped: the installed PostgreSQL is without pg_controldata and pg_resetwal\n");
    else if (!(bin_of_18 = pg_fixture_whole_bin("18")))
        print_message("skipped: there is no pg_upgrade of PostgreSQL 18\n");
    return bin_of_18 != NULL;
}

static int open_if_there_is_an_upgrade(void **state)
{
    static scene the_scene;
    the_scene.old = pg_fixture_new(NULL);
    *state = &the_scene;
    if (!can_be_upgraded(the_scene.old)) {
        pg_fixture_free(the_scene.old);
        exit(77);
    }
    return stage_open(state);
}

static int close_all(void **state)
{
    free(bin_of_18);
    return stage_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_to_18_loses_doubles_and_reorders_nothing),
    };
    return cmocka_run_group_tests(tests, open_if_there_is_an_upgrade, close_all);
}

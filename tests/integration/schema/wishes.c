/* What becomes of wishes, by the relay's own statements and with its rights: the newest of an event counts, and none is forgotten without a word. */
#include "stage.h"

#include "postbus_sql.h"

static void ask(PGconn *conn, const char *query, const char *values)
{
    pg_run(conn, "PREPARE asked AS %s", sql_query(query));
    pg_run(conn, "EXECUTE asked(%s)", values);
    pg_run(conn, "DEALLOCATE asked");
}

static void expect_wishes(PGconn *owner, const char *wishes)
{
    pg_expect(owner, wishes,
              "SELECT coalesce(string_agg(id || ' ' || action, ', ' ORDER BY n), 'none') FROM postbus.wish");
}

/* Refused events with the ids 1 to 9 of topic t. */
static int park(void **state)
{
    if (stage_start(state) != 0)
        return -1;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "SELECT postbus.publish('t', 'v') FROM generate_series(1, 9);"
                  "INSERT INTO postbus.parked (id, topic, reason, waits_for) SELECT id, 't', 'r', 'operator' "
                  "FROM postbus.outbox");
    PQfinish(owner);
    return 0;
}

static void a_discard_that_was_wished_during_a_redrive_outlives_it(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *conn = stage_connect("relay", "main");
    pg_run(owner, "SELECT postbus.redrive(id => i) FROM generate_series(1, 2) i");
    pg_run(owner, "SELECT postbus.discard(i, 'not wanted') FROM generate_series(1, 2) i");
    ask(conn, "redriven", "'{1}', '{1,2}'"); /* a broker took the one and refused the other */
    expect_wishes(owner, "1 discard, 2 discard");
    pg_run(conn, "%s", sql_query("late"));
    expect_wishes(owner, "2 discard");
    pg_expect(owner, "1 not wanted",
              "SELECT (what->>'id') || ' ' || why FROM postbus.audit WHERE what ? 'outcome'");
    ask(conn, "discard", "'{2}'"); /* on its way */
    expect_wishes(owner, "2 discard");
    ask(conn, "discard", "'{}'");
    expect_wishes(owner, "none");
    pg_expect(owner, "2", "SELECT string_agg(id::text, ' ') FROM postbus.dead");
    PQfinish(conn);
    PQfinish(owner);
}

static void what_a_wish_replaced_goes_with_it(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *conn = stage_connect("relay", "main");
    pg_run(owner, "UPDATE postbus.parked SET waits_for = 'topic' WHERE id = 4;"
                  "SELECT postbus.discard(i, 'x') FROM generate_series(3, 4) i;"
                  "SELECT postbus.redrive(id => i) FROM generate_series(3, 4) i;"
                  "SELECT postbus.redrive(id => 5); SELECT postbus.discard(5, 'x')");
    ask(conn, "redriven", "'{3}', '{3}'");
    expect_wishes(owner, "4 discard, 4 redrive, 5 redrive, 5 discard");
    ask(conn, "redrive_stale", "0, 1000"); /* 4 waits for no operator: its discard was withdrawn */
    expect_wishes(owner, "5 discard");
    ask(conn, "discard", "'{}'");
    expect_wishes(owner, "none");
    pg_expect(owner, "2 5", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM postbus.dead");
    PQfinish(conn);
    PQfinish(owner);
}

static void a_redrive_that_was_replaced_is_not_sent(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *conn = stage_connect("relay", "main");
    pg_run(owner,
           "SELECT postbus.redrive(id => i) FROM generate_series(6, 7) i;"
           "SELECT postbus.discard(6, 'x');"
           "INSERT INTO postbus.wish (id, action, wished_by) VALUES (7, 'redrive', 'at the same time')");
    pg_run(conn, "PREPARE page AS %s", sql_query("redrive_page"));
    PGresult *page = pg_rows(conn, "EXECUTE page('{}', 100, 1000000, 0, '{}')");
    assert_int_equal(PQntuples(page), 1);
    assert_string_equal(PQgetvalue(page, 0, 0), "7");
    PQclear(page);
    pg_run(owner, "DELETE FROM postbus.wish");
    PQfinish(conn);
    PQfinish(owner);
}

/* The event, the name and the reason are those of a wish: the relay gives none of them. */
static void the_relay_notes_a_discard_that_came_too_late_and_nothing_else(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *conn = stage_connect("relay", "main");
    pg_run(owner, "DELETE FROM postbus.audit");
    pg_run(owner,
           "INSERT INTO postbus.parked (id, topic, reason) VALUES (900, 't', 'r');"
           "INSERT INTO postbus.dead (id, topic, reason, attempts, parked_at, discarded_by, why) VALUES "
           "(901, 't', 'r', 1, now(), 'ops', 'w');"
           "INSERT INTO postbus.wish (id, action, wished_by, why) VALUES "
           "(900, 'discard', 'ops', 'still parked'), (901, 'discard', 'ops', 'dead since'),"
           "(902, 'discard', 'ops', 'replaced'), (902, 'redrive', 'ops', 'newer'),"
           "(903, 'redrive', 'ops', 'older'), (903, 'discard', 'ops', 'earlier'), (903, 'discard', 'else', "
           "'late'), (904, 'redrive', 'ops', 'none')");
    pg_run(conn, "SELECT postbus.end_late_discards(); SELECT postbus.end_late_discards()");
    pg_expect(owner, "else discard {\"id\": 903, \"outcome\": \"published\"} 0 late",
              "SELECT string_agg(concat_ws(' ', who, action, what, n_events, why), '; ') FROM postbus.audit "
              "WHERE what ? 'outcome'");
    pg_expect(owner, "900 discard, 902 redrive, 903 redrive, 904 redrive",
              "SELECT string_agg(id || ' ' || action, ', ' ORDER BY n) FROM postbus.wish");
    pg_run(owner, "DELETE FROM postbus.wish; DELETE FROM postbus.audit");
    PQfinish(conn);
    PQfinish(owner);
}

static void expect_late(PGconn *owner, const char *ids)
{
    pg_expect(owner, ids,
              "SELECT coalesce(string_agg(what->>'id', ' ' ORDER BY n), 'none') FROM postbus.audit WHERE "
              "what ? 'outcome'");
}

static void an_event_whose_transaction_is_in_doubt_is_not_taken_for_published(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *conn = stage_connect("relay", "main");
    pg_run(owner, "INSERT INTO postbus.parked (id, topic, reason) VALUES (950, 't', 'r'), (951, 't', 'r')");
    pg_run(owner, "SELECT postbus.discard(i, 'x') FROM generate_series(950, 951) i");
    stage_take_from_parked_by_an_intent(conn, 950);
    pg_run(conn, "SELECT postbus.end_late_discards()");
    expect_wishes(owner, "950 discard, 951 discard");
    expect_late(owner, "none");
    pg_expect(owner, "aborted", "SELECT outcome FROM postbus.resolve(0, NULL, false)");
    ask(conn, "discard", "'{951}'");
    pg_expect(owner, "950", "SELECT id FROM postbus.dead WHERE id >= 950");
    stage_take_from_parked_by_an_intent(conn, 951);
    pg_run(conn, "SELECT postbus.end_late_discards()");
    expect_late(owner, "none");
    pg_expect(
        owner, "committed",
        "SELECT r.outcome FROM (SELECT n, postbus.intent_stamp(at) AS stamp FROM postbus.progress ORDER "
        "BY n DESC LIMIT 1) p, postbus.resolve(p.n, p.stamp, false) r");
    pg_run(conn, "SELECT postbus.end_late_discards()");
    expect_late(owner, "951");
    expect_wishes(owner, "none");
    pg_run(owner, "DELETE FROM postbus.audit");
    PQfinish(conn);
    PQfinish(owner);
}

static void late_discards_are_ended_a_thousand_at_once(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main"), *conn = stage_connect("relay", "main");
    pg_run(owner, "INSERT INTO postbus.wish (id, action, wished_by, why) SELECT 1000 + i, 'discard', 'ops', "
                  "'w' FROM generate_series(1, 1500) i");
    pg_run(conn, "SELECT postbus.end_late_discards()");
    pg_expect(owner, "1000 500",
              "SELECT (SELECT count(*) FROM postbus.audit WHERE what ? 'outcome') || ' ' "
              "|| (SELECT count(*) FROM postbus.wish)");
    pg_run(owner, "DELETE FROM postbus.wish; DELETE FROM postbus.audit");
    PQfinish(conn);
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_discard_that_was_wished_during_a_redrive_outlives_it),
        cmocka_unit_test(what_a_wish_replaced_goes_with_it),
        cmocka_unit_test(a_redrive_that_was_replaced_is_not_sent),
        cmocka_unit_test(the_relay_notes_a_discard_that_came_too_late_and_nothing_else),
        cmocka_unit_test(an_event_whose_transaction_is_in_doubt_is_not_taken_for_published),
        cmocka_unit_test(late_discards_are_ended_a_thousand_at_once),
    };
    return cmocka_run_group_tests(tests, park, stage_stop);
}

/* What the tests of exactly-once delivery share: how a reader of committed records sees it; must never look into the relay. */
#include "exact.h"

#include "cmocka_all.h"
#include "pg_query.h"

#include <signal.h>

const char *const exact_flags[] = {"--delivery=exactly_once", "--page-rows=25", "-X", "compression.type=none",
                                   NULL};

void exact_expect_dead(proc_fixture *relay)
{
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 128 + SIGKILL);
    proc_fixture_free(relay);
}

/* Each committed record has one receipt, which names its place, and no receipt names another. */
static void expect_true_receipts(const outbox *o)
{
    topic_records all = topic_read_committed(kafka_fixture_brokers(stage_kafka), o->topic, 1, SOON_MS);
    pg_run(o->conn, "CREATE TEMP TABLE seen (event_id uuid, partition int, broker_offset bigint); BEGIN");
    for (size_t i = 0; i < all.n_rows; i++)
        pg_run(o->conn, "INSERT INTO seen VALUES ('%s', %d, %lld)", topic_record_header(&all.rows[i], "id"),
               (int)all.rows[i].partition, (long long)all.rows[i].offset);
    topic_records_done(&all);
    pg_run(o->conn, "COMMIT");
    pg_expect(
        o->conn, "0",
        "SELECT count(*) FROM seen s FULL JOIN (SELECT postbus.event_id(u.id) AS event_id, u.partition, "
        "u.broker_offset "
        "FROM postbus.receipt r, unnest(r.ids, r.partitions, r.offsets) AS u (id, partition, broker_offset) "
        "WHERE u.partition IS NOT NULL) r USING (event_id, partition, broker_offset) "
        "WHERE s IS NULL OR r IS NULL");
    pg_expect(o->conn, "0", "SELECT count(*) - count(DISTINCT event_id) FROM seen");
}

void exact_end(outbox *o, proc_fixture *relay)
{
    expect_drained(o);
    relay_stop(relay);
    expect_each_committed_once(o, o->topic);
    expect_true_receipts(o);
    pg_expect(o->conn, NULL, "SELECT intent FROM postbus.progress ORDER BY n DESC LIMIT 1");
    outbox_free(o);
}

size_t exact_add_all(struct CMUnitTest *to, CMUnitTestFunction test, const char *const *states, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (struct CMUnitTest){
            .name = states[i], .test_func = test, .initial_state = (void *)(uintptr_t)states[i]};
    return n;
}

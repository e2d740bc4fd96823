"""Bytes of write-ahead log an event: what publishing writes, and what completing adds."""
import writer
from report import row

RATE = 500


def position(stage):
    return int(stage.sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))


def publish(stage, events, *flags):
    """One event a transaction; bytes of WAL an event. The pages that a checkpoint makes whole again come before."""
    count = int(stage.sql("SELECT last_value FROM postbus.outbox_id_seq"))
    start = position(stage)
    stage.pgbench(writer.script("insert", True), 4, *(flags or ("-t", str(events // 4))))
    return (position(stage) - start) / (int(stage.sql("SELECT last_value FROM postbus.outbox_id_seq")) - count)


def prepare(stage, options):
    stage.empty()
    stage.sql("CHECKPOINT")
    stage.pgbench(writer.script("insert", True), 4, "-t", "500")


def at_a_drain(stage, options, receipts):
    events = max(8000, options.rows // 30)
    prepare(stage, options)
    alone = publish(stage, events)
    with_relay = position(stage)
    with stage.relay(f"--receipts={receipts}") as relay:
        relay.wait_drained()
    return alone, (position(stage) - with_relay) / (events + 2000)


def at_a_rate(stage, options, receipts):
    flags = ("-R", str(RATE), "-T", str(options.seconds))
    prepare(stage, options)
    alone = publish(stage, 0, *flags)
    with stage.relay(f"--receipts={receipts}") as relay:
        relay.wait_drained()
        stage.pgbench(writer.script("insert", True), 4, "-R", str(RATE), "-T", "1")
        both = publish(stage, 0, *flags)
        relay.wait_drained()
    return alone, both - alone


def measure(stage, options):
    stage.sql("ALTER SYSTEM SET autovacuum = off")
    stage.sql("SELECT pg_reload_conf()")
    stage.topic("orders")
    rows = []
    for name, how in (("a drain", at_a_drain), (f"{RATE}/s", at_a_rate)):
        for receipts, goal in (("false", 1.02), ("true", 1.15)):
            runs = [how(stage, options, receipts) for _ in range(options.rounds)]
            rows.append(row(f"WAL at {name}, receipts {receipts}: publishing and completing / publishing alone",
                            [alone + more for alone, more in runs], [alone for alone, _ in runs], "bytes/event", digits=1, goal=goal,
                            lower_is_better=True))
    stage.empty()
    stage.drop_topic("orders")
    stage.sql("ALTER SYSTEM RESET autovacuum")
    stage.sql("SELECT pg_reload_conf()")
    return rows

"""What an event costs, and how long it takes, over an outbox that keeps many millions of published events, beside one that keeps none."""
import os
import threading

import writer
from report import row

TOPIC = "growing"
AT_ONCE = 500_000  # rows of an INSERT
LEAVES = 9         # in use where retention keeps up
FRESH = 1_000_000  # events of a drain: long enough that the start does not matter
COMMITS = 10_000   # of each of four publishers
# As if the relay had published all of them.
ALL_DONE = """WITH here AS (SELECT pg_current_xact_id() AS x, (SELECT last_value FROM postbus.outbox_id_seq) AS last)
    INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
    SELECT (last >> 30) & 15, 0, s, x, last, s, x, last, 0, last, 0 FROM here, LATERAL (SELECT (x::text || ':' || x::text || ':')::pg_snapshot AS s) t"""
RECEIPTS = """INSERT INTO postbus.receipt
    SELECT (first >> 30) & 15, first, first + 999, now(), ARRAY(SELECT generate_series(first, first + 999)),
           array_fill(0, ARRAY[1000]), ARRAY(SELECT generate_series(first, first + 999))
      FROM generate_series({start}, {end} - 999, 1000) first"""


def insert(stage, rows):
    stage.sql(f"""SET postbus.ring = off; SET synchronous_commit = off; INSERT INTO postbus.outbox (topic, key, value)
        SELECT '{TOPIC}', convert_to('k' || i % 1000, 'UTF8'), convert_to(rpad('{{"order": ' || i, 200, ' packed and sent'), 'UTF8')
          FROM generate_series(1, {rows}) i""")


def insert_side_by_side(stage, rows):
    """By two sessions: what a leaf is filled by, in the end, is the processor."""
    def half():
        for start in range(0, rows // 2, AT_ONCE):
            insert(stage, min(AT_ONCE, rows // 2 - start))
    both = [threading.Thread(target=half) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()


def keep(stage, rows):
    """Published events in nine leaves, with receipts."""
    for leaf in range(LEAVES):
        start = int(stage.sql("SELECT last_value + is_called::int FROM postbus.outbox_id_seq"))
        insert_side_by_side(stage, rows // LEAVES)
        end = int(stage.sql("SELECT last_value FROM postbus.outbox_id_seq"))
        stage.sql(RECEIPTS.format(start=start, end=end))
        stage.sql(ALL_DONE)
        if leaf < LEAVES - 1 and not stage.sql("SELECT outcome FROM postbus.close_leaf('0 s')") == "closed":
            raise SystemExit("bench: the leaf could not be closed")
    stage.sql("VACUUM (ANALYZE) postbus.outbox")
    stage.sql("VACUUM (ANALYZE) postbus.receipt")
    stage.sql("CHECKPOINT")
    os.sync()  # or the first measures share the disk with what was just written


def drained(stage):
    """A fresh backlog, from the lead to the last record of progress."""
    stage.fill(FRESH, TOPIC)
    before = int(stage.sql("SELECT published FROM postbus.current_progress"))
    with stage.relay("--retention-ms=0") as relay:
        relay.wait_drained()
        cpu = relay.cpu()
    n, seconds = stage.sql(f"""SELECT p.published - {before}, extract(epoch FROM p.at - l.started_at) FROM postbus.current_progress p,
        (SELECT started_at FROM postbus.leadership ORDER BY epoch DESC LIMIT 1) l""").split("|")
    return {"per_second": int(n) / float(seconds), "us": sum(cpu) * 1e6 / int(n)}


def one(stage, options):
    out = drained(stage)
    stage.sql("CHECKPOINT")
    lsn = stage.sql("SELECT pg_current_wal_insert_lsn()")
    out["commits"] = stage.pgbench(writer.script("insert", True).replace("'orders'", f"'{TOPIC}'"), 4, "-t", str(COMMITS))
    out["wal"] = float(stage.sql(f"SELECT pg_current_wal_insert_lsn() - '{lsn}'")) / (4 * COMMITS)
    with stage.relay("--retention-ms=0") as relay:
        relay.wait_drained()
        found = stage.bench("latency", "--topic", TOPIC, "--rate", "500", "--seconds", str(options.seconds), "--threads", "2")
        relay.wait_drained()
    out["p50"], out["p99"] = found["from_commit"]["p50_ms"], found["from_commit"]["p99_ms"]
    return out


def measure_at(stage, options, kept):
    large, small = [], []
    stage.use("small")
    stage.use("large")
    keep(stage, kept)
    print(f"  {kept:,} kept: filled", flush=True)
    gib = float(stage.sql("SELECT pg_database_size(current_database())")) / 2**30
    for i in range(options.rounds):
        for name, runs in (("large", large), ("small", small)) if i % 2 == 0 else (("small", small), ("large", large)):
            stage.use(name)
            runs.append(one(stage, options))
            print(f"  {kept:,} kept, {name}: " + ", ".join(f"{what} {value:,.2f}" for what, value in runs[-1].items()), flush=True)
    stage.use("large")
    dead = stage.dead_rows()
    stage.use(None)
    for name in ("small", "large"):
        stage.sql(f"DROP DATABASE {name}")

    def both(what):
        return [run[what] for run in large], [run[what] for run in small]

    name = f"{kept / 1e6:g} M kept ({gib:.1f} GiB)"
    less = {"lower_is_better": True, "goal": 1.05}
    return [
        row(f"{name}, publishing", *both("commits"), "commits/s", goal=0.95),
        row(f"{name}, WAL of publishing", *both("wal"), "bytes/event", digits=1, **less),
        row(f"{name}, CPU of relay and backend in a drain", *both("us"), "us/event", digits=2, **less),
        row(f"{name}, drain", *both("per_second"), "events/s", goal=0.95),
        row(f"{name}, 500/s, from the commit's answer, p50", *both("p50"), "ms", digits=3, **less),
        row(f"{name}, 500/s, from the commit's answer, p99", *both("p99"), "ms", digits=3),
        row(f"{name}, dead rows in outbox, receipts and progress", [dead], goal=0, lower_is_better=True, may_be_zero=True),
    ]


def measure(stage, options):
    stage.topic(TOPIC)
    rows = []
    for kept in options.kept:
        rows += measure_at(stage, options, kept)
    stage.drop_topic(TOPIC)
    return rows

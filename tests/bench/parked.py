"""What parked events cost the others: of 1 % of the keys, and a million of other keys; and how fast a redrive is."""
from drain import MIB, column
from report import row
from stage import wait_for

TOPIC = "parking"
BLOCKED_KEYS = 10  # of a thousand
LIMIT = 500_000    # of the topic's max.message.bytes; both sides have it, since the producer's batches are as large


def heads(stage, large):
    """The first events are of the keys to be blocked: random bytes, too many for the topic or few."""
    size = LIMIT * 6 // 5 if large else 160
    stage.sql(f"""UPDATE postbus.outbox o SET key = convert_to('k' || o.id, 'UTF8'),
             value = (SELECT decode(string_agg(md5(g::text || random() || o.id), ''), 'hex') FROM generate_series(1, {size // 16}) g)
         WHERE o.id <= {BLOCKED_KEYS}""")


def park_others(stage, n):
    """Of keys that nobody publishes to. Their events are long gone from the outbox, which only a redrive would ask for."""
    stage.sql(f"""INSERT INTO postbus.parked (id, topic, key, reason, waits_for, queue, error_code, attempts, attempted_at)
        SELECT -i, 'elsewhere', convert_to('other ' || i, 'UTF8'), 'record_too_large', 'operator', hashint8extended(i, 0), 10, 1, now()
          FROM generate_series(1, {n}) i""")
    stage.sql("VACUUM ANALYZE postbus.parked")


def through_relay(stage, rows, n_others=0):
    """From the lead to the last record of progress."""
    stage.rewind()
    if n_others:
        park_others(stage, n_others)
    stage.topic(TOPIC, config=[f"max.message.bytes={LIMIT}"])
    try:
        with stage.relay() as relay:
            relay.wait_drained()
            peak_kib = relay.peak_kib()
        seconds = float(stage.sql(
            """SELECT extract(epoch FROM p.at - l.started_at) FROM postbus.current_progress p,
               (SELECT started_at FROM postbus.leadership ORDER BY epoch DESC LIMIT 1) l"""))
        n_parked = int(stage.sql("SELECT count(*) FROM postbus.parked")) - n_others
    finally:
        stage.drop_topic(TOPIC)
    return {"per_second": rows / seconds, "parked": n_parked, "peak_kib": peak_kib}


def redriven_per_second(stage, n):
    """n published events are parked as if they had been refused, each of a key of its own, and sent again."""
    stage.rewind()
    stage.topic(TOPIC)
    try:
        with stage.relay() as relay:
            relay.wait_drained()
            stage.sql(f"""INSERT INTO postbus.parked (id, topic, key, reason, waits_for, queue, error_code, attempts, attempted_at)
                SELECT id, topic, key, 'record_too_large', 'operator', hashint8extended(id, 0), 10, 1, now()
                  FROM postbus.outbox ORDER BY id LIMIT {n}""")
            start = float(stage.sql("SELECT extract(epoch FROM clock_timestamp())"))
            stage.sql("SELECT postbus.redrive()")
            wait_for(lambda: stage.sql("SELECT NOT EXISTS (SELECT FROM postbus.parked)") == "t", "the redrive", 600, 0.1)
            end = float(stage.sql("SELECT extract(epoch FROM clock_timestamp())"))
    finally:
        stage.drop_topic(TOPIC)
    return n / (end - start)


def measure(stage, options):
    n_others = 1_000_000 if options.rows >= 1_000_000 else options.rows
    n_redriven = max(1000, options.rows // 30)
    stage.sql(f"UPDATE postbus.setting SET value = {2 * LIMIT} WHERE name = 'max_value_bytes'")
    stage.empty()
    stage.fill(options.rows, TOPIC)
    heads(stage, False)
    through_relay(stage, options.rows)
    none, some, many, redriven = [], [], [], []
    for _ in range(options.rounds):
        heads(stage, False)
        none.append(through_relay(stage, options.rows))
        many.append(through_relay(stage, options.rows, n_others))
        heads(stage, True)
        some.append(through_relay(stage, options.rows))
    heads(stage, False)
    redriven.append(redriven_per_second(stage, n_redriven))
    stage.empty()
    rate = {"unit": "events/s", "goal": 0.9}
    mib = {"unit": "MiB", "digits": 1}
    share = [100 * run["parked"] / options.rows for run in some]
    return [
        row("drain with 1 % parked / with none", column(some, "per_second"), column(none, "per_second"), **rate),
        row(f"drain beside {n_others:,} parked events / beside none", column(many, "per_second"), column(none, "per_second"), **rate),
        row("  parked of the first", share, unit="%", digits=2),
        row("  peak memory with 1 % parked / with none", [r["peak_kib"] / MIB for r in some], [r["peak_kib"] / MIB for r in none], **mib),
        row(f"  peak memory beside {n_others:,} / beside none", [r["peak_kib"] / MIB for r in many],
            [r["peak_kib"] / MIB for r in none], **mib),
        row(f"redrive of {n_redriven:,} events of as many keys", redriven, unit="events/s"),
    ]

"""A backlog through the relay, beside the same records through a bare producer; and the relay's memory meanwhile."""
import statistics

from report import row

BEST = ["--kafka=linger.ms=20", "--kafka=max.in.flight=5", "--kafka=enable.gapless.guarantee=false", "--kafka=batch.num.messages=100000"]
TOPIC = "drained"
MIB = 1024


def bare(stage, *flags):
    stage.topic("bare")
    try:
        return stage.bench("produce", "--topic", "bare", *flags)
    finally:
        stage.drop_topic("bare")


def through_relay(stage, *flags):
    """From the lead to the last record of progress, both by the database's clock."""
    stage.rewind()
    stage.topic(TOPIC)
    try:
        with stage.relay(*flags) as relay:
            relay.wait_drained()
            cpu, peak_kib = relay.cpu(), relay.peak_kib()
        published, seconds = stage.sql(
            """SELECT p.published, extract(epoch FROM p.at - l.started_at) FROM postbus.current_progress p,
               (SELECT started_at FROM postbus.leadership ORDER BY epoch DESC LIMIT 1) l""").split("|")
    finally:
        stage.drop_topic(TOPIC)
    n = int(published)
    return {"records": n, "per_second": n / float(seconds), "relay_us": cpu[0] * 1e6 / n, "backend_us": cpu[1] * 1e6 / n,
            "peak_kib": peak_kib}


def column(runs, name):
    return [run[name] for run in runs]


def measure(stage, options):
    stage.empty()
    stage.fill(options.rows, TOPIC)
    same, best, without, full = [], [], [], []
    bare(stage)  # a broker's first million records run in a JVM that is not warm yet
    for _ in range(options.rounds):
        same.append(bare(stage))
        without.append(through_relay(stage, "--receipts=false"))
        best.append(bare(stage, *BEST))
        full.append(through_relay(stage))
    stage.empty()
    rate, us = {"unit": "events/s"}, {"unit": "us/event", "digits": 2}
    return [
        row("drain / the same producer, bare", column(full, "per_second"), column(same, "per_second"), goal=0.9, **rate),
        row("  without receipts", column(without, "per_second"), column(same, "per_second"), goal=0.9, **rate),
        row("  / a bare producer at its fastest settings", column(full, "per_second"), column(best, "per_second"), **rate),
        row("  CPU of the relay / of the bare producer", column(full, "relay_us"), column(same, "cpu_us_per_record"), **us),
        row("  CPU of the relay's backend", column(full, "backend_us"), **us),
        row("  CPU of the relay's backend, without receipts", column(without, "backend_us"), **us),
        row("  peak memory of the relay", [p / MIB for p in column(full, "peak_kib")], unit="MiB", digits=1, goal=64,
            lower_is_better=True),
    ]


def fill_large(stage, rows):
    stage.sql(f"""CREATE TEMP TABLE random_megabyte AS
            SELECT decode(string_agg(md5(g::text || random()), ''), 'hex') AS bytes FROM generate_series(1, 62500) g;
        SET postbus.ring = off;
        INSERT INTO postbus.outbox (topic, key, value)
        SELECT '{TOPIC}', convert_to('k' || i % 1000, 'UTF8'), overlay(bytes PLACING int8send(i) FROM 1) FROM random_megabyte, generate_series(1, {rows}) i""")


def measure_memory(stage, options):
    peaks = []
    for fill, rows in ((lambda n: stage.fill(n, TOPIC), options.rows), (lambda n: fill_large(stage, n), max(20, options.rows // 3000))):
        stage.empty()
        fill(rows)
        runs = [through_relay(stage) for _ in range(options.rounds)]
        peaks.append([run["peak_kib"] / MIB for run in runs])
        print(f"  {rows} events: {statistics.median(column(runs, 'per_second')):,.0f} a second", flush=True)
    stage.empty()
    limit = {"unit": "MiB", "digits": 1, "goal": 64, "lower_is_better": True}
    return [row(f"peak memory, {options.rows:,} events of 200 bytes", peaks[0], **limit),
            row(f"peak memory, {max(20, options.rows // 3000):,} events of 1 MB", peaks[1], **limit)]

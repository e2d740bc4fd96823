"""A backlog through the relay while an old transaction of somebody else pins the horizon, beside the same without one."""
import subprocess

import drain
import latency
from report import row

RATE = 500


class OldTransaction:
    """A REPEATABLE READ transaction with an xid of its own that stays open: nothing newer may be vacuumed or forgotten meanwhile."""

    def __init__(self, stage):
        self.process = subprocess.Popen([stage.pg_bin + "/psql", "-XAtq"], env=stage.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT pg_current_xact_id() <> '0';\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "t":
            raise SystemExit("bench: the old transaction did not begin")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate("COMMIT;\n")


def publish_singly(stage, n, topic=drain.TOPIC):
    """Transactions behind the old one, each with an xid of its own: what an hour of traffic leaves in the snapshots."""
    stage.pgbench("INSERT INTO postbus.outbox (topic, value) VALUES ('" + topic + "', 'v');\n", 8, "-t", str(max(1, n // 8)))


def one(stage, rows):
    """Each run begins with an empty outbox: what a pinned run leaves behind is not the next one's burden."""
    stage.empty()
    publish_singly(stage, rows // 50)
    stage.fill(rows, drain.TOPIC)
    return drain.through_relay(stage)


def measure_latency(stage, options):
    """One relay throughout: its session's plans are of when the outbox was empty. What is published behind the old transaction grows by so many from
    round to round."""
    pinned, free = [], []
    stage.empty()
    stage.topic(latency.TOPIC)
    with stage.relay() as relay:
        latency.sample(stage, options, RATE)  # the broker gets warm
        free += [latency.with_cpu(stage, options, relay, RATE) for _ in range(options.rounds)]
        with OldTransaction(stage):
            for _ in range(options.rounds):
                publish_singly(stage, min(options.rows, 60_000), latency.TOPIC)
                pinned.append(latency.with_cpu(stage, options, relay, RATE))
        relay.wait_drained()
    stage.empty()
    stage.drop_topic(latency.TOPIC)
    ms = {"unit": "ms", "digits": 3, "lower_is_better": True, "may_be_zero": True}
    return [
        row(f"{RATE}/s while an old transaction is open / without, p50", latency.quantile(pinned, "p50_ms"), latency.quantile(free, "p50_ms"), **ms),
        row("  CPU of the relay's backend", [s["backend_cpu"] for s in pinned], [s["backend_cpu"] for s in free], unit="% of a core", digits=1,
            lower_is_better=True, may_be_zero=True),
    ]


def measure(stage, options):
    pinned, free = [], []
    dead = 0
    one(stage, min(options.rows, 300_000))  # the broker gets warm
    for i in range(options.rounds):
        for held in (True, False) if i % 2 == 0 else (False, True):
            if held:
                with OldTransaction(stage):
                    pinned.append(one(stage, options.rows))
                    dead = max(dead, stage.dead_rows())
            else:
                free.append(one(stage, options.rows))
    stage.empty()
    column = drain.column
    return [
        row("drain while an old transaction is open / without", column(pinned, "per_second"), column(free, "per_second"), "events/s", goal=0.95),
        row("  CPU of the relay", column(pinned, "relay_us"), column(free, "relay_us"), "us/event", digits=2),
        row("  CPU of the relay's backend", column(pinned, "backend_us"), column(free, "backend_us"), "us/event", digits=2),
        row("  dead rows in outbox, receipts and progress", [dead], goal=0, lower_is_better=True, may_be_zero=True),
        *measure_latency(stage, options),
    ]

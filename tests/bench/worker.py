"""Events a second that a subscriber handles, each with one row as its effect, beside a plain consumer that commits a transaction for each; and how soon it handles one."""
from processes import run
from report import row

PARTITIONS = 8
BATCH = 500
UNFLUSHED = "-c synchronous_commit=off"
LOW_RATE = 100


def fill(stage, n, topic):
    """Records like those of a relay."""
    stage.empty()
    stage.fill(n, topic)
    stage.topic(topic, PARTITIONS)
    stage.bench("produce", "--topic", topic)
    stage.empty()


def forget(stage):
    """The inbox knows nothing of the events, and there are no effects."""
    stage.sql("DROP TABLE IF EXISTS bench.effect; CREATE TABLE bench.effect (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key bytea, value bytea);"
              "TRUNCATE postbus_inbox.subscription, postbus_inbox.source, postbus_inbox.position, postbus_inbox.inbox, postbus_inbox.waiting,"
              " postbus_inbox.dead, postbus_inbox.gap; CHECKPOINT")


def rate(stage, command, topic, n, threads, *flags, options=""):
    """options: of the sessions, as in PGOPTIONS."""
    forget(stage)
    said = stage.bench(command, "--topic", topic, "--limit", str(n), "--threads", str(threads), "--partitions", str(PARTITIONS), *flags, options=options)
    return said["per_second"]


def latency_rows(stage, options):
    """From the commit of who publishes to the row of who handles, with a relay between them and all of them idle most of the time."""
    samples = {"worker": [], "plain": []}
    topics = []
    stage.empty()
    with stage.relay() as relay:
        for i in range(options.rounds):
            for handle, taken in samples.items():
                topics.append(stage.topic(f"handled-{handle}-{i}", PARTITIONS))
                forget(stage)
                taken.append(stage.bench("latency", "--topic", topics[-1], "--rate", str(LOW_RATE), "--seconds", str(options.seconds),
                                         "--warm-seconds", "1", "--threads", "1", "--handle", handle))
                relay.wait_drained()
    stage.empty()
    for topic in topics:
        stage.drop_topic(topic)
    return [row(f"{LOW_RATE}/s, from the commit's answer to the handler's row, {name} / a plain consumer's",
                *([s["from_commit"][f"{name}_ms"] for s in samples[handle]] for handle in ("worker", "plain")),
                unit="ms", digits=3, lower_is_better=True) for name in ("p50", "p99")]


def measure(stage, options):
    n = max(1000, options.rows // 100)
    topic = "worker"
    run(stage.binary("postbus"), "migrate", "--subscriber", "--database", stage.database)
    fill(stage, n, topic)
    plain, ours, unflushed, batched, together, passing = {}, {}, {}, {}, {}, {}
    for _ in range(options.rounds):
        for threads in (1, 4):
            plain.setdefault(threads, []).append(rate(stage, "consume", topic, n, threads))
            ours.setdefault(threads, []).append(rate(stage, "subscribe", topic, n, threads))
            unflushed.setdefault(threads, []).append(rate(stage, "subscribe", topic, n, threads, options=UNFLUSHED))
            batched.setdefault(threads, []).append(rate(stage, "subscribe", topic, n, threads, "--batch", str(BATCH)))
            together.setdefault(threads, []).append(rate(stage, "subscribe", topic, n, threads, "--batch", str(BATCH), "--together"))
        for field in FIELDS:
            command = "consume" if field is None else "subscribe"
            passing.setdefault(field, []).append(rate(stage, command, topic, n, 1, "--field", field or "none"))
    stage.drop_topic(topic)
    goal = {"goal": 1.0}
    return [
        row("one thread / a plain consumer", ours[1], plain[1], "events/s", **goal),
        row("four threads / four plain consumers", ours[4], plain[4], "events/s", **goal),
        row("four threads / a plain consumer", ours[4], plain[1], "events/s"),
        row("one thread, synchronous_commit off / a plain consumer with it on", unflushed[1], plain[1], "events/s", **goal),
        row("four threads, synchronous_commit off / four plain consumers with it on", unflushed[4], plain[4], "events/s", **goal),
        row("one thread, batches / a plain consumer", batched[1], plain[1], "events/s", goal=5.0),
        row("four threads, batches / four plain consumers", batched[4], plain[4], "events/s"),
        row("four threads, batches / a plain consumer", batched[4], plain[1], "events/s", goal=5.0),
        row("one thread, batch handler / a plain consumer", together[1], plain[1], "events/s", goal=5.0),
        row("four threads, batch handler / four plain consumers", together[4], plain[4], "events/s"),
        row("four threads, batch handler / a plain consumer", together[4], plain[1], "events/s"),
        *(row(f"passed by, filter on {what} / a consumer that does nothing", passing[field], passing[None], "events/s")
          for field, what in FIELDS.items() if field),
        *latency_rows(stage, options),
    ]


FIELDS = {None: "", "key": "the key", "value:order": "a field of JSON"}

"""What events that wait for another attempt cost the others: events a second that a subscriber handles, and its memory, beside a million of them."""
from processes import run
from report import row
from worker import PARTITIONS, fill, forget

TOPIC = "waiting"
MIB = 1024


def let_wait(stage, n, stays):
    """n events of half as many keys, which the topic does not have now: of each key one that is due in an hour, and one behind it. Where they do not stay, all
    has been written as if they did: what the disk still has to do is the same."""
    stage.sql(f"""SELECT count(*) FROM postbus_inbox.subscribe('{TOPIC}', '[{{"key": "bench", "topics": ["{TOPIC}"], "filter": null, "options": {{}}}}]', 0);
        INSERT INTO postbus_inbox.waiting (subscription, source, partition, kafka_offset, identity, queue, key, value, header_names, header_values,
                                           record_ms, attempts, due_at)
        SELECT s.subscription, s.id, 0, i, md5('waits ' || i)::uuid, hashint8extended(i / 2, 0), convert_to('other ' || i / 2, 'UTF8'),
               convert_to(rpad('', 200, md5(i::text)), 'UTF8'), '{{}}', '{{}}', 0, 1 - i % 2, CASE WHEN i % 2 = 0 THEN now() + interval '1 hour' END
          FROM postbus_inbox.source s, generate_series(0, {n - 1}) i;""")
    if not stays:
        stage.sql("TRUNCATE postbus_inbox.waiting")
    stage.sql("VACUUM ANALYZE postbus_inbox.waiting")
    stage.sql("CHECKPOINT")


def subscribe(stage, n, n_waiting, stays, *flags):
    forget(stage)
    let_wait(stage, n_waiting, stays)
    said = stage.bench("subscribe", "--topic", TOPIC, "--limit", str(n), "--threads", "4", "--partitions", str(PARTITIONS), *flags)
    n_left = int(stage.sql("SELECT count(*) FROM postbus_inbox.waiting"))
    if n_left != (n_waiting if stays else 0):
        raise SystemExit(f"bench: {n_left} events wait")
    return said


def measure(stage, options):
    n_waiting = 1_000_000 if options.rows >= 1_000_000 else options.rows
    n = max(1000, options.rows // 100)
    run(stage.binary("postbus"), "migrate", "--subscriber", "--database", stage.database)
    fill(stage, n, TOPIC)
    kinds = {"": [], ", batches of up to 500": ["--batch", "500"]}
    beside, none = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, flags in kinds.items():
            none[kind].append(subscribe(stage, n, n_waiting, False, *flags))
            beside[kind].append(subscribe(stage, n, n_waiting, True, *flags))
    stage.drop_topic(TOPIC)

    def column(runs, name, divisor=1):
        return [said[name] / divisor for said in runs]

    return [line for kind in kinds for line in (
        row(f"four threads{kind}, beside {n_waiting:,} that wait / beside none", column(beside[kind], "per_second"),
            column(none[kind], "per_second"), "events/s", goal=0.9),
        row("  peak memory of the worker", column(beside[kind], "peak_kib", MIB), column(none[kind], "peak_kib", MIB), "MiB", digits=1,
            goal=1.1, lower_is_better=True))]

"""From the commit to the consumer, beside a record produced straight to the same broker."""
from report import row

TOPIC = "latency"
PUBLISHERS = {50: 1, 500: 2, 5000: 8}


def sample(stage, options, rate, *flags):
    return stage.bench("latency", "--topic", TOPIC, "--rate", str(rate), "--seconds", str(options.seconds), "--warm-seconds", "1",
                       "--threads", str(PUBLISHERS[rate]), *flags)


def quantile(samples, name, start="from_commit"):
    return [s[start][name] for s in samples]


def with_cpu(stage, options, relay, rate, *flags):
    before = relay.cpu()
    out = sample(stage, options, rate, *flags)
    after = relay.cpu()
    seconds = options.seconds + 1.3  # warming up, and the head start of the publishers
    out["relay_cpu"], out["backend_cpu"] = [(b - a) * 100 / seconds for a, b in zip(before, after)]
    return out


def measure(stage, options):
    stage.empty()
    stage.topic(TOPIC)
    rows = []
    with stage.relay() as relay:
        for rate in options.rates:
            direct, ours = [], []
            for _ in range(options.rounds):
                direct.append(sample(stage, options, rate, "--direct"))
                ours.append(with_cpu(stage, options, relay, rate))
                relay.wait_drained()
            rows += rate_rows(rate, ours, direct)
    stage.empty()
    stage.drop_topic(TOPIC)
    return rows


def rate_rows(rate, ours, direct):
    ms = {"unit": "ms", "digits": 3, "lower_is_better": True, "may_be_zero": True}
    goals = (1.5, 2) if rate == 500 else (None, None)
    return [
        row(f"{rate}/s, from the commit's answer, p50", quantile(ours, "p50_ms"), quantile(direct, "p50_ms"), goal=goals[0], **ms),
        row(f"{rate}/s, from the commit's answer, p99", quantile(ours, "p99_ms"), quantile(direct, "p99_ms"), goal=goals[1], **ms),
        row(f"{rate}/s, from before COMMIT is sent, p50", quantile(ours, "p50_ms", "from_before_commit"), quantile(direct, "p50_ms"), **ms),
        row(f"{rate}/s, from before COMMIT is sent, p99", quantile(ours, "p99_ms", "from_before_commit"), quantile(direct, "p99_ms"), **ms),
        row(f"{rate}/s asked for, rate reached", [s["rate"] for s in ours], [s["rate"] for s in direct], "events/s"),
        row(f"{rate}/s, CPU of the relay", [s["relay_cpu"] for s in ours], unit="% of a core", digits=1, may_be_zero=True),
        row(f"{rate}/s, CPU of the relay's backend", [s["backend_cpu"] for s in ours], unit="% of a core", digits=1, may_be_zero=True),
    ]


def measure_wake(stage, options):
    """Each idle_ms with a relay of its own; the notifications are counted by one more listener, which costs some latency itself."""
    stage.empty()
    stage.topic(TOPIC)
    samples = {}
    for _ in range(options.rounds):
        for rate in options.rates:
            for idle_ms in (1, 2, 5, 10, 20):
                with stage.relay(f"--idle-ms={idle_ms}") as relay:
                    samples.setdefault((rate, idle_ms), []).append(with_cpu(stage, options, relay, rate, "--count-rings"))
                    relay.wait_drained()
    stage.empty()
    stage.drop_topic(TOPIC)
    rows = []
    for (rate, idle_ms), runs in samples.items():
        name = f"{rate}/s, idle_ms {idle_ms}"
        rows += [row(f"{name}, p50", quantile(runs, "p50_ms"), unit="ms", digits=3, may_be_zero=True),
                 row(f"{name}, p99", quantile(runs, "p99_ms"), unit="ms", digits=3, may_be_zero=True),
                 row(f"{name}, CPU of relay and backend", [r["relay_cpu"] + r["backend_cpu"] for r in runs], unit="%", digits=1, may_be_zero=True),
                 row(f"{name}, notifications an event", [r["rings"] / r["events"] for r in runs], digits=3, may_be_zero=True)]
    return rows

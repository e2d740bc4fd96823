"""Exactly-once delivery beside at-least-once: a backlog, and single events at 500 a second."""
import drain
import latency
from report import row

EXACT = "--delivery=exactly_once"
RATE = 500


def one_latency(stage, options, *flags):
    with stage.relay(*flags) as relay:
        sample = latency.sample(stage, options, RATE)
        relay.wait_drained()
    return sample


def measure(stage, options):
    runs = {"exact": [], "loose": []}
    samples = {"exact": [], "loose": []}
    flags = {"exact": [EXACT], "loose": []}
    stage.empty()
    stage.fill(options.rows, drain.TOPIC)
    drain.through_relay(stage, *flags["exact"])  # the broker gets warm, and its coordinators' topics are made
    orders = [list(flags), list(reversed(list(flags)))]
    for i in range(options.rounds):
        for name in orders[i % 2]:
            runs[name].append(drain.through_relay(stage, *flags[name]))
    stage.empty()
    stage.topic(latency.TOPIC)
    for i in range(options.rounds):
        for name in orders[i % 2]:
            samples[name].append(one_latency(stage, options, *flags[name]))
    stage.empty()
    stage.drop_topic(latency.TOPIC)
    return rows_of(runs, samples)


def rows_of(runs, samples):
    rate, us = {"unit": "events/s"}, {"unit": "us/event", "digits": 2}
    ms = {"unit": "ms", "digits": 3, "lower_is_better": True, "may_be_zero": True}

    def both(name):
        return drain.column(runs["exact"], name), drain.column(runs["loose"], name)

    def quantiles(name):
        return latency.quantile(samples["exact"], name), latency.quantile(samples["loose"], name)

    return [
        row("drain, exactly once / at least once", *both("per_second"), **rate),
        row("  CPU of the relay", *both("relay_us"), **us),
        row("  CPU of the relay's backend", *both("backend_us"), **us),
        row(f"{RATE}/s, from the commit's answer to a reader of committed records, p50", *quantiles("p50_ms"), **ms),
        row(f"{RATE}/s, likewise, p99", *quantiles("p99_ms"), **ms),
    ]

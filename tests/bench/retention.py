"""The longest commit while the relay empties a leaf of some million rows, beside the longest while it does not."""
import glob
import os

import writer
from report import row

RATE = 500
QUICKLY = ("--retention-ms=1000", "--retention-check-ms=1000")


def longest_ms(stage, seconds):
    """Of transactions that are one INSERT: from when each was sent. (pgbench counts from when it was due, and tells the difference.)"""
    prefix = os.path.join(stage.directory, "commits")
    stage.pgbench(writer.script("insert", True), 8, "-R", str(RATE), "-T", str(seconds), "-l", "--log-prefix", prefix)
    longest_us = 0
    for path in glob.glob(prefix + ".*"):
        with open(path, encoding="ascii") as log:
            for line in log:
                fields = line.split()
                longest_us = max(longest_us, int(fields[2]) - int(fields[6]))
        os.remove(path)
    return longest_us / 1000


def at_rest(stage, seconds):
    with stage.relay("--retention-ms=0") as relay:
        longest = longest_ms(stage, seconds)
        relay.wait_drained()
    return longest


def while_a_leaf_goes(stage, options, seconds):
    """Beside the full leaf, small ones are closed and emptied every second."""
    stage.sql("SELECT postbus.close_leaf('0 s')")
    with stage.relay(*QUICKLY) as relay:
        longest = longest_ms(stage, seconds)
        relay.wait_drained()
    left = int(stage.sql("SELECT count(*) FROM postbus.outbox_0"))
    if left:
        raise SystemExit(f"bench: {left} events are still in the leaf that was to be emptied: give it more --seconds")
    return longest


def measure(stage, options):
    resting, emptying = [], []
    seconds = max(6, options.seconds)
    for _ in range(options.rounds):
        stage.empty()
        stage.sql("UPDATE postbus.leaf SET checked_id = 0, kept_id = 0")
        stage.topic("orders")
        stage.fill(options.rows, "orders")
        with stage.relay("--retention-ms=0") as relay:
            relay.wait_drained()
        stage.sql("CHECKPOINT")
        resting.append(at_rest(stage, seconds))
        emptying.append(while_a_leaf_goes(stage, options, seconds))
        stage.drop_topic("orders")
    stage.empty()
    return [row(f"the longest of {RATE * seconds} commits at {RATE}/s while {options.rows} rows are emptied / while none are", emptying, resting,
                "ms", digits=1),
            row("the longest commit of all rounds while a leaf is emptied", [max(emptying)], None, "ms", digits=1, goal=50, lower_is_better=True)]

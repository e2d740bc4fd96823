"""Brokers that die, one or all, and partitions that have no leader."""
from fault import Fault


def kill_only(row):
    row.kafka.kill()
    row.pause(row.dice.uniform(0.0, 2.0))
    row.kafka.start()


def kill_one(row):
    broker = row.dice.choice(row.kafka.brokers)
    broker.kill()
    row.pause(row.dice.uniform(1.0, 6.0))
    broker.start()


def kill_all(row):
    row.kafka.kill()
    row.pause(row.dice.uniform(0.0, 2.0))
    row.kafka.start()


def without_leader(row):
    """The topics have one copy a partition: those of the broker that is killed have no leader, and the others go on."""
    broker = row.dice.choice(row.kafka.brokers)
    broker.kill()
    row.pause(row.dice.uniform(3.0, 8.0))
    broker.start()


def one_copy(row):
    row.n_copies = 1


FAULTS = [
    Fault("broker-kill", "kill -9 of the only broker, started again after up to 2 s", kill_only, 4500,
          "librdkafka's `reconnect.backoff.max.ms` (2 s)", every_s=(1.0, 4.0), short=True),
    Fault("one-of-three-brokers", "kill -9 of one of three brokers (3 copies, 2 of them in sync), started again after up to 6 s", kill_one, 6000,
          "librdkafka's `reconnect.backoff.max.ms` (2 s), and the brokers' own election", servers="three", every_s=(2.0, 5.0)),
    Fault("all-brokers", "kill -9 of all three brokers at once, started again after up to 2 s", kill_all, 10000,
          "librdkafka's `reconnect.backoff.max.ms` (2 s), and the brokers' own election", servers="three", every_s=(2.0, 5.0)),
    Fault("no-leader", "kill -9 of the one of three brokers that has the only copy of a third of the partitions, for up to 8 s", without_leader, 6000,
          "librdkafka's `reconnect.backoff.max.ms` (2 s), and the brokers' own election", servers="three", setup=one_copy, every_s=(2.0, 5.0)),
    Fault("no-leader-lanes", "the same with a `lane_timeout_ms` of 2.5 s, so that the topics are parked and drained each time", without_leader, 35000,
          "a topic that stalls again is held back for longer each time, `lane_timeout_ms` and its double and so on", servers="three", setup=one_copy,
          every_s=(2.0, 5.0), relay_flags=("--lane-timeout-ms", "2500")),
]

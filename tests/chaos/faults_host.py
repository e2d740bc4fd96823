"""The machines themselves: disks that are full, clocks that step."""
import os
import subprocess
import time

from fault import Fault
from processes import Failed, run, wait_for
from servers import Clock, Kafka, Postgres

SMALL_BYTES = 400 << 20


class SmallDisk:
    """A file system of its own, in memory, that can be filled to the last byte."""

    def __init__(self, directory):
        self.directory = directory
        self.ballast = os.path.join(directory, "ballast")
        os.makedirs(directory)
        run("mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=0755", "tmpfs", directory)

    def fill(self):
        with open(self.ballast, "wb") as out:
            try:
                while True:
                    os.write(out.fileno(), bytes(1 << 20))
            except OSError:
                pass
            try:
                while True:
                    os.write(out.fileno(), bytes(4096))
            except OSError:
                pass

    def empty(self):
        if os.path.exists(self.ballast):
            os.remove(self.ballast)

    def give_up(self):
        subprocess.run(["umount", "-l", self.directory], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def postgres_on_small_disk(row):
    row.disk = row.own(SmallDisk(row.path("disk")))
    postgres = row.own(Postgres(os.path.join(row.disk.directory, "pg"), ["max_wal_size=64MB", "min_wal_size=32MB", "shared_buffers=64MB"]))
    postgres.start()
    row.use(postgres, row.kafka)


def fill_postgres(row):
    """PostgreSQL refuses what needs room, and stops where the write-ahead log has none; it is started again when there is room."""
    row.disk.fill()
    row.pause(row.dice.uniform(1.0, 4.0))
    row.disk.empty()
    try:
        wait_for(row.postgres.serves, "PostgreSQL to recover by itself", 5, 0.05)
    except Failed:
        row.postgres.crash()
        row.postgres.start()


def kafka_on_small_disk(row):
    row.disk = row.own(SmallDisk(row.path("disk")))
    row.stage.rest()
    kafka = row.own(Kafka(os.path.join(row.disk.directory, "kafka"), settings=["log.segment.bytes=16777216", "log.index.size.max.bytes=65536"]))
    kafka.start()
    row.use(row.postgres, kafka)


def fill_kafka(row):
    """A broker that cannot append gives its disk up, and ends; it is started again when there is room."""
    row.disk.fill()
    row.pause(row.dice.uniform(2.0, 5.0))
    row.disk.empty()
    if not row.kafka.brokers[0].running() or not broker_still_appends(row):
        row.kafka.kill()
        row.kafka.start()


def broker_still_appends(row):
    try:
        row.recover(counts=False, within_s=3)
        return True
    except Failed:
        return False


def with_clocks(row):
    row.clocks = {name: Clock(row.path(f"clock-{name}")) for name in ("relay", "postgres", "broker")}
    row.stage.rest()
    kafka = row.own(Kafka(row.path("kafka"), clock=row.clocks["broker"]))
    kafka.start()
    postgres = row.own(Postgres(row.path("pg"), clock=row.clocks["postgres"]))
    postgres.start()
    row.use(postgres, kafka)
    row.wrapper = row.clocks["relay"].words()


def step_clock(row):
    """Forth or back; and to what it was at the next time, so that steps of either sign come at any distance from the truth."""
    name = row.dice.choice(list(row.clocks))
    # A broker refuses times that are an hour ahead of its own: it is not set back by so much.
    step = row.dice.choice((-2700, 0, 7200) if name == "broker" else (-86400 * 2, -7200, -90, 0, 90, 7200, 86400 * 2))
    row.note(f"{name} {step:+d} s")
    row.clocks[name].step(step)
    return time.monotonic()


FAULTS = [
    Fault("postgres-disk-full", "the disk of PostgreSQL is full for up to 4 s; where it stopped, it is started again when there is room", fill_postgres, 7000,
          "the relay's pause between attempts to connect, which doubles while PostgreSQL is away, up to `reconnect_max_ms` (5 s)",
          setup=postgres_on_small_disk, every_s=(1.0, 4.0), needs_mount=True, rate=2600),
    Fault("broker-disk-full", "the disk of the broker is full for up to 5 s; it is started again when there is room", fill_kafka, 4500,
          "librdkafka's `reconnect.backoff.max.ms` (2 s)", setup=kafka_on_small_disk, every_s=(1.0, 4.0), needs_mount=True),
    Fault("clock-steps", "the clock of the relay, PostgreSQL or the broker is stepped by up to two days, forth or back (the broker's back by 45 min at most)",
          step_clock, 2000, "nothing", setup=with_clocks, every_s=(0.5, 2.0), n_relays=2),
]

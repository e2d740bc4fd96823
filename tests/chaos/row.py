"""A row of the matrix: load, fault, recovery, verdict. It judges nothing itself, and leaves its servers as it found them."""
import contextlib
import datetime
import json
import os
import random
import threading
import time

import psycopg2

from fault import RESTARTS
from processes import Failed, run, wait_for
from servers import Load, Relay

DRAIN_S = 180
RECOVER_S = 90
SAMPLE_S = 0.05
PROBE_TOKEN = 1 << 62


class Sampler(threading.Thread):
    """How many committed events are not settled, again and again: what a relay that dies can have in flight at most. And what the relays say
    that they may send again."""

    def __init__(self, row):
        super().__init__(daemon=True)
        self.row = row
        self.ended = threading.Event()
        self.samples = []

    def run(self):
        conn = None
        while not self.ended.is_set():
            begin = time.monotonic()
            try:
                conn = conn or self.row.connect()
                with conn.cursor() as cursor:
                    cursor.execute("SELECT pending FROM postbus.backlog()")
                    self.samples.append((time.monotonic(), cursor.fetchone()[0]))
            except (psycopg2.Error, OSError):
                conn = None
            for relay in list(self.row.relays):
                relay.scrape()
            self.ended.wait(max(SAMPLE_S, 5 * (time.monotonic() - begin)))
        if conn:
            conn.close()

    def most(self, since, until):
        inside = [n for t, n in list(self.samples) if since <= t <= until]
        before = [n for t, n in list(self.samples) if t < since][-1:]
        return max(inside + before, default=0)

    def stop(self):
        self.ended.set()
        self.join(30)


class Row:
    def __init__(self, stage, fault, seed, seconds):
        self.stage, self.fault, self.seed, self.seconds = stage, fault, seed, seconds
        self.delivery = "exactly_once" if fault.exactly_once else stage.delivery
        self.dice = random.Random(f"{seed} {fault.name}")
        self.name = "chaos_" + fault.name.replace("-", "_")
        self.topics = [f"{self.name}.{seed}.{letter}" for letter in "abc"]
        self.directory = stage.directory
        self.postgres = self.kafka = self.sampler = self.load = self.load_database = self.relay_host = None
        self.lost_tokens = set()  # of commits that a failover lost
        self.owned = []  # what a setup has brought, to be given up in the end
        self.relays, self.wrapper = [], ()
        self.recoveries_ms, self.strikes, self.restarts, self.bad_exits = [], 0, 0, 0
        self.open_ways = {}  # relays that are not behind a proxy though others are: database and brokers
        self.n_probes = 0
        self.n_copies = None  # of each partition; None: as many as the servers have brokers
        self.unsettled_at_deaths = 0
        self.struck_at = None

    def stands_by(self, relay):
        self.read_log(relay)
        return relay.last_words == "leader.waiting"

    def sampler_catches_up(self):
        """Until a sample was taken from now on: what is in flight where the relay is dead."""
        begin = time.monotonic()
        wait_for(lambda: self.sampler.samples and self.sampler.samples[-1][0] > begin + SAMPLE_S, "a sample", 3, 0.005)

    # -- addresses, which a setup may change before they are used

    def use(self, postgres, kafka):
        self.postgres, self.kafka = postgres, kafka
        self.relay_brokers = kafka.addresses if kafka else None

    def own(self, thing):
        self.owned.append(thing)
        return thing

    def database(self):
        return self.postgres.conninfo(self.name)

    def connect(self, database=None):
        conn = psycopg2.connect((database or self.database()) + " connect_timeout=3 application_name=chaos-probe")
        conn.autocommit = True
        return conn

    def sql(self, text, *values):
        return self.sql_at(self.database(), text, *values)

    def sql_at(self, database, text, *values):
        conn = self.connect(database)
        try:
            with conn.cursor() as cursor:
                cursor.execute(text, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            conn.close()

    def chaos(self, command, *flags):
        return run(os.path.join(self.stage.build, "postbus_chaos"), command, *self.load_arguments(self.database()), *flags)

    def load_arguments(self, database):
        return ["--database", database, "--brokers", self.kafka.addresses, "--topics", ",".join(self.topics), "--copies",
                str(self.n_copies or self.kafka.n_copies), "--seed", str(self.seed), "--rate", str(self.fault.rate)]

    # -- from the beginning to the end

    def run(self):
        result = {"name": self.fault.name, "what": self.fault.what, "seed": self.seed, "bound_ms": self.fault.bound_ms,
                  "bounded_by": self.fault.bounded_by, "stale_requests": self.fault.stale_requests, "ghosts": self.fault.ghosts,
                  "subscribers": self.fault.n_members > 0, "duplicates_needed": self.fault.duplicates_needed,
                  "losses_needed": self.fault.losses_needed, "verdict": None, "drained": False}
        try:
            self.begin()
            begin = time.monotonic()
            self.disturb()
            self.load.stop()
            result["load_s"] = round(time.monotonic() - begin, 1)
            result["drained"] = self.drain()
            self.end_relays()
            result["transactions"] = self.sql("SELECT count(DISTINCT xid) FROM postbus.outbox")[0][0]
            result["verdict"] = json.loads(self.chaos("judge", *self.lost_flags()))
            result.update(self.further_verdicts())
        except (Failed, psycopg2.Error, OSError) as error:
            result["error"] = f"{type(error).__name__}: {error}".strip()
        finally:
            self.end()
        result.update(strikes=self.strikes, recoveries_ms=self.recoveries_ms, restarts=self.restarts, bad_exits=self.bad_exits,
                      duplicates_bound=self.duplicates_bound())
        return result

    def further_verdicts(self):
        """Of what reads the topics."""
        return {}

    def bring_up(self):
        """Servers, tables, topics and relays."""
        self.use(*self.stage.servers(self.fault.servers))
        if self.fault.setup:
            self.fault.setup(self)
        self.postgres.admin(f"DROP DATABASE IF EXISTS {self.name}")
        self.postgres.admin(f"CREATE DATABASE {self.name}")
        run(os.path.join(self.stage.build, "postbus"), "migrate", "--database", self.database())
        self.chaos("prepare")
        for i in range(self.fault.n_relays):
            self.add_relay(i)
        wait_for(lambda: self.leader(), "a relay to take the lead", 30)

    def begin(self):
        self.bring_up()
        self.load = Load(self.stage.build, self.path("load.log"), self.load_arguments(self.load_database or self.database()))
        self.load.start()
        self.sampler = Sampler(self)
        self.sampler.start()
        self.recover(counts=False)

    def lost_flags(self):
        if not self.lost_tokens:
            return []
        with open(self.path("lost"), "w", encoding="ascii") as out:
            out.writelines(f"{token}\n" for token in self.lost_tokens)
        return ["--lost", self.path("lost")]

    def note(self, text):
        """For the one who looks into it, beside the relays' logs."""
        with open(self.path("strikes.log"), "a", encoding="utf-8") as log:
            log.write(f"{datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='milliseconds')} {text}\n")

    def path(self, name):
        return os.path.join(self.directory, f"{self.fault.name}-{name}")

    def relay_database(self):
        return f"{self.relay_host} dbname={self.name}" if self.relay_host else self.database()

    def add_relay(self, i):
        database, brokers = self.open_ways.get(i, (self.relay_database(), self.relay_brokers))
        relay = Relay(self.stage.build, self.path(f"relay-{i + 1}.log"), database, brokers,
                      ["--relay-id", f"relay-{i + 1}", "--delivery", self.delivery, *self.fault.relay_flags])
        self.relays.append(relay)
        relay.start(self.wrapper)

    def leader(self):
        """The relay that took the lead last, or None."""
        said = self.sql("SELECT relay FROM postbus.leadership ORDER BY epoch DESC LIMIT 1")
        return self.relays[int(said[0][0].rsplit("-", 1)[1]) - 1] if said else None

    def disturb(self):
        """The fault, at random times, until the row's time is over; at least once."""
        until = time.monotonic() + self.seconds
        while self.strikes == 0 or (time.monotonic() < until and not self.fault.once):
            self.pause(self.dice.uniform(*self.fault.every_s))
            if time.monotonic() >= until and self.strikes > 0:
                break
            self.struck_at = time.monotonic()
            self.strikes += 1
            self.note(f"strike {self.strikes}")
            over = self.fault.strike(self)
            self.note("over")
            self.recover(over)

    def pause(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.watch()
            time.sleep(min(0.05, max(0.0, until - time.monotonic())))

    def watch(self):
        """Starts relays again that ended; reads what they say."""
        for relay in self.relays:
            if relay.child and not relay.running():
                if not self.fault.relay_may_end:
                    self.bad_exits += 1
                    self.stage.say(f"  a relay ended with {relay.child.returncode}: {relay.log_tail(2)}")
                self.relay_died(time.monotonic() - 0.1)
                relay.start(self.wrapper)
            self.read_log(relay)

    def kill_relay(self, relay):
        relay.kill()
        self.relay_died(time.monotonic())

    def relay_died(self, at):
        """Without having settled: what was committed and not settled then may be sent again, and no more."""
        try:
            self.sampler_catches_up()
        except Failed:
            pass  # the database is down, too: the last sample counts
        self.unsettled_at_deaths += self.sampler.most(at - 0.1, time.monotonic())

    def duplicates_bound(self):
        if self.delivery == "exactly_once":
            return 0
        return self.unsettled_at_deaths + sum(relay.of_past_lives + relay.possible_duplicates for relay in self.relays)

    def read_log(self, relay):
        for words in relay.log_lines():
            relay.last_words = words[2] if len(words) > 2 else ""
            if len(words) >= 3 and words[2] in RESTARTS and self.struck_at:
                self.restarts += 1

    def recover(self, over=None, counts=True, within_s=RECOVER_S):
        """Until an event of now is published, and with it all that was committed before; notes how long that took since the fault was over."""
        over = over or time.monotonic()
        give_up = over + within_s
        event = self.published_probe(give_up)
        conn = self.connect()
        with conn.cursor() as cursor, contextlib.closing(conn):
            while True:
                cursor.execute("SELECT state FROM postbus.event WHERE id = %s", (event,))
                if cursor.fetchone()[0] == "published":
                    break
                if time.monotonic() > give_up:
                    raise Failed(f"an event of after the fault is not published within {within_s} s")
                self.watch()
                time.sleep(0.004)
        self.note(f"recovered after {(time.monotonic() - over) * 1000:.0f} ms")
        if counts:
            self.recoveries_ms.append(round((time.monotonic() - over) * 1000))
        self.watch()

    def published_probe(self, give_up):
        self.n_probes += 1
        while True:
            try:
                return self.sql("INSERT INTO torture.truth SELECT %s, %s, NULL, NULL, postbus.publish(%s::text, %s::text) RETURNING id",
                                PROBE_TOKEN + self.n_probes, self.topics[0], self.topics[0], str(PROBE_TOKEN + self.n_probes))[0][0]
            except (psycopg2.Error, OSError):
                if time.monotonic() > give_up:
                    raise
                self.n_probes += 1
                time.sleep(0.02)

    def drain(self):
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            self.watch()
            if self.sql("SELECT pending = 0 AND parked = 0 FROM postbus.backlog()")[0][0]:
                return True
            time.sleep(0.05)
        return False

    def end_relays(self):
        for relay in self.relays:
            relay.scrape()
            code = relay.stop()
            if code:
                self.bad_exits += 1
                self.stage.say(f"  a relay that was told to stop ended with {code}: {relay.log_tail(2)}")
            self.read_log(relay)

    def end(self):
        for process in [*self.relays, *([self.load] if self.load else [])]:
            process.kill()
        if self.sampler:
            self.sampler.stop()
        if self.fault.teardown:
            self.fault.teardown(self)
        try:
            if self.postgres and self.postgres.running():
                self.postgres.admin(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        except (psycopg2.Error, OSError):
            pass  # a server of this row alone, which is down
        for thing in reversed(self.owned):
            thing.give_up()

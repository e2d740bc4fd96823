"""A row with subscribers: members of one group that read what the relays publish, and write effects into a database of their own."""
import os
import signal
import time

from effects import DeadLetter, Effect, Event, Evidence, judged
from processes import run, wait_for
from row import DRAIN_S, RECOVER_S, Row
from servers import Process

ATTEMPTS = 5  # after which poison is dead: subscriber.c
TABLES = """CREATE TABLE effect (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key text, token bigint NOT NULL,
                                 attempt int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
            CREATE INDEX ON effect (token);
            CREATE TABLE medicine (token bigint PRIMARY KEY);
            CREATE TABLE duelist (id int PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
            INSERT INTO duelist (id) SELECT generate_series(0, 3)"""


class Member(Process):
    """A subscriber, from its start to its end; it may be started again."""

    def __init__(self, row, i):
        super().__init__(row.path(f"member-{i}.log"))
        self.command = [os.path.join(row.stage.build, "postbus_chaos_subscriber"), "--database", row.effects_database(), "--brokers",
                        row.kafka.addresses, "--application", row.name, "--topics", ",".join(row.topics), *row.fault.habits,
                        *(["--positions-in-kafka"] if row.fault.member == "kafka" else [])]
        self.environment = row.fault.member_environment

    def start(self):
        self.spawn("env", *self.environment, *self.command)

    def kill(self):
        """It stays dead until it is started."""
        super().kill()
        self.child = None

    def stop(self):
        code = self.end(signal.SIGTERM, 60)
        self.child = None
        return code


WORK = """application = "{application}"
consumer = {{"session.timeout.ms=6000", "heartbeat.interval.ms=500"}}
subscription lines {{
    topics = "{lines}"
    exec_lines = '{command} --lines'
    threads = 4
    retry_first_ms = 20
    retry_most_ms = 200
}}
subscription each {{
    topics = "{each}"
    exec = '{command}'
    threads = 4
    retry_first_ms = 20
    retry_most_ms = 200
}}
"""


class Work(Member):
    """`postbus work` with commands: one process for each thread that answers lines, and for one topic a process for each event."""

    def __init__(self, row, i):
        super().__init__(row, i)
        command = [os.path.join(row.stage.build, "postbus_chaos_command"), "--database", f'"{row.effects_database()}"', *row.fault.habits]
        with open(row.path("work.conf"), "w", encoding="utf-8") as out:
            out.write(WORK.format(application=row.name, lines=",".join(row.topics[:-1]), each=row.topics[-1], command="exec " + " ".join(command)))
        self.command = [os.path.join(row.stage.build, "postbus"), "work", "--database", row.effects_database(), "--brokers", row.kafka.addresses,
                        row.path("work.conf")]


MEMBERS = {"library": Member, "kafka": Member, "work": Work}


class SubscriberRow(Row):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.members = []
        self.n_members = 0   # that there ever were
        self.n_crashes = 0
        self.poison = set()  # tokens of events that must die
        self.dead = {}       # tokens to dead letters, or rather all that were seen of each
        self.effects_server = None
        self.lost_effects = 0  # that were there to be seen, and went with the server

    # -- the subscribers' database

    def effects_database(self):
        return self.effects_server.conninfo(self.name)

    def effects_sql(self, text, *values):
        return self.sql_at(self.effects_database(), text, *values)

    def has_inbox(self):
        return self.fault.member != "kafka"

    # -- members

    def add_member(self):
        self.n_members += 1
        member = MEMBERS[self.fault.member](self, self.n_members)
        member.start()
        self.members.append(member)
        return member

    def remove_member(self, member):
        self.members.remove(member)
        self.end_member(member)

    def end_member(self, member):
        code = member.stop()
        if code:
            self.bad_exits += 1
            self.stage.say(f"  a subscriber that was told to stop ended with {code}: {member.log_tail(2)}")

    def watch(self):
        super().watch()
        for member in self.members:
            if member.child and not member.running():
                self.member_ended(member)

    def member_ended(self, member):
        if self.fault.member_may_end and member.child.returncode == -signal.SIGSEGV:
            self.n_crashes += 1
            self.note("a handler ended its process")
        else:
            self.bad_exits += 1
            self.stage.say(f"  a subscriber ended with {member.child.returncode}: {member.log_tail(2)}")
        member.start()

    # -- the row

    def bring_up(self):
        super().bring_up()
        self.effects_server = self.stage.subscribers_server()
        self.effects_server.admin(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        self.effects_server.admin(f"CREATE DATABASE {self.name}")
        if self.has_inbox():
            run(os.path.join(self.stage.build, "postbus"), "migrate", "--subscriber", "--database", self.effects_database())
        self.effects_sql(TABLES)
        for _ in range(self.fault.n_members):
            self.add_member()

    def recover(self, over=None, counts=True, within_s=RECOVER_S):
        """Until all that was committed when the fault was over, and a while after that, is handled."""
        over = over or time.monotonic()
        super().recover(over, False, within_s)
        tokens = [token for token, in self.sql("SELECT token FROM torture.truth")]
        self.wait_handled(tokens, over + within_s - time.monotonic())
        self.note(f"handled after {(time.monotonic() - over) * 1000:.0f} ms")
        if counts:
            self.recoveries_ms.append(round((time.monotonic() - over) * 1000))

    def wait_handled(self, tokens, seconds):
        def handled():
            nonlocal tokens
            self.watch()
            tokens = [token for token, in self.effects_sql("SELECT u.token FROM unnest(%s::bigint[]) u (token) WHERE NOT EXISTS"
                                                           " (SELECT FROM effect e WHERE e.token = u.token)", tokens)]
            return not tokens
        wait_for(handled, "the subscribers to handle what was committed", seconds, 0.05)

    def publish_poison(self, n, token):
        """One event in each of n busy keys; a token more each."""
        for key in self.dice.sample(range(64), n):
            self.sql("WITH taken AS (UPDATE torture.key SET seq = seq + 1 WHERE topic = %s AND key = %s RETURNING topic, key, seq) INSERT INTO torture.truth"
                     " SELECT %s, topic, key, seq, postbus.publish(topic, %s::text, key) FROM taken",
                     self.dice.choice(self.topics), f"hot-{key}", token, str(token))
            self.poison.add(token)
            token += 1

    def look_at_dead(self):
        """Notes the dead letters as they are now; how many there are."""
        letters = self.effects_sql("SELECT n, split_part(convert_from(value, 'UTF8'), ' ', 1)::bigint, attempts, reason, extract(epoch FROM died_at)::float8"
                                   " FROM postbus_inbox.dead")
        for n, *letter in letters:
            self.dead[n] = DeadLetter(*letter)
        return len(letters)

    def drain(self):
        """Nothing is unpublished, unhandled, waiting or dead."""
        if not super().drain():
            return False
        self.wait_handled([token for token, in self.sql("SELECT token FROM torture.truth")], DRAIN_S)
        if self.has_inbox():
            wait_for(lambda: self.effects_sql("SELECT count(*) FROM postbus_inbox.waiting")[0][0] == 0, "nothing to wait for another attempt", DRAIN_S)
        for member in self.members:
            self.end_member(member)
        return not self.has_inbox() or (self.look_at_dead() == 0 and self.effects_sql("SELECT count(*) FROM postbus_inbox.gap")[0][0] == 0)

    def further_verdicts(self):
        events = tuple(Event(*row) for row in self.sql("SELECT token, topic, key, seq FROM torture.truth"))
        effects = tuple(Effect(*row) for row in self.effects_sql("SELECT token, topic, key, extract(epoch FROM at)::float8 FROM effect ORDER BY n"))
        return {"effects": judged(Evidence(events, effects, tuple(self.dead.values()), frozenset(self.poison), ATTEMPTS,
                                           self.fault.repeats)), "lost_effects": self.lost_effects}

    def end(self):
        for member in self.members:
            member.kill()
        super().end()
        if self.effects_server and self.effects_server.running():
            self.effects_server.admin(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

"""What befalls subscribers: members that die, come, go and stand still, their database, the brokers, duplicates, poison, and handlers of bad habits."""
import functools
import os
import signal
import time

import faults_kafka
import faults_postgres
from fault import Fault
from processes import run, wait_for

POISON_TOKEN = 1 << 59  # subscriber.c has it, too


def kill(row):
    member = row.dice.choice(row.members)
    member.kill()
    over = time.monotonic()
    member.start()
    return over


def come_and_go(row):
    """One more comes, and after a while another goes, mostly an older one."""
    row.add_member()
    row.pause(row.dice.uniform(0.3, 3.0))
    row.remove_member(row.dice.choice(row.members))


def freeze(row):
    """Longer than the group waits for a member: its partitions go to the others, and what it wrote last counts for nothing."""
    member = row.dice.choice(row.members)
    member.signal(signal.SIGSTOP)
    row.pause(row.dice.uniform(8.0, 12.0))
    member.signal(signal.SIGCONT)


def crash_database(row):
    row.effects_server.crash()
    row.pause(row.dice.uniform(0.0, 1.0))
    row.effects_server.start()


def crash_unflushed(row):
    """What nobody has waited for goes with it, and is done again."""
    shown = set(row.effects_sql("SELECT n, token FROM effect ORDER BY n DESC LIMIT 500"))
    row.effects_server.crash()
    row.pause(row.dice.uniform(0.0, 1.0))
    row.effects_server.start()
    row.lost_effects += len(shown.difference(row.effects_sql("SELECT n, token FROM effect ORDER BY n DESC LIMIT 2000")))


def duplicate(row):
    """A relay that dies when brokers have acknowledged what it has not settled: the next one sends it again."""
    relay = row.relays[0]
    if relay.stop():
        row.bad_exits += 1
    relay.start(("env", f"POSTBUS_CRASH_AT=after_ack:{row.dice.randint(1, 20)}"))
    wait_for(lambda: not relay.running(), "the relay to die", 60)
    row.relay_died(time.monotonic() - 0.1)
    over = time.monotonic()
    relay.start()
    return over


def poison(row):
    """Events of busy keys that fail at each attempt, and are dead then; there is medicine, and they are redriven."""
    token = POISON_TOKEN + row.strikes * 1000
    before = set(row.poison)
    row.publish_poison(3, token)
    fresh = sorted(row.poison - before)

    def all_dead():
        row.watch()
        return row.look_at_dead() >= len(fresh)

    wait_for(all_dead, "poison to die", 120, 0.05)
    row.pause(row.dice.uniform(0.0, 2.0))
    row.look_at_dead()
    for one in fresh:
        row.effects_sql("INSERT INTO medicine VALUES (%s)", one)
    over = time.monotonic()
    run(os.path.join(row.stage.build, "postbus"), "dead", "redrive", "--application", row.name, "--yes", "--database", row.effects_database())
    return over


def seen(row, what, number):
    """Until what handlers do has happened again."""
    before = number(row)

    def more():
        row.watch()
        return number(row) > before

    wait_for(more, what, 120, 0.1)


def retries(row):
    return row.effects_sql("SELECT count(*) FROM effect WHERE attempt > 1")[0][0]


def deadlocks(row):
    return row.effects_sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]


def kill_or_move(row):
    row.dice.choice([kill, come_and_go])(row)


def crashes_of_commands(row):
    """What waits for a further attempt, and what they died of."""
    return row.effects_sql("SELECT coalesce(max(n), 0) FROM effect WHERE attempt > 1")[0][0]


def disturb_work(row):
    kill_or_move(row)
    return seen(row, "an event to be handled after its command had died or failed", crashes_of_commands)


def everything(row):
    """One of all these, while the handlers have all their habits."""
    return row.dice.choice([kill, come_and_go, freeze, crash_database, duplicate, poison, faults_postgres.crash, faults_kafka.kill_only])(row)


GROUP = "the group waits 6 s (`session.timeout.ms`) for a member that has died, and for the others to join again"
BOUND_MS = 20000
subscribers = functools.partial(Fault, least_s=2, bound_ms=BOUND_MS, bounded_by=GROUP, n_members=2, rate=200)

FAULTS = [
    subscribers("subscriber-kill", "kill -9 of one of two subscribers, which is started again", kill, short=True, every_s=(0.5, 4.0)),
    subscribers("subscriber-rebalance", "one more subscriber joins, and one leaves (SIGTERM) up to 3 s later", come_and_go, every_s=(0.5, 2.0)),
    subscribers("subscriber-frozen", "SIGSTOP of one of two subscribers for 8 to 12 s, then SIGCONT", freeze, every_s=(0.5, 2.0)),
    subscribers("subscriber-database", "immediate stop of the subscribers' PostgreSQL, started again after up to 1 s", crash_database, every_s=(1.0, 4.0)),
    subscribers("subscriber-unflushed", "the same, where subscribers commit with `synchronous_commit = off`: what they committed last is lost with it, and done again",
                crash_unflushed, every_s=(1.0, 4.0), member_environment=("PGOPTIONS=-c synchronous_commit=off",), losses_needed=True),
    subscribers("subscriber-publisher", "immediate stop of the publishers' PostgreSQL, started again after up to 1 s", faults_postgres.crash,
                every_s=(1.0, 4.0)),
    subscribers("subscriber-broker", "kill -9 of the only broker, started again after up to 2 s", faults_kafka.kill_only, every_s=(1.0, 4.0)),
    subscribers("subscriber-duplicates", "the relay is killed between the brokers' acknowledgement and its settling, and started again", duplicate,
                duplicates_needed=True),
    subscribers("subscriber-poison", "events of three busy keys fail at each of five attempts and are dead, while others of their keys wait; then the cause is "
                "gone, and they are redriven", poison, short=True),
    subscribers("subscriber-slow", "one handler in 100 takes up to 1 s, one in 1,000 takes 8 s; subscribers are killed, join and leave", kill_or_move,
                habits=("--slow", "100", "--very-slow", "1000"), rate=150, bound_ms=40000, bounded_by=GROUP + ", and handlers take 8 s"),
    subscribers("subscriber-together", "up to 200 events are handled by one call, which one in 500 of them makes fail; subscribers are killed, join and leave",
                kill_or_move, habits=("--together", "200", "--retry", "500")),
    subscribers("subscriber-retry", "one handler in 5 fails", lambda row: seen(row, "an event to be handled at a later attempt", retries),
                habits=("--retry", "5")),
    subscribers("subscriber-deadlock", "every fifth handler locks two of four rows in any order", lambda row: seen(row, "a deadlock", deadlocks),
                habits=("--deadlock", "5")),
    # Each end costs the group 6 s. At the rate of the others what comes in meanwhile would bring about the next, and so on for minutes.
    subscribers("subscriber-crash", "one handler in 2,000 ends its process (SIGSEGV), which is started again",
                lambda row: seen(row, "a handler to end its process", lambda r: r.n_crashes), habits=("--crash", "2000"), member_may_end=True, rate=100,
                bound_ms=60000, bounded_by=GROUP + "; while what waits is handled, further ones end their processes"),
    subscribers("subscriber-work", "two `postbus work` with a command for each thread and, for one topic, for each event; one in 200 commands dies of "
                "SIGSEGV, before or after its effect, one in 50 fails; the workers are killed, join and leave", disturb_work,
                habits=("--crash", "200", "--retry", "50"), member="work", repeats="event", rate=70,
                bound_ms=60000, bounded_by=GROUP + ", and a process for each event to catch up with one topic"),
    subscribers("subscriber-kafka-positions", "positions are in Kafka, without a database; one handler in 50 fails, one in 3,000 ends its process (SIGSEGV); "
                "subscribers are killed, join and leave", kill_or_move, habits=("--retry", "50", "--crash", "3000"), member="kafka", repeats="stretch",
                member_may_end=True, bound_ms=60000, bounded_by=GROUP + "; while what waits is handled, further ones end their processes"),
    subscribers("subscriber-everything", "all of these at once, one after the other at random, with handlers of all these habits", everything,
                habits=("--slow", "500", "--very-slow", "5000", "--retry", "10", "--deadlock", "20", "--crash", "5000"), member_may_end=True, rate=150,
                share=1.5, bound_ms=60000, bounded_by="all of the above"),
]

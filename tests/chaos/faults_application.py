"""What applications do: die in mid-transaction, stay in one for long, publish what no topic takes, come through a pooler."""
import os
import time

from fault import Fault
from processes import Failed, run
from servers import Pgbouncer

LONG_TOKEN = 1 << 61


def kill(row):
    row.load.kill()
    over = time.monotonic()
    row.load.start()
    return over


def stay_open(row):
    """A transaction that published early and has not ended holds up its own events, and no others."""
    conn = row.connect()
    conn.autocommit = False
    topic, key = row.topics[row.strikes % 3], f"long-{row.strikes}"
    with conn.cursor() as cursor:
        for i in range(1, 21):
            cursor.execute("INSERT INTO torture.truth SELECT %s, %s, %s, %s, postbus.publish(%s::text, %s::text, %s::text)",
                           (LONG_TOKEN + row.strikes * 1000 + i, topic, key, i, topic, str(LONG_TOKEN + row.strikes * 1000 + i), key))
            if i == 10:
                row.recover(counts=False)
        until = time.monotonic() + row.hold_s
        while time.monotonic() < until:
            row.pause(min(2.0, max(0.1, until - time.monotonic())))
            row.recover()  # the others flow
    conn.commit()
    conn.close()


def set_hold(row):
    row.hold_s = max(2.0, min(20.0, row.seconds / 3))


def pool(row):
    row.pooler = row.own(Pgbouncer(row.path("pgbouncer"), row.postgres))
    row.pooler.start()
    row.load_database = row.pooler.conninfo(row.name)


def kill_pooler(row):
    row.pooler.kill()
    row.pause(row.dice.uniform(0.0, 0.5))
    row.pooler.start()


def poison(row):
    """The last topic takes no record of more than 1,000 bytes for a while: every tenth of its events is larger."""
    row.chaos("limit", "--limit-bytes", "1000")
    row.pause(row.dice.uniform(1.5, 4.0))
    row.chaos("limit", "--limit-bytes", "1048588")


def redrive(row):
    """Until nothing is parked: what was refused after the limit was looked at may have to be redriven twice."""
    binary = os.path.join(row.stage.build, "postbus")
    for _ in range(60):
        if row.sql("SELECT parked FROM postbus.backlog()")[0][0] == 0:
            return
        run(binary, "parked", "redrive", "--topic", row.topics[2], "--yes", "--database", row.database())
        row.pause(0.5)
    raise Failed("parked events are left after a minute of redriving")


def strike_poison(row):
    poison(row)
    redrive(row)


FAULTS = [
    Fault("application-kill", "kill -9 of an application with 24 open transactions, and another is started", kill, 2000, "nothing", short=True),
    Fault("long-transaction", "a transaction that has published stays open, up to 20 s; meanwhile the others flow", stay_open, 2000, "nothing",
          setup=set_hold),
    Fault("pooler", "pgbouncer (transaction pooling) between the applications and PostgreSQL, killed with -9 again and again", kill_pooler, 2000,
          "nothing", setup=pool),
    Fault("poison", "a topic refuses every tenth record as too large for up to 4 s; then the limit is raised, and the parked events are redriven",
          strike_poison, 2000, "nothing", every_s=(1.0, 3.0)),
]

"""What applications do: die in mid-transaction, stay in one for long, publish what no topic takes, come through a pooler."""
import os
import time

from fault import Fault
from processes import Failed, run, wait_for
from servers import Pgbouncer

LONG_TOKEN = 1 << 61
POISON_TOKEN = 1 << 59
HOT_KEYS = 64  # of each topic: postbus_chaos
LIMIT_BYTES = 200_000


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
    """Events of three busy keys that are too large for the last topic: each is refused and parked, and what comes later of its key waits behind it."""
    row.chaos("limit", "--limit-bytes", str(LIMIT_BYTES))
    for n, key in enumerate(row.dice.sample(range(HOT_KEYS), 3)):
        token = POISON_TOKEN + row.strikes * 1000 + n
        row.sql("WITH taken AS (UPDATE torture.key SET seq = seq + 1 WHERE topic = %s AND key = %s RETURNING topic, key, seq) INSERT INTO torture.truth"
                " SELECT %s, topic, key, seq, postbus.publish(topic, %s::text || ' ' || digits, key) FROM taken,"
                " (SELECT string_agg(md5(random()::text), '') AS digits FROM generate_series(1, %s)) not_to_be_compressed",
                row.topics[2], f"hot-{key}", token, str(token), LIMIT_BYTES // 20)
    wait_for(lambda: parked(row) > 3, "an event to be parked, and others behind it", 60, 0.1)
    row.pause(row.dice.uniform(0.5, 3.0))
    row.note(f"{parked(row)} events are parked")
    row.chaos("limit", "--limit-bytes", "1048588")


def parked(row):
    return row.sql("SELECT count(*) FROM postbus.parked")[0][0]


def redrive(row):
    """Until nothing is parked: what was refused after the limit was looked at may have to be redriven twice."""
    binary = os.path.join(row.stage.build, "postbus")
    for _ in range(60):
        if parked(row) == 0:
            return
        run(binary, "parked", "redrive", "--topic", row.topics[2], "--yes", "--database", row.database())
        row.pause(0.5)
    raise Failed("parked events are left after a minute of redriving")


def poison_and_redrive(row):
    poison(row)
    over = time.monotonic()
    redrive(row)
    row.note("nothing is parked any more")
    return over


FAULTS = [
    Fault("application-kill", "kill -9 of an application with 24 open transactions, and another is started", kill, 2000, "nothing", short=True),
    Fault("long-transaction", "a transaction that has published stays open, up to 20 s; meanwhile the others flow", stay_open, 2000, "nothing",
          setup=set_hold),
    Fault("pooler", "pgbouncer (transaction pooling) between the applications and PostgreSQL, killed with -9 again and again", kill_pooler, 2000,
          "nothing", setup=pool),
    Fault("poison", "events of three busy keys are too large for their topic: they and all behind them are parked; then the limit is raised, and they are redriven",
          poison_and_redrive, 5000, "records that were refused, and what is redriven, are sent one after the other", every_s=(1.0, 3.0)),
]

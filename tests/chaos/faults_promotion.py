"""PostgreSQL that dies for good, and a standby that takes its place."""
import os
import shutil
import time

from fault import Fault
from processes import Failed, run, wait_for
from servers import Postgres, Proxy, Standby


def with_standby(row):
    """Applications and relay come through one address, which moves with the primary; the standby follows through another, which can be cut."""
    row.address = row.own(Proxy(row.stage.build, row.path("address.log")))
    row.link = row.own(Proxy(row.stage.build, row.path("link.log")))
    row.n_servers = 1
    primary = row.own(Postgres(row.path("pg-1"), ["max_wal_size=128MB", "min_wal_size=32MB", "wal_receiver_status_interval=1s"]))
    primary.start()
    row.use(primary, row.kafka)
    row.relay_host = f"host=127.0.0.1 port={row.address.port} user=postgres"
    row.load_database = f"{row.relay_host} dbname={row.name}"
    row.address.say(f"aim {primary.tcp_port()}")
    add_standby(row)


def add_standby(row):
    row.n_servers += 1
    row.link.heal()
    row.link.say(f"aim {row.postgres.tcp_port()}")
    row.standby = row.own(Standby(row.path(f"pg-{row.n_servers}"), row.postgres, row.link.port))
    row.standby.start()
    wait_for(lambda: row.postgres.admin("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"), "a standby that follows", 60, 0.05)


def synchronous(row):
    with_standby(row)
    commits_wait(row)


def commits_wait(row):
    row.postgres.admin("ALTER SYSTEM SET synchronous_standby_names = '*'")
    row.postgres.admin("SELECT pg_reload_conf()")


def promote(row):
    """What the new primary does not know to be published may be published again: counted before anybody can reach it."""
    row.standby.admin("SELECT pg_promote()")
    row.unsettled_at_deaths += row.standby.admin("SELECT pending FROM postbus.backlog()", row.name)[0][0]
    row.use(row.standby, row.kafka)


def move_address(row):
    row.address.say(f"aim {row.postgres.tcp_port()}")
    row.address.say("reset")
    row.address.heal()


def replace(row):
    old = row.postgres
    row.address.say("refuse")
    old.crash()
    promote(row)
    move_address(row)
    row.recover()
    shutil.rmtree(old.directory)
    add_standby(row)
    commits_wait(row)


def tokens(postgres, database):
    return {token for (token,) in postgres.admin("SELECT token FROM torture.truth", database)}


def lose(row, before_crash=lambda: None, before_recovery=lambda: None):
    """The standby lacks the last moments, of which Kafka has the events. What the lost server had committed is looked up in it afterwards, where
    nobody else can reach it."""
    old = row.postgres
    row.link.say("hold both")
    row.pause(row.dice.uniform(0.2, 1.5))
    before_crash()
    row.address.say("refuse")
    old.crash()
    promote(row)
    old.start()
    row.lost_tokens |= tokens(old, row.name) - tokens(row.postgres, row.name)
    old.crash()
    shutil.rmtree(old.directory)
    move_address(row)
    before_recovery()
    over = time.monotonic()
    row.recover(over)
    add_standby(row)


def rebase(row):
    """While applications publish, and again for each time that it is killed on the way; then no relay was there to begin a new identity."""
    command = [os.path.join(row.stage.build, "postbus"), "rebase", "--yes", "--database", row.database()]

    def done():
        try:
            return run(*command)
        except Failed:
            return None  # the session of a dead relay holds the lead for a moment
    wait_for(done, "a rebase", 30, 0.1)


def lose_and_rebase(row):
    """No relay is there when the standby is promoted, but there was one while it fell behind: what is lost was published. The rebase finds the new
    timeline, and the relay the rebase."""
    lose(row, before_crash=lambda: [row.kill_relay(relay) for relay in row.relays],
         before_recovery=lambda: (rebase(row), [relay.start(row.wrapper) for relay in row.relays]))


FAULTS = [
    Fault("promotion-synchronous", "immediate stop of the primary for good, and its synchronous standby is promoted", replace, 7000,
          "the relay's pause between attempts to connect, which doubles while PostgreSQL is away, up to `reconnect_max_ms` (5 s)", setup=synchronous,
          every_s=(1.0, 3.0), share=1.3, rate=1700),
    Fault("promotion-asynchronous", "the same with an asynchronous standby that lacks up to 1.5 s of commits", lose, 7000,
          "the relay's pause between attempts to connect, which doubles while PostgreSQL is away, up to `reconnect_max_ms` (5 s)", setup=with_standby,
          ghosts=True, every_s=(1.0, 3.0), share=1.3, rate=2000),
    Fault("promotion-rebase", "the same without a relay, which is killed when the standby has fallen behind; applications publish while `postbus rebase` runs; then the relay starts", lose_and_rebase,
          7000, "the start of the relay", setup=with_standby, ghosts=True, every_s=(1.0, 3.0), share=1.3, rate=2000),
]

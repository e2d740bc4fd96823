"""Relays that die, stop, starve and are stopped."""
import resource
import signal
import time

from fault import Fault


def kill(row):
    relay = row.relays[0]
    row.kill_relay(relay)
    over = time.monotonic()
    relay.start()
    return over


def stop(row):
    relay = row.relays[0]
    relay.scrape()
    code = relay.stop()
    if code:
        row.bad_exits += 1
        row.stage.say(f"  a relay that was told to stop ended with {code}: {relay.log_tail(2)}")
    relay.start()


def kill_leader(row):
    leader = row.leader()
    over = time.monotonic()
    row.kill_relay(leader)
    row.recover(over)
    leader.start()


def freeze_leader(row):
    """Stopped, not killed: its connections stay. Another takes over when the lease is over; what wakes must find out."""
    leader = row.leader()
    leader.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    row.recover(stopped)
    row.pause(max(0.0, row.freeze_s - (time.monotonic() - stopped)))
    leader.signal(signal.SIGCONT)


def set_freeze(row):
    row.freeze_s = 30 if row.seconds >= 60 else 15


def starve(row):
    """No more address space than it has: the next thing that it wants to keep is refused."""
    relay = row.relays[0]
    with open(f"/proc/{relay.child.pid}/statm", encoding="ascii") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(relay.child.pid, resource.RLIMIT_AS, (now, resource.RLIM_INFINITY))
    row.kafka.brokers[0].signal(signal.SIGSTOP)  # so that there is something to keep
    row.pause(row.dice.uniform(0.5, 2.0))
    row.kafka.brokers[0].signal(signal.SIGCONT)
    if relay.running():
        resource.prlimit(relay.child.pid, resource.RLIMIT_AS, (LIMIT_BYTES, resource.RLIM_INFINITY))


LIMIT_BYTES = 512 << 20


def limit(row):
    row.wrapper = ("prlimit", f"--as={LIMIT_BYTES}:unlimited")


FAULTS = [
    Fault("relay-kill", "kill -9 of the only relay, which is started again", kill, 2000, "nothing", short=True),
    Fault("relay-stop", "SIGTERM to the only relay, which is started again when it has ended", stop, 2000, "nothing"),
    Fault("leader-kill", "kill -9 of the leader while another relay waits", kill_leader, 2000, "nothing (`leader_retry_ms`, 250 ms, is within)",
          n_relays=2),
    Fault("exactly-once", "`delivery = exactly_once`: kill -9 of the leader while another relay waits", kill_leader, 4000,
          "the brokers abort the transaction that it left", n_relays=2, exactly_once=True),
    Fault("leader-frozen", "SIGSTOP of the leader for 30 s while another relay waits, then SIGCONT", freeze_leader, 12500,
          "`lease_ms` (9 s) and `leader_retry_ms`", n_relays=2, setup=set_freeze, share=1.5, least_s=20, every_s=(1, 3)),
    Fault("relay-memory", "the relay under `ulimit -v` of 512 MiB, lowered to what it has while the broker stands still for up to 2 s", starve,
          4000, "librdkafka's retry backoff and a restart", setup=limit, relay_may_end=True),
]

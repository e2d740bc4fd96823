"""A network that is cut, half open, slow, or resets what it carries."""
import time

from fault import Fault
from processes import wait_for

TCP = "TCP's retransmission, whose pauses double"


def through_postgres_proxy(row):
    row.proxy = row.stage.proxy("postgres")
    row.proxy.say(f"aim {row.postgres.tcp_port()}")
    row.proxy.heal()
    row.relay_host = f"host=127.0.0.1 port={row.proxy.port} user=postgres"


def through_kafka_proxy(row):
    row.proxy = row.stage.proxy("kafka")
    row.proxy.heal()
    row.relay_brokers = f"127.0.0.1:{row.proxy.port}"


def heal(row):
    row.proxy.heal()


def cut(most_s):
    def strike(row):
        """Both ways, or a reset of all that is open."""
        if row.dice.random() < 0.2:
            row.proxy.say("reset")
            return
        row.note("cut")
        row.proxy.say("cut both")
        row.pause(row.dice.uniform(0.2, most_s))
        row.proxy.heal()
    return strike


def half_open(most_s):
    def strike(row):
        """One way is dead; or hangs, and nobody's TCP notices."""
        command = row.dice.choice(("cut", "hold")) + " " + row.dice.choice(("to_server", "to_client"))
        row.note(command)
        row.proxy.say(command)
        row.pause(row.dice.uniform(0.2, most_s))
        row.proxy.heal()
    return strike


def with_a_way_out(row):
    """Two relays, of which the first is behind both proxies and the second is not."""
    through_postgres_proxy(row)
    through_kafka_proxy(row)
    row.kafka_proxy, row.postgres_proxy = row.stage.proxy("kafka"), row.stage.proxy("postgres")
    row.open_ways = {1: (row.database(), row.kafka.addresses)}


def isolate(row):
    """The leader's host is cut off from everything; after the lease another leads. What it had on its way comes late."""
    first, second = row.relays
    if row.leader() is second:
        second.scrape()
        second.stop()
        row.recover(counts=False)
        second.start()
        wait_for(lambda: row.stands_by(second), "the second relay to wait", 30)
    row.kafka_proxy.say("cut both")
    row.postgres_proxy.say("cut both")
    cut_at = time.monotonic()
    seconds = row.dice.uniform(1.0, 20.0)
    row.note(f"cut for {seconds:.1f} s")
    row.recover(cut_at) if seconds > 12 else row.pause(seconds)
    row.pause(max(0.0, cut_at + seconds - time.monotonic()))
    row.kafka_proxy.heal()
    row.postgres_proxy.heal()


def heal_both(row):
    row.kafka_proxy.heal()
    row.postgres_proxy.heal()


def slow(row):
    row.proxy.say(f"delay both {row.dice.randrange(500, 1500)}")
    row.pause(row.dice.uniform(4.0, 9.0))
    row.proxy.heal()


FAULTS = [
    Fault("postgres-cut", "the network between relay and PostgreSQL is cut both ways for up to 14 s, or resets its connections", cut(14), 8000,
          f"`reconnect_max_ms` (5 s), and {TCP}", setup=through_postgres_proxy, teardown=heal, share=1.3),
    Fault("postgres-half-open", "one way between relay and PostgreSQL is cut or hangs for up to 14 s", half_open(14), 8000,
          f"`reconnect_max_ms` (5 s), and {TCP}", setup=through_postgres_proxy, teardown=heal, share=1.3),
    Fault("kafka-cut", "the network between relay and broker is cut both ways for up to 8 s, or resets its connections", cut(8), 10000,
          f"librdkafka's `reconnect.backoff.max.ms` (2 s), and {TCP}", setup=through_kafka_proxy, teardown=heal, share=1.3),
    Fault("kafka-half-open", "one way between relay and broker is cut or hangs for up to 8 s", half_open(8), 10000,
          f"librdkafka's `reconnect.backoff.max.ms` (2 s), and {TCP}", setup=through_kafka_proxy, teardown=heal, share=1.3),
    Fault("leader-cut-off", "the leader's host is cut off from PostgreSQL and the broker at once, for up to 20 s, while another relay waits", isolate, 12500,
          "`lease_ms` (9 s) or `tcp_user_timeout` (10 s), and `leader_retry_ms`", setup=with_a_way_out, teardown=heal_both, n_relays=2, stale_requests=True, share=1.5, least_s=15),
    Fault("broker-slow", "each request to the broker takes 1 to 3 s longer, for up to 9 s", slow, 5000, "the request that is on its way, up to 3 s",
          setup=through_kafka_proxy, teardown=heal),
]

"""A network that is cut, half open, slow, or resets what it carries."""
from fault import Fault

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
    Fault("broker-slow", "each request to the broker takes 1 to 3 s longer, for up to 9 s", slow, 5000, "the request that is on its way, up to 3 s",
          setup=through_kafka_proxy, teardown=heal),
]

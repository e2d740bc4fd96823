"""PostgreSQL that loses sessions and itself."""
from fault import Fault


def terminate(row):
    """One session of the relay or of the application."""
    relays = row.dice.random() < 0.6
    row.sql("SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND application_name " + ("NOT LIKE %s AND application_name <> 'chaos-probe'"
            if relays else "LIKE %s") + " ORDER BY pid LIMIT 1 OFFSET %s) victim", "torture%", row.dice.randrange(2) if relays else row.dice.randrange(20))


def crash(row):
    row.postgres.crash()
    row.pause(row.dice.uniform(0.0, 1.0))
    row.postgres.start()


FAULTS = [
    Fault("backends", "pg_terminate_backend of a session of the relay or of the application", terminate, 2000, "nothing", every_s=(0.2, 1.5), short=True),
    Fault("postgres-crash", "immediate stop of PostgreSQL, started again after up to 1 s", crash, 7000,
          "the relay's pause between attempts to connect, which doubles while PostgreSQL is away, up to `reconnect_max_ms` (5 s)", every_s=(1.0, 4.0), short=True, rate=1700),
]

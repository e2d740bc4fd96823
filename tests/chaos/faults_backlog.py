"""A relay that was away for long, and has little room."""
import time

from fault import Fault

COLD_TOKEN = 1 << 60
CHUNK = 100_000


def fill(row, n_events):
    """Events of a thousand keys, in the order of their numbers."""
    for first in range(1, n_events + 1, CHUNK):
        last = min(first + CHUNK - 1, n_events)
        row.sql("""SET postbus.ring = off;
            WITH event AS (INSERT INTO postbus.outbox (topic, key, value)
                SELECT (%s::text[])[1 + g %% 3], convert_to('cold-' || g %% 1000, 'UTF8'), convert_to((%s + g) || repeat(' pad', 10), 'UTF8')
                  FROM generate_series(%s, %s) g RETURNING id, topic, key, split_part(convert_from(value, 'UTF8'), ' ', 1)::bigint AS token)
            INSERT INTO torture.truth SELECT token, topic, convert_from(key, 'UTF8'), token - %s, id FROM event""",
                row.topics, row.n_filled + COLD_TOKEN, first, last, COLD_TOKEN)
        row.read_log(row.relays[0])
    row.n_filled += n_events


def start_cold(row):
    relay = row.relays[0]
    relay.scrape()
    relay.stop()
    fill(row, min(5_000_000, int(row.seconds * 30_000)))
    over = time.monotonic()
    relay.start()
    row.recover(over, within_s=900)


def nothing_filled(row):
    row.n_filled = 0


FAULTS = [
    Fault("cold-start", "a relay with 1 MiB in flight, pages of 500 rows and a queue of 1,000 records starts before a backlog of 5 million events", start_cold,
          300000, "the backlog itself", setup=nothing_filled, share=4, every_s=(1.0, 1.0), once=True, least_s=2,
          relay_flags=("--in-flight-bytes", "1MiB", "--page-rows", "500", "--kafka", "queue.buffering.max.messages=1000")),
]

"""What a row of the matrix is made of: a fault, as data."""
from dataclasses import dataclass
from typing import Callable, Optional

# How a relay says that it begins anew.
RESTARTS = ("leader.elected", "producer.recreated", "lease.lapsed")


@dataclass(frozen=True)
class Fault:
    name: str
    what: str                     # what is done, for the table
    strike: Callable              # strike(row): does it and undoes it; what it returns, if anything, is when it was over (time.monotonic)
    bound_ms: int                 # the fault being over, everything committed by then is published so soon
    bounded_by: str               # which deadline or backoff makes that more than 2 s
    every_s: tuple = (0.5, 2.5)   # pause before the next time
    servers: str = "one"          # one: a PostgreSQL and a broker; three: three brokers; own: setup brings others
    n_relays: int = 1
    relay_flags: tuple = ()
    setup: Optional[Callable] = None     # before the topics are made: may exchange servers and addresses
    teardown: Optional[Callable] = None
    share: float = 1.0            # of the time of a run
    least_s: int = 6              # a row that has less time proves nothing
    short: bool = False           # belongs to the short form
    rate: int = 1400              # transactions a second, offered; more where they have to wait for what is broken, so that 1,000 commit
    relay_may_end: bool = False   # the fault ends relays by itself; they are started again
    stale_requests: bool = False  # a stopped relay's last requests may come late: old events repeated after newer ones
    ghosts: bool = False          # Kafka holds events of transactions that the fault lost; a row without any proves nothing
    once: bool = False            # the row is over when it has struck
    exactly_once: bool = False    # also where the other rows' relays deliver at least once
    needs_mount: bool = False     # can be run only where file systems may be mounted
    n_members: int = 0            # subscribers that are there from the beginning: their effects are judged, too
    habits: tuple = ()            # of their handlers: flags of postbus_chaos_subscriber, or of postbus_chaos_command
    member: str = "library"       # what a subscriber is: library, work (postbus work with commands), or kafka (no database but the effects')
    member_environment: tuple = ()  # what else it finds in its environment: NAME=VALUE
    repeats: str = "never"        # how often an event may have its effect: never more than once; event: it may again until the next of its key
                                  # has its; stretch: it may again together with those behind it
    member_may_end: bool = False  # a handler ends its process; it is started again
    duplicates_needed: bool = False      # a row whose topics hold no event twice proves nothing
    losses_needed: bool = False          # a row whose subscribers' database lost no effect that it had shown proves nothing

/* The metrics as data: the words of help are what each promises, and they are in the reference too. */
#include "metrics.h"

#define AT(member) offsetof(metrics, member)

const metric metrics_table[] = {
    {"postbus_build", METRIC_BUILD, NULL, 0,
     "Always 1. Its labels are the versions of postbus and of the libraries it runs with.", true},
    {"postbus_leader", METRIC_GAUGE, NULL, AT(leader),
     "1 while this relay leads its database, else 0. The sum over the relays of a database is 1 but for the "
     "moments of a takeover."},
    {"postbus_ready", METRIC_GAUGE, NULL, AT(ready),
     "1 where /readyz would answer 200: the relay leads and makes progress, or stands by, with a session of "
     "PostgreSQL that would let it lead. Whether a relay that stands by could reach the brokers is not known "
     "before it leads. Else 0."},
    {"postbus_refused", METRIC_GAUGE, NULL, AT(refused),
     "1 while this database cannot be served as it is (the log line relay.refused says why), and is looked "
     "at again after refused_retry_ms. Else 0."},
    {"postbus_brokers_up", METRIC_GAUGE, NULL, AT(brokers_up),
     "0 while the relay that leads can reach no broker, or none lets it in, and while librdkafka makes no "
     "producer; else 1. From ten seconds on it is not ready then. Left out of a relay that does not lead, "
     "but for want "
     "of a producer: one that stands by connects to no broker."},
    {"postbus_epoch", METRIC_GAUGE, NULL, AT(epoch),
     "The number of the leadership, counted by the database over all its relays. Left out unless this relay "
     "leads. Each change is a change of leader."},
    {"postbus_stalled_seconds", METRIC_GAUGE, "seconds", AT(stalled_s),
     "For how long work that is there has not moved: a read without an answer, or events that were read and "
     "not acknowledged and settled. 0 where "
     "there is no such work. From 10 on the relay is not ready."},
    {"postbus_elections", METRIC_COUNTER, NULL, AT(n_elections),
     "How often this process has taken the lead."},
    {"postbus_sessions_lost", METRIC_COUNTER, NULL, AT(n_sessions_lost),
     "How often the relay's session with PostgreSQL ended or could not be opened; each is followed by "
     "another attempt."},
    {"postbus_backlog_events", METRIC_GAUGE, NULL, AT(backlog_events),
     "Committed events that are neither published nor parked, counted by the database itself. Left out while "
     "no answer is known that is younger than a minute, or than twelve times as long as the count took."},
    {"postbus_backlog_oldest_age_seconds", METRIC_GAUGE, "seconds", AT(backlog_oldest_age_s),
     "The age of the oldest of these events by the database's clock, at the moment of the count; 0 where "
     "there is none. Left out as above."},
    {"postbus_backlog_known_age_seconds", METRIC_GAUGE, "seconds", AT(backlog_known_age_s),
     "How long ago the database was asked for the backlog and the parked events. It is asked every 5 seconds "
     "while somebody scrapes, less often where "
     "the count takes long. Left out where it has never answered."},
    {"postbus_parked_events", METRIC_BY_PARKED, NULL, AT(parked),
     "Events that are set aside, by topic and reason, counted by the database itself. The fifty largest "
     "groups; the others are one, with (others) as "
     "topic and reason. Left out as the backlog is."},
    {"postbus_leaves", METRIC_GAUGE, NULL, AT(leaves),
     "Leaves of the outbox, its 16 partitions, that hold events other than parked ones that were kept when a "
     "leaf was emptied; told by the database. About ten are in use where retention keeps up; "
     "at 16 none can be closed. Left out as the backlog is."},
    {"postbus_outbox_bytes", METRIC_GAUGE, "bytes", AT(outbox_bytes),
     "Bytes of the files of the outbox, its indexes among them, told by the database. Left out as above."},
    {"postbus_receipts_bytes", METRIC_GAUGE, "bytes", AT(receipts_bytes),
     "The same of receipts and progress."},
    {"postbus_leaves_closed", METRIC_COUNTER, NULL, AT(n_leaves_closed),
     "How often this process has closed the leaf that was written to."},
    {"postbus_leaves_emptied", METRIC_COUNTER, NULL, AT(n_leaves_emptied),
     "How often this process has emptied a leaf whose events were all done and older than retention_ms."},
    {"postbus_leaves_refused", METRIC_GAUGE, NULL, AT(refused_leaves),
     "Leaves that the last look of retention found due and had to leave as they are: events are in no "
     "receipt, too many are parked, somebody has held a lock on them for an hour, "
     "or no leaf is empty to go on in. The log says which (retention.refused). Left out unless this relay "
     "leads."},
    {"postbus_published_events", METRIC_COUNTER, NULL, AT(n_published),
     "Events of which a broker has told this process the offset it gave them. An event sent again counts "
     "again."},
    {"postbus_possible_duplicates", METRIC_COUNTER, NULL, AT(n_possible_duplicates),
     "Events that this process may have delivered and then sends again, or leaves to the next leader: on "
     "the wire when the producer was given up, or "
     "acknowledged and not settled when the session was lost. What a killed process had in flight nobody "
     "counts."},
    {"postbus_producers_recreated", METRIC_COUNTER, NULL, AT(n_producers_recreated),
     "How often the Kafka producer was thrown away and made anew: it failed in a way that only this mends, "
     "or a topic stalled."},
    {"postbus_broker_outages", METRIC_COUNTER, NULL, AT(n_broker_outages),
     "How often the producer lost its connections to all brokers. It connects again by itself; nothing is "
     "lost."},
    {"postbus_reads", METRIC_COUNTER, NULL, AT(n_reads),
     "Reads of the outbox begun: one flight of statements each, whether it found events or not."},
    {"postbus_read_events", METRIC_COUNTER, NULL, AT(n_read_events),
     "Events read from the outbox. An event read again after a lost session counts again."},
    {"postbus_batches", METRIC_COUNTER, NULL, AT(n_batches), "Reads that found events."},
    {"postbus_barriers", METRIC_COUNTER, NULL, AT(n_barriers),
     "Commits that had to be waited for because what was read was not flushed to PostgreSQL's log yet."},
    {"postbus_settlements", METRIC_COUNTER, NULL, AT(n_settlements),
     "Commits that recorded progress, receipts and parked events."},
    {"postbus_doorbell_rings", METRIC_COUNTER, NULL, AT(n_rings),
     "Notifications that publishers sent to this relay because it slept."},
    {"postbus_doorbell_wakes", METRIC_COUNTER, NULL, AT(n_wakes),
     "How often a ring woke the sleeping relay; several rings can be one wake."},
    {"postbus_doorbell_arms", METRIC_COUNTER, NULL, AT(n_arms),
     "How often the relay, having nothing to do, took the doorbell's lock, so that the next publisher "
     "rings."},
    {"postbus_safety_polls", METRIC_COUNTER, NULL, AT(n_safety_polls),
     "Reads that a sleeping relay did after safety_poll_ms, without a ring."},
    {"postbus_safety_finds", METRIC_COUNTER, NULL, AT(n_safety_finds),
     "Those of them that found events nobody had rung for. Stays 0 unless sessions set postbus.ring = off."},
    {"postbus_in_flight_events", METRIC_GAUGE, NULL, AT(in_flight_events),
     "Events that the Kafka producer holds: queued, or sent and not acknowledged."},
    {"postbus_in_flight_bytes", METRIC_GAUGE, "bytes", AT(in_flight_bytes),
     "Bytes read and not acknowledged, and what is kept of each event until it is settled. Reading pauses at "
     "in_flight_bytes "
     "of the configuration."},
    {"postbus_open_batches", METRIC_GAUGE, NULL, AT(open_batches),
     "Batches that were read and are not settled; one that is empty counts while a relay leads."},
    {"postbus_page_events", METRIC_EVENTS, NULL, AT(page_events),
     "Events of a page, which is one answer of PostgreSQL, noted when its last event is acknowledged."},
    {"postbus_settled_events", METRIC_EVENTS, NULL, AT(settled_events),
     "Events that one commit recorded as published or parked."},
    {"postbus_read_latency_seconds", METRIC_TIMES, "seconds", AT(read_times),
     "From the INSERT of a page's first event (created_at, by PostgreSQL's clock) to the page's arrival (by "
     "the relay's clock). One value a page, noted "
     "when its last event is acknowledged; so under load it is of the longest waiting, not of each. The time "
     "until COMMIT is in it."},
    {"postbus_acknowledge_latency_seconds", METRIC_TIMES, "seconds", AT(acknowledge_times),
     "From a page's arrival to the acknowledgement of its last event by the brokers. One value a page."},
    {"postbus_settle_latency_seconds", METRIC_TIMES, "seconds", AT(settle_times),
     "From the first acknowledgement that a settling covers to its commit. One value a settling."},
    {"postbus_publish_latency_seconds", METRIC_TIMES, "seconds", AT(publish_times),
     "From the INSERT of a page's first event to the acknowledgement of the page's last: no event of the "
     "page took longer. Parked events count, with the "
     "time they were parked. One value a page."},
    {"process_resident_memory_bytes", METRIC_GAUGE, "bytes", AT(resident_bytes),
     "Memory that this process occupies.", true},
    {"process_start_time_seconds", METRIC_GAUGE, "seconds", AT(started_at_s),
     "When this process began to serve, in seconds since 1970.", true},
    {"process_cpu_seconds", METRIC_SECONDS, "seconds", AT(cpu_s),
     "Processor time that this process has used.", true},
    {.name = NULL},
};

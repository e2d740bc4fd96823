/* The checks of postbus doctor as data: run, --json, the reference and the manual all come out of this table. */
#include "doctor.h"

#include <string.h>

const doctor_check doctor_checks[] = {
    {"database.connection", "whether PostgreSQL lets us in", "Nothing is published without the database.",
     "Check that the server runs, --database, the role's password and pg_hba.conf.", NEEDS_NOTHING,
     doctor_database, NULL},
    {"database.direct", "whether a connection pooler stands in between",
     "The relay's locks and its LISTEN belong to a session; behind a pooler they belong to whoever comes "
     "next.",
     "Connect the relay to PostgreSQL's own port. Publishers may use the pooler.", NEEDS_DATABASE,
     doctor_direct, NULL},
    {"database.tls", "whether a connection over a network is encrypted and the server proves who it is",
     "Whoever is on the way can read events, or pretend to be the server and take the password.",
     "Set sslmode=verify-full and sslrootcert in --database; see docs/security.md.", NEEDS_DATABASE,
     doctor_database_tls, NULL},
    {"server.version", "the server's version against those Postbus is tested with",
     "Nobody has seen Postbus work with that version.", "Use PostgreSQL 13 to 18.", NEEDS_DATABASE,
     doctor_version, NULL},
    {"server.settings",
     "fsync, full_page_writes, synchronous_commit and other settings that can undo a commit",
     "What was committed, and the events with it, can be lost or damaged.", "Return it to its default.",
     NEEDS_DATABASE, doctor_query, "doctor_settings"},
    {"server.replication", "whether standbys are all asynchronous",
     "A standby that takes over may lack the last commits, whose events Kafka already has.",
     "Set synchronous_standby_names, or accept that subscribers may know of a transaction that a failover "
     "lost.",
     NEEDS_DATABASE, doctor_query, "doctor_replication"},
    {"schema.version", "the newest migration of the database against those this program knows",
     "The relay and the schema have to fit each other.", "Run postbus migrate.", NEEDS_DATABASE,
     doctor_schema, "doctor_schema"},
    {"server.primary", "whether it is a primary, and the cluster in which the outbox was made",
     "A standby takes no writes; in another cluster the stored transaction ids mean nothing.",
     "Connect to the primary: several hosts and target_session_attrs=read-write.", NEEDS_SCHEMA, doctor_query,
     "doctor_server"},
    {"role.privileges", "whether the role we connect as could lead, read and settle, and no more than that",
     "A relay of that role would refuse to work, or could do what no relay has to.",
     "Run the doctor as the relay's role, and GRANT postbus_relay TO it.", NEEDS_SCHEMA, doctor_query,
     "doctor_privileges"},
    {"outbox.sequence", "CACHE, INCREMENT and CYCLE of postbus.outbox_id_seq",
     "Ids that are not drawn in order make the relay miss events.",
     "ALTER SEQUENCE postbus.outbox_id_seq CACHE 1 INCREMENT 1 NO CYCLE", NEEDS_SCHEMA, doctor_query,
     "doctor_sequence"},
    {"outbox.triggers",
     "triggers and rules on the outbox that are not ours, ours disabled, row-level security",
     "They can drop or alter events, slow every publish, or leave the relay asleep.",
     "Remove what is not ours; ALTER TABLE postbus.outbox ENABLE TRIGGER ring.", NEEDS_SCHEMA, doctor_query,
     "doctor_triggers"},
    {"outbox.ring", "how full the current leaf of the outbox is, and whether the next one is empty",
     "A leaf that holds events of two rounds cannot be emptied before both are old enough.",
     "Let old events be removed; see docs/runbook.md.", NEEDS_SCHEMA, doctor_query, "doctor_ring"},
    {"transactions.prepared", "old prepared transactions",
     "Their events wait until they end, and vacuum removes nothing that is newer than they are.",
     "COMMIT PREPARED or ROLLBACK PREPARED, in their database.", NEEDS_SCHEMA, doctor_query,
     "doctor_prepared"},
    {"transactions.open", "old open transactions",
     "Their events wait until they end, and vacuum removes nothing that is newer than they are.",
     "Find out what that session waits for; pg_terminate_backend ends it and rolls it back. Whoever looks "
     "needs "
     "pg_read_all_stats.",
     NEEDS_SCHEMA, doctor_query, "doctor_open"},
    {"relay.leading", "whether a relay leads, and the events that wait meanwhile",
     "No event is published without a leading relay.",
     "Start postbus relay; if it runs, its log says why it does not lead.", NEEDS_SCHEMA, doctor_query,
     "doctor_leading"},
    {"relay.backlog", "the age of the oldest pending event", "Subscribers are that far behind.",
     "See \"The backlog grows\" in docs/runbook.md.", NEEDS_SCHEMA, doctor_query, "doctor_backlog"},
    {"events.parked", "events that the relay has set aside",
     "They are not published before what holds them up is gone.",
     "postbus parked list says what each waits for; see \"An event is parked\" in docs/runbook.md.",
     NEEDS_SCHEMA, doctor_query, "doctor_parked"},
    {"kafka.brokers", "whether the brokers let us in", "Nothing is published without brokers.",
     "Check --brokers, that they run, and the kafka. settings for TLS and SASL.", NEEDS_NOTHING,
     doctor_brokers, NULL},
    {"kafka.tls", "whether a connection over a network is encrypted and the brokers prove who they are",
     "Whoever is on the way can read events, or pretend to be a broker and take the password.",
     "Set kafka.security.protocol to SSL or SASL_SSL and leave certificates verified; see docs/security.md.",
     NEEDS_BROKERS, doctor_kafka_tls, NULL},
    {"kafka.transactions",
     "with delivery = exactly_once: whether the position of the transactions can be read, how long brokers "
     "keep it, and the replicas of their own topics",
     "A relay that cannot read it does not lead; of a transaction in doubt, a position that was dropped too "
     "early says that it was not committed; transactions are as safe as the topics that the brokers keep "
     "them in.",
     "Give the relay's user the rights that docs/security.md lists; raise offsets.retention.minutes, and "
     "the replicas of __transaction_state and __consumer_offsets.",
     NEEDS_BROKERS, doctor_transactions, NULL},
    {"topic.exists",
     "each topic with waiting or recent events, and those of --topic: whether it may be described, exists "
     "and has leaders",
     "Its events wait.", "Create it, or set create_topics = true; bring the brokers of its partitions back.",
     NEEDS_BROKERS, doctor_topics, NULL},
    {"topic.replication",
     "its replicas and min.insync.replicas; the relay's producer always asks for acks=all",
     "An acknowledged record is as safe as the fewest copies it was acknowledged with.",
     "Give the topic 3 replicas and min.insync.replicas=2.", NEEDS_BROKERS, NULL, NULL},
    {"topic.size", "its max.message.bytes against the limits of postbus.setting",
     "An event that is accepted when it is published can be refused by the brokers for good.",
     "Raise the topic's max.message.bytes, or lower max_value_bytes in postbus.setting.", NEEDS_BROKERS, NULL,
     NULL},
    {"topic.retention", "its retention.ms against the age of the oldest waiting event",
     "Such events are published with the time of their publishing, and subscribers that are as late lose "
     "records.",
     "Raise the topic's retention.ms.", NEEDS_BROKERS, NULL, NULL},
    {"topic.compaction", "whether it is compacted while it has events without a key",
     "A compacted topic refuses records without a key, for good.",
     "Publish with a key, or set the topic's cleanup.policy to delete.", NEEDS_BROKERS, NULL, NULL},
    {"topic.election", "unclean.leader.election.enable",
     "Acknowledged records are lost when a replica that lacks them leads.",
     "Set the topic's unclean.leader.election.enable to false.", NEEDS_BROKERS, NULL, NULL},
    {NULL, NULL, NULL, NULL, NEEDS_NOTHING, NULL, NULL},
};

const doctor_check *doctor_check_find(const char *name)
{
    const doctor_check *check = doctor_checks;
    while (check->name && strcmp(check->name, name) != 0)
        check++;
    return check;
}

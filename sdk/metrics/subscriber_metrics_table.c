/* The metrics of subscribers as data: the words of help are what each promises, and they are in the reference too. */
#include "subscriber_metrics.h"

#define AT(member) offsetof(subscriber_measures, member)
#define OF_TOPIC(member) offsetof(subscriber_topic, member)
#define STAGE(stage) (AT(stages) + (stage) * sizeof(histogram))

const subscriber_metric subscriber_metrics_table[] = {
    {"postbus_subscriber_ready", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, NULL, AT(ready),
     "1 while this process reads its partitions of the subscription, or has been given none: it has its "
     "positions, a broker answers, and no thread lacks a session with PostgreSQL. Else 0. Left out once the "
     "subscription has been "
     "ended, or the process was told to stop."},
    {"postbus_subscriber_partitions", SUBSCRIBER_GAUGE, BY_TOPIC, NULL, OF_TOPIC(partitions),
     "Partitions that this process reads now. The sum over the processes is the topic's number of "
     "partitions, but for moments of a rebalance."},
    {"postbus_subscriber_members", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, NULL, AT(members),
     "Processes that hold a partition of the subscription, told by the database. One that was killed counts "
     "until another has taken over what it had. Left out while no answer younger than a minute is known."},
    {"postbus_subscriber_rebalances", SUBSCRIBER_COUNTER, BY_SUBSCRIPTION, NULL, AT(n_rebalances),
     "How often the group has given this process partitions, or told it that there are none for it."},
    {"postbus_subscriber_lag_events", SUBSCRIBER_GAUGE, BY_TOPIC, NULL, OF_TOPIC(lag_events),
     "Records behind the position, in the partitions that this process reads: not handled, not set aside, "
     "and passed by no filter. The brokers' ends are asked every 5 seconds while somebody scrapes; a "
     "partition "
     "whose end nobody has told for a minute is not in it. The mark that ends a transaction of a producer "
     "counts as a record."},
    {"postbus_subscriber_lag_seconds", SUBSCRIBER_GAUGE, BY_TOPIC, "seconds", OF_TOPIC(lag_s),
     "How long ago the oldest record read and not done was published, by its timestamp and this machine's "
     "clock. Where only unread ones are left: the last that was read, or, if none was since they were "
     "seen, how long ago that is. Of the partitions of this process the one furthest behind; 0 where all "
     "is done. It grows while a topic of transactions is idle: nobody reads the mark behind the last "
     "record."},
    {"postbus_subscriber_read_records", SUBSCRIBER_COUNTER, BY_SUBSCRIPTION, NULL, AT(n_read),
     "Records read. One that is read again, after a session was lost for example, counts again."},
    {"postbus_subscriber_events", SUBSCRIBER_COUNTER, BY_OUTCOME, NULL, AT(outcomes),
     "What became of events. handled: the effects are committed. unwanted: the filter let it pass by. "
     "duplicate: it "
     "had been handled before. behind: set aside behind an earlier one of its key. retry: an attempt failed, "
     "and another follows. dead: it became a dead letter."},
    {"postbus_subscriber_attempts", SUBSCRIBER_COUNTER, BY_SUBSCRIPTION, NULL, AT(n_attempts),
     "Events given to the handler. An event that is tried again, or whose batch was undone and is done "
     "again, counts again."},
    {"postbus_subscriber_gaps", SUBSCRIBER_COUNTER, BY_SUBSCRIPTION, NULL, AT(n_gaps),
     "Places where events were gone before they were read: Kafka had deleted them, or the topic was made "
     "anew."},
    {"postbus_subscriber_threads", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, NULL, AT(threads),
     "Threads that handle events, as configured."},
    {"postbus_subscriber_queued_events", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, NULL, AT(queued_events),
     "Events that were read and are not handled yet, in the memory of this process."},
    {"postbus_subscriber_queued_bytes", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, "bytes", AT(queued_bytes),
     "What they occupy. Reading pauses at queue_events or queue_bytes of the subscription."},
    {"postbus_subscriber_waiting_events", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, NULL, AT(waiting_events),
     "Events that wait for another attempt, or behind one that does, of all processes together, counted by "
     "the database. Left out while no answer younger than a minute is known, and of a worker without "
     "a database."},
    {"postbus_subscriber_waiting_oldest_age_seconds", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, "seconds",
     AT(waiting_oldest_age_s),
     "How long ago the first of them was set aside, by the database's clock; 0 where none waits. Left out as "
     "above."},
    {"postbus_subscriber_dead_letters", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, NULL, AT(dead_letters),
     "Dead letters that are neither redriven nor discarded, of all processes together, counted by the "
     "database. Left out as above."},
    {"postbus_subscriber_known_age_seconds", SUBSCRIBER_GAUGE, BY_SUBSCRIPTION, "seconds", AT(known_age_s),
     "How long ago the database was asked for these numbers. It is asked every 5 seconds while somebody "
     "scrapes, less often where the count takes long. Left out where it has never answered."},
    {"postbus_subscriber_relay_latency_seconds", SUBSCRIBER_TIMES, BY_SUBSCRIPTION, "seconds",
     STAGE(STAGE_RELAY),
     "From the INSERT of an event (the record's timestamp) to the moment in which the relay sent it. Only "
     "of records that say both, the latter in a header relayed-at (relayed_at_header of the relay). This and "
     "the next four: one value "
     "an event that was handled without having waited."},
    {"postbus_subscriber_consume_latency_seconds", SUBSCRIBER_TIMES, BY_SUBSCRIPTION, "seconds",
     STAGE(STAGE_CONSUME),
     "From the moment in which the relay sent an event to the one in which this process read it; of a topic "
     "with message.timestamp.type=LogAppendTime, from the moment in which the broker wrote it down."},
    {"postbus_subscriber_arrive_latency_seconds", SUBSCRIBER_TIMES, BY_SUBSCRIPTION, "seconds",
     STAGE(STAGE_ARRIVE),
     "From the INSERT of an event to the moment in which this process read it, by two machines' clocks. Not "
     "of a topic with LogAppendTime, whose records do not say when they were published."},
    {"postbus_subscriber_handle_latency_seconds", SUBSCRIBER_TIMES, BY_SUBSCRIPTION, "seconds",
     STAGE(STAGE_HANDLE),
     "From the moment in which this process read an event to the commit of its effects: waiting in memory, "
     "the handler, and the commit."},
    {"postbus_subscriber_latency_seconds", SUBSCRIBER_TIMES, BY_SUBSCRIPTION, "seconds", STAGE(STAGE_WHOLE),
     "The whole way: from the INSERT of an event to the commit of its effects, by two machines' clocks. Not "
     "of a topic with LogAppendTime."},
    {"postbus_subscriber_handler_duration_seconds", SUBSCRIBER_TIMES, BY_SUBSCRIPTION, "seconds",
     STAGE(STAGE_HANDLER), "How long a call of the handler took. One value for each call, however it ended."},
    {.name = NULL},
};

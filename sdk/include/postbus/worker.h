/* Subscribing: handlers whose effects in PostgreSQL happen once for each event. Part of libpostbus_worker.
 *
 *     static pbus_outcome count(const pbus_delivery *event, PGconn *tx, void *arg)
 *     {
 *         ... the application's own statements on tx, an open transaction ...
 *         return pbus_ack();
 *     }
 *
 *     const pbus_subscription list[] = {{.key = "count", .topics = topics, .n_topics = 1, .handler = count}};
 *     const pbus_worker_options options = {.size = sizeof options, .application = "shop",
 *         .conninfo = "dbname=shop", .brokers = "kafka:9092", .subscriptions = list, .n_subscriptions = 1};
 *     pbus_worker *worker;
 *     if (pbus_worker_start(&options, &worker, &err) != PBUS_OK) ...
 *     ... until it is time to end ...
 *     pbus_worker_stop(worker, 30000, &err);
 *     pbus_worker_free(worker);
 *
 * What the handler writes, the inbox's row that remembers the event, and with it the consumed position, commit
 * together or not at all: whatever dies, when the relay repeats an event, when partitions move from one
 * process to another, and when the database is restored to an earlier state. The database needs the schema of
 * `postbus migrate --subscriber`; it may be the publisher's or another one. Without a database
 * (PBUS_POSITIONS_KAFKA) handlers get no transaction, and an event is handled at least once.
 *
 * The library starts threads (for each subscription one that reads Kafka, and n_threads that handle events,
 * each with a connection of its own where there is a database), and touches no signal, prints nothing and logs nothing: what is to be
 * known is told to pbus_worker_options.notice. */
#ifndef POSTBUS_WORKER_H
#define POSTBUS_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <libpq-fe.h>

#include <postbus/error.h>
#include <postbus/export.h>
#include <postbus/registry.h>
#include <postbus/schema.h>
#include <postbus/uuid.h>

/* A header of a record, as it came: the value is bytes, NULL where the header has none. */
typedef struct pbus_record_header {
    const char *name;
    const void *value;
    size_t value_size;
} pbus_record_header;

/* An event as its handler sees it. Valid until the handler returns. */
typedef struct pbus_delivery {
    const char *application;  /* whose worker this is */
    const char *subscription; /* its key */
    const char *topic;
    int32_t partition;
    int64_t offset;
    const void *key; /* NULL: without a key; bytes, followed by a NUL that does not count */
    size_t key_size;
    const void *value; /* NULL: a tombstone; bytes, followed by a NUL that does not count */
    size_t value_size;
    const char *type;          /* of the header type_header; NULL: the record has none */
    const pbus_uuid *event_id; /* of the header id_header; NULL: the record has none, or no UUID there */
    const pbus_record_header *headers;
    size_t n_headers;
    int64_t timestamp_ms; /* the record's, since 1970; -1: it has none */
    int attempt;          /* 1, 2, … */
    int64_t deadline_ms;  /* since 1970: what is not done by then is rolled back; 0: there is none */
    /* Of a subscription with `avro`, but for tombstones; else NULL. */
    const char *
        value_json; /* the value, read as the reader's schema, in the form PBUS_JSON_PLAIN, with a NUL behind it */
    size_t value_json_size; /* without the NUL */
    const pbus_decoder
        *decoder;     /* reads `avro`, for pbus_decoder_visit, pbus_decoder_json and pbus_decoder_value */
    const void *avro; /* the value behind its frame */
    size_t avro_size;
} pbus_delivery;

typedef enum pbus_verdict { PBUS_ACK = 0, PBUS_RETRY = 1, PBUS_DEAD = 2 } pbus_verdict;

#define PBUS_REASON_SIZE 256

/* What a handler returns. */
typedef struct pbus_outcome {
    pbus_verdict verdict;
    int64_t delay_ms;              /* of PBUS_RETRY: until the next attempt; -1: as the policy says */
    char reason[PBUS_REASON_SIZE]; /* of PBUS_RETRY and PBUS_DEAD: kept with the event; "" = none */
} pbus_outcome;

/* The event is handled: commit. */
static inline pbus_outcome pbus_ack(void)
{
    pbus_outcome outcome = {PBUS_ACK, -1, {0}};
    return outcome;
}

/* Roll back, and try again later. reason may be NULL; it is cut off after PBUS_REASON_SIZE - 1 bytes. delay_ms
 * -1: as the policy says; more than a year counts as a year. */
static inline pbus_outcome pbus_retry(const char *reason, int64_t delay_ms)
{
    pbus_outcome outcome = {PBUS_RETRY, delay_ms, {0}};
    snprintf(outcome.reason, sizeof outcome.reason, "%.*s", PBUS_REASON_SIZE - 1, reason ? reason : "");
    return outcome;
}

/* Roll back, and never try again: the event becomes a dead letter. reason as above. */
static inline pbus_outcome pbus_dead(const char *reason)
{
    pbus_outcome outcome = {PBUS_DEAD, -1, {0}};
    snprintf(outcome.reason, sizeof outcome.reason, "%.*s", PBUS_REASON_SIZE - 1, reason ? reason : "");
    return outcome;
}

/* Handles an event on one of the worker's threads. Events of one topic and key come one at a time and in their
 * order, others at the same time on other threads.
 *
 * tx is in an open transaction, READ COMMITTED, and stays the worker's: the handler must not commit it, roll it
 * back or close it (savepoints are its own affair). One that ends the transaction is caught: what it committed
 * stays, but the event becomes a dead letter with the reason transaction_ended (one that had waited is taken up
 * again where the handler has not returned, or its process has died, an hour later); where it rolled back the
 * attempt has failed. Nothing but PBUS_ACK keeps what was written. A statement that failed makes PBUS_ACK a failed
 * attempt; a deadlock or a serialization failure is tried again at once, up to ten times, and counts as no
 * attempt. Nothing that is set in the session may be left behind; error messages of tx are verbose.
 *
 * With a batch_size above 1, tx may already hold what was written for other events, and is committed after others
 * still. All of that is rolled back where one of them fails, and done again with fewer of them, in the end one by one:
 * handlers are called again then, with the same attempt, and what is said above holds for each event. A batch takes
 * what has been read and never waits for more; it grows while its handlers take less than 100 ms. A handler's
 * COMMIT fails in a batch (SQLSTATE PB021), and so does SET CONSTRAINTS ALL IMMEDIATE (name the constraints).
 *
 * Without a database tx is NULL. PBUS_ACK lets the position in Kafka pass over the event, once those before it in
 * its partition are done, too; what the handler did is done, whatever it returns. */
typedef pbus_outcome pbus_handler(const pbus_delivery *event, PGconn *tx, void *arg);

/* Handles n events by one call, so that one statement can write the effects of all; instead of a pbus_handler, whose
 * words on tx, outcomes and failures hold for it. With a database only. What it is given does not outlive the call.
 *
 * n is 1 to batch_size, as many as go into a transaction at this moment. Events of one key stand in the array in their
 * order. time_limit_ms is of the call, and all have the same deadline_ms; where n is above 1 their attempt is 1.
 *
 * PBUS_ACK: all of them are handled. Whatever else becomes of a call with n above 1 (PBUS_RETRY, PBUS_DEAD, a statement
 * or a commit that fails, the time limit) is no attempt and is told to nobody: all is rolled back, reason and delay_ms
 * are dropped, and each event is given to the function again by itself, with n 1. That is its attempt, and what is said
 * for pbus_handler holds. So the function need not know which event is at fault: it says that one is. Events that are
 * tried again, that had waited, or that a dead process may have had in hand, always come by themselves. */
typedef pbus_outcome pbus_batch_handler(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg);

/* What a condition of a filter looks at, and asks. */
typedef enum pbus_test {
    PBUS_TEST_EQUALS =
        0, /* exactly this text; a number of a field: that number, or its text, where no double holds it */
    PBUS_TEST_MATCHES = 1, /* the whole of it matches this POSIX extended regular expression */
    PBUS_TEST_PRESENT = 2, /* it is there, be it empty */
    PBUS_TEST_ABSENT = 3,  /* it is not there */
    PBUS_TEST_EMPTY = 4,   /* it is there, and without content: "", null, [], {} */
    PBUS_TEST_BLANK = 5,   /* it is not there, or empty, or nothing but white space */
    PBUS_TEST_VALUE = 6    /* it is there, and not blank */
} pbus_test;

/* A condition. field is one of
 *     type            the event's type
 *     key             the record's key
 *     header:NAME     the first header of that name
 *     value:PATH      a field of the value, which must be JSON, or Avro of a subscription with `avro`, and is then asked
 *                     as value_json: names and indexes with dots between, "order.lines.0.sku"
 * text is for PBUS_TEST_EQUALS and PBUS_TEST_MATCHES, where it is needed, and NULL for the others. */
typedef struct pbus_condition {
    const char *field;
    pbus_test test;
    const char *text;
} pbus_condition;

/* When a failed attempt is followed by another. Zeroed: PBUS_RETRY_EXPONENTIAL with its defaults. */
typedef enum pbus_retry_kind {
    PBUS_RETRY_EXPONENTIAL = 0, /* first_ms (1 s), twice that, … up to most_ms (1 h); max_attempts (10) */
    PBUS_RETRY_PATIENT = 1,     /* at once, 1 min, 10 min, 1 h, 3 h, 6 h; then it is dead */
    PBUS_RETRY_NEVER = 2        /* what fails once is dead */
} pbus_retry_kind;

typedef struct pbus_retry_policy {
    pbus_retry_kind kind;
    int64_t first_ms, most_ms; /* of PBUS_RETRY_EXPONENTIAL; 0: the default */
    int max_attempts;          /* of PBUS_RETRY_EXPONENTIAL; 0: the default; -1: without end */
} pbus_retry_policy;           /* each delay is drawn from four fifths to six fifths of what is said here */

/* Where a subscription begins in a partition that it never read. */
typedef enum pbus_begin { PBUS_BEGIN_EARLIEST = 0, PBUS_BEGIN_LATEST = 1 } pbus_begin;

/* Without a database: what becomes of a dead letter that goes to no topic. */
typedef enum pbus_at_dead {
    PBUS_AT_DEAD_STOP = 0, /* the subscription stops before it, told as PBUS_NOTICE_STOPPED */
    PBUS_AT_DEAD_SKIP = 1  /* it is told as PBUS_NOTICE_DEAD, and passed over */
} pbus_at_dead;

/* That the values of a subscription are Avro, and where their schemas are: in a database, in a registry, or in both, by the frame that each value
 * begins with; or there is one for all, and values have no frame. Zero it first.
 *
 * A value that cannot be read is a dead letter with the reason unreadable, and no handler sees it: one without a frame, or that is no value
 * of its schema, or whose schema nobody knows, or cannot be read as reader_schema. It can be redriven once that is mended.
 *
 * A schema is asked for once, by the thread that handles the first event that needs it; what is known goes on whoever is away. That nobody knows it
 * counts for PBUS_REGISTRY_PAUSE_MS, except for an event that is redriven. Where somebody who may
 * know cannot be asked, that thread tries again, about each second, and tells PBUS_NOTICE_SCHEMA; nothing is lost, dead or counted as an attempt
 * meanwhile. Reading pauses once the buffer is full; an event that had waited in the database waits on. A database is
 * waited for 10 seconds at most, and pbus_worker_stop interrupts that; a question to a registry takes up to its timeout_ms, also then. */
typedef struct pbus_avro {
    /* Of a database with the schema postbus, which postbus schema add fills: its role needs postbus_viewer. NULL: none. */
    const char *conninfo;
    const pbus_registry_options *registry; /* NULL: none */
    /* The text of the schema that all values were written with: they have no frame, or that of Avro's single-object encoding with its
     * fingerprint. Without conninfo and registry. NULL: frames say. */
    const char *schema;
    /* The text of the schema that values are read as; NULL: each as it was written. */
    const char *reader_schema;
} pbus_avro;

/* One subscription. Zero it first; what is zero is the default. All is copied. */
typedef struct pbus_subscription {
    const char *key; /* unique within the application: a-z A-Z 0-9 . _ - */
    const char *const *topics;
    size_t n_topics;
    const pbus_condition *filter; /* all must hold. NULL: every event. Not NULL, n_conditions 0: none */
    size_t n_conditions;
    pbus_handler *handler;             /* one of the two; the other is NULL */
    pbus_batch_handler *batch_handler; /* of many events at once */
    void *arg;
    pbus_retry_policy retry;
    bool unordered; /* while an event waits for another attempt, later ones of its key go on */
    pbus_begin begin;
    int n_threads;         /* 1 to 256; 0: 1 */
    int queue_events;      /* read and not yet handled, at most; 0: 1000 */
    int64_t queue_bytes;   /* likewise; 0: 16 MiB */
    int64_t time_limit_ms; /* of a handler's call: what takes longer is rolled back and has failed; 0: none */
    int batch_size;        /* events in one transaction, at most: 1 to 1000; 0: 1; see the handlers */
    /* Dead letters are published there as well, through the outbox (schema postbus) of the database of the effects,
     * in the transaction that makes them. NULL: they are in the table only. Not one of `topics`.
     * Without a database they are produced there by the worker, before the position passes over them. */
    const char *dead_letter_topic;
    pbus_at_dead at_dead; /* without a database, and without a dead_letter_topic or where that refuses them */
    const pbus_avro *avro; /* NULL: nothing is known of the values, and nothing is read */
} pbus_subscription;

/* What a worker tells. */
typedef enum pbus_notice_kind {
    PBUS_NOTICE_ASSIGNED = 1,     /* partitions were taken over: number */
    PBUS_NOTICE_REVOKED = 2,      /* partitions were given up: number */
    PBUS_NOTICE_RETRY = 3,        /* an attempt failed: number = the attempt */
    PBUS_NOTICE_DEAD = 4,         /* an event became a dead letter: number = the attempts */
    PBUS_NOTICE_GAP = 5,          /* events were gone before they were read: number = offsets */
    PBUS_NOTICE_FENCED = 6,       /* another member has taken a partition over; or this one has ended the
                                     sessions of a member that stands still: number */
    PBUS_NOTICE_DATABASE = 7,     /* the database failed; it is tried again */
    PBUS_NOTICE_KAFKA = 8,        /* librdkafka reports a fault; it goes on by itself */
    PBUS_NOTICE_UNSUBSCRIBED = 9, /* the subscription has ended, and its threads end */
    PBUS_NOTICE_UNPUBLISHED =
        10, /* the outbox does not take a dead letter, which is in the table only: its number. Without a
               database: dead_letter_topic does not take it, and it is passed over */
    PBUS_NOTICE_STOPPED = 11, /* without a database: the subscription has stopped before this event, which is
                                dead and goes to no topic; its threads end: number = the attempts */
    PBUS_NOTICE_SCHEMA =
        12 /* the schema of a value cannot be asked for; it is tried again, and the event waits */
} pbus_notice_kind;

/* Valid until the function returns. */
typedef struct pbus_notice {
    pbus_notice_kind kind;
    const char *subscription;
    const char *topic;   /* NULL: of no topic */
    int32_t partition;   /* -1: of no partition */
    int64_t offset;      /* -1: of no event */
    int64_t number;      /* see above */
    const char *message; /* English, one line */
} pbus_notice;

/* Called from the worker's threads, several at a time; must not block for long, and must not call the worker. */
typedef void pbus_notice_function(const pbus_notice *notice, void *arg);

/* A setting handed through to librdkafka, such as {"security.protocol", "SSL"}. */
typedef struct pbus_kafka_setting {
    const char *name;
    const char *value;
} pbus_kafka_setting;

/* Where a worker keeps what it has handled. */
typedef enum pbus_positions {
    PBUS_POSITIONS_DATABASE = 0, /* in the database of the effects, with them */
    /* In Kafka, as the offsets of the groups; there is no database. Each event is handled at least once, in the
     * order of its key. The committed position of a partition is that of its first event that is not done; what
     * is behind it is handled again where the process dies. An event that is to be tried again waits in memory,
     * as do later ones of its key; it counts against queue_events and queue_bytes, and nothing is read once
     * these are reached. Attempts are counted from 1 where another process takes over. Refused: conninfo,
     * list_version, batch_size above 1, batch_handler, time_limit_ms. */
    PBUS_POSITIONS_KAFKA = 1
} pbus_positions;

/* Zero it first; all is copied. */
typedef struct pbus_worker_options {
    size_t size;             /* sizeof(pbus_worker_options): says which fields the caller's headers know */
    const char *application; /* a-z A-Z 0-9 . _ -  ; the consumer groups are APPLICATION.KEY */
    const char *
        conninfo; /* of the database with the schema postbus_inbox; as for PQconnectdb. NULL: positions are in Kafka */
    const char *brokers; /* host:port, separated by commas */
    const pbus_kafka_setting *kafka;
    size_t n_kafka;
    const pbus_subscription *subscriptions; /* the application's whole list: it replaces the one before */
    size_t n_subscriptions;
    /* Goes up with each version of the application that has another list. Against a list with a higher one, which processes of
     * a newer version have started with, this changes nothing: what that has stays, and what that ended is not begun here.
     * With the same number the last to start wins. */
    int list_version;
    pbus_positions positions;
    pbus_notice_function *notice; /* may be NULL */
    void *notice_arg;
    /* Where the relay puts an event's id, by which a repeated event is known, its type, and when it was relayed: as its settings of
     * these names say. NULL: "id", "type" and "relayed-at"; "": nowhere. Without an id an event is known by its place in Kafka, and
     * one that the relay repeats is handled again. Where a record has several headers of a name, the last one counts, which is the relay's. */
    const char *id_header;
    const char *type_header;
    const char *relayed_at_header;
} pbus_worker_options;

typedef struct pbus_worker pbus_worker;

/* Counted since the start. */
typedef struct pbus_worker_counts {
    uint64_t n_read;       /* records of the topics */
    uint64_t n_unwanted;   /* of these, those that the filter let pass by */
    uint64_t n_handled;    /* events whose effects are committed */
    uint64_t n_duplicates; /* events that had been handled before */
    uint64_t n_behind;     /* events set aside behind an earlier one of their key */
    uint64_t n_retries;    /* attempts that failed and are followed by another */
    uint64_t n_dead;       /* events that became dead letters */
    uint64_t n_gaps;       /* places where events were gone before they were read */
    uint64_t n_queued;     /* read and not yet handled, now */
    uint64_t n_attempts;   /* of a handler at an event, each time it is given to one */
    uint64_t n_rebalances; /* how often the group has said which partitions are this process's */
    uint64_t n_partitions; /* that this process reads, now */
} pbus_worker_counts;

#ifdef __cplusplus
extern "C" {
#endif

/* Replaces the application's list of subscriptions in the database, all at once, but for what one with a higher
 * list_version says, and starts to work it. A subscription that such a one has ended is told of as
 * PBUS_NOTICE_UNSUBSCRIBED, during the call, and not worked.
 *
 * A failure leaves nothing started, and the list in the database as it was; where no thread can be started
 * (PBUS_ERROR_MEMORY) that is the new one already. That the brokers cannot be reached
 * is no failure: it is told as a notice, and tried until they can.
 *   options     read during the call; what it points to is copied, but for functions and their arguments
 *   out_worker  caller's; not NULL; the worker is to be released with pbus_worker_free
 *   err         may be NULL
 * Returns: PBUS_OK; PBUS_ERROR_ARGUMENT for an option, a filter or a setting of librdkafka that can never be
 *   right; PBUS_ERROR_MEMORY; PBUS_ERROR_CONNECTION, PBUS_ERROR_SCHEMA (run postbus migrate --subscriber; with a
 *   dead_letter_topic: postbus migrate, too), PBUS_ERROR_PERMISSION (the role lacks postbus_subscriber, or
 *   postbus_publisher for a dead_letter_topic), PBUS_ERROR_DATABASE.
 * Threads: any. Blocks: for some round trips to the database. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_worker_start(const pbus_worker_options *options,
                                                     pbus_worker **out_worker, pbus_error *err);

/* Ends the worker: nothing more is taken up, what is being handled is finished, positions are stored, and the
 * partitions are given up. What waits in memory is not lost: it is read again by whoever comes next.
 *
 *   deadline_ms  handlers that still run then are abandoned: their statements are cancelled, and whatever they
 *                return is rolled back
 *   err          may be NULL
 * Returns: PBUS_OK; PBUS_ERROR_BUSY: a handler did not return within deadline_ms, and its thread still runs:
 *   call again to wait on, or end the process.
 * Threads: any but the worker's own, and one at a time. Blocks: up to deadline_ms and a few seconds.
 * Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_worker_stop(pbus_worker *worker, int64_t deadline_ms,
                                                    pbus_error *err);

/* Releases a worker that has been stopped; NULL is taken. One that was not is stopped first, without a deadline.
 * Threads: one. Blocks: for half a minute at most, where metrics were asked for and the network to the database hangs.
 * Since: 0.2. */
PBUS_API void pbus_worker_free(pbus_worker *worker);

/* What a subscription has done. false, and out_counts untouched, where the worker has none of that key.
 * Threads: any. Blocks: never. Since: 0.2. */
PBUS_API bool pbus_worker_count(const pbus_worker *worker, const char *key, pbus_worker_counts *out_counts);

/* Writes the metrics of all subscriptions of the worker, in the text form of OpenMetrics 1.0, for an endpoint of the
 * application's: the page "Metrics of subscribers" of the reference says what each promises. The last line of a whole
 * answer, "# EOF\n", is left to the caller, who may have metrics of its own; its content type is
 * "application/openmetrics-text; version=1.0.0; charset=utf-8".
 *
 * Part of it comes from the database (what waits, dead letters, members) and from the brokers (how far behind). They
 * are asked by a thread with a session of its own, every 5 seconds from the first call until 5 minutes after the last;
 * what is not known, or was last told more than a minute ago, is left out. So the first text lacks it. A worker without a
 * database has no figures of one.
 *
 *   to  caller's; what is written goes through stdio's buffer. open_memstream gives a string
 * Returns: PBUS_OK; PBUS_ERROR_ARGUMENT; PBUS_ERROR_MEMORY: nothing was written. Whether `to` took it, ferror says.
 * Threads: any, but not while the worker is released. Blocks: never for the database or a broker. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_worker_write_metrics(pbus_worker *worker, FILE *to, pbus_error *err);

/* Whether each subscription that holds reads its partitions, or has been given none: it has its positions,
 * a broker answers, and no thread of it has waited for a session with the database for some seconds. It is about to
 * be so for some seconds after a start, and not while the database is away. false, too, once the worker is told to
 * stop, or all its subscriptions have ended.
 *
 *   out_reason  what each subscription says, a line each; cut off after reason_size - 1 bytes. NULL where reason_size is 0
 * Threads: any, but not while the worker is released. Blocks: never. Since: 0.2. */
PBUS_API bool pbus_worker_is_ready(pbus_worker *worker, char *out_reason, size_t reason_size);

/* false: the thread of a subscription that reads Kafka has not come back from a call for five minutes, and a new process is
 * the better try. Handlers may take as long as they do. Otherwise as above. Since: 0.2. */
PBUS_API bool pbus_worker_is_alive(pbus_worker *worker, char *out_reason, size_t reason_size);

#ifdef __cplusplus
}
#endif

#endif

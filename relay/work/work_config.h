/* What `postbus work` is told: a file of subscriptions, or flags that describe one. */
#ifndef POSTBUS_WORK_CONFIG_H
#define POSTBUS_WORK_CONFIG_H

#include <postbus/worker.h>

#include "config_table.h"
#include "signer.h"

/* One subscription. Texts are never NULL once it is loaded. */
typedef struct work_subscription {
    char *key;
    char *topics, *exec, *exec_lines, *http, *retry, *begin, *dead_letter_topic, *at_dead;
    char *http_mode, *http_source, *http_ca_file, *http_secret_file, *http_secret_env;
    char *avro, *avro_database, *avro_schema, *avro_reader_schema;
    bool unordered;
    int64_t threads, queue_events, queue_bytes, time_limit_ms, kill_after_ms;
    int64_t retry_first_ms, retry_most_ms, retry_attempts;
    char **filter; /* as they were written */
    size_t n_filter;
    /* Made of the above: */
    char **topic_names;
    size_t n_topics;
    pbus_condition *conditions;
    char **condition_texts;             /* what conditions point to */
    signer secrets;                     /* of the file and the variable */
    char *avro_text, *avro_reader_text; /* of the files; NULL: none is given */
} work_subscription;

typedef struct work_config {
    char *application, *positions, *http_listen;
    int64_t list_version, drain_ms;
    char **consumer; /* NAME=VALUE */
    size_t n_consumer;
    work_subscription *subscriptions;
    size_t n_subscriptions;
} work_config;

/* The settings as data; the flag of each has '-' for '_'.
 * X(member, flag, kind, preset, lowest, highest, choices, placeholder, effect) */
#define WORK_PROCESS_SETTINGS(X)                                                                             \
    X(application, "application", TEXT, "", 0, 0, NULL, "NAME",                                              \
      "The application: all processes of one share its events. Its consumer groups are APPLICATION.KEY.")    \
    X(list_version, "list-version", COUNT, "0", 0, INT32_MAX, NULL, "N",                                     \
      "Raise it with each change of the list of subscriptions: a process with a lower one, which is "        \
      "started "                                                                                             \
      "once more during a deployment, changes nothing of the list and begins nothing that it has ended.")    \
    X(positions, "positions", CHOICE, "database", 0, 0, "database or kafka", "WHERE",                        \
      "Where it is kept what has been handled. database: with what waits and what is dead, so that an "      \
      "answer "                                                                                              \
      "is recorded exactly once. kafka: as the offsets of the consumer groups, and nothing anywhere else; "  \
      "no "                                                                                                  \
      "database is used, what waits is in memory, and each event is handed out at least once.")              \
    X(drain_ms, "drain-ms", DURATION_MS, "30000", 0, 86400000, NULL, "TIME",                                 \
      "SIGTERM: how long what runs may go on before it is ended.")                                           \
    X(http_listen, "http-listen", LISTEN, "", 0, 0, NULL, "[ADDRESS:]PORT",                                  \
      "Where /metrics, /healthz and /readyz are served: a port, which is then one of 127.0.0.1, or an IP "   \
      "address and a port such as 0.0.0.0:9465. They are open to whoever can connect. Empty: nowhere.")

#define WORK_SETTINGS(X)                                                                                     \
    X(topics, "topics", TEXT, "", 0, 0, NULL, "TOPIC,…", "The topics, separated by commas.")                 \
    X(exec, "exec", TEXT, "", 0, 0, NULL, "COMMAND",                                                         \
      "Runs this command by /bin/sh for each event: the event is on its standard input, its exit status "    \
      "decides.")                                                                                            \
    X(exec_lines, "exec-lines", TEXT, "", 0, 0, NULL, "COMMAND",                                             \
      "Starts this command by /bin/sh once for each thread: it reads a line of JSON for each event, and "    \
      "answers each with a line.")                                                                           \
    X(http, "http", TEXT, "", 0, 0, NULL, "URL",                                                             \
      "Sends each event to this URL, http or https, by POST: the status of the answer decides.")             \
    X(http_mode, "http-mode", CHOICE, "binary", 0, 0, "binary or structured", "MODE",                        \
      "Of CloudEvents. binary: the value is the body, all else is in headers. structured: the body is a "    \
      "JSON document with everything.")                                                                      \
    X(http_source, "http-source", TEXT, "", 0, 0, NULL, "URI",                                               \
      "The attribute source of events that do not bring their own; if not given, /postbus/TOPIC.")           \
    X(http_ca_file, "http-ca-file", TEXT, "", 0, 0, NULL, "PATH",                                            \
      "The certificates (PEM) that are trusted, in place of the system's.")                                  \
    X(http_secret_file, "http-secret-file", TEXT, "", 0, 0, NULL, "PATH",                                    \
      "A file with the secrets to sign with, whsec_ and base64, with white space between: up to eight, of "  \
      "which each makes a signature. Read at the start.")                                                    \
    X(http_secret_env, "http-secret-env", TEXT, "", 0, 0, NULL, "NAME",                                      \
      "The variable of the environment that has the secrets, in place of a file.")                           \
    X(avro, "avro", CHOICE, "no", 0, 0, "no, database, registry, both or file", "WHERE",                     \
      "That the values are Avro, and where their schemas are: in the database that postbus schema add "      \
      "fills, "                                                                                              \
      "in the registry of registry_url, in either, or in a file. The event then carries the value as JSON, " \
      "and filters ask that.")                                                                               \
    X(avro_database, "avro-database", TEXT, "", 0, 0, NULL, "CONNINFO",                                      \
      "The database with the schemas, where it is not that of the subscriptions.")                           \
    X(avro_schema, "avro-schema", TEXT, "", 0, 0, NULL, "FILE",                                              \
      "With avro = file: the schema (.avsc) that all values were written with; they have no frame.")         \
    X(avro_reader_schema, "avro-reader-schema", TEXT, "", 0, 0, NULL, "FILE",                                \
      "The schema (.avsc) that values are read as. If not given, each as it was written.")                   \
    X(threads, "threads", COUNT, "1", 1, 256, NULL, "N", "Events handled at the same time.")                 \
    X(time_limit_ms, "time-limit-ms", DURATION_MS, "60000", 0, 86400000, NULL, "TIME",                       \
      "How long the command, or the answer, may take for an event. Then it is ended, and the attempt has "   \
      "failed. 0: for ever.")                                                                                \
    X(kill_after_ms, "kill-after-ms", DURATION_MS, "5000", 0, 3600000, NULL, "TIME",                         \
      "How long a command that gets SIGTERM has until SIGKILL.")                                             \
    X(retry, "retry", CHOICE, "exponential", 0, 0, "exponential, patient or never", "POLICY",                \
      "When a failed attempt is followed by another. exponential: after retry_first_ms, twice that, and so " \
      "on up to retry_most_ms, retry_attempts in all. patient: at once, after 1 min, 10 min, 1 h, 3 h, 6 "   \
      "h. never: what fails once is a dead letter.")                                                         \
    X(retry_first_ms, "retry-first-ms", DURATION_MS, "1000", 1, 86400000, NULL, "TIME",                      \
      "Of the policy exponential: the delay before the second attempt.")                                     \
    X(retry_most_ms, "retry-most-ms", DURATION_MS, "3600000", 1, INT64_C(31536000000), NULL, "TIME",         \
      "Of the policy exponential: the longest delay.")                                                       \
    X(retry_attempts, "retry-attempts", COUNT, "10", 0, 1000000, NULL, "N",                                  \
      "Of the policy exponential: after so many the event is a dead letter. 0: never.")                      \
    X(unordered, "unordered", BOOL, "false", 0, 0, NULL, NULL,                                               \
      "While an event waits for another attempt, later ones of its key go on.")                              \
    X(begin, "begin", CHOICE, "earliest", 0, 0, "earliest or latest", "WHERE",                               \
      "Where a partition is begun that this subscription never read.")                                       \
    X(dead_letter_topic, "dead-letter-topic", TEXT, "", 0, 0, NULL, "TOPIC",                                 \
      "Dead letters are published there, too: with a database through its outbox, else by this process "     \
      "itself.")                                                                                             \
    X(at_dead, "at-dead", CHOICE, "stop", 0, 0, "stop or skip", "WHAT",                                      \
      "With positions in Kafka, of a dead letter that goes to no topic. stop: the process ends before it, "  \
      "with exit code 1, and its partition stays there. skip: it is logged, and passed over.")               \
    X(queue_events, "queue-events", COUNT, "1000", 1, 1000000, NULL, "N",                                    \
      "Events read and not yet handled, at most.")                                                           \
    X(queue_bytes, "queue-bytes", BYTES, "16MiB", 1, INT64_C(68719476736), NULL, "SIZE",                     \
      "Bytes of events read and not yet handled, at most.")

/* They end with a row without a name. */
extern const config_setting work_process_table[], work_table[];

/* A flag as it was given: "time-limit-ms", "filter" …; a switch has the value "true". */
typedef struct work_flag {
    const char *name, *value;
} work_flag;

/* Fills *out from defaults, the file and flags. With a file, flags may say what is of the process, and no more. False: *out holds nothing
 * to free, and message says in one sentence what is wrong, where, and what to write instead. */
bool work_config_load(work_config *out, const char *file, const work_flag *flags, size_t n_flags,
                      char *message, size_t message_size);
void work_config_done(work_config *cfg);

/* Reads "FIELD = TEXT", "FIELD ~ REGEX", "FIELD present" and the like; what *out points to is in *out_text, for the caller to free. */
bool work_condition_parse(const char *text, pbus_condition *out, char **out_text);

#endif

/* postbus doctor: its checks as a table, and what they found. */
#ifndef POSTBUS_CLI_DOCTOR_H
#define POSTBUS_CLI_DOCTOR_H

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>

#include "command.h"

typedef enum doctor_level { DOCTOR_OK, DOCTOR_SKIPPED, DOCTOR_WARNING, DOCTOR_ERROR } doctor_level;
#define DOCTOR_N_LEVELS 4
extern const char *const doctor_level_names[DOCTOR_N_LEVELS]; /* "ok", "skipped" … */

/* What a check cannot do without. */
typedef enum doctor_need { NEEDS_NOTHING, NEEDS_DATABASE, NEEDS_SCHEMA, NEEDS_BROKERS } doctor_need;

typedef struct doctor doctor;
typedef struct doctor_check doctor_check;

struct doctor_check {
    const char *name; /* stable: scripts match it */
    const char *looks_at, *why, *remedy;
    doctor_need need;
    void (*run)(doctor *d, const doctor_check *check); /* NULL: told by another check's run */
    const char *
        query; /* of schemas/sql/queries: a finding a row, by the columns level, found and, if they are more telling
                          than the table's, why and remedy */
};

/* In the order of running and telling; ends with a row whose name is NULL. */
extern const doctor_check doctor_checks[];
const doctor_check *doctor_check_find(const char *name);

typedef struct doctor_finding {
    const doctor_check *check;
    doctor_level level;
    char *found, *why, *remedy; /* why and remedy: NULL = the table's */
} doctor_finding;

typedef struct doctor_report {
    doctor_finding *findings;
    size_t n, capacity;
    size_t counts[DOCTOR_N_LEVELS];
} doctor_report;

/* Each text is copied; why and remedy may be NULL. Without memory the finding is lost, but still counted. */
void doctor_report_add(doctor_report *report, const doctor_check *check, doctor_level level,
                       const char *found, const char *why, const char *remedy);
/* The same by the check's name, with a format and the table's why and remedy. */
void doctor_tell(doctor_report *report, const char *check, doctor_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void doctor_report_done(doctor_report *report);
void doctor_report_print(const doctor_report *report, FILE *to);
void doctor_report_print_json(const doctor_report *report, FILE *to);

/* One examination. */
struct doctor {
    const call *c;
    int64_t old_s; /* from this age on an open transaction or a backlog is worth telling */
    doctor_report report;
    PGconn *conn;          /* NULL: no connection */
    const char *no_schema; /* why nothing of ours can be looked at; NULL: it can */
    rd_kafka_t *kafka;     /* NULL: no brokers were reached */
    const struct rd_kafka_metadata *metadata;
};

/* The runs of the table. */
void doctor_database(doctor *d, const doctor_check *check);
void doctor_direct(doctor *d, const doctor_check *check);
void doctor_database_tls(doctor *d, const doctor_check *check);
void doctor_version(doctor *d, const doctor_check *check);
void doctor_schema(doctor *d, const doctor_check *check);
void doctor_query(doctor *d, const doctor_check *check);
void doctor_brokers(doctor *d, const doctor_check *check);
void doctor_kafka_tls(doctor *d, const doctor_check *check);
void doctor_transactions(doctor *d, const doctor_check *check);
void doctor_topics(doctor *d, const doctor_check *check);

/* A query's rows, read in a read-only transaction of its own with a safe search_path; NULL: *out_sqlstate says why ("" = connection),
 * and the reason is in message. Parameters of every query: $1 old_s, $2 the leader's lock, $3 the newest migration known. */
PGresult *doctor_ask(doctor *d, const char *query, char out_sqlstate[6], char *message, size_t message_size);

/* Judgements that need no server. */
void doctor_judge_version(doctor_report *report, int version);
void doctor_judge_database_tls(doctor_report *report, const char *host, bool encrypted, const char *sslmode);
void doctor_judge_kafka_tls(doctor_report *report, const config *cfg);

#endif

/* The checks that ask PostgreSQL: each reads in a transaction of its own; must never write, nor leave a trace on a pooler's connection. */
#include "doctor.h"

#include "database.h"
#include "postbus_sql.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_VERSION 130000
#define MOST_VERSION 189999

void doctor_database(doctor *d, const doctor_check *check)
{
    char said[1024];
    d->conn = database_connect(d->c);
    if (d->conn && PQstatus(d->conn) == CONNECTION_OK) {
        char *masked = config_mask_conninfo(d->c->cfg.database);
        doctor_report_add(&d->report, check, DOCTOR_OK, masked, NULL, NULL);
        free(masked);
        return;
    }
    one_line(d->conn ? PQerrorMessage(d->conn) : "out of memory", said, sizeof said);
    doctor_report_add(&d->report, check, DOCTOR_ERROR, said, NULL, NULL);
    PQfinish(d->conn);
    d->conn = NULL;
}

static bool run_plain(doctor *d, const char *sql)
{
    PGresult *result = PQexec(d->conn, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

static void note_failure(const doctor *d, const PGresult *result, char out_sqlstate[6], char *message,
                         size_t message_size)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    snprintf(out_sqlstate, 6, "%s", state ? state : "");
    one_line(primary ? primary : PQerrorMessage(d->conn), message, message_size);
}

PGresult *doctor_ask(doctor *d, const char *query, char out_sqlstate[6], char *message, size_t message_size)
{
    static const Oid types[] = {20, 20, 20}; /* bigint: a query need not use them all */
    char old[32], leader[32], newest[32];
    int version = 0;
    for (const sql_migration *m = sql_migrations; m->name; m++)
        version = m->version;
    snprintf(old, sizeof old, "%lld", (long long)d->old_s);
    snprintf(leader, sizeof leader, "%lld", SQL_LOCK_LEADER);
    snprintf(newest, sizeof newest, "%d", version);
    const char *values[] = {old, leader, newest};
    run_plain(d, "BEGIN READ ONLY");
    run_plain(d, "SET LOCAL search_path = pg_catalog, pg_temp");
    PGresult *result = PQexecParams(d->conn, sql_query(query), 3, types, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        note_failure(d, result, out_sqlstate, message, message_size);
        PQclear(result);
        result = NULL;
    }
    run_plain(d, "ROLLBACK");
    return result;
}

static doctor_level level_of(const char *name)
{
    int level = DOCTOR_N_LEVELS - 1;
    while (level > 0 && strcmp(doctor_level_names[level], name) != 0)
        level--;
    return (doctor_level)level;
}

static const char *text_at(const PGresult *rows, int row, const char *column)
{
    int at = PQfnumber(rows, column);
    return at < 0 || PQgetisnull(rows, row, at) ? NULL : PQgetvalue(rows, row, at);
}

static void tell_failure(doctor *d, const doctor_check *check, const char *sqlstate, const char *message)
{
    /* invalid_schema_name, undefined_table, undefined_column, undefined_function */
    bool bare = strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42P01") == 0 ||
                strcmp(sqlstate, "42703") == 0 || strcmp(sqlstate, "42883") == 0;
    bool denied = strcmp(sqlstate, "42501") == 0;
    doctor_report_add(&d->report, check, bare || !denied ? DOCTOR_ERROR : DOCTOR_WARNING, message,
                      denied ? "What the role may not see cannot be checked." : NULL,
                      bare     ? "Run postbus migrate."
                      : denied ? "Run the doctor as the relay's role, and GRANT postbus_relay TO it."
                               : NULL);
}

void doctor_query(doctor *d, const doctor_check *check)
{
    char sqlstate[6] = "", message[512] = "";
    PGresult *rows = doctor_ask(d, check->query, sqlstate, message, sizeof message);
    if (!rows) {
        tell_failure(d, check, sqlstate, message);
        return;
    }
    for (int i = 0; i < PQntuples(rows); i++)
        doctor_report_add(&d->report, check, level_of(text_at(rows, i, "level")), text_at(rows, i, "found"),
                          text_at(rows, i, "why"), text_at(rows, i, "remedy"));
    PQclear(rows);
}

enum known_column { KNOWN_EXISTS, KNOWN_USAGE, KNOWN_ROLE };

void doctor_schema(doctor *d, const doctor_check *check)
{
    char sqlstate[6] = "", message[512] = "";
    PGresult *rows = doctor_ask(d, "doctor_known", sqlstate, message, sizeof message);
    if (!rows) {
        d->no_schema = "not looked at: the schema cannot be looked for";
        tell_failure(d, check, sqlstate, message);
    } else if (PQgetvalue(rows, 0, KNOWN_EXISTS)[0] != 't') {
        d->no_schema = "not looked at: the database has no schema postbus";
        doctor_report_add(&d->report, check, DOCTOR_ERROR, "the database has no schema postbus", NULL, NULL);
    } else if (PQgetvalue(rows, 0, KNOWN_USAGE)[0] != 't') {
        d->no_schema = "not looked at: the role may not use the schema postbus";
        snprintf(message, sizeof message, "the role %s may not use the schema postbus",
                 PQgetvalue(rows, 0, KNOWN_ROLE));
        doctor_report_add(&d->report, check, DOCTOR_ERROR, message,
                          "A relay of that role would refuse to work.",
                          "Run the doctor as the relay's role, and GRANT postbus_relay TO it.");
    } else
        doctor_query(d, check);
    PQclear(rows);
}

void doctor_direct(doctor *d, const doctor_check *check)
{
    char sqlstate[6] = "", message[512] = "";
    PGresult *rows = doctor_ask(d, "doctor_backend", sqlstate, message, sizeof message);
    if (!rows) {
        tell_failure(d, check, sqlstate, message);
        return;
    }
    bool direct = atoi(PQgetvalue(rows, 0, 0)) == PQbackendPID(d->conn);
    doctor_report_add(&d->report, check, direct ? DOCTOR_OK : DOCTOR_ERROR,
                      direct ? "the connection is direct"
                             : "a connection pooler answers in the server's place",
                      NULL, NULL);
    PQclear(rows);
}

void doctor_version(doctor *d, const doctor_check *check)
{
    (void)check;
    doctor_judge_version(&d->report, PQserverVersion(d->conn));
}

void doctor_judge_version(doctor_report *report, int version)
{
    bool known = version >= LEAST_VERSION && version <= MOST_VERSION;
    doctor_tell(report, "server.version",
                known                     ? DOCTOR_OK
                : version < LEAST_VERSION ? DOCTOR_ERROR
                                          : DOCTOR_WARNING,
                "PostgreSQL %d.%d", version / 10000, version % 10000);
}

static bool is_local(const char *host)
{
    struct in_addr v4;
    return !host || !*host || *host == '/' || *host == '@' || strcmp(host, "localhost") == 0 ||
           strcmp(host, "::1") == 0 ||
           (inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

void doctor_judge_database_tls(doctor_report *report, const char *host, bool encrypted, const char *sslmode)
{
    static const char check[] = "database.tls";
    if (is_local(host))
        doctor_tell(report, check, DOCTOR_OK, "the server is on this machine");
    else if (!encrypted)
        doctor_tell(report, check, DOCTOR_WARNING, "the connection to %s is not encrypted", host);
    else if (strcmp(sslmode, "verify-full") != 0)
        doctor_tell(report, check, DOCTOR_WARNING,
                    "the connection to %s is encrypted, but sslmode=%s does not ask who the server is", host,
                    sslmode);
    else
        doctor_tell(report, check, DOCTOR_OK,
                    "the connection to %s is encrypted and its certificate verified", host);
}

void doctor_database_tls(doctor *d, const doctor_check *check)
{
    (void)check;
    const char *sslmode = "prefer";
    PQconninfoOption *options = PQconninfo(d->conn);
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "sslmode") == 0 && o->val)
            sslmode = o->val;
    doctor_judge_database_tls(&d->report, PQhost(d->conn), PQsslInUse(d->conn) != 0, sslmode);
    PQconninfoFree(options);
}

/* The hosts of a list "[SSL://]host:port,…". */
static bool all_local(const char *brokers)
{
    bool local = true;
    char *copy = strdup(brokers ? brokers : ""), *rest = NULL;
    for (char *one = copy ? strtok_r(copy, ", ", &rest) : NULL; one; one = strtok_r(NULL, ", ", &rest)) {
        char *scheme = strstr(one, "://"), *host = scheme ? scheme + 3 : one;
        bool bracket = *host == '[';
        char *end = bracket ? strchr(host, ']') : strrchr(host, ':');
        if (end)
            *end = '\0';
        local &= is_local(host + bracket);
    }
    free(copy);
    return local;
}

static const char *kafka_value(const config *cfg, const char *name, const char *otherwise)
{
    for (size_t i = cfg->n_kafka; i > 0; i--)
        if (strcmp(cfg->kafka[i - 1].name, name) == 0)
            return cfg->kafka[i - 1].value;
    return otherwise;
}

void doctor_judge_kafka_tls(doctor_report *report, const config *cfg)
{
    static const char check[] = "kafka.tls";
    const char *protocol = kafka_value(cfg, "security.protocol", "plaintext");
    bool encrypted = strcasecmp(protocol, "ssl") == 0 || strcasecmp(protocol, "sasl_ssl") == 0;
    const char *verify = kafka_value(cfg, "enable.ssl.certificate.verification", "true");
    const char *identity = kafka_value(cfg, "ssl.endpoint.identification.algorithm", "https");
    if (encrypted && (strcmp(verify, "true") != 0 || strcmp(identity, "https") != 0))
        doctor_tell(report, check, DOCTOR_WARNING, "%s",
                    strcmp(verify, "true") != 0
                        ? "kafka.enable.ssl.certificate.verification is off: any certificate is taken"
                        : "kafka.ssl.endpoint.identification.algorithm is none: any broker's certificate is "
                          "taken for any other's");
    else if (encrypted)
        doctor_tell(report, check, DOCTOR_OK,
                    "the connections are encrypted and the brokers' certificates verified");
    else if (all_local(cfg->brokers))
        doctor_tell(report, check, DOCTOR_OK, "the brokers are on this machine");
    else
        doctor_tell(report, check, DOCTOR_WARNING,
                    "kafka.security.protocol is %s: the connections are not encrypted", protocol);
}

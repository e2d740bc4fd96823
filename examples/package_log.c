/* Reads dpkg's log and, one transaction a line, updates a table of package states and publishes the change; it never publishes
 * outside the transaction that made the change. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <libpq-fe.h>
#include <postbus/postbus.h>

#define TOPIC "packages"
#define MAX_FIELDS 7

typedef struct package_change {
    long line;           /* in the log, from 1 */
    const char *at;      /* "2025-06-24 14:36:25" */
    const char *package; /* "libc-bin:amd64" */
    const char *state;   /* what the log says of it: "unpacked", "installed", "upgrade" … */
    const char *version;
} package_change;

typedef struct package_log {
    PGconn *conn;
    FILE *outcomes;      /* line, "commit" or "rollback", and when that was asked for, in µs since 1970 */
    long rollback_every; /* lines of this multiple are rolled back on purpose; 0 = none */
    long n_committed, n_rolled_back, n_skipped;
} package_log;

static const char create_tables[] =
    "SET client_min_messages = warning;"
    "CREATE TABLE IF NOT EXISTS package_state ("
    "  package text PRIMARY KEY, state text NOT NULL, version text NOT NULL, changes bigint NOT NULL);"
    "CREATE TABLE IF NOT EXISTS package_change ("
    "  line bigint PRIMARY KEY, package text NOT NULL, change bigint NOT NULL, state text NOT NULL)";

/* The row lock on the package's state, held to the commit, is what puts the package's events in order. */
static const char record_change[] =
    "WITH now AS ("
    "  INSERT INTO package_state AS s VALUES ($2, $3, $4, 1)"
    "  ON CONFLICT (package) DO UPDATE SET state = $3, version = $4, changes = s.changes + 1"
    "  RETURNING changes)"
    "INSERT INTO package_change SELECT $1, $2, changes, $3 FROM now RETURNING change";

static bool run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok)
        fprintf(stderr, "package_log: %s", PQerrorMessage(conn));
    PQclear(result);
    return ok;
}

/* One number as an answer, or -1 with the reason on stderr. */
static long ask(PGconn *conn, const char *sql, int n_values, const char *const *values)
{
    PGresult *result = PQexecParams(conn, sql, n_values, NULL, values, NULL, NULL, 0);
    long answer = -1;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
        answer = strtol(PQgetvalue(result, 0, 0), NULL, 10);
    else
        fprintf(stderr, "package_log: %s", PQerrorMessage(conn));
    PQclear(result);
    return answer;
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* Takes a line of the log apart, in place. False: the line is about no package ("startup", "conffile"). */
static bool parse(char *text, package_change *out)
{
    static const char *const actions[] = {"install", "upgrade", "configure", "trigproc",
                                          "remove",  "purge",   "disappear"};
    char *field[MAX_FIELDS] = {0};
    char *rest = NULL;
    int n = 0;
    for (char *word = strtok_r(text, " \n", &rest); word && n < MAX_FIELDS;
         word = strtok_r(NULL, " \n", &rest))
        field[n++] = word;
    if (n != 6)
        return false;
    /* cppcheck-suppress negativeIndex; strtok_r put a zero there, between the first two words */
    field[1][-1] = ' '; /* date and time are one again */
    out->at = field[0];
    if (strcmp(field[2], "status") == 0) { /* status STATE PACKAGE VERSION */
        out->state = field[3], out->package = field[4], out->version = field[5];
        return true;
    }
    for (size_t i = 0; i < sizeof actions / sizeof *actions;
         i++) { /* ACTION PACKAGE OLD-VERSION NEW-VERSION */
        if (strcmp(field[2], actions[i]) == 0) {
            out->state = field[2], out->package = field[3];
            out->version = strcmp(field[5], "<none>") == 0 ? field[4] : field[5];
            return true;
        }
    }
    return false;
}

static bool publish(PGconn *conn, const package_change *change, long number)
{
    json_t *object = json_pack("{s:s, s:I, s:s, s:s, s:s, s:I}", "package", change->package, "change",
                               (json_int_t)number, "state", change->state, "version", change->version, "at",
                               change->at, "line", (json_int_t)change->line);
    char *value = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!value) {
        fprintf(stderr, "package_log: line %ld is not UTF-8\n", change->line);
        return false;
    }
    pbus_event event = {.topic = TOPIC,
                        .type = "package.changed",
                        .key = change->package,
                        .key_size = strlen(change->package),
                        .value = value,
                        .value_size = strlen(value)};
    pbus_error err;
    bool ok = pbus_publish(conn, &event, NULL, NULL, &err) == PBUS_OK;
    if (!ok)
        fprintf(stderr, "package_log: %s\n", err.message);
    free(value);
    return ok;
}

/* The transaction of one line: state, history and event, all of them or none. */
static bool apply(package_log *log, const package_change *change)
{
    char line[24];
    snprintf(line, sizeof line, "%ld", change->line);
    const char *values[] = {line, change->package, change->state, change->version};
    bool roll_back = log->rollback_every > 0 && change->line % log->rollback_every == 0;

    if (!run(log->conn, "BEGIN"))
        return false;
    long number = ask(log->conn, record_change, 4, values);
    if (number < 0 || !publish(log->conn, change, number))
        return false;
    const char *end = roll_back ? "ROLLBACK" : "COMMIT";
    long long at_us = now_us();
    if (!run(log->conn, end))
        return false;
    if (log->outcomes)
        fprintf(log->outcomes, "%ld\t%s\t%lld\n", change->line, roll_back ? "rollback" : "commit", at_us);
    *(roll_back ? &log->n_rolled_back : &log->n_committed) += 1;
    return true;
}

/* Lines that the table has already are passed over: a run that was cut short goes on where it stopped. */
static bool apply_all(package_log *log, FILE *input)
{
    long done = ask(log->conn, "SELECT coalesce(max(line), 0) FROM package_change", 0, NULL);
    char *text = NULL;
    size_t size = 0;
    bool ok = done >= 0;
    for (long line = 1; ok && getline(&text, &size, input) >= 0; line++) {
        package_change change = {.line = line};
        if (line <= done || !parse(text, &change))
            log->n_skipped++;
        else
            ok = apply(log, &change);
    }
    free(text);
    return ok;
}

static bool follow(package_log *log, const char *path)
{
    FILE *input = fopen(path, "r");
    if (!input) {
        perror(path);
        return false;
    }
    long long started_us = now_us();
    bool ok = run(log->conn, create_tables) && apply_all(log, input);
    double seconds = (double)(now_us() - started_us) / 1e6;
    fclose(input);
    if (ok)
        printf("%ld transactions committed, %ld rolled back, %ld lines passed over, in %.1f s\n",
               log->n_committed, log->n_rolled_back, log->n_skipped, seconds);
    return ok;
}

static int usage(void)
{
    fputs("usage: package_log [--database CONNINFO] [--rollback-every N] [--outcomes FILE] LOG\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"database", required_argument, NULL, 'd'},
                                            {"rollback-every", required_argument, NULL, 'r'},
                                            {"outcomes", required_argument, NULL, 'o'},
                                            {0}};
    const char *database = "", *outcomes = NULL;
    package_log log = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'd')
            database = optarg;
        else if (c == 'r')
            log.rollback_every = strtol(optarg, NULL, 10);
        else if (c == 'o')
            outcomes = optarg;
        else
            return usage();
    }
    if (optind != argc - 1)
        return usage();
    if (outcomes && !(log.outcomes = fopen(outcomes, "w"))) {
        perror(outcomes);
        return 1;
    }
    log.conn = PQconnectdb(database);
    bool ok = PQstatus(log.conn) == CONNECTION_OK;
    if (!ok)
        fprintf(stderr, "package_log: %s", PQerrorMessage(log.conn));
    ok = ok && follow(&log, argv[optind]);
    PQfinish(log.conn);
    if (log.outcomes && fclose(log.outcomes) != 0)
        ok = false;
    return ok ? 0 : 1;
}

/* A subscriber that keeps, in a table of its own, what state each package is in; it never counts a change twice, nor one that was not made.
 *
 *   postbus migrate --subscriber
 *   package_stock [--database CONNINFO] --brokers HOST:PORT[,…] --schema FILE [--unwanted PACKAGE] [-X NAME=VALUE]
 *
 * Changes of what is in package_unwanted are tried three times, and then are dead letters; --unwanted puts a package there. Ends on SIGINT and SIGTERM,
 * when what is being handled is done. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <libpq-fe.h>
#include <postbus/worker.h>

#include "avro_json.h"

#define MOST_SETTINGS 8

static const char create_tables[] = "SET client_min_messages = warning;"
                                    "CREATE TABLE IF NOT EXISTS package_stock (package text PRIMARY KEY, "
                                    "state text NOT NULL, changes bigint NOT NULL);"
                                    "CREATE TABLE IF NOT EXISTS package_unwanted (package text PRIMARY KEY)";

static const char take_change[] =
    "INSERT INTO package_stock AS s (package, state, changes)"
    "  SELECT $1, $2, 1 WHERE NOT EXISTS (SELECT FROM package_unwanted u WHERE u.package = $1)"
    "  ON CONFLICT (package) DO UPDATE SET state = $2, changes = s.changes + 1";

static pbus_outcome take(PGconn *tx, const char *package, const char *state)
{
    const char *values[] = {package, state};
    PGresult *result = PQexecParams(tx, take_change, 2, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    bool wanted = strcmp(PQcmdTuples(result), "0") != 0;
    PQclear(result);
    if (!ok)
        return pbus_retry(NULL, -1); /* the worker keeps PostgreSQL's own words */
    return wanted ? pbus_ack() : pbus_retry("nobody wants this package", -1);
}

static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *decoder)
{
    pbus_buffer text = PBUS_BUFFER_INIT;
    bool ok = event->value && avro_json(decoder, event->value, event->value_size, &text);
    json_t *value = ok ? json_loadb((const char *)text.data, text.size, 0, NULL) : NULL;
    const char *package = json_string_value(json_object_get(value, "package"));
    const char *state = json_string_value(json_object_get(value, "state"));
    pbus_outcome outcome =
        package && state ? take(tx, package, state) : pbus_dead("this is no change of a package");
    json_decref(value);
    pbus_buffer_done(&text);
    return outcome;
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s\n", notice->message);
}

static bool run(PGconn *conn, PGresult *result)
{
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok)
        fprintf(stderr, "package_stock: %s", PQerrorMessage(conn));
    PQclear(result);
    return ok;
}

static bool prepare(const char *database, const char *unwanted)
{
    static const char add[] = "INSERT INTO package_unwanted VALUES ($1) ON CONFLICT DO NOTHING";
    PGconn *conn = PQconnectdb(database);
    bool ok = run(conn, PQexec(conn, create_tables)) &&
              (!unwanted || run(conn, PQexecParams(conn, add, 1, NULL, &unwanted, NULL, NULL, 0)));
    PQfinish(conn);
    return ok;
}

static int serve(const pbus_worker_options *options, const sigset_t *ends)
{
    int signal_number;
    pbus_worker *worker;
    pbus_error err;
    if (pbus_worker_start(options, &worker, &err) != PBUS_OK) {
        fprintf(stderr, "package_stock: %s\n", err.message);
        return 1;
    }
    sigwait(ends, &signal_number);
    if (pbus_worker_stop(worker, 30000, &err) != PBUS_OK) {
        fprintf(stderr, "package_stock: %s\n", err.message);
        return 1; /* the process's end rolls back what still runs */
    }
    pbus_worker_free(worker);
    return 0;
}

static bool split(char *text, pbus_kafka_setting *out)
{
    char *value = strchr(text, '=');
    if (!value)
        return false;
    *value = '\0';
    *out = (pbus_kafka_setting){text, value + 1};
    return true;
}

int main(int argc, char **argv)
{
    static const struct option flags[] = {{"database", required_argument, NULL, 'd'},
                                          {"brokers", required_argument, NULL, 'b'},
                                          {"schema", required_argument, NULL, 's'},
                                          {"unwanted", required_argument, NULL, 'u'},
                                          {0}};
    static const char *const topics[] = {"packages"};
    pbus_subscription subscription = {.key = "stock",
                                      .topics = topics,
                                      .n_topics = 1,
                                      .handler = handle,
                                      .n_threads = 4,
                                      .retry = {.first_ms = 20, .max_attempts = 3}};
    pbus_kafka_setting settings[MOST_SETTINGS];
    pbus_worker_options options = {.size = sizeof options,
                                   .application = "package-stock",
                                   .conninfo = "",
                                   .kafka = settings,
                                   .subscriptions = &subscription,
                                   .n_subscriptions = 1,
                                   .notice = tell};
    const char *unwanted = NULL;
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "X:", flags, NULL)) != -1;) {
        if (c == 'd')
            options.conninfo = optarg;
        else if (c == 'b')
            options.brokers = optarg;
        else if (c == 's')
            ok &= (subscription.arg = avro_json_open(optarg)) != NULL;
        else if (c == 'u')
            unwanted = optarg;
        else
            ok &= c == 'X' && options.n_kafka < MOST_SETTINGS && split(optarg, &settings[options.n_kafka++]);
    }
    if (!ok || !subscription.arg || !options.brokers || optind != argc) {
        fputs("usage: package_stock [--database CONNINFO] --brokers HOST:PORT[,…] --schema FILE [--unwanted "
              "PACKAGE] [-X "
              "NAME=VALUE]\n",
              stderr);
        return 2;
    }
    /* Before any thread is started, so that none of them is interrupted. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    int code = prepare(options.conninfo, unwanted) ? serve(&options, &ends) : 1;
    pbus_decoder_free(subscription.arg);
    return code;
}

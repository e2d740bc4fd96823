/* A subscriber: counts the events of each key in a table, exactly once each, whatever dies.
 *
 *   postbus migrate --subscriber --database dbname=billing
 *   psql -d billing -c 'CREATE TABLE seen (key text PRIMARY KEY, n bigint NOT NULL)'
 *   subscriber dbname=billing localhost:9092 orders
 *
 * Ends on SIGINT and SIGTERM, when what is being handled is done. */
#include <postbus/worker.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static pbus_outcome count(const pbus_delivery *event, PGconn *tx, void *arg)
{
    const char *values[] = {event->key ? event->key : "(none)"};
    (void)arg;
    PGresult *result = PQexecParams(
        tx, "INSERT INTO seen AS s (key, n) VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET n = s.n + 1", 1,
        NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    /* A failed statement would not be committed anyway; this says so. The worker keeps PostgreSQL's own words. */
    return status == PGRES_COMMAND_OK ? pbus_ack() : pbus_retry(NULL, -1);
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", notice->topic ? notice->topic : notice->subscription, notice->message);
}

static int serve(const pbus_worker_options *options, const sigset_t *ends)
{
    int signal_number;
    pbus_worker *worker;
    pbus_error err;
    if (pbus_worker_start(options, &worker, &err) != PBUS_OK) {
        fprintf(stderr, "subscriber: %s\n", err.message);
        return 1;
    }
    sigwait(ends, &signal_number);
    pbus_status status = pbus_worker_stop(worker, 30000, &err);
    if (status != PBUS_OK) {
        fprintf(stderr, "subscriber: %s\n", err.message);
        return 1; /* the process's end rolls back what still runs */
    }
    pbus_worker_free(worker);
    return 0;
}

int main(int argc, char **argv)
{
    sigset_t ends;
    if (argc != 4) {
        fprintf(stderr, "usage: subscriber CONNECTION-STRING BROKERS TOPIC\n");
        return 2;
    }
    const char *topics[] = {argv[3]};
    const pbus_subscription subscription = {
        .key = "count", .topics = topics, .n_topics = 1, .handler = count, .n_threads = 2};
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = "example",
                                         .conninfo = argv[1],
                                         .brokers = argv[2],
                                         .subscriptions = &subscription,
                                         .n_subscriptions = 1,
                                         .notice = tell};
    /* Before any thread is started, so that none of them is interrupted. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    return serve(&options, &ends);
}

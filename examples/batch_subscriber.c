/* A subscriber that writes the effects of many events by one statement: counts the events of each key in a table, exactly once each, whatever dies.
 *
 *   postbus migrate --subscriber --database dbname=billing
 *   psql -d billing -c 'CREATE TABLE seen (key text PRIMARY KEY, n bigint NOT NULL)'
 *   batch_subscriber dbname=billing localhost:9092 orders
 *
 * Ends on SIGINT and SIGTERM, when what is being handled is done. */
#include <postbus/worker.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void put_element(FILE *array, const char *text)
{
    fputc('"', array);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', array);
        fputc(*text, array);
    }
    fputc('"', array);
}

/* As an array of PostgreSQL's, {"a","b"}; the caller frees it. NULL: no memory. */
static char *keys_of(const pbus_delivery *const *events, size_t n)
{
    char *text = NULL;
    size_t size;
    FILE *array = open_memstream(&text, &size);
    for (size_t i = 0; array && i < n; i++) {
        fputc(i ? ',' : '{', array);
        put_element(array, events[i]->key ? events[i]->key : "(none)");
    }
    if (array && fputc('}', array) != EOF && fclose(array) == 0)
        return text;
    free(text);
    return NULL;
}

static pbus_outcome count_all(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    char *keys = keys_of(events, n);
    const char *values[] = {keys};
    (void)arg;
    if (!keys)
        return pbus_retry("no memory", -1);
    PGresult *result =
        PQexecParams(tx,
                     "INSERT INTO seen AS s (key, n) SELECT key, count(*) FROM unnest($1::text[]) key"
                     " GROUP BY key ORDER BY key ON CONFLICT (key) DO UPDATE SET n = s.n + excluded.n",
                     1, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    free(keys);
    /* Whichever event is at fault: each is given to this function once more by itself. */
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
        fprintf(stderr, "batch_subscriber: %s\n", err.message);
        return 1;
    }
    sigwait(ends, &signal_number);
    pbus_status status = pbus_worker_stop(worker, 30000, &err);
    if (status != PBUS_OK) {
        fprintf(stderr, "batch_subscriber: %s\n", err.message);
        return 1; /* the process's end rolls back what still runs */
    }
    pbus_worker_free(worker);
    return 0;
}

int main(int argc, char **argv)
{
    sigset_t ends;
    if (argc != 4) {
        fprintf(stderr, "usage: batch_subscriber CONNECTION-STRING BROKERS TOPIC\n");
        return 2;
    }
    const char *topics[] = {argv[3]};
    const pbus_subscription subscription = {
        .key = "count", .topics = topics, .n_topics = 1, .batch_handler = count_all, .batch_size = 500};
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

/* A subscriber that tests kill: notes each event's effect, and can be slow about it.
 * usage: worker_subject CONNINFO BROKERS APPLICATION TOPIC SLEEP_US [BATCH_SIZE] */
#include <postbus/worker.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned sleep_us;

/* One in 50 fails the first time. */
static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *arg)
{
    const char *values[] = {event->key, event->value};
    (void)arg;
    PGresult *result =
        PQexecParams(tx, "INSERT INTO effect (key, value) VALUES ($1, $2)", 2, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (sleep_us)
        usleep(sleep_us);
    if (event->attempt == 1 && event->offset % 50 == 7)
        return pbus_retry("now and then", 1);
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    printf("notice %d: %s\n", (int)notice->kind, notice->message);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const pbus_kafka_setting quick[] = {
        {"fetch.wait.max.ms", "20"}, {"heartbeat.interval.ms", "300"}, {"session.timeout.ms", "6000"}};
    pbus_worker *worker;
    pbus_error err;
    int number;
    sigset_t end;
    if (argc != 6 && argc != 7)
        return 2;
    sleep_us = (unsigned)atoi(argv[5]);
    const char *topics[] = {argv[4]};
    const pbus_subscription sub = {.key = "main",
                                   .topics = topics,
                                   .n_topics = 1,
                                   .handler = handle,
                                   .n_threads = 3,
                                   .batch_size = argc == 7 ? atoi(argv[6]) : 1,
                                   .retry = {.first_ms = 1, .max_attempts = -1}};
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = argv[3],
                                         .conninfo = argv[1],
                                         .brokers = argv[2],
                                         .kafka = quick,
                                         .n_kafka = 3,
                                         .subscriptions = &sub,
                                         .n_subscriptions = 1,
                                         .notice = tell};
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    if (pbus_worker_start(&options, &worker, &err) != PBUS_OK) {
        printf("%s\n", err.message);
        return 1;
    }
    sigwait(&end, &number);
    pbus_status status = pbus_worker_stop(worker, 30000, &err);
    pbus_worker_free(worker);
    return status == PBUS_OK ? 0 : 1;
}

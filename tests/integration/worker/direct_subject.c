/* A subscriber without a database that tests kill: adds a line "KEY:N" to a file for each event, after a while; one in so many fails the first time.
 * usage: direct_subject BROKERS APPLICATION TOPIC FILE SLEEP_US FAILS_ONE_IN */
#include <postbus/worker.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int journal;
static unsigned sleep_us;
static int fails_one_in; /* 0: none */

static pbus_outcome note(const pbus_delivery *event, PGconn *tx, void *arg)
{
    char line[200];
    (void)arg;
    usleep(sleep_us);
    if (event->attempt == 1 && fails_one_in && event->offset % fails_one_in == 7)
        return pbus_retry("now and then", 20);
    int n = snprintf(line, sizeof line, "%s\n", (const char *)event->value);
    return !tx && write(journal, line, (size_t)n) == n ? pbus_ack() : pbus_dead("it cannot be noted");
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
    if (argc != 7)
        return 2;
    const char *topics[] = {argv[3]};
    const pbus_subscription sub = {
        .key = "main", .topics = topics, .n_topics = 1, .handler = note, .n_threads = 3};
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = argv[2],
                                         .positions = PBUS_POSITIONS_KAFKA,
                                         .brokers = argv[1],
                                         .kafka = quick,
                                         .n_kafka = sizeof quick / sizeof quick[0],
                                         .subscriptions = &sub,
                                         .n_subscriptions = 1,
                                         .notice = tell};
    journal = open(argv[4], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    sleep_us = (unsigned)atoi(argv[5]);
    fails_one_in = atoi(argv[6]);
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    if (journal < 0 || pbus_worker_start(&options, &worker, &err) != PBUS_OK)
        return 1;
    sigwait(&end, &number);
    pbus_status status = pbus_worker_stop(worker, 30000, &err);
    pbus_worker_free(worker);
    return status == PBUS_OK ? 0 : 1;
}

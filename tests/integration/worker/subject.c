/* A subscriber that tests kill: notes each event's effect, and can be slow about it. With MAX_ATTEMPTS it is a static member, whose successor need not wait
 * until it is missed, and events kill it: "kill" at each attempt, and where "slow" ones come beside it, while one of them is being handled; "later" after
 * one attempt that failed. "together": all events of a batch are handled by one call.
 * usage: worker_subject CONNINFO BROKERS APPLICATION TOPIC SLEEP_US [BATCH_SIZE[,together] [MAX_ATTEMPTS]] */
#include <postbus/worker.h>

#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TURN_US = 1000, MOST_TURNS = 1000 };

static unsigned sleep_us;
static atomic_int n_slow;

static pbus_outcome die(void)
{
    const struct rlimit no_core = {0, 0};
    for (int i = 0; i < MOST_TURNS && n_slow == 0; i++)
        usleep(TURN_US);
    setrlimit(RLIMIT_CORE, &no_core);
    raise(SIGSEGV);
    return pbus_ack();
}

static pbus_outcome insert(const pbus_delivery *event, PGconn *tx)
{
    const char *values[] = {event->key, event->value};
    PGresult *result =
        PQexecParams(tx, "INSERT INTO effect (key, value) VALUES ($1, $2)", 2, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

static pbus_outcome handle_or_die(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)arg;
    if (strncmp(event->value, "later", 5) == 0 && event->attempt == 1)
        return pbus_retry("later", 1);
    if (strncmp(event->value, "kill", 4) == 0 || strncmp(event->value, "later", 5) == 0)
        return die();
    bool slow = strncmp(event->value, "slow", 4) == 0;
    n_slow += slow;
    for (int i = 0; slow && i < MOST_TURNS; i++)
        usleep(TURN_US);
    n_slow -= slow;
    return insert(event, tx);
}

/* One in 50 fails the first time. */
static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)arg;
    pbus_outcome outcome = insert(event, tx);
    if (sleep_us)
        usleep(sleep_us);
    if (event->attempt == 1 && event->offset % 50 == 7)
        return pbus_retry("now and then", 1);
    return outcome;
}

static pbus_handler *handle_one = handle;

static pbus_outcome handle_all(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    pbus_outcome outcome = pbus_ack();
    for (size_t i = 0; i < n && outcome.verdict == PBUS_ACK; i++)
        outcome = handle_one(events[i], tx, arg);
    return outcome;
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    printf("notice %d: %s\n", (int)notice->kind, notice->message);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const pbus_kafka_setting quick[] = {{"fetch.wait.max.ms", "20"},
                                               {"heartbeat.interval.ms", "300"},
                                               {"session.timeout.ms", "6000"},
                                               {"group.instance.id", "one"}};
    pbus_worker *worker;
    pbus_error err;
    int number;
    sigset_t end;
    if (argc < 6 || argc > 8)
        return 2;
    bool together = argc > 6 && strstr(argv[6], ",together");
    bool dies = argc == 8;
    if (dies)
        handle_one = handle_or_die;
    sleep_us = (unsigned)atoi(argv[5]);
    const char *topics[] = {argv[4]};
    const pbus_subscription sub = {.key = "main",
                                   .topics = topics,
                                   .n_topics = 1,
                                   .handler = together ? NULL : handle_one,
                                   .batch_handler = together ? handle_all : NULL,
                                   .n_threads = 3,
                                   .batch_size = argc > 6 ? atoi(argv[6]) : 1,
                                   .retry = {.first_ms = 1, .max_attempts = dies ? atoi(argv[7]) : -1}};
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = argv[3],
                                         .conninfo = argv[1],
                                         .brokers = argv[2],
                                         .kafka = quick,
                                         .n_kafka = dies ? 4 : 3,
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

/* A subscriber that notes the effect of each event, with handlers of bad habits; must never know what the load has committed. */
#include <postbus/worker.h>

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <popt.h>

#define POISON_TOKEN (INT64_C(1) << 59) /* faults_application.py has it, too */
#define ATTEMPTS 5                      /* faults_subscriber.py has it, too */
#define N_DUELISTS 4

/* What a handler does besides; one event in so many, 0: never. */
typedef struct habits {
    int slow;      /* takes up to a second */
    int very_slow; /* takes longer than the group waits for a member without a sign of life */
    int retry;     /* fails, though never so often that the event dies of it */
    int deadlock;  /* locks two rows in the order of its whim */
    int crash;     /* ends the process */
    const char *database;
} habits;

static bool now_and_then(int one_in)
{
    return one_in > 0 && arc4random_uniform((uint32_t)one_in) == 0;
}

static void be_busy(uint32_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static bool run(PGconn *tx, const char *sql, int n, const char *const *values)
{
    PGresult *result = PQexecParams(tx, sql, n, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK;
}

/* Poison is what no medicine is noted for. */
static bool is_poison(PGconn *tx, const char *token)
{
    const char *values[] = {token};
    if (strtoll(token, NULL, 10) < POISON_TOKEN || strtoll(token, NULL, 10) >= 2 * POISON_TOKEN)
        return false;
    PGresult *result =
        PQexecParams(tx, "SELECT FROM medicine WHERE token = $1", 1, NULL, values, NULL, NULL, 0);
    bool cured = PQntuples(result) > 0;
    PQclear(result);
    return !cured;
}

static bool duel(PGconn *tx)
{
    char first[12], second[12];
    uint32_t one = arc4random_uniform(N_DUELISTS);
    snprintf(first, sizeof first, "%u", one);
    snprintf(second, sizeof second, "%u", (one + 1 + arc4random_uniform(N_DUELISTS - 1)) % N_DUELISTS);
    const char *const values[][1] = {{first}, {second}};
    for (int i = 0; i < 2; i++) {
        if (!run(tx, "UPDATE duelist SET n = n + 1 WHERE id = $1", 1, values[i]))
            return false;
        be_busy(2);
    }
    return true;
}

/* Without ceremony, whatever a sanitizer has to say. */
static void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static bool note_effect(const pbus_delivery *event, PGconn *tx)
{
    char attempt[12], token[24];
    const char *values[] = {event->topic, event->key, token, attempt};
    snprintf(token, sizeof token, "%lld", strtoll(event->value ? event->value : "0", NULL, 10));
    snprintf(attempt, sizeof attempt, "%d", event->attempt);
    return run(tx, "INSERT INTO effect (topic, key, token, attempt) VALUES ($1, $2, $3, $4)", 4, values);
}

static bool copy_effect(const pbus_delivery *event, PGconn *tx)
{
    char line[600];
    int size = snprintf(line, sizeof line, "%s\t%s\t%lld\t%d\n", event->topic,
                        event->key ? (const char *)event->key : "\\N",
                        strtoll(event->value ? event->value : "0", NULL, 10), event->attempt);
    return size < (int)sizeof line && PQputCopyData(tx, line, size) == 1;
}

/* By one statement. */
static bool note_effects(const pbus_delivery *const *events, size_t n, PGconn *tx)
{
    PGresult *result = PQexec(tx, "COPY effect (topic, key, token, attempt) FROM STDIN");
    bool ok = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    for (size_t i = 0; ok && i < n; i++)
        ok = copy_effect(events[i], tx);
    ok = ok && PQputCopyEnd(tx, NULL) == 1;
    while ((result = PQgetResult(tx)) != NULL) {
        ok = ok && PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    return ok;
}

/* What the handler does besides. */
static pbus_outcome behave(const habits *h, const pbus_delivery *event, PGconn *tx, bool ok)
{
    char token[24];
    snprintf(token, sizeof token, "%lld", strtoll(event->value ? event->value : "0", NULL, 10));
    if (ok && is_poison(tx, token))
        return pbus_retry("poison", -1);
    if (ok && now_and_then(h->deadlock))
        ok = duel(tx);
    if (now_and_then(h->slow))
        be_busy(arc4random_uniform(1000));
    if (now_and_then(h->very_slow))
        be_busy(8000);
    if (now_and_then(h->crash))
        crash();
    if (event->attempt < ATTEMPTS && now_and_then(h->retry))
        return pbus_retry("now and then", -1);
    return ok ? pbus_ack() : pbus_retry(NULL, -1);
}

/* Positions are in Kafka: a thread has a connection of its own, each effect is a transaction, and only an event of which that failed is tried again. */
static pthread_key_t connections;

static void disconnect(void *conn)
{
    PQfinish(conn);
}

static PGconn *own_connection(const char *database)
{
    PGconn *conn = pthread_getspecific(connections);
    if (conn && PQstatus(conn) == CONNECTION_OK)
        return conn;
    PQfinish(conn);
    conn = PQconnectdb(database);
    pthread_setspecific(connections, conn);
    return conn;
}

static pbus_outcome handle_alone(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)tx;
    habits *h = arg;
    PGconn *conn = own_connection(h->database);
    return behave(h, event, conn, note_effect(event, conn));
}

static pbus_outcome handle(const pbus_delivery *event, PGconn *tx, void *arg)
{
    return behave(arg, event, tx, note_effect(event, tx));
}

static pbus_outcome handle_all(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    bool ok = note_effects(events, n, tx);
    pbus_outcome outcome = pbus_ack();
    for (size_t i = 0; i < n && outcome.verdict == PBUS_ACK; i++)
        outcome = behave(arg, events[i], tx, ok);
    return outcome;
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    struct timespec now;
    if (notice->kind == PBUS_NOTICE_RETRY)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "%lld.%03ld notice %d %s %d %lld %lld: %s\n", (long long)now.tv_sec,
            now.tv_nsec / 1000000, (int)notice->kind, notice->topic ? notice->topic : "-",
            (int)notice->partition, (long long)notice->offset, (long long)notice->number, notice->message);
}

/* Until it is told to end; the database may be away meanwhile. */
static bool start(const pbus_worker_options *options, const sigset_t *ends, pbus_worker **out_worker)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    pbus_error err;
    while (pbus_worker_start(options, out_worker, &err) != PBUS_OK) {
        fprintf(stderr, "subscriber: %s\n", err.message);
        if (!err.retriable || sigtimedwait(ends, NULL, &pause) == SIGTERM)
            return false;
    }
    return true;
}

static void print_counts(const pbus_worker *worker)
{
    pbus_worker_counts c;
    if (pbus_worker_count(worker, "main", &c))
        fprintf(
            stderr,
            "subscriber: read %llu, handled %llu, duplicates %llu, behind %llu, retries %llu, dead %llu\n",
            (unsigned long long)c.n_read, (unsigned long long)c.n_handled, (unsigned long long)c.n_duplicates,
            (unsigned long long)c.n_behind, (unsigned long long)c.n_retries, (unsigned long long)c.n_dead);
}

static int serve(const pbus_worker_options *options, const sigset_t *ends)
{
    pbus_worker *worker;
    pbus_error err;
    int number;
    if (!start(options, ends, &worker))
        return 1;
    sigwait(ends, &number);
    pbus_status status = pbus_worker_stop(worker, 30000, &err);
    if (status != PBUS_OK) {
        fprintf(stderr, "subscriber: %s\n", err.message);
        return 1;
    }
    print_counts(worker);
    pbus_worker_free(worker);
    return 0;
}

int main(int argc, const char **argv)
{
    static const pbus_kafka_setting kafka[] = {{"session.timeout.ms", "6000"},
                                               {"heartbeat.interval.ms", "500"}};
    static habits h;
    char *database = NULL, *brokers = NULL, *application = NULL, *topic = NULL;
    int threads = 4, together = 0, without = 0;
    const struct poptOption flags[] = {
        {"database", 0, POPT_ARG_STRING, &database, 0, "where the effects go", "CONNINFO"},
        {"brokers", 0, POPT_ARG_STRING, &brokers, 0, "where the events are", "HOST:PORT"},
        {"application", 0, POPT_ARG_STRING, &application, 0, "whose subscriber it is", "NAME"},
        {"topics", 0, POPT_ARG_STRING, &topic, 0, "three topics", "NAME,NAME,NAME"},
        {"threads", 0, POPT_ARG_INT, &threads, 0, "that handle", "N"},
        {"together", 0, POPT_ARG_INT, &together, 0, "so many events are handled by one call, at most", "N"},
        {"positions-in-kafka", 0, POPT_ARG_NONE, &without, 0, "effects are at least once", NULL},
        {"slow", 0, POPT_ARG_INT, &h.slow, 0, "one handler in so many takes up to a second", "N"},
        {"very-slow", 0, POPT_ARG_INT, &h.very_slow, 0, "likewise, eight seconds", "N"},
        {"retry", 0, POPT_ARG_INT, &h.retry, 0, "one in so many fails", "N"},
        {"deadlock", 0, POPT_ARG_INT, &h.deadlock, 0, "one in so many may come into a deadlock", "N"},
        {"crash", 0, POPT_ARG_INT, &h.crash, 0, "one in so many ends the process", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("postbus_chaos_subscriber", argc, argv, flags, 0);
    const char *topics[3];
    size_t n_topics = 0;
    sigset_t ends;
    if (poptGetNextOpt(context) < -1 || !database || !brokers || !application || !topic)
        return fprintf(stderr, "subscriber: bad arguments; see --help\n"), 2;
    char *rest = topic;
    while (n_topics < 3 && (topics[n_topics] = strsep(&rest, ",")))
        n_topics++;
    const pbus_subscription subscription = {
        .key = "main",
        .topics = topics,
        .n_topics = n_topics,
        .handler = together  ? NULL
                   : without ? handle_alone
                             : handle,
        .batch_handler = together ? handle_all : NULL,
        .batch_size = together,
        .arg = &h,
        .n_threads = threads,
        .retry = {.first_ms = 20, .most_ms = 200, .max_attempts = ATTEMPTS},
    };
    const pbus_worker_options options = {.size = sizeof options,
                                         .application = application,
                                         .positions =
                                             without ? PBUS_POSITIONS_KAFKA : PBUS_POSITIONS_DATABASE,
                                         .conninfo = without ? NULL : database,
                                         .brokers = brokers,
                                         .kafka = kafka,
                                         .n_kafka = sizeof kafka / sizeof *kafka,
                                         .subscriptions = &subscription,
                                         .n_subscriptions = 1,
                                         .notice = tell};
    h.database = database;
    pthread_key_create(&connections, disconnect);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    int code = serve(&options, &ends);
    free(database);
    free(brokers);
    free(application);
    free(topic);
    poptFreeContext(context);
    return code;
}

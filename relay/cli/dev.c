/* postbus dev: PostgreSQL, a broker and the relay in one process, to try things on; never for data that matter. */
#include "database.h"
#include "migrate.h"
#include "private_postgres.h"
#include "relay.h"
#include "stop.h"

/* clang-format off: the second needs the first */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
/* clang-format on */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

static const command_option options[] = {
    {.name = "dir",
     .letter = 'd',
     .kind = OPTION_TEXT,
     .placeholder = "DIR",
     .effect = "Where PostgreSQL keeps its data, log and socket. One that an earlier postbus dev --keep left "
               "is used again, and kept. "
               "Default: a new directory under TMPDIR or /tmp."},
    {.name = "keep",
     .kind = OPTION_SWITCH,
     .effect = "Leaves the data when it ends. Otherwise what this run made is removed."},
    {.name = "port",
     .letter = 'p',
     .kind = OPTION_COUNT,
     .placeholder = "N",
     .lowest = 1,
     .highest = 65535,
     .effect = "PostgreSQL's port on 127.0.0.1; default: any free one."},
    {.name = "pg-bin",
     .kind = OPTION_TEXT,
     .placeholder = "DIR",
     .effect = "Where initdb and postgres are. Default: where PATH finds them, or else the newest of "
               "/usr/lib/postgresql/*/bin."},
    {.name = "kafka-brokers",
     .kind = OPTION_TEXT,
     .placeholder = "HOST:PORT,…",
     .effect = "Publishes to these brokers, and starts none of its own."},
    {.name = NULL},
};

typedef struct development {
    const call *c;
    private_postgres postgres;
    rd_kafka_t *kafka; /* carries the broker; NULL: brokers were given */
    rd_kafka_mock_cluster_t *broker;
    const char *brokers;
    int stop_fd;      /* bytes of signals */
    int relay_fds[2]; /* a pipe: what stops the relay */
    int end_fds[2];   /* a pipe: what ends the watch */
    atomic_bool postgres_died;
    bool greeted;
} development;

static int start_broker(development *d)
{
    d->brokers = call_text(d->c, "kafka-brokers");
    if (d->brokers)
        return EXIT_OK;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char said[512];
    rd_kafka_conf_set_log_cb(conf, NULL); /* it would say that it has no brokers: it is none itself */
    d->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, sizeof said);
    if (!d->kafka) {
        rd_kafka_conf_destroy(conf);
        return fault(d->c, "the broker cannot be started: %s", said);
    }
    d->broker = rd_kafka_mock_cluster_new(d->kafka, 1);
    if (!d->broker)
        return fault(d->c, "the broker cannot be started: no port on 127.0.0.1 is free");
    d->brokers = rd_kafka_mock_cluster_bootstraps(d->broker);
    return EXIT_OK;
}

static int migrate(const development *d)
{
    PGconn *conn = PQconnectdb(d->postgres.database);
    int code = PQstatus(conn) == CONNECTION_OK ? migrate_quietly(d->c, conn)
                                               : fault(d->c, "%s", PQerrorMessage(conn));
    PQfinish(conn);
    return code;
}

/* DIR/env, for scripts: it appears when everything is ready. */
static void write_env(const development *d)
{
    char path[4096], draft[4096];
    snprintf(path, sizeof path, "%s/env", d->postgres.dir);
    snprintf(draft, sizeof draft, "%s/data/env.new", d->postgres.dir);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    dprintf(fd, "export POSTBUS_DATABASE='%s'\nexport POSTBUS_BROKERS='%s'\n", d->postgres.database,
            d->brokers);
    close(fd);
    if (rename(draft, path) != 0)
        fprintf(stderr, "postbus dev: %s cannot be written: %s\n", path, strerror(errno));
}

static void greet(void *arg)
{
    development *d = arg;
    if (d->greeted)
        return;
    d->greeted = true;
    bool removes = d->postgres.created && !call_has(d->c, "keep");
    printf("postbus dev is ready. Ctrl-C stops all of it%s %s.\n\n",
           removes ? " and removes" : "; the data stay in", d->postgres.dir);
    printf("  export POSTBUS_DATABASE='%s'\n  export POSTBUS_BROKERS='%s'\n\n", d->postgres.database,
           d->brokers);
    printf("With these two lines in another terminal, try:\n\n"
           "  postbus tail orders\n"
           "  postbus publish orders '{\"order\": 17}' --key 17\n"
           "  psql \"$POSTBUS_DATABASE\" -c \"SELECT postbus.publish('orders', '{\\\"order\\\": 18}', key => "
           "'18')\"\n"
           "  postbus status\n\n");
    if (d->broker)
        printf("Other Kafka clients on this machine can connect to %s. It keeps records in memory, the last "
               "5 MiB of a partition.\n\n",
               d->brokers);
    fflush(stdout);
    write_env(d);
}

/* Hands on signals to the relay, and stops it where PostgreSQL has ended by itself. */
static void *watch(void *arg)
{
    development *d = arg;
    int pid_fd = pidfd_open(d->postgres.pid, 0);
    struct pollfd fds[] = {{.fd = d->stop_fd, .events = POLLIN},
                           {.fd = d->end_fds[0], .events = POLLIN},
                           {.fd = pid_fd, .events = POLLIN}};
    while (fds[1].revents == 0) {
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            break;
        char byte;
        if ((fds[0].revents & POLLIN) && read(d->stop_fd, &byte, 1) == 1 && write(d->relay_fds[1], "", 1) < 0)
            break;
        if (fds[2].revents) {
            atomic_store(&d->postgres_died, true);
            fds[2].fd = -1;
            fds[2].revents = 0;
            if (write(d->relay_fds[1], "xx", 2) < 0) /* at once: there is nothing to settle with */
                break;
        }
    }
    if (pid_fd >= 0)
        close(pid_fd);
    return NULL;
}

static int run_relay(development *d)
{
    config cfg = d->c->cfg; /* borrows all but these two */
    cfg.database = d->postgres.database;
    cfg.brokers = (char *)d->brokers;
    pthread_t watcher;
    int error = pthread_create(&watcher, NULL, watch, d);
    if (error)
        return fault(d->c, "no thread can be started: %s", strerror(error));
    int code = relay_run(
        &cfg, 1, &(relay_run_options){.stop_fd = d->relay_fds[0], .on_ready = greet, .on_ready_arg = d});
    if (write(d->end_fds[1], "", 1) == 1)
        pthread_join(watcher, NULL);
    if (atomic_load(&d->postgres_died))
        return fault(d->c, "PostgreSQL ended by itself; its log was %s/postgres.log (--keep leaves it)",
                     d->postgres.dir);
    return code;
}

static bool told_to_stop(const development *d)
{
    struct pollfd stop = {.fd = d->stop_fd, .events = POLLIN};
    return poll(&stop, 1, 0) > 0;
}

static int run_all(development *d)
{
    const private_postgres_options wanted = {.dir = call_text(d->c, "dir"),
                                             .bin = call_text(d->c, "pg-bin"),
                                             .port = (int)call_count(d->c, "port", 0)};
    fputs("starting PostgreSQL …\n", stderr);
    int code = private_postgres_start(d->c, &wanted, &d->postgres);
    if (code == EXIT_OK && !told_to_stop(d))
        code = start_broker(d);
    if (code == EXIT_OK && !told_to_stop(d))
        code = migrate(d);
    if (code == EXIT_OK && !told_to_stop(d))
        code = run_relay(d);
    return code;
}

static void stop_all(development *d, int code)
{
    /* The log is what tells the reason of a failed start. */
    private_postgres_stop(&d->postgres, call_has(d->c, "keep") || (code == EXIT_FAULT && !d->greeted));
    if (d->broker)
        rd_kafka_mock_cluster_destroy(d->broker);
    if (d->kafka)
        rd_kafka_destroy(d->kafka);
}

static int run(const call *c)
{
    development d = {.c = c};
    int code = private_postgres_drop_root(c, call_text(c, "dir"));
    if (code != EXIT_OK)
        return code;
    d.stop_fd = stop_open();
    if (d.stop_fd < 0 || pipe2(d.relay_fds, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(d.end_fds, O_CLOEXEC) != 0)
        return fault(c, "signals cannot be received: %s", strerror(errno));
    log_setup(c->cfg.log_level, c->cfg.log_json);
    code = run_all(&d);
    stop_all(&d, code);
    return code;
}

const command command_dev = {
    .name = "dev",
    .synopsis = "",
    .summary = "runs PostgreSQL, a Kafka broker and the relay, to try things on",
    .description = "Brings up everything that Postbus needs in one process: a private PostgreSQL made from "
                   "the installed binaries, a broker that "
                   "other Kafka clients on this machine can connect to (librdkafka's mock of one, in "
                   "memory), the schema, and the relay. It prints how to "
                   "connect, and writes the same as shell lines into the file env of its directory once all "
                   "is ready.\n\n"
                   "Ctrl-C stops all of it. Nothing stays running when it is killed. Run by root, it becomes "
                   "the user postgres, or nobody. Only for "
                   "trying things: the broker forgets, and has none of the guarantees of a real one.",
    .examples = "postbus dev\n"
                "postbus dev --dir /tmp/shop --keep --port 5433\n"
                "postbus dev --kafka-brokers localhost:9092 --create-topics",
    .options = options,
    .takes = TAKES_KAFKA | TAKES_RELAY,
    .words_remedy = "postbus dev takes flags only",
    .run = run,
};

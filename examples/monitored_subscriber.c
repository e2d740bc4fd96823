/* A subscriber that tells Prometheus and Kubernetes how it is: /metrics, /readyz and /healthz by libmicrohttpd, on 127.0.0.1.
 *
 *   postbus migrate --subscriber --database dbname=billing
 *   psql -d billing -c 'CREATE TABLE seen (key text PRIMARY KEY, n bigint NOT NULL)'
 *   monitored_subscriber dbname=billing localhost:9092 orders 9465
 *
 * Ends on SIGINT and SIGTERM, when what is being handled is done. */
#include <postbus/worker.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

static pbus_outcome count(const pbus_delivery *event, PGconn *tx, void *arg)
{
    const char *values[] = {event->key ? event->key : "(none)"};
    (void)arg;
    PGresult *result = PQexecParams(
        tx, "INSERT INTO seen AS s (key, n) VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET n = s.n + 1", 1,
        NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK ? pbus_ack() : pbus_retry(NULL, -1);
}

/* NULL: there is no memory. */
static char *metrics_text(pbus_worker *worker, size_t *out_size)
{
    pbus_error err;
    char *text = NULL;
    FILE *to = open_memstream(&text, out_size);
    if (!to)
        return NULL;
    bool ok = pbus_worker_write_metrics(worker, to, &err) == PBUS_OK;
    fputs("# EOF\n", to); /* behind metrics of your own, if you have any */
    ok = fclose(to) == 0 && ok;
    if (ok)
        return text;
    free(text);
    return NULL;
}

/* Takes the text over. */
static enum MHD_Result send_text(struct MHD_Connection *to, unsigned status, const char *type, char *text,
                                 size_t size)
{
    if (!text)
        return MHD_NO; /* without memory: the connection is closed, and the scraper comes again */
    struct MHD_Response *response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result result = MHD_queue_response(to, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_judgement(struct MHD_Connection *to, pbus_worker *worker,
                                      bool by(pbus_worker *, char *, size_t))
{
    char reason[4096];
    bool well = by(worker, reason, sizeof reason);
    char *text = strdup(reason);
    return send_text(to, well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text,
                     text ? strlen(text) : 0);
}

/* None of what is called here waits for the database or a broker: one thread does for all. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *to, const char *path, const char *method,
                              const char *version, const char *data, size_t *data_size, void **state)
{
    size_t size = 0;
    pbus_worker *worker = arg;
    (void)version, (void)data, (void)data_size, (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return send_text(to, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", strdup("GET\n"), 4);
    if (strcmp(path, "/readyz") == 0)
        return send_judgement(to, worker, pbus_worker_is_ready);
    if (strcmp(path, "/healthz") == 0)
        return send_judgement(to, worker, pbus_worker_is_alive);
    if (strcmp(path, "/metrics") != 0)
        return send_text(to, MHD_HTTP_NOT_FOUND, "text/plain", strdup("/metrics /readyz /healthz\n"), 26);
    char *text = metrics_text(worker, &size);
    return send_text(to, MHD_HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text,
                     size);
}

static struct MHD_Daemon *listen_on(int port, pbus_worker *worker)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, worker, MHD_OPTION_SOCK_ADDR,
                         &address, MHD_OPTION_CONNECTION_TIMEOUT, 10U, MHD_OPTION_END);
    const union MHD_DaemonInfo *bound =
        daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (bound)
        fprintf(stderr, "http.listening address=127.0.0.1:%u\n", (unsigned)bound->port);
    return daemon;
}

static void tell(const pbus_notice *notice, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", notice->topic ? notice->topic : notice->subscription, notice->message);
}

/* Metrics are served until the last handler has returned, and no longer than there is a worker. */
static int serve(pbus_worker *worker, int port, const sigset_t *ends)
{
    int signal_number;
    pbus_error err;
    struct MHD_Daemon *daemon = listen_on(port, worker);
    if (daemon)
        sigwait(ends, &signal_number);
    else
        fprintf(stderr, "monitored_subscriber: port %d cannot be listened on\n", port);
    pbus_status status = pbus_worker_stop(worker, 30000, &err);
    if (daemon)
        MHD_stop_daemon(daemon);
    if (status != PBUS_OK) {
        fprintf(stderr, "monitored_subscriber: %s\n", err.message);
        return 1; /* the process's end rolls back what still runs */
    }
    pbus_worker_free(worker);
    return daemon ? 0 : 1;
}

int main(int argc, char **argv)
{
    sigset_t ends;
    pbus_worker *worker;
    pbus_error err;
    if (argc != 5) {
        fprintf(stderr, "usage: monitored_subscriber CONNECTION-STRING BROKERS TOPIC PORT\n");
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
    if (pbus_worker_start(&options, &worker, &err) != PBUS_OK) {
        fprintf(stderr, "monitored_subscriber: %s\n", err.message);
        return 1;
    }
    return serve(worker, atoi(argv[4]), &ends);
}

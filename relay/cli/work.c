/* postbus work: runs the worker library with programs of the user, or HTTP servers, as handlers; what an event's handling is, is in relay/work. */
#include "command.h"
#include "executor.h"
#include "config_kafka.h"
#include "orphans.h"
#include "poster.h"
#include "registry_client.h"
#include "stop.h"
#include "work_config.h"
#include "work_face.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* A flag of each setting; what has a default says it. */
#define FLAG(member, flag, kind_, preset_, lowest_, highest_, choices_, placeholder_, effect_)               \
    {.name = flag,                                                                                           \
     .kind = FLAG_KIND_##kind_,                                                                              \
     .placeholder = placeholder_,                                                                            \
     .effect = FLAG_EFFECT_##kind_(effect_, preset_)},
#define FLAG_KIND_TEXT OPTION_TEXT
#define FLAG_KIND_LISTEN OPTION_TEXT
#define FLAG_KIND_COUNT OPTION_TEXT
#define FLAG_KIND_BYTES OPTION_TEXT
#define FLAG_KIND_DURATION_MS OPTION_TEXT
#define FLAG_KIND_CHOICE OPTION_TEXT
#define FLAG_KIND_BOOL OPTION_SWITCH
#define WITH_DEFAULT(effect, preset) effect " Default: " preset "."
#define FLAG_EFFECT_TEXT(effect, preset) effect
#define FLAG_EFFECT_LISTEN(effect, preset) effect
#define FLAG_EFFECT_COUNT(effect, preset) WITH_DEFAULT(effect, preset)
#define FLAG_EFFECT_BYTES(effect, preset) WITH_DEFAULT(effect, preset)
#define FLAG_EFFECT_DURATION_MS(effect, preset) WITH_DEFAULT(effect, preset)
#define FLAG_EFFECT_CHOICE(effect, preset) WITH_DEFAULT(effect, preset)
#define FLAG_EFFECT_BOOL(effect, preset) effect

static const command_option options[] = {
    WORK_PROCESS_SETTINGS(FLAG){
        .name = "consumer",
        .kind = OPTION_TEXT,
        .repeated = true,
        .placeholder = "NAME=VALUE",
        .effect = "A setting of librdkafka for consumers, such as session.timeout.ms. Refused where it would "
                  "break a promise."},
    {.name = "subscription",
     .kind = OPTION_TEXT,
     .placeholder = "KEY",
     .effect = "The key of the subscription that the flags describe; main, if not given."},
    {.name = "filter",
     .kind = OPTION_TEXT,
     .repeated = true,
     .placeholder = "CONDITION",
     .effect =
         "Only events for which it holds: \"FIELD = TEXT\", \"FIELD ~ REGEX\", or FIELD and one of present, "
         "absent, empty, blank, value. FIELD is type, key, header:NAME or value:PATH. Several: all must "
         "hold."},
    WORK_SETTINGS(FLAG){.name = NULL},
};

typedef struct working {
    const call *c;
    work_config cfg;
    executor *executors; /* each subscription has one, or a poster */
    poster *posters;
    pbus_subscription *subscriptions;
    pbus_avro *avros; /* of each subscription */
    pbus_registry_options registry;
    char *registry_secret;
    pbus_kafka_setting *kafka;
    size_t n_kafka;
    int stop_fd, abandon_fd;
    int leave_fd;    /* readable: a stop's time is up */
    int stopped_fd;  /* readable: a subscription has stopped by itself */
    work_face *face; /* NULL: nothing is served */
} working;

/* ---- what is told ---- */

static void on_notice(const pbus_notice *n, void *arg)
{
    static const struct {
        const char *event;
        log_level level;
    } lines[] = {
        [PBUS_NOTICE_ASSIGNED] = {"work.assigned", LOG_LEVEL_INFO},
        [PBUS_NOTICE_REVOKED] = {"work.revoked", LOG_LEVEL_INFO},
        [PBUS_NOTICE_RETRY] = {"work.retry", LOG_LEVEL_WARN},
        [PBUS_NOTICE_DEAD] = {"work.dead", LOG_LEVEL_ERROR},
        [PBUS_NOTICE_GAP] = {"work.gap", LOG_LEVEL_ERROR},
        [PBUS_NOTICE_FENCED] = {"work.fenced", LOG_LEVEL_WARN},
        [PBUS_NOTICE_DATABASE] = {"work.database", LOG_LEVEL_WARN},
        [PBUS_NOTICE_KAFKA] = {"work.kafka", LOG_LEVEL_WARN},
        [PBUS_NOTICE_UNSUBSCRIBED] = {"work.unsubscribed", LOG_LEVEL_WARN},
        [PBUS_NOTICE_SCHEMA] = {"work.schema", LOG_LEVEL_WARN},
        [PBUS_NOTICE_UNPUBLISHED] = {"work.unpublished", LOG_LEVEL_WARN},
        [PBUS_NOTICE_STOPPED] = {"work.subscription_stopped", LOG_LEVEL_ERROR},
    };
    if (n->kind == PBUS_NOTICE_STOPPED)
        eventfd_write(((const working *)arg)->stopped_fd, 1);
    if ((size_t)n->kind >= sizeof lines / sizeof lines[0] || !lines[n->kind].event)
        return;
    if (n->topic)
        log_event(lines[n->kind].level, lines[n->kind].event,
                  "subscription=%s topic=%s partition=%d offset=%lld number=%lld message=%s", n->subscription,
                  n->topic, (int)n->partition, (long long)n->offset, (long long)n->number, n->message);
    else
        log_event(lines[n->kind].level, lines[n->kind].event, "subscription=%s number=%lld message=%s",
                  n->subscription, (long long)n->number, n->message);
}

/* ---- what the library is given ---- */

static pbus_retry_policy retry_of(const work_subscription *s)
{
    if (strcmp(s->retry, "patient") == 0)
        return (pbus_retry_policy){.kind = PBUS_RETRY_PATIENT};
    if (strcmp(s->retry, "never") == 0)
        return (pbus_retry_policy){.kind = PBUS_RETRY_NEVER};
    return (pbus_retry_policy){.kind = PBUS_RETRY_EXPONENTIAL,
                               .first_ms = s->retry_first_ms,
                               .most_ms = s->retry_most_ms,
                               .max_attempts = s->retry_attempts == 0 ? -1 : (int)s->retry_attempts};
}

/* The time limit is ours to keep: the library could only roll back. */
static int64_t time_limit_ms(const work_subscription *s)
{
    return s->time_limit_ms == 0 ? -1 : s->time_limit_ms;
}

static bool prepare_executor(working *w, size_t i)
{
    const work_subscription *s = &w->cfg.subscriptions[i];
    w->executors[i] = (executor){.application = w->cfg.application,
                                 .subscription = s->key,
                                 .command = *s->exec_lines ? s->exec_lines : s->exec,
                                 .time_limit_ms = time_limit_ms(s),
                                 .grace_ms = s->kill_after_ms,
                                 .stop_fd = w->abandon_fd,
                                 .leave_fd = w->leave_fd};
    return executor_init(&w->executors[i]);
}

static bool prepare_poster(working *w, size_t i)
{
    const work_subscription *s = &w->cfg.subscriptions[i];
    w->posters[i] = (poster){.url = s->http,
                             .structured = strcmp(s->http_mode, "structured") == 0,
                             .source = s->http_source,
                             .ca_file = s->http_ca_file,
                             .secrets = &s->secrets,
                             .time_limit_ms = time_limit_ms(s),
                             .stop_fd = w->abandon_fd};
    return poster_init(&w->posters[i]);
}

/* NULL: values are not Avro. */
static const pbus_avro *describe_avro(working *w, size_t i)
{
    const work_subscription *s = &w->cfg.subscriptions[i];
    bool both = strcmp(s->avro, "both") == 0;
    bool by_database = both || strcmp(s->avro, "database") == 0;
    bool by_registry = both || strcmp(s->avro, "registry") == 0;
    const char *database = *s->avro_database ? s->avro_database : w->c->cfg.database;
    w->avros[i] = (pbus_avro){.conninfo = by_database ? database : NULL,
                              .registry = by_registry ? &w->registry : NULL,
                              .schema = s->avro_text,
                              .reader_schema = s->avro_reader_text};
    return strcmp(s->avro, "no") == 0 ? NULL : &w->avros[i];
}

static bool describe(working *w, size_t i)
{
    const work_subscription *s = &w->cfg.subscriptions[i];
    bool by_http = *s->http, by_lines = *s->exec_lines;
    w->subscriptions[i] = (pbus_subscription){
        .key = s->key,
        .topics = (const char *const *)s->topic_names,
        .n_topics = s->n_topics,
        .filter = s->n_filter > 0 ? s->conditions : NULL,
        .n_conditions = s->n_filter,
        .handler = by_http    ? poster_post
                   : by_lines ? executor_ask
                              : executor_run,
        .arg = by_http ? (void *)&w->posters[i] : (void *)&w->executors[i],
        .retry = retry_of(s),
        .unordered = s->unordered,
        .begin = strcmp(s->begin, "latest") == 0 ? PBUS_BEGIN_LATEST : PBUS_BEGIN_EARLIEST,
        .dead_letter_topic = *s->dead_letter_topic ? s->dead_letter_topic : NULL,
        .at_dead = strcmp(s->at_dead, "skip") == 0 ? PBUS_AT_DEAD_SKIP : PBUS_AT_DEAD_STOP,
        .n_threads = (int)s->threads,
        .queue_events = (int)s->queue_events,
        .queue_bytes = s->queue_bytes,
        .avro = describe_avro(w, i)};
    return by_http ? prepare_poster(w, i) : prepare_executor(w, i);
}

/* Of the configuration's kafka.* those that have a meaning for consumers; then the consumer's own. */
static bool collect_kafka(working *w)
{
    const config *cfg = &w->c->cfg;
    const kafka_names *names = kafka_names_known();
    w->kafka = calloc(cfg->n_kafka + w->cfg.n_consumer + 1, sizeof *w->kafka);
    if (!names || !w->kafka)
        return false;
    for (size_t i = 0; i < cfg->n_kafka; i++) {
        size_t at = kafka_names_find(names, cfg->kafka[i].name);
        if (at < names->n && names->roles[at] == '*')
            w->kafka[w->n_kafka++] = (pbus_kafka_setting){cfg->kafka[i].name, cfg->kafka[i].value};
    }
    for (size_t i = 0; i < w->cfg.n_consumer; i++) {
        char *equals = strchr(w->cfg.consumer[i], '=');
        *equals = '\0';
        w->kafka[w->n_kafka++] = (pbus_kafka_setting){w->cfg.consumer[i], equals + 1};
    }
    return true;
}

static bool prepare(working *w)
{
    size_t n = w->cfg.n_subscriptions;
    w->executors = calloc(n, sizeof *w->executors);
    w->posters = calloc(n, sizeof *w->posters);
    w->subscriptions = calloc(n, sizeof *w->subscriptions);
    w->avros = calloc(n, sizeof *w->avros);
    w->abandon_fd = eventfd(0, EFD_CLOEXEC);
    w->stopped_fd = eventfd(0, EFD_CLOEXEC);
    w->leave_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    bool ok = w->executors && w->posters && w->subscriptions && w->avros && w->abandon_fd >= 0 &&
              w->stopped_fd >= 0 && w->leave_fd >= 0 && collect_kafka(w);
    for (size_t i = 0; ok && i < n; i++)
        ok = describe(w, i);
    return ok;
}

/* ---- run ---- */

static void wait_for_signal(int stop_fd)
{
    char byte;
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    while (read(stop_fd, &byte, 1) != 1)
        poll(&stop, 1, -1);
}

/* false: a subscription has stopped by itself. */
static bool wait_for_end(const working *w)
{
    char byte;
    struct pollfd ends[] = {{.fd = w->stop_fd, .events = POLLIN}, {.fd = w->stopped_fd, .events = POLLIN}};
    while (poll(ends, 2, -1) < 0 || !(ends[0].revents | ends[1].revents))
        continue;
    return read(w->stop_fd, &byte, 1) == 1;
}

/* The second signal: programs that run are killed with their threads, and the events are as if they had not been begun. */
static void *end_at_once(void *arg)
{
    wait_for_signal(((const working *)arg)->stop_fd);
    _exit(EXIT_UNSETTLED);
}

static int64_t longest_grace_ms(const work_config *cfg)
{
    int64_t longest = 0;
    for (size_t i = 0; i < cfg->n_subscriptions; i++)
        if (cfg->subscriptions[i].kill_after_ms > longest)
            longest = cfg->subscriptions[i].kill_after_ms;
    return longest;
}

/* Programs without an event end with their threads, which are waited for: pbus_worker_stop cannot tell them that the time is up. */
static void set_end_of_drain(const working *w)
{
    int64_t drain_ms = w->cfg.drain_ms;
    const struct itimerspec end = {
        .it_value = {.tv_sec = drain_ms / 1000, .tv_nsec = drain_ms % 1000 * 1000000 + 1}};
    timerfd_settime(w->leave_fd, 0, &end, NULL);
}

static int drain(working *w, pbus_worker *worker)
{
    pthread_t thread;
    pbus_error err;
    log_event(LOG_LEVEL_INFO, "work.stopping", "drain_ms=%lld", (long long)w->cfg.drain_ms);
    if (pthread_create(&thread, NULL, end_at_once, w) == 0)
        pthread_detach(thread);
    set_end_of_drain(w);
    if (pbus_worker_stop(worker, w->cfg.drain_ms, &err) == PBUS_OK) {
        log_event(LOG_LEVEL_INFO, "work.stopped", "drained=%s", "true");
        return EXIT_OK;
    }
    /* Told to end, and given the time for it, programs end; so do their threads. */
    eventfd_write(w->abandon_fd, 1);
    pbus_status status = pbus_worker_stop(worker, longest_grace_ms(&w->cfg) + 10000, &err);
    log_event(LOG_LEVEL_WARN, "work.stopped", "drained=%s", "false");
    if (status != PBUS_OK)
        _exit(EXIT_UNSETTLED);
    return EXIT_UNSETTLED;
}

static int work(working *w)
{
    pbus_error err;
    pbus_worker *worker;
    bool in_kafka = strcmp(w->cfg.positions, "kafka") == 0;
    const pbus_worker_options settings = {
        .size = sizeof settings,
        .application = w->cfg.application,
        .conninfo = in_kafka ? NULL : w->c->cfg.database,
        .positions = in_kafka ? PBUS_POSITIONS_KAFKA : PBUS_POSITIONS_DATABASE,
        .brokers = w->c->cfg.brokers,
        .kafka = w->kafka,
        .n_kafka = w->n_kafka,
        .subscriptions = w->subscriptions,
        .n_subscriptions = w->cfg.n_subscriptions,
        .list_version = (int)w->cfg.list_version,
        .notice = on_notice,
        .notice_arg = w,
        .id_header = w->c->cfg.id_header,
        .type_header = w->c->cfg.type_header,
        .relayed_at_header = *w->c->cfg.relayed_at_header ? w->c->cfg.relayed_at_header : NULL};
    pbus_status status = pbus_worker_start(&settings, &worker, &err);
    if (status == PBUS_ERROR_ARGUMENT)
        return misuse(w->c, "%s", err.message);
    if (status != PBUS_OK)
        return fault(w->c, "%s", err.message);
    log_event(LOG_LEVEL_INFO, "work.started", "application=%s subscriptions=%zu", w->cfg.application,
              w->cfg.n_subscriptions);
    work_face_show(w->face, worker);
    bool was_told = wait_for_end(w);
    int code = drain(w, worker);
    work_face_show(w->face, NULL);
    pbus_worker_free(worker);
    return was_told ? code : EXIT_FAULT;
}

/* Before anything starts: an address that cannot be had must not be found out later. */
static bool serve(working *w)
{
    char reason[300];
    if (!*w->cfg.http_listen)
        return true;
    w->face = work_face_new(w->cfg.http_listen, reason, sizeof reason);
    if (!w->face)
        fault(w->c, "%s", reason);
    return w->face != NULL;
}

static bool load(working *w, char *message, size_t message_size)
{
    const call *c = w->c;
    work_flag *flags = calloc(c->n_given + 1, sizeof *flags);
    for (size_t i = 0; flags && i < c->n_given; i++)
        flags[i] = (work_flag){c->given[i].option->name, c->given[i].value ? c->given[i].value : "true"};
    bool ok = flags && work_config_load(&w->cfg, c->n_words > 0 ? c->words[0] : NULL, flags, c->n_given,
                                        message, message_size);
    free(flags);
    return ok;
}

static void working_done(working *w)
{
    for (size_t i = 0; w->executors && i < w->cfg.n_subscriptions; i++)
        executor_done(&w->executors[i]);
    for (size_t i = 0; w->posters && i < w->cfg.n_subscriptions; i++)
        poster_done(&w->posters[i]);
    work_face_free(w->face);
    free(w->executors);
    free(w->posters);
    free(w->subscriptions);
    free(w->avros);
    free(w->registry_secret);
    free(w->kafka);
    if (w->abandon_fd >= 0)
        close(w->abandon_fd);
    if (w->leave_fd >= 0)
        close(w->leave_fd);
    if (w->stopped_fd >= 0)
        close(w->stopped_fd);
    work_config_done(&w->cfg);
}

/* Found at the start, and with the flag to use. */
static int find_registry(working *w)
{
    int code = registry_client_options(w->c, &w->registry, &w->registry_secret);
    for (size_t i = 0; code == EXIT_OK && !w->registry.url && i < w->cfg.n_subscriptions; i++) {
        const work_subscription *s = &w->cfg.subscriptions[i];
        if (strcmp(s->avro, "registry") == 0 || strcmp(s->avro, "both") == 0)
            code = misuse(w->c,
                          "subscription %s: avro is %s, and no registry is given; use --registry-url URL or "
                          "POSTBUS_REGISTRY_URL",
                          s->key, s->avro);
    }
    return code;
}

static int run(const call *c)
{
    char message[1024] = "out of memory";
    working w = {.c = c, .abandon_fd = -1, .leave_fd = -1, .stopped_fd = -1};
    if (!c->cfg.brokers[0])
        return misuse(c, "no brokers are given; use --brokers HOST:PORT,…, POSTBUS_BROKERS or brokers in the "
                         "configuration file");
    if (!load(&w, message, sizeof message))
        return misuse(c, "%s", message);
    signal(SIGPIPE, SIG_IGN); /* a program need not read its event */
    signal(SIGCHLD,
           SIG_DFL); /* who ignores it is not told how a program ended, and has it from who started it */
    int code = find_registry(&w);
    if (code != EXIT_OK) {
        working_done(&w);
        return code;
    }
    if (!orphans_settle() || (w.stop_fd = stop_open()) < 0 || !prepare(&w)) {
        code = fault(c, "it cannot be started: %s", strerror(errno));
    } else {
        log_setup(c->cfg.log_level, c->cfg.log_json);
        code = serve(&w) ? work(&w) : EXIT_FAULT;
    }
    working_done(&w);
    return code;
}

const command command_work = {
    .name = "work",
    .synopsis = "[FILE]",
    .summary = "hands events to a program in any language, or to a URL, and tries again what failed",
    .description =
        "Subscribes to topics and has each event handled by a command or an HTTP server, one at a "
        "time and in order for "
        "each key. What that "
        "says of the event is recorded in the database (postbus migrate --subscriber) "
        "together with the position: "
        "done, to be tried again, or a dead letter.\n\n"
        "FILE describes the subscriptions of the application, flags describe one. All of an "
        "application's subscriptions "
        "have to be in one FILE: one that is in the database and not named is ended.\n\n"
        "The event is a JSON document. With --exec it is on the command's standard input, and the "
        "exit status decides: 0 "
        "is done, 65 a dead letter, anything else is tried again. With --exec-lines it is a line, "
        "and so is the answer: "
        "{\"result\": \"ack\"}, \"retry\" or \"dead\", with \"reason\" and \"delay_ms\". With --http "
        "it is a POST of CloudEvents, and the status of the answer decides: 2xx is done, 408, 429, "
        "3xx and 5xx are tried again, at the time of Retry-After where 429 and 5xx have one, "
        "other 4xx are a dead letter.\n\n"
        "With --positions kafka no database is needed: positions are the offsets of the consumer group, what "
        "is to "
        "be tried again waits in memory, and an event can be handed out more than once whenever partitions "
        "move.\n\n"
        "An event can be handed out more than once, after a crash for example: use the event's id "
        "where that matters. Where the relay has another id_header, type_header or relayed_at_header, say "
        "so here, too: without its id an event that the relay repeats is taken for another.\n\n"
        "SIGTERM and SIGINT stop it: it takes up nothing more, and lets what runs finish for "
        "--drain-ms. A second signal "
        "ends it at once.",
    .examples =
        "postbus work --application shop --topics orders --exec ./invoice.sh\n"
        "postbus work --application shop --topics orders --filter 'type = order.paid' --exec-lines "
        "'python3 -u invoice.py'\n"
        "postbus work --application shop --topics orders --http https://shop.example/events "
        "--http-secret-file /run/secrets/webhook\n"
        "postbus work --positions kafka --application shop --topics orders --dead-letter-topic graves "
        "--exec ./invoice.sh\n"
        "postbus work /etc/postbus/shop.conf --config /etc/postbus/servers.conf",
    .options = options,
    .takes = TAKES_DATABASE | TAKES_BROKERS | TAKES_KAFKA | TAKES_REGISTRY | TAKES_HEADERS,
    .most_words = 1,
    .words_remedy = "name one file of subscriptions, or none",
    .run = run,
};

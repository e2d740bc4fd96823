/* postbus_chaos: loads a database, and judges what its relay made of that; it must never disturb anything. */
#include <inttypes.h>
#include <popt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "ghosts.h"
#include "kafka_admin.h"
#include "topic_log.h"
#include "truth.h"
#include "writers.h"

#define FORGE_MOST 1000000 /* records: a larger log is judged only as it is */

typedef struct arguments {
    plan plan;
    char *topics;
    char *lost;
    int limit_bytes;
    long long seed;
} arguments;

static int prepare(arguments *a)
{
    return truth_prepare(&a->plan) && topic_log_create_topics(&a->plan) ? 0 : 1;
}

static void print_counts(const writers_counts *counts)
{
    int64_t sums[OUTCOMES] = {0};

    for (int i = 0; scenarios[i].name; i++)
        for (int k = 0; k < OUTCOMES; k++)
            sums[k] += counts->outcomes[i][k];
    printf("{\"committed\": %" PRId64 ", \"rolled_back\": %" PRId64 ", \"failed\": %" PRId64
           ", \"reconnects\": %" PRId64 "}\n",
           sums[OUTCOME_COMMITTED], sums[OUTCOME_ROLLED_BACK], sums[OUTCOME_FAILED], counts->reconnects);
}

/* Until SIGTERM, which every thread has blocked: the writers inherit that. */
static int load(arguments *a)
{
    writers_counts counts;
    sigset_t term;
    stage st;
    int number;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    stage_init(&st, &a->plan);
    writers *load = writers_start(&st);
    if (!load)
        return 1;
    sigwait(&term, &number);
    stage_stop(&st);
    writers_join(load, &counts);
    stage_done(&st);
    print_counts(&counts);
    return 0;
}

static bool remove_ghosts(const arguments *a, topic_log *log, int64_t *out_n)
{
    ghosts lost = {0};

    *out_n = 0;
    if (!a->lost)
        return true;
    if (!ghosts_read(a->lost, &lost))
        return false;
    *out_n = ghosts_remove(&lost, log);
    ghosts_free(&lost);
    return true;
}

static int judge(arguments *a)
{
    topic_log log = {0};
    truth committed = {0};
    int64_t n_ghosts = 0, n_shared = -1;
    verdict v;
    bool ok = truth_read(&a->plan, &committed) && topic_log_read(&a->plan, &log) &&
              (n_shared = ghosts_shared_ids(&log)) >= 0 && remove_ghosts(a, &log, &n_ghosts) &&
              verdict_reach(committed.events, committed.n, log.records, log.n, &v);
    int n_forgeries = ok && log.n < FORGE_MOST ? forge_all(&committed, &log, &v) : -1;

    if (ok)
        printf("{\"events\": %" PRId64 ", \"records\": %" PRId64 ", \"lost\": %" PRId64
               ", \"extra\": %" PRId64 ", \"overtaken\": %" PRId64 ", \"broken_replay\": %" PRId64
               ", \"duplicates\": %" PRId64 ", \"altered\": %" PRId64 ", \"scattered\": %" PRId64
               ", \"ambiguous\": %" PRId64 ", \"ghosts\": %" PRId64 ", \"shared_ids\": %" PRId64
               ", \"first_lost\": %" PRIu64 ", \"first_extra\": %" PRIu64 ", \"first_overtaken\": %" PRIu64
               ", \"forgeries\": %d, \"forgeries_caught\": %d}\n",
               v.events, v.records, v.lost, v.extra, v.overtaken, v.broken_replay, v.duplicates, v.altered,
               v.scattered, v.ambiguous, n_ghosts, n_shared, v.first_lost, v.first_extra, v.first_overtaken,
               n_forgeries < 0 ? 0 : FORGERIES, n_forgeries < 0 ? 0 : n_forgeries);
    topic_log_free(&log);
    truth_free(&committed);
    return ok ? 0 : 1;
}

/* max.message.bytes of the last topic. */
static int limit(arguments *a)
{
    char config[64], message[256];

    snprintf(config, sizeof config, "max.message.bytes=%d", a->limit_bytes);
    if (kafka_admin_configure_topic(a->plan.brokers, a->plan.topics[STAGE_TOPICS - 1],
                                    (const char *[]){config, NULL}, message, sizeof message))
        return 0;
    fprintf(stderr, "chaos: %s\n", message);
    return 1;
}

/* NAME,NAME,NAME */
static bool name_topics(arguments *a)
{
    int n = 0;
    char *rest = NULL;

    for (char *name = strtok_r(a->topics, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (n == STAGE_TOPICS || strlen(name) >= sizeof a->plan.topics[0])
            return false;
        snprintf(a->plan.topics[n++], sizeof a->plan.topics[0], "%s", name);
    }
    return n == STAGE_TOPICS;
}

static int carry_out(arguments *a, const char *command)
{
    static const struct {
        const char *name;
        int (*run)(arguments *a);
    } commands[] = {{"prepare", prepare}, {"load", load}, {"judge", judge}, {"limit", limit}};

    for (size_t i = 0; command && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, command) == 0)
            return commands[i].run(a);
    fprintf(stderr, "chaos: the command must be prepare, load, judge or limit, not '%s'\n",
            command ? command : "");
    return 2;
}

int main(int argc, const char **argv)
{
    arguments a = {
        .plan =
            {.kind = RUN_PLAIN, .seconds = 1, .n_writers = 24, .n_hot_keys = 64, .n_copies = 1, .rate = 1000},
        .seed = 1};
    plan *p = &a.plan;
    const struct poptOption options[] = {
        {"database", 0, POPT_ARG_STRING, &p->database, 0, "where the load goes", "CONNINFO"},
        {"lost", 0, POPT_ARG_STRING, &a.lost, 0, "tokens of commits that failovers lost", "FILE"},
        {"brokers", 0, POPT_ARG_STRING, &p->brokers, 0, "where the events arrive", "HOST:PORT"},
        {"topics", 0, POPT_ARG_STRING, &a.topics, 0, "three topics", "NAME,NAME,NAME"},
        {"copies", 0, POPT_ARG_INT, &p->n_copies, 0, "of each partition", "N"},
        {"rate", 0, POPT_ARG_INT, &p->rate, 0, "transactions a second", "N"},
        {"writers", 0, POPT_ARG_INT, &p->n_writers, 0, "concurrent writers", "N"},
        {"generation", 0, POPT_ARG_INT, &p->generation, 0, "how many loads these tables have had before",
         "N"},
        {"limit-bytes", 0, POPT_ARG_INT, &a.limit_bytes, 0, "of a record of the last topic", "N"},
        {"seed", 0, POPT_ARG_LONGLONG, &a.seed, 0, "what the load's choices are drawn from", "S"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("postbus_chaos", argc, argv, options, 0);
    int bad = poptGetNextOpt(context), code = 2;

    p->seed = (uint64_t)a.seed;
    if (bad < -1 || !p->database || !p->brokers || !a.topics || !name_topics(&a) || p->n_writers < 1 ||
        p->rate < 1)
        fprintf(stderr,
                "chaos: bad arguments; see --help. --database, --brokers and --topics (three) are needed.\n");
    else
        code = carry_out(&a, poptGetArg(context));
    poptFreeContext(context);
    free(p->database);
    free(p->brokers);
    free(a.lost);
    free(a.topics);
    return code;
}

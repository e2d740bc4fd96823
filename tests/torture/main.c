/* postbus_torture: loads, disturbs and judges a relay; it must never call a run good that it could not read
 * to the end. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "disturber.h"
#include "naive_reader.h"
#include "rings.h"
#include "topic_log.h"
#include "truth.h"
#include "writers.h"

#define DRAIN_MS 180000
#define RELAY_ENDS_MS 30000
#define LONE_EVENTS 40
#define SAFETY_FOUND "doorbell.safety_found" /* the relay's word for it in its log */

typedef struct report {
    writers_counts load;
    disturbance disturbed;
    relay_process relay;
    verdict verdict;
    int64_t rings;
    int64_t safety_found;
    int64_t lone; /* events published one by one to a relay at rest */
    int64_t lone_safety_found;
    bool drained;
} report;

static void print_load(const report *r)
{
    int64_t total = 0;

    printf("  %-30s %10s %12s %8s\n", "transactions", "committed", "rolled back", "failed");
    for (int i = 0; scenarios[i].name; i++) {
        const int64_t *n = r->load.outcomes[i];

        printf("  %-30s %10" PRId64 " %12" PRId64 " %8" PRId64 "\n", scenarios[i].name, n[OUTCOME_COMMITTED],
               n[OUTCOME_ROLLED_BACK], n[OUTCOME_FAILED]);
        total += n[OUTCOME_COMMITTED];
    }
    printf("  stragglers committed %" PRId64 ", writers' reconnects %" PRId64
           ", transactions committed %" PRId64 "\n",
           r->load.stragglers, r->load.reconnects, total);
}

static void print_report(const plan *p, const report *r)
{
    const verdict *v = &r->verdict;

    print_load(r);
    printf("  relay started %" PRId64 ", killed %" PRId64 ", ended badly %" PRId64
           "; terminated writers %" PRId64 ", relays %" PRId64 "; PostgreSQL crashes %" PRId64
           ", broker kills %" PRId64 "\n",
           r->relay.starts, r->relay.kills, r->relay.bad_exits, r->disturbed.writers_terminated,
           r->disturbed.relays_terminated, r->disturbed.postgres_crashes, r->disturbed.broker_kills);
    printf("  rings %" PRId64 ", found by the safety poll %" PRId64 "; of %" PRId64
           " lone events to a relay at rest it found %" PRId64 "\n",
           r->rings, r->safety_found, r->lone, r->lone_safety_found);
    if (v->altered || v->scattered || v->ambiguous)
        printf("  altered %" PRId64 ", scattered %" PRId64 ", ambiguous %" PRId64 "\n", v->altered,
               v->scattered, v->ambiguous);
    if (!verdict_is_clean(v))
        printf("  first lost %" PRIu64 ", first extra %" PRIu64 ", first overtaking %" PRIu64 "\n",
               v->first_lost, v->first_extra, v->first_overtaken);
    printf("%s: events %" PRId64 ", records %" PRId64 ": lost %" PRId64 ", extra %" PRId64
           ", misordered %" PRId64 ", replays broken off %" PRId64 ", duplicates %" PRId64 " (seed %" PRIu64
           ")\n",
           run_name(p->kind), v->events, v->records, v->lost, v->extra, v->overtaken, v->broken_replay,
           v->duplicates, p->seed);
    fflush(stdout);
}

static bool judge(const plan *p, report *r)
{
    topic_log log = {0};
    truth committed = {0};
    bool ok = truth_read(p, &committed) && topic_log_read(p, &log) &&
              verdict_reach(committed.events, committed.n, log.records, log.n, &r->verdict);

    topic_log_free(&log);
    truth_free(&committed);
    return ok;
}

static int64_t prepared_committed(const report *r)
{
    for (int i = 0; scenarios[i].name; i++)
        if (strcmp(scenarios[i].name, "prepared") == 0)
            return r->load.outcomes[i][OUTCOME_COMMITTED] + r->load.outcomes[i][OUTCOME_FAILED];
    return 0;
}

/* Prepared transactions do not ring: those alone the safety poll may find. */
static bool passed(const plan *p, const report *r)
{
    bool good = verdict_is_clean(&r->verdict) && r->verdict.events > 0 && r->drained &&
                r->disturbed.failed_commands == 0 && r->relay.bad_exits == 0;

    if (good && p->kind == RUN_PLAIN && r->verdict.duplicates > 0) {
        printf("FAILED: nothing was disturbed, and yet there are duplicates\n");
        return false;
    }
    if (good && r->lone_safety_found > 0) {
        printf("FAILED: the relay slept through a ring\n");
        return false;
    }
    if (good && r->safety_found > prepared_committed(r)) {
        printf("FAILED: the safety poll found more than the prepared transactions can be\n");
        return false;
    }
    if (!good)
        printf("FAILED: %s\n", !r->drained ? "the relay did not publish everything in time"
                               : r->relay.bad_exits || r->disturbed.failed_commands
                                   ? "a process ended or a command failed that should not have"
                                   : "the topics do not hold what was committed");
    return good;
}

/* Each lone event must wake the relay by its ring alone. */
static bool publish_lone(stage *st, report *r)
{
    session s = {.stage = st,
                 .application = "torture-writer",
                 .dice = st->plan->seed,
                 .next_token = ((uint64_t)st->plan->n_writers + 1) << 40 | 1};
    int64_t found = relay_process_log_count(&r->relay, SAFETY_FOUND);
    bool ok = session_ready(&s);

    for (int i = 0; ok && i < LONE_EVENTS; i++) {
        nanosleep(&(struct timespec){.tv_nsec = dice_below(&s.dice, 40) * 1000000L}, NULL);
        ok = scenario_lone(&s) == OUTCOME_COMMITTED && truth_wait_published(st->plan, now_ms() + DRAIN_MS);
        r->lone += ok;
    }
    session_close(&s);
    r->lone_safety_found = relay_process_log_count(&r->relay, SAFETY_FOUND) - found;
    return ok;
}

static bool run_relay(plan *p)
{
    report r = {0};
    stage st;

    printf("%s: %d writers, %d s, seed %" PRIu64 "\n", run_name(p->kind), p->n_writers, p->seconds, p->seed);
    fflush(stdout);
    relay_process_init(&r.relay, p);
    if (!truth_prepare(p) || !topic_log_create_topics(p) || !relay_process_start(&r.relay))
        return false;
    stage_init(&st, p);
    rings *bell = rings_start(p->database);
    writers *load = writers_start(&st);
    if (load) {
        disturb(&st, &r.relay, &r.disturbed);
        stage_stop(&st);
        writers_join(load, &r.load);
        r.drained = truth_wait_published(p, now_ms() + DRAIN_MS) && publish_lone(&st, &r);
    }
    relay_process_watch(&r.relay);
    r.rings = rings_stop(bell);
    relay_process_stop(&r.relay, now_ms() + RELAY_ENDS_MS);
    stage_done(&st);
    r.safety_found = relay_process_log_count(&r.relay, SAFETY_FOUND);
    if (!load || !judge(p, &r))
        return false;
    print_report(p, &r);
    return passed(p, &r);
}

/* The interleaving that a cursor over ids cannot survive: the smaller id commits after the larger one was
 * read. */
static bool construct_loss(const plan *p, naive_reader *reader)
{
    stage st;
    session early = {.stage = &st, .application = "torture-writer"};
    session late = early;
    char sql[2][512];
    bool ok;

    stage_init(&st, p);
    for (int i = 0; i < 2; i++)
        snprintf(sql[i], sizeof sql[i],
                 "INSERT INTO torture.truth SELECT %d, '%s', NULL, NULL, postbus.publish('%s', '%d')", i + 1,
                 p->topics[0], p->topics[0], i + 1);
    ok = session_ready(&early) && session_ready(&late) && SESSION_RUN(&early, "BEGIN") &&
         SESSION_RUN(&early, sql[0]) && SESSION_RUN(&late, sql[1]) && naive_reader_step(reader) == 1 &&
         SESSION_RUN(&early, "COMMIT") && naive_reader_step(reader) == 0;
    session_close(&early);
    session_close(&late);
    stage_done(&st);
    return ok;
}

static bool load_naively(plan *p, naive_reader *reader, report *r)
{
    int64_t end_ms = now_ms() + (int64_t)p->seconds * 1000;
    bool ok = true;
    stage st;

    stage_init(&st, p);
    writers *load = writers_start(&st);
    while (load && ok && now_ms() < end_ms)
        ok = naive_reader_step(reader) >= 0 && stage_pause(&st, 5);
    stage_stop(&st);
    if (load)
        writers_join(load, &r->load);
    while (ok && naive_reader_step(reader) > 0) {}
    stage_done(&st);
    return ok && load;
}

/* Good when the verdict finds the losses: exactly the one that was constructed, and some under load. */
static bool run_naive(plan *p)
{
    report r = {0};
    naive_reader *reader = NULL;

    printf("naive: a reader by \"id > last\", which must be caught; seed %" PRIu64 "\n", p->seed);
    if (!truth_prepare(p) || !topic_log_create_topics(p) || !(reader = naive_reader_new(p)))
        return false;
    bool constructed = construct_loss(p, reader);
    bool closed = naive_reader_close(reader);
    if (!constructed || !closed || !judge(p, &r) || r.verdict.lost != 1 || r.verdict.records != 1) {
        printf("FAILED: the constructed loss was not found: lost %" PRId64 "\n", r.verdict.lost);
        return false;
    }
    printf("naive: the constructed loss was found\n");
    if (p->seconds == 0)
        return true;
    if (!(reader = naive_reader_new(p)))
        return false;
    bool loaded = load_naively(p, reader, &r);
    closed = naive_reader_close(reader);
    if (!loaded || !closed || !judge(p, &r))
        return false;
    print_report(p, &r);
    if (r.verdict.lost <= 1)
        printf("FAILED: under load, no loss was found\n");
    return r.verdict.lost > 1;
}

static void name_topics(plan *p)
{
    for (int i = 0; i < STAGE_TOPICS; i++)
        snprintf(p->topics[i], sizeof p->topics[i], "torture.%" PRIu64 ".%s.%c", p->seed, run_name(p->kind),
                 'a' + i);
}

/* What a run cannot do without; NULL: nothing is missing. */
static const char *missing_option(const plan *p, run_kind kind)
{
    if (kind != RUN_NAIVE && !p->relay)
        return "--relay";
    if (kind == RUN_TERMINATE && !(p->postgres_crash && p->postgres_start))
        return "--postgres-crash and --postgres-start";
    if (kind == RUN_BROKER && !(p->broker_kill && p->broker_start))
        return "--broker-kill and --broker-start";
    return NULL;
}

static bool run_one(plan *p, run_kind kind)
{
    p->kind = kind;
    name_topics(p);
    bool good = kind == RUN_NAIVE ? run_naive(p) : run_relay(p);
    printf("%s: %s\n\n", run_name(kind), good ? "passed" : "FAILED");
    fflush(stdout);
    return good;
}

/* "all": the four runs with a relay. */
static int run_named(plan *p, const char *name)
{
    int n_bad = 0, n_run = 0;

    for (run_kind kind = RUN_PLAIN; kind < RUN_KINDS; kind++) {
        if (strcmp(name, run_name(kind)) != 0 && (strcmp(name, "all") != 0 || kind == RUN_NAIVE))
            continue;
        if (missing_option(p, kind)) {
            fprintf(stderr, "torture: the run \"%s\" needs %s\n", run_name(kind), missing_option(p, kind));
            return 2;
        }
        n_run++;
        n_bad += !run_one(p, kind);
    }
    if (n_run == 0) {
        fprintf(stderr, "torture: there is no run \"%s\": plain, kill, terminate, broker, naive or all\n",
                name);
        return 2;
    }
    printf("torture: %d of %d runs passed (seed %" PRIu64 ")\n", n_run - n_bad, n_run, p->seed);
    return n_bad ? 1 : 0;
}

static void forget_strings(plan *p, char *run)
{
    char *strings[] = {p->database,       p->brokers,        p->relay,
                       p->postgres_crash, p->postgres_start, p->broker_kill,
                       p->broker_start,   p->log_dir,        run};

    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
}

int main(int argc, const char **argv)
{
    plan p = {.seed = 1,
              .seconds = 10,
              .n_writers = 24,
              .bulk_rows = 50000,
              .n_hot_keys = STAGE_HOT_KEYS,
              .n_copies = 1};
    char *run = NULL;
    long long seed = 1;
    const struct poptOption options[] = {
        {"run", 0, POPT_ARG_STRING, &run, 0, "plain, kill, terminate, broker, naive or all", "NAME"},
        {"seed", 0, POPT_ARG_LONGLONG, &seed, 0, "what the load's choices are drawn from", "S"},
        {"seconds", 0, POPT_ARG_INT, &p.seconds, 0, "how long each run is loaded", "N"},
        {"writers", 0, POPT_ARG_INT, &p.n_writers, 0, "concurrent writers", "N"},
        {"bulk-rows", 0, POPT_ARG_INT, &p.bulk_rows, 0, "events of a bulk transaction", "N"},
        {"straggler-rows", 0, POPT_ARG_INT, &p.straggler_rows, 0, "events of the straggler, 0 for none", "N"},
        {"database", 0, POPT_ARG_STRING, &p.database, 0, "where the load goes", "CONNINFO"},
        {"brokers", 0, POPT_ARG_STRING, &p.brokers, 0, "where the events arrive", "HOST:PORT"},
        {"relay", 0, POPT_ARG_STRING, &p.relay, 0, "starts a relay in the foreground", "COMMAND"},
        {"postgres-crash", 0, POPT_ARG_STRING, &p.postgres_crash, 0, "stops PostgreSQL at once", "COMMAND"},
        {"postgres-start", 0, POPT_ARG_STRING, &p.postgres_start, 0, "starts it again", "COMMAND"},
        {"broker-kill", 0, POPT_ARG_STRING, &p.broker_kill, 0, "kills the broker", "COMMAND"},
        {"broker-start", 0, POPT_ARG_STRING, &p.broker_start, 0, "starts it again", "COMMAND"},
        {"log-dir", 0, POPT_ARG_STRING, &p.log_dir, 0, "where the relay's logs go", "DIR"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("postbus_torture", argc, argv, options, 0);
    int bad = poptGetNextOpt(context);

    poptFreeContext(context);
    p.seed = (uint64_t)seed;
    if (bad < -1 || !p.database || !p.brokers || !p.log_dir || p.n_writers < 2) {
        fprintf(stderr,
                "torture: bad arguments; see --help. --database, --brokers and --log-dir are needed.\n");
        return 2;
    }
    int code = run_named(&p, run ? run : "all");
    forget_strings(&p, run);
    return code;
}

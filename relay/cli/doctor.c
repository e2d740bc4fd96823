/* postbus doctor: runs the table of checks in its order; must never change anything, in PostgreSQL or in Kafka. */
#include "doctor.h"

#include <string.h>

static const command_option options[] = {
    {.name = "json", .kind = OPTION_SWITCH, .effect = "Prints one JSON object."},
    {.name = "older-than",
     .kind = OPTION_COUNT,
     .placeholder = "SECONDS",
     .lowest = 0,
     .highest = 31536000,
     .effect =
         "From which age on an open transaction, a prepared one or a backlog is a finding; default 300."},
    {.name = "topic",
     .kind = OPTION_TEXT,
     .repeated = true,
     .placeholder = "TOPIC",
     .effect = "Also looks at this topic, which need not have events yet."},
    {.name = NULL},
};

/* Why a check cannot run, or NULL. */
static const char *missing_for(const doctor *d, const doctor_check *check)
{
    bool wants_database = check->need == NEEDS_DATABASE || check->need == NEEDS_SCHEMA;
    if (wants_database && !d->conn)
        return "not looked at: there is no connection to the database";
    if (check->need == NEEDS_SCHEMA && d->no_schema)
        return d->no_schema;
    if (check->need == NEEDS_BROKERS && !d->kafka)
        return d->c->cfg.brokers[0] ? "not looked at: no broker was reached"
                                    : "not looked at: no --brokers is given";
    return NULL;
}

static void examine(doctor *d)
{
    for (const doctor_check *check = doctor_checks; check->name; check++) {
        const char *missing = missing_for(d, check);
        if (missing)
            doctor_report_add(&d->report, check, DOCTOR_SKIPPED, missing, NULL, NULL);
        else if (check->run)
            check->run(d, check);
    }
}

static void done(doctor *d)
{
    if (d->metadata)
        rd_kafka_metadata_destroy(d->metadata);
    if (d->kafka)
        rd_kafka_destroy(d->kafka);
    PQfinish(d->conn);
    doctor_report_done(&d->report);
}

static int run(const call *c)
{
    if (!c->cfg.database[0])
        return misuse(c, "no database is given; use --database CONNINFO or POSTBUS_DATABASE");
    doctor d = {.c = c, .old_s = call_count(c, "older-than", 300)};
    examine(&d);
    if (call_has(c, "json"))
        doctor_report_print_json(&d.report, stdout);
    else
        doctor_report_print(&d.report, stdout);
    int code = d.report.counts[DOCTOR_ERROR] > 0 ? EXIT_FINDINGS : EXIT_OK;
    done(&d);
    return code;
}

const command command_doctor = {
    .name = "doctor",
    .synopsis = "",
    .summary = "checks the set-up and says the remedy for each fault",
    .description =
        "Looks at the database, its server, and with --brokers at the brokers, the topics that have waiting "
        "or recent events, and those of --topic, and tells each thing it found as ok, warning or error; with "
        "a warning or an error, why it matters and what to do. It changes nothing. Run it with the relay's "
        "configuration, so that it is the relay's role, its brokers and its settings that are examined. To "
        "see how old the transactions of other roles are, that role needs pg_read_all_stats.\n\n"
        "A warning leaves the exit code at 0; with an error it is 4.",
    .examples = "postbus doctor --config /etc/postbus/relay.conf\n"
                "postbus doctor --json | jq '.findings[] | select(.level == \"error\")'\n"
                "postbus doctor --brokers kafka-1:9092 --older-than 60\n"
                "postbus doctor --config /etc/postbus/relay.conf --topic orders --topic refunds",
    .options = options,
    .takes = TAKES_DATABASE | TAKES_BROKERS | TAKES_KAFKA,
    .words_remedy = "postbus doctor takes flags only",
    .run = run,
};

/* postbus relay: hands configuration and signals to the relay; what a relay does is not here. */
#include "command.h"
#include "relay.h"
#include "stop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const command_option options[] = {
    {.name = "check-config",
     .kind = OPTION_SWITCH,
     .effect =
         "Prints the effective value of every setting and where it comes from, secrets masked, and ends."},
    {.name = NULL},
};

static int check(const call *c)
{
    for (size_t i = 0; i < c->all.n; i++) {
        const config *cfg = &c->all.each[i];
        if (!cfg->database[0])
            return misuse(
                c, "no database is given; use --database CONNINFO, POSTBUS_DATABASE or database in the "
                   "configuration file");
        if (!cfg->brokers[0])
            return misuse(
                c,
                "no brokers are given%s%s; use --brokers HOST:PORT,…, POSTBUS_BROKERS or brokers in the "
                "configuration file",
                cfg->name ? " for the database " : "", cfg->name ? cfg->name : "");
    }
    return EXIT_OK;
}

static int run(const call *c)
{
    if (call_has(c, "check-config"))
        config_print(&c->all, stdout);
    int code = check(c);
    if (code != EXIT_OK || call_has(c, "check-config"))
        return code;
    int stop_fd = stop_open();
    if (stop_fd < 0)
        return fault(c, "signals cannot be received: %s", strerror(errno));
    log_setup(c->cfg.log_level, c->cfg.log_json);
    return relay_run(c->all.each, c->all.n, &(relay_run_options){.stop_fd = stop_fd});
}

const command command_relay = {
    .name = "relay",
    .synopsis = "",
    .summary = "publishes committed events to Kafka until it is stopped",
    .description =
        "Runs a relay: reads the events of committed transactions from the outbox, publishes them "
        "to Kafka, and records what the brokers "
        "acknowledged. One relay leads a database; others that are started wait to take over.\n\n"
        "With sections database NAME { … } in the configuration file it serves each of these databases, "
        "on a thread of its own; --database NAME serves that one alone.\n\n"
        "SIGTERM and SIGINT stop it: it reads no more, publishes and settles what it has read, "
        "and ends. A second signal ends it at once.",
    .examples = "postbus relay --database postgresql://relay@db/shop --brokers kafka-1:9092,kafka-2:9092\n"
                "postbus relay --config /etc/postbus/relay.conf --check-config\n"
                "postbus relay --config /etc/postbus/relay.conf --kafka compression.type=zstd",
    .options = options,
    .takes = TAKES_DATABASE | TAKES_BROKERS | TAKES_KAFKA | TAKES_RELAY | TAKES_EVERY,
    .words_remedy = "postbus relay takes flags only",
    .run = run,
};

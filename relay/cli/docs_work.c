/* Writes the reference page of postbus work's files in Markdown; every fact comes from the tables. */
#include "docs.h"

#include "work_config.h"

static void put_table(FILE *to, const config_setting *table)
{
    for (const config_setting *s = table; s->name; s++) {
        char flag[80], range[160];
        config_flag_name(s->name, flag, sizeof flag);
        config_setting_range(s, range, sizeof range);
        fprintf(to, "### %s\n\n%s\n\n| values | default | flag |\n|---|---|---|\n", s->name, s->effect);
        fprintf(to, "| %s | %s%s%s | `--%s` |\n\n", range, *s->preset ? "`" : "",
                *s->preset ? s->preset : "none", *s->preset ? "`" : "", flag);
    }
}

void docs_work(FILE *to)
{
    fputs("<!-- Made by `postbus docs`; change the tables in relay/work/work_config.h instead. -->\n\n"
          "# Files of subscriptions\n\n"
          "`postbus work FILE` reads the subscriptions of an application from a file; the flags of `postbus "
          "work` "
          "describe one without a file. [The guide](../subscribe-in-any-language.md) says what commands get "
          "and what their "
          "answers mean.\n\n"
          "```\n"
          "application = \"shop\"\n"
          "\n"
          "subscription invoice {\n"
          "    topics = \"orders,returns\"\n"
          "    filter = {\"type = order.paid\", \"value:total value\"}\n"
          "    exec_lines = \"python3 -u /opt/shop/invoice.py\"\n"
          "    threads = 4\n"
          "    retry_attempts = 20\n"
          "}\n"
          "\n"
          "subscription audit {\n"
          "    topics = \"orders\"\n"
          "    exec = '/opt/shop/audit.sh \"$POSTBUS_KEY\"'\n"
          "}\n"
          "```\n\n"
          "Lines are `NAME = \"VALUE\"`, and `#` begins a comment. `${NAME}` in a value stands for a "
          "variable of the "
          "environment, unless the value is in single quotes. The title of a section is the key of the "
          "subscription. Database, brokers and the settings of librdkafka that both producers and consumers "
          "have are in the "
          "[configuration](configuration.md), and named by `--config`, the environment or flags.\n\n"
          "## Of the application\n\n",
          to);
    put_table(to, work_process_table);
    fputs("### consumer\n\n"
          "A list of settings of librdkafka for consumers: `consumer = {\"session.timeout.ms=6000\"}`. The "
          "flag "
          "`--consumer NAME=VALUE` can be repeated. Refused where it would break a promise.\n\n"
          "## Of a subscription\n\n",
          to);
    put_table(to, work_table);
    fputs("### filter\n\n"
          "A list of conditions, all of which must hold: `FIELD = TEXT`; `FIELD ~ REGEX`, a POSIX extended "
          "regular "
          "expression that matches the whole; or FIELD and one of `present`, `absent`, `empty`, `blank`, "
          "`value` (there, and "
          "not blank). FIELD is `type`, `key`, `header:NAME`, or `value:PATH` with names and indexes between "
          "dots. Each word is "
          "followed by one space, and TEXT is all that comes behind it. The flag `--filter CONDITION` can be "
          "repeated. "
          "Without a filter every event is wanted.\n",
          to);
}

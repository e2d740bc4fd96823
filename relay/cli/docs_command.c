/* postbus docs: prints reference and manual pages for the build; not listed in --help, since no user needs it. */
#include "docs.h"

#include <string.h>

static int man(const call *c)
{
    if (c->n_words < 2)
        return misuse(c, "name the page: postbus docs man postbus, postbus.conf, or a command");
    const char *page = c->words[1];
    const command *cmd = command_find(page);
    if (strcmp(page, "postbus.conf") == 0)
        docs_man_configuration(stdout);
    else if (cmd || strcmp(page, "postbus") == 0)
        docs_man(stdout, cmd);
    else
        return misuse(c, "there is no page \"%s\"; name postbus, postbus.conf, or a command", page);
    return EXIT_OK;
}

static int run(const call *c)
{
    if (strcmp(c->words[0], "man") == 0)
        return man(c);
    if (c->n_words > 1)
        return misuse(c, "\"%s\" is one word too many", c->words[1]);
    if (strcmp(c->words[0], "configuration") == 0)
        docs_configuration(stdout);
    else if (strcmp(c->words[0], "commands") == 0)
        docs_commands(stdout);
    else if (strcmp(c->words[0], "metrics") == 0)
        docs_metrics(stdout);
    else if (strcmp(c->words[0], "subscriber-metrics") == 0)
        docs_subscriber_metrics(stdout);
    else if (strcmp(c->words[0], "work") == 0)
        docs_work(stdout);
    else
        return misuse(c,
                      "there is no reference \"%s\"; name configuration, commands, metrics, "
                      "subscriber-metrics, work, or man and a page",
                      c->words[0]);
    return EXIT_OK;
}

const command command_docs = {
    .name = "docs",
    .synopsis = "configuration | commands | metrics | subscriber-metrics | work | man PAGE",
    .summary = "prints the reference pages",
    .description = "Prints a page of the reference in Markdown, or a manual page. docs/reference and the "
                   "manual are made with it.",
    .examples =
        "postbus docs configuration > docs/reference/configuration.md\npostbus docs man relay | man -l -",
    .least_words = 1,
    .most_words = 2,
    .words_remedy = "write postbus docs configuration, commands, metrics, subscriber-metrics or work, or "
                    "postbus docs man PAGE",
    .run = run,
};

/* Finds the command and calls it; never parses a flag of a command. */
#include "help.h"
#include "nearest.h"

#include <string.h>

const command *const commands[] = {
    &command_dev,    &command_migrate,
    &command_relay,  &command_publish,
    &command_tail,   &command_status,
    &command_parked, &command_rebase,
    &command_work,   &command_subscriptions,
    &command_dead,   &command_schema,
    &command_doctor, NULL,
};

const command *command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return strcmp(command_docs.name, name) == 0 ? &command_docs : NULL;
}

static int no_such_command(const char *name)
{
    nearest best = {0};
    for (size_t i = 0; commands[i]; i++)
        nearest_consider(&best, name, commands[i]->name);
    if (best.name)
        fprintf(stderr, "postbus: there is no command \"%s\"; did you mean %s?\n", name, best.name);
    else
        fprintf(stderr, "postbus: there is no command \"%s\"; postbus --help lists those there are\n", name);
    return EXIT_USAGE;
}

/* What stdio holds still, or could not write before. */
static int flushed(const char *name, int code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code != EXIT_OK)
        return code;
    fprintf(stderr, "postbus%s%s: standard output cannot be written\n", name ? " " : "", name ? name : "");
    return EXIT_FAULT;
}

static int run(const command *cmd, int argc, const char **argv, const char *const *environment)
{
    call c;
    bool help = false;
    int code = call_parse(cmd, argc, argv, environment, &c, &help);
    if (code != EXIT_OK)
        return code;
    if (help)
        help_command(stdout, cmd);
    else
        code = cmd->run(&c);
    call_done(&c);
    return flushed(cmd->name, code);
}

static int help(int argc, const char **argv)
{
    const command *cmd = argc > 2 ? command_find(argv[2]) : NULL;
    if (argc > 2 && !cmd)
        return no_such_command(argv[2]);
    if (cmd)
        help_command(stdout, cmd);
    else
        help_overview(stdout);
    return flushed(NULL, EXIT_OK);
}

int postbus_main(int argc, const char **argv, const char *const *environment)
{
    if (argc < 2) {
        help_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("postbus %s\n", POSTBUS_VERSION);
        return flushed(NULL, EXIT_OK);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    const command *cmd = command_find(argv[1]);
    return cmd ? run(cmd, argc - 1, argv + 1, environment) : no_such_command(argv[1]);
}

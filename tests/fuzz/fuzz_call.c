/* Feeds any words to the command line of any command: it must neither crash nor leak, and end with one of its exit codes.
 *
 * The input: which command, and its words, each behind a newline. No command is run. What is wrong with the words
 * is told on standard error: run it with -close_fd_mask=2. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_WORDS = 40 };

static const command *choose(uint8_t byte)
{
    size_t n = 0;
    while (commands[n])
        n++;
    return commands[byte % n];
}

/* An option that is a path would make the parser read any file of the machine. */
static bool names_a_file(const char *word)
{
    return strstr(word, "-c") == word || strstr(word, "--c") == word || strstr(word, "-config");
}

static void check(call *c)
{
    for (size_t i = 0; i < c->n_given; i++)
        if (!call_has(c, c->given[i].option->name))
            abort();
    if (c->n_words > c->command->most_words)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const environment[] = {NULL};
    if (size == 0)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1), *rest = text, *word;
    const command *cmd = choose(data[0]);
    const char *argv[MOST_WORDS + 2] = {cmd->name};
    int argc = 1;
    while (argc <= MOST_WORDS && (word = strsep(&rest, "\n")) != NULL)
        if (!names_a_file(word))
            argv[argc++] = word;
    call c;
    bool help = false;
    int code = call_parse(cmd, argc, argv, environment, &c, &help);
    if (code == EXIT_OK) {
        if (!help)
            check(&c);
        call_done(&c);
    } else if (code != EXIT_USAGE && code != EXIT_FAULT) {
        abort();
    }
    free(text);
    return 0;
}

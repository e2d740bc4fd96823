/* Asks a question on the terminal; never takes silence for an answer. */
#include "confirm.h"

#include <stdio.h>
#include <unistd.h>

int confirm(const call *c, const char *question)
{
    if (call_has(c, "yes"))
        return EXIT_OK;
    if (!isatty(STDIN_FILENO))
        return misuse(c, "%s Nobody can answer here: give --yes", question);
    fprintf(stderr, "%s [y/N] ", question);
    char answer[16] = "";
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return EXIT_OK;
    return fault(c, "nothing was done");
}

/* The program's entry; everything else is in the library, where tests can reach it. */
#include "command.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    return postbus_main(argc, (const char **)argv, (const char *const *)environ);
}

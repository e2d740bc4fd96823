/* postbus_net_proxy: the tests' network that can be broken, told what to do by lines on standard input; it must never do anything by itself.
 *
 * Prints its port, then "ok" for each line that it understood and carried out: aim PORT, cut WAY, hold WAY, delay WAY MS, limit WAY BYTES,
 * reset, refuse, heal; WAY is to_server, to_client or both. Ends with its input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_proxy.h"

static net_way way_of(const char *name)
{
    if (strcmp(name, "to_server") == 0)
        return NET_TO_SERVER;
    return strcmp(name, "to_client") == 0 ? NET_TO_CLIENT : NET_BOTH_WAYS;
}

static bool carry_out(net_proxy *p, const char *command, const char *way, const char *number)
{
    if (strcmp(command, "aim") == 0)
        net_proxy_aim(p, atoi(way));
    else if (strcmp(command, "cut") == 0)
        net_proxy_cut(p, way_of(way));
    else if (strcmp(command, "hold") == 0)
        net_proxy_hold(p, way_of(way));
    else if (strcmp(command, "delay") == 0)
        net_proxy_delay(p, way_of(way), atoi(number));
    else if (strcmp(command, "limit") == 0)
        net_proxy_limit(p, way_of(way), atoll(number));
    else if (strcmp(command, "reset") == 0)
        net_proxy_reset(p);
    else if (strcmp(command, "refuse") == 0)
        net_proxy_refuse(p);
    else if (strcmp(command, "heal") == 0)
        net_proxy_heal(p);
    else
        return false;
    return true;
}

int main(void)
{
    net_proxy *p = net_proxy_new();
    char line[128];

    printf("%d\n", net_proxy_port(p));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        char command[32] = "", way[32] = "", number[32] = "";

        sscanf(line, "%31s %31s %31s", command, way, number);
        printf("%s\n", carry_out(p, command, way, number) ? "ok" : "there is no such command");
        fflush(stdout);
    }
    net_proxy_free(p);
    return 0;
}

/* Publishes one event in a transaction of the application. */
#include <stdio.h>
#include <string.h>
#include <postbus/postbus.h>

int main(int argc, char **argv)
{
    PGconn *conn = PQconnectdb(argc > 1 ? argv[1] : "");
    const char *order = "{\"order\": 7, \"total\": 42}";
    pbus_event event = {.topic = "orders", .key = "7", .key_size = 1, .type = "order.placed",
                        .value = order, .value_size = strlen(order)};
    pbus_error err;

    PQclear(PQexec(conn, "BEGIN"));
    /* … the application's own statements, in the same transaction … */
    if (pbus_publish(conn, &event, NULL, NULL, &err) != PBUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    PGresult *commit = PQexec(conn, "COMMIT");
    printf("%s\n", PQcmdStatus(commit)); /* "COMMIT": from now on the event exists for the world */
    PQclear(commit);
    PQfinish(conn);
    return 0;
}

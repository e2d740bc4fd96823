/* Publishes one event in a transaction of the application. */
#include <postbus/postbus.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    PGconn *conn = PQconnectdb(argc > 1 ? argv[1] : "");
    const char *order = "{\"order\": 7, \"total\": 42}";
    pbus_event event = {
        .topic = "orders", .key = "7", .key_size = 1, .value = order, .value_size = strlen(order)};
    pbus_error err;

    PQclear(PQexec(conn, "BEGIN"));
    /* … the application's own statements … */
    if (pbus_publish(conn, &event, NULL, NULL, &err) != PBUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    PGresult *end = PQexec(conn, "COMMIT");
    puts(PQcmdStatus(end)); /* "COMMIT": from now on the event exists for the world */
    PQclear(end);
    PQfinish(conn);
    return 0;
}

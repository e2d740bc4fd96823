/* A program outside the tree, which knows libpostbus only as it is installed. With a connection string for its
 * argument it publishes an event and rolls back; without one it shows that it was built, linked and started.
 */
#include <postbus/postbus.h>

#include <stdio.h>
#include <string.h>

static int publish_and_roll_back(const char *conninfo)
{
    PGconn *conn = PQconnectdb(conninfo);
    const char *value = "{\"from\": \"an installed prefix\"}";
    pbus_event event = {
        .topic = "install", .key = "1", .key_size = 1, .value = value, .value_size = strlen(value)};
    pbus_published published;
    pbus_error err;

    PQclear(PQexec(conn, "BEGIN"));
    pbus_status status = pbus_publish(conn, &event, NULL, &published, &err);
    PQclear(PQexec(conn, "ROLLBACK"));
    PQfinish(conn);
    if (status != PBUS_OK) {
        fprintf(stderr, "%s: %s\n", pbus_status_name(status), err.message);
        return 1;
    }
    char id[PBUS_UUID_TEXT_SIZE];
    pbus_uuid_format(&published.event_id, id);
    printf("published %s, and rolled back\n", id);
    return 0;
}

int main(int argc, char **argv)
{
    if (pbus_version_number() != PBUS_VERSION_NUMBER) {
        fprintf(stderr, "headers %s, library %s\n", PBUS_VERSION_TEXT, pbus_version_text());
        return 1;
    }
    printf("libpostbus %s\n", pbus_version_text());
    return argc > 1 ? publish_and_roll_back(argv[1]) : 0;
}

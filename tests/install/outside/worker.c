/* A program outside the tree that uses the installed libpostbus_worker: it is told what is wrong with its options. */
#include <postbus/postbus.h>
#include <postbus/worker.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    const pbus_worker_options options = {
        .size = sizeof options, .application = "no application", .conninfo = "", .brokers = "localhost:1"};
    pbus_worker *worker = NULL;
    pbus_error err;
    pbus_status status = pbus_worker_start(&options, &worker, &err);
    printf("%s: %s\n", pbus_status_name(status), err.message);
    pbus_worker_free(worker);
    return status == PBUS_ERROR_ARGUMENT && strstr(err.message, "\"no application\"") ? 0 : 1;
}

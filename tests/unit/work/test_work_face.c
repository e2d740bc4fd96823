/* The face of `postbus work` while there is no worker: before it starts, and after it has ended. */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_client.h"
#include "work_face.h"

/* Where it listens is only logged: a port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void expect(int port, const char *path, int status, const char *body)
{
    char *answer = http_get(port, path);
    if (http_status(answer) != status || strcmp(http_body(answer), body) != 0)
        fail_msg("%s: %s", path, answer);
    free(answer);
}

static void without_a_worker_it_is_alive_and_not_ready(void **state)
{
    (void)state;
    char listen[32], reason[200];
    int port = free_port();
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    work_face *face = work_face_new(listen, reason, sizeof reason);
    if (!face)
        fail_msg("%s", reason);
    for (int i = 0; i < 2; i++) {
        expect(port, "/healthz", 200, "alive\n");
        expect(port, "/readyz", 503, "no worker runs yet, or any more\n");
        expect(port, "/ready", 404, "there are /metrics, /healthz and /readyz\n");
        char *metrics = http_get(port, "/metrics");
        assert_int_equal(http_status(metrics), 200);
        assert_non_null(strstr(metrics, "process_start_time_seconds"));
        assert_null(strstr(metrics, "postbus_subscriber_"));
        free(metrics);
        work_face_show(face, NULL); /* as at the end */
    }
    work_face_free(face);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_a_worker_it_is_alive_and_not_ready)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Sends any bytes to the relay's HTTP server, in two pieces: each answer is one that the relay gives, and the server ends the connection by
 * itself. It is the relay's own front that answers; only the address it listens at is a socket of this process.
 *
 * The input: where the bytes are cut (a sixteenth of them each step), and the bytes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_listen_open(const void *address);

enum { MOST_TURNS = 1000, MOST_ANSWER = 65536 };

static struct sockaddr_un here = {.sun_family = AF_UNIX};
static socklen_t here_size;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The linker puts it in the place of listen_open(). A TCP port a request would soon be none. */
int __wrap_listen_open(const void *address)
{
    (void)address;
    here_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                            (size_t)snprintf(here.sun_path + 1, sizeof here.sun_path - 1, "postbus-fuzz-%d",
                                             getpid()) +
                            1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(fd >= 0 && bind(fd, (const struct sockaddr *)&here, here_size) == 0 && listen(fd, 16) == 0);
    return fd;
}

static front *the_front(void)
{
    static front f;
    static intercom coms[2];
    static char any[] = "0", none[] = "", orders[] = "orders", billing[] = "billing";
    static const config cfgs[2] = {{.name = orders, .http_listen = any, .database = none},
                                   {.name = billing, .http_listen = any, .database = none}};
    char reason[200];
    if (!f.http)
        must(front_init(&f, cfgs, coms, 2, -1, reason, sizeof reason));
    return &f;
}

/* One turn of the front's loop, which never waits here. */
static void turn(front *f)
{
    f->http ? http_serve(f->http) : abort();
}

static void send_piece(front *f, int fd, const uint8_t *bytes, size_t size)
{
    for (int turns = 0; size > 0; turns++) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return; /* refused already */
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
        must(turns < MOST_TURNS);
        turn(f);
    }
    turn(f);
}

static size_t receive(front *f, int fd, char *answer)
{
    size_t size = 0;
    for (int turns = 0; turns < MOST_TURNS; turns++) {
        ssize_t n = recv(fd, answer + size, MOST_ANSWER - size, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return size;
        if (n > 0)
            size += (size_t)n;
        else
            turn(f);
        must(size < MOST_ANSWER);
    }
    abort(); /* the connection stays open though nothing more will come */
}

static void check(const char *answer, size_t size)
{
    static const char *const known[] = {"200", "400", "404", "405", "413", "414",
                                        "431", "500", "501", "503", "505"};
    if (size == 0)
        return;
    must(size > 12 && (memcmp(answer, "HTTP/1.1 ", 9) == 0 || memcmp(answer, "HTTP/1.0 ", 9) == 0));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memcmp(answer + 9, known[i], 3) == 0)
            return;
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answer[MOST_ANSWER];
    if (size == 0)
        return 0;
    front *f = the_front();
    size_t cut = (size - 1) * (data[0] % 16) / 16;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&here, here_size) == 0);
    send_piece(f, fd, data + 1, cut);
    send_piece(f, fd, data + 1 + cut, size - 1 - cut);
    shutdown(fd, SHUT_WR);
    check(answer, receive(f, fd, answer));
    close(fd);
    turn(f);
    return 0;
}

/* Runs a private PostgreSQL for postbus dev; never touches a directory that it did not make or that holds something else. */
#include "private_postgres.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_PATH_LIMIT                                                                                    \
    88 /* sun_path has 108 bytes, and PostgreSQL adds its own name and a lock file's ending */
#define START_TRIES 1200 /* of 50 ms: one minute */
#define STOP_TRIES 600   /* of 50 ms: half a minute, then the server is told to stop at once */

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...)
{
    char *out = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&out, format, ap) < 0)
        out = NULL;
    va_end(ap);
    return out;
}

int private_postgres_drop_root(const call *c, const char *dir)
{
    if (geteuid() != 0)
        return EXIT_OK;
    struct passwd *user = getpwnam("postgres");
    if (!user)
        user = getpwnam("nobody");
    if (!user)
        return fault(c, "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody; "
                        "run postbus dev as another user");
    if (dir && mkdir(dir, 0700) == 0 && chown(dir, user->pw_uid, user->pw_gid) != 0)
        return fault(c, "the directory %s cannot be given to the user %s: %s", dir, user->pw_name,
                     strerror(errno));
    int death_signal = 0; /* what our own parent asked for is lost with the user */
    prctl(PR_GET_PDEATHSIG, &death_signal);
    if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0)
        return fault(c, "root cannot be left for the user %s: %s; run postbus dev as that user",
                     user->pw_name, strerror(errno));
    prctl(PR_SET_PDEATHSIG, death_signal);
    setenv("HOME", user->pw_dir, 1);
    setenv("USER", user->pw_name, 1);
    return EXIT_OK;
}

static bool has_programs(const char *bin)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/initdb", bin);
    bool initdb = access(path, X_OK) == 0;
    snprintf(path, sizeof path, "%s/postgres", bin);
    return initdb && access(path, X_OK) == 0;
}

static char *find_in_path(void)
{
    char *all = strdup(getenv("PATH") ? getenv("PATH") : ""), *rest = NULL, *found = NULL;
    for (char *bin = all ? strtok_r(all, ":", &rest) : NULL; bin && !found; bin = strtok_r(NULL, ":", &rest))
        if (has_programs(bin))
            found = strdup(bin);
    free(all);
    return found;
}

/* Of /usr/lib/postgresql/9.6/bin, …/15/bin: the highest number. */
static char *find_installed(void)
{
    static const char *const patterns[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
                                           "/usr/local/pgsql/bin", NULL};
    char *found = NULL;
    double newest = -1;
    for (size_t p = 0; patterns[p]; p++) {
        glob_t paths;
        if (glob(patterns[p], 0, NULL, &paths) != 0)
            continue;
        for (size_t i = 0; i < paths.gl_pathc; i++) {
            const char *digits = strpbrk(paths.gl_pathv[i], "0123456789");
            double version = digits ? strtod(digits, NULL) : 0;
            if (version <= newest || !has_programs(paths.gl_pathv[i]))
                continue;
            newest = version;
            free(found);
            found = strdup(paths.gl_pathv[i]);
        }
        globfree(&paths);
    }
    return found;
}

static int find_programs(const call *c, const private_postgres_options *options, private_postgres *server)
{
    if (options->bin && !has_programs(options->bin))
        return misuse(c, "%s has no initdb and postgres; give --pg-bin the directory that has them",
                      options->bin);
    server->bin = options->bin ? strdup(options->bin) : find_in_path();
    if (!server->bin)
        server->bin = find_installed();
    return server->bin ? EXIT_OK
                       : fault(c, "no PostgreSQL server is installed; install one (apt-get install "
                                  "postgresql) or give --pg-bin");
}

static bool is_empty(const char *dir)
{
    DIR *entries = opendir(dir);
    int n = 0;
    while (entries && readdir(entries))
        n++;
    if (entries)
        closedir(entries);
    return n <= 2; /* "." and ".." */
}

static bool exists(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static int find_directory(const call *c, const private_postgres_options *options, private_postgres *server)
{
    if (!options->dir) {
        server->dir = text("%s/postbus-dev-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        if (!server->dir || !mkdtemp(server->dir))
            return fault(c, "no directory can be made at %s: %s; give --dir", server->dir, strerror(errno));
        server->dir_created = true;
    } else {
        server->dir_created = mkdir(options->dir, 0700) == 0;
        server->dir = realpath(options->dir, NULL);
        if (!server->dir)
            return fault(c, "the directory %s cannot be made: %s", options->dir, strerror(errno));
    }
    if (strlen(server->dir) > SOCKET_PATH_LIMIT)
        return misuse(c, "%s is too long for a socket's path; give a shorter --dir", server->dir);
    if (!exists(server->dir, "data/PG_VERSION") && !is_empty(server->dir))
        return misuse(c, "%s holds other files; give --dir an empty or a new directory", server->dir);
    if (access(server->dir, R_OK | W_OK | X_OK) != 0)
        return fault(c, "%s cannot be written by this user: %s; give --dir another one", server->dir,
                     strerror(errno));
    return EXIT_OK;
}

/* 0: no port is free. The port may be taken by another before PostgreSQL does; then its start fails, and says so. */
static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
              getsockname(fd, (struct sockaddr *)&at, &size) == 0;
    if (fd >= 0)
        close(fd);
    return ok ? ntohs(at.sin_port) : 0;
}

/* A child in a session of its own, so that Ctrl-C of our terminal is ours to handle; it gets SIGQUIT when we die. */
static pid_t start_program(const char *log_path, const char *const *argv)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    int in = open("/dev/null", O_RDONLY), out = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (getppid() != parent || in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static bool make_password(private_postgres *server, const char *path)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(server->password + 2 * i, 3, "%02x", bytes[i]);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, server->password, 32) == 32;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool read_password(private_postgres *server, const char *path)
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(server->password, sizeof server->password, file) != NULL;
    if (file)
        fclose(file);
    return ok;
}

static int create(const call *c, private_postgres *server, char *log, char *password_file)
{
    char *data = text("%s/data", server->dir), *initdb = text("%s/initdb", server->bin),
         *pwfile = text("--pwfile=%s", password_file);
    server->created = true;
    int status = -1;
    if (data && initdb && pwfile && make_password(server, password_file)) {
        const char *const argv[] = {initdb,
                                    "-D",
                                    data,
                                    "-U",
                                    "postbus",
                                    "--auth-local=trust",
                                    "--auth-host=scram-sha-256",
                                    pwfile,
                                    "-E",
                                    "UTF8",
                                    "--locale=C",
                                    "--no-sync",
                                    NULL};
        pid_t pid = start_program(log, argv);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
            status = -1;
    }
    free(data);
    free(initdb);
    free(pwfile);
    return status == 0 ? EXIT_OK : fault(c, "initdb failed; its reason is in %s", log);
}

static int await_answer(const call *c, private_postgres *server, const char *log)
{
    for (int i = 0; i < START_TRIES; i++) {
        if (PQping(server->database) == PQPING_OK)
            return EXIT_OK;
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            server->pid = 0;
            return fault(c, "PostgreSQL ended at its start; its reason is in %s (is the port %d taken?)", log,
                         server->port);
        }
        pause_ms(50);
    }
    return fault(c, "PostgreSQL did not answer within a minute; its log is %s", log);
}

static int launch(const call *c, private_postgres *server, const char *log)
{
    char *postgres = text("%s/postgres", server->bin), *data = text("%s/data", server->dir),
         *port = text("%d", server->port);
    char *sockets = text("unix_socket_directories=%s", server->dir);
    server->database = text("postgresql://postbus:%s@127.0.0.1:%d/postbus", server->password, server->port);
    int code = EXIT_FAULT;
    if (postgres && data && port && sockets && server->database) {
        const char *const argv[] = {postgres,
                                    "-D",
                                    data,
                                    "-p",
                                    port,
                                    "-c",
                                    sockets,
                                    "-c",
                                    "listen_addresses=127.0.0.1",
                                    "-c",
                                    "logging_collector=off",
                                    "-c",
                                    "max_prepared_transactions=64",
                                    NULL};
        server->pid = start_program(log, argv);
        if (server->pid < 0)
            server->pid = 0;
        code = server->pid ? await_answer(c, server, log)
                           : fault(c, "PostgreSQL cannot be started: %s", strerror(errno));
    }
    free(postgres);
    free(data);
    free(port);
    free(sockets);
    return code;
}

static int make_database(const call *c, const private_postgres *server)
{
    char port[16];
    snprintf(port, sizeof port, "%d", server->port);
    const char *keywords[] = {"host", "port", "user", "password", "dbname", NULL};
    const char *values[] = {"127.0.0.1", port, "postbus", server->password, "postgres", NULL};
    PGconn *conn = PQconnectdbParams(keywords, values, 0);
    PGresult *found = PQexec(conn, "SELECT FROM pg_database WHERE datname = 'postbus'");
    bool ok = PQresultStatus(found) == PGRES_TUPLES_OK;
    if (ok && PQntuples(found) == 0) {
        PGresult *made = PQexec(conn, "CREATE DATABASE postbus");
        ok = PQresultStatus(made) == PGRES_COMMAND_OK;
        PQclear(made);
    }
    int code = ok ? EXIT_OK : fault(c, "the database postbus cannot be made: %s", PQerrorMessage(conn));
    PQclear(found);
    PQfinish(conn);
    return code;
}

static int start_in(const call *c, private_postgres *server)
{
    char *log = text("%s/postgres.log", server->dir), *password_file = text("%s/password", server->dir);
    int code = EXIT_FAULT;
    if (log && password_file) {
        bool there = exists(server->dir, "data/PG_VERSION");
        if (!there)
            code = create(c, server, log, password_file);
        else
            code = read_password(server, password_file)
                       ? EXIT_OK
                       : misuse(c, "%s was not made by postbus dev; give --dir an empty or a new directory",
                                server->dir);
        if (code == EXIT_OK)
            code = launch(c, server, log);
        if (code == EXIT_OK)
            code = make_database(c, server);
    }
    free(log);
    free(password_file);
    return code;
}

int private_postgres_start(const call *c, const private_postgres_options *options, private_postgres *out)
{
    *out = (private_postgres){0};
    int code = find_programs(c, options, out);
    if (code == EXIT_OK)
        code = find_directory(c, options, out);
    if (code != EXIT_OK)
        return code;
    out->port = options->port ? options->port : free_port();
    return start_in(c, out);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)at;
    return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static void remove_files(const private_postgres *server)
{
    static const char *const names[] = {"password", "postgres.log", "env", NULL};
    char path[4096];
    snprintf(path, sizeof path, "%s/data", server->dir);
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    for (size_t i = 0; names[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", server->dir, names[i]);
        unlink(path);
    }
    if (rmdir(server->dir) != 0 && server->dir_created)
        fprintf(stderr, "postbus dev: %s cannot be removed: %s\n", server->dir, strerror(errno));
}

static void stop_server(private_postgres *server)
{
    kill(server->pid, SIGINT); /* fast: no client is waited for */
    for (int i = 0; i < STOP_TRIES; i++) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            return;
        pause_ms(50);
    }
    kill(server->pid, SIGQUIT);
    waitpid(server->pid, NULL, 0);
}

void private_postgres_stop(private_postgres *server, bool keep)
{
    if (server->pid > 0)
        stop_server(server);
    if (server->dir && !keep && (server->created || server->dir_created))
        remove_files(server);
    free(server->dir);
    free(server->bin);
    free(server->database);
    *server = (private_postgres){0};
}

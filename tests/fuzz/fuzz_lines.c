/* Feeds any bytes to `postbus publish --lines`: what it commits is the lines from the first on, each once and whole, in whole batches; what it says of a
 * failure is true, and fit for a terminal.
 *
 * The input: how it is called, which statement of the database fails and whether its answer is lost, how many lines a batch has, and the lines. The database is here: it reads the arrays
 * that it is sent. */
#include <jansson.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish_input.h"
#include "publish_lines.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FILE *__wrap_publish_input_open(const call *c, const char *path);
PGconn *__wrap_database_open(const call *c, int *out_code);
int __wrap_database_fault(const call *c, PGconn *conn, const PGresult *result, const char *what);
bool __wrap_database_answer_lost(const PGconn *conn, const PGresult *result);
int __wrap_fault(const call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
PGresult *__wrap_PQexec(PGconn *conn, const char *sql);
PGresult *__wrap_PQexecParams(PGconn *conn, const char *sql, int n, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int result_format);
ExecStatusType __wrap_PQresultStatus(const PGresult *result);
PGTransactionStatusType __wrap_PQtransactionStatus(const PGconn *conn);
void __wrap_PQclear(PGresult *result);
void __wrap_PQfinish(PGconn *conn);

typedef struct piece {
    const char *at;
    size_t size;
} piece;

static struct {
    piece lines, rest;            /* all that is read, and what of it was not sent yet */
    const char *key, *key_member; /* NULL: none */
    int64_t batch, until_failure;
    PGTransactionStatusType state;
    int64_t n_open, n_committed;
    bool is_lost;    /* the answer to what fails */
    bool is_doubted; /* what failed so was a COMMIT */
    bool is_short;   /* a batch was committed that has less than its lines: it must be the last */
    char said[2000];
} world;

static char something[4]; /* for the database's pointers to point at */
#define CONN ((PGconn *)(void *)&something[0])
#define DONE ((PGresult *)(void *)&something[1])
#define ROWS ((PGresult *)(void *)&something[2])
#define FAILED ((PGresult *)(void *)&something[3])

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool is_empty(piece line)
{
    return line.size == 0 || (line.size == 1 && *line.at == '\r');
}

/* The next line that is not empty; false: there is none. */
static bool next_line(piece *rest, piece *out)
{
    while (rest->size > 0) {
        const char *end = memchr(rest->at, '\n', rest->size);
        *out = (piece){rest->at, end ? (size_t)(end - rest->at) : rest->size};
        rest->at += out->size + (end != NULL);
        rest->size -= out->size + (end != NULL);
        if (!is_empty(*out))
            return true;
    }
    return false;
}

static uint32_t get_u32(piece *p)
{
    must(p->size >= 4);
    const unsigned char *b = (const unsigned char *)p->at;
    *p = (piece){p->at + 4, p->size - 4};
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void open_array(piece *p, uint32_t n)
{
    const uint32_t header[] = {1, 0, 17, n, 1};
    for (size_t i = 0; i < 5; i++)
        must(get_u32(p) == header[i]);
}

static piece next_element(piece *p)
{
    piece one = {NULL, get_u32(p)};
    must(one.size <= p->size);
    one.at = p->at;
    *p = (piece){p->at + one.size, p->size - one.size};
    return one;
}

static bool is_same(piece a, const char *text, size_t size)
{
    return a.size == size && memcmp(a.at, text, size) == 0;
}

/* By a reading of its own. */
static void check_key(piece key, piece line)
{
    if (world.key) {
        must(is_same(key, world.key, strlen(world.key)));
        return;
    }
    json_t *object = json_loadb(line.at, line.size, JSON_ALLOW_NUL, NULL);
    const json_t *member = json_object_get(object, world.key_member);
    if (json_is_string(member))
        must(is_same(key, json_string_value(member), json_string_length(member)));
    else if (json_is_boolean(member))
        must(is_same(key, json_is_true(member) ? "true" : "false", json_is_true(member) ? 4 : 5));
    else
        must(json_is_number(member) && key.size > 0 && memchr("-0123456789", *key.at, 11));
    json_decref(object);
}

FILE *__wrap_publish_input_open(const call *c, const char *path)
{
    (void)c;
    must(strcmp(path, "-") == 0);
    if (world.lines.size == 0)
        return fopen("/dev/null", "re");
    return fmemopen((void *)(uintptr_t)world.lines.at, world.lines.size, "r");
}

PGconn *__wrap_database_open(const call *c, int *out_code)
{
    (void)c;
    *out_code = EXIT_OK;
    return CONN;
}

int __wrap_database_fault(const call *c, PGconn *conn, const PGresult *result, const char *what)
{
    (void)c;
    must(conn == CONN && result == FAILED && *what);
    return EXIT_FAULT;
}

bool __wrap_database_answer_lost(const PGconn *conn, const PGresult *result)
{
    must(conn == CONN && result == FAILED);
    return world.is_lost;
}

int __wrap_fault(const call *c, const char *format, ...)
{
    va_list ap;
    (void)c;
    va_start(ap, format);
    int size = vsnprintf(world.said, sizeof world.said, format, ap);
    va_end(ap);
    must(size > 0 && (size_t)size < sizeof world.said);
    must(text_find_fault(world.said, (size_t)size) == SIZE_MAX);
    size_t at = 0;
    for (uint32_t character; text_next(world.said, (size_t)size, &at, &character);)
        must(character >= ' ' && (character < 0x7F || character >= 0xA0));
    return EXIT_FAULT;
}

static bool fails(void)
{
    bool now = world.until_failure-- == 0;
    if (now)
        world.state = PQTRANS_INERROR;
    return now;
}

PGresult *__wrap_PQexec(PGconn *conn, const char *sql)
{
    must(conn == CONN);
    if (strcmp(sql, "BEGIN") == 0) {
        must(world.state == PQTRANS_IDLE && world.n_open == 0);
        if (fails())
            return FAILED;
        world.state = PQTRANS_INTRANS;
        return DONE;
    }
    must(strcmp(sql, "COMMIT") == 0 && world.state == PQTRANS_INTRANS && world.n_open > 0);
    if (fails()) {
        world.is_doubted = world.is_lost;
        return FAILED;
    }
    must(!world.is_short && (world.batch == 0 || world.n_open <= world.batch));
    world.is_short = world.n_open != world.batch;
    world.n_committed += world.n_open;
    world.n_open = 0;
    world.state = PQTRANS_IDLE;
    return DONE;
}

PGresult *__wrap_PQexecParams(PGconn *conn, const char *sql, int n, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int result_format)
{
    (void)sql, (void)types, (void)result_format;
    must(conn == CONN && n == 6 && world.state == PQTRANS_INTRANS && formats[2] == 1 && formats[3] == 1);
    must(strcmp(values[0], "topic") == 0 && (values[3] != NULL) == (world.key || world.key_member));
    uint32_t n_lines = (uint32_t)strtoul(values[1], NULL, 10);
    must(n_lines > 0);
    piece lines = {values[2], (size_t)lengths[2]}, keys = {values[3], (size_t)lengths[3]}, wanted;
    open_array(&lines, n_lines);
    if (keys.at)
        open_array(&keys, n_lines);
    for (uint32_t i = 0; i < n_lines; i++) {
        piece line = next_element(&lines);
        must(next_line(&world.rest, &wanted) && is_same(line, wanted.at, wanted.size));
        if (keys.at)
            check_key(next_element(&keys), line);
    }
    must(lines.size == 0 && keys.size == 0);
    if (fails())
        return FAILED;
    world.n_open += n_lines;
    return ROWS;
}

ExecStatusType __wrap_PQresultStatus(const PGresult *result)
{
    return result == DONE ? PGRES_COMMAND_OK : result == ROWS ? PGRES_TUPLES_OK : PGRES_FATAL_ERROR;
}

PGTransactionStatusType __wrap_PQtransactionStatus(const PGconn *conn)
{
    must(conn == CONN);
    return world.state;
}

void __wrap_PQclear(PGresult *result)
{
    must(result == DONE || result == ROWS || result == FAILED);
}

void __wrap_PQfinish(PGconn *conn)
{
    must(conn == CONN);
}

/* How many of the first n lines are not empty. */
static int64_t n_events(long long n)
{
    piece rest = world.lines, line;
    int64_t found = 0;
    for (; n > 0 && rest.size > 0; n--) {
        const char *end = memchr(rest.at, '\n', rest.size);
        line = (piece){rest.at, end ? (size_t)(end - rest.at) : rest.size};
        found += !is_empty(line);
        rest = (piece){rest.at + line.size + (end != NULL), rest.size - line.size - (end != NULL)};
    }
    must(n == 0);
    return found;
}

static void check_end(int code)
{
    piece line;
    long long to, from, first, last;
    if (code == EXIT_OK) {
        must(world.state == PQTRANS_IDLE && world.n_open == 0 && !next_line(&world.rest, &line));
        return;
    }
    must(code == EXIT_FAULT);
    if (world.is_doubted) {
        must(
            sscanf(
                world.said,
                "whether lines %lld to %lld are published is not known: look for them before you go on, with "
                "line %lld or %lld",
                &first, &last, &from, &to) == 4);
        must(from == first && to == last + 1 && n_events(first - 1) == world.n_committed);
        must(n_events(last) == world.n_committed + world.n_open);
        return;
    }
    if (strcmp(world.said, "nothing was published") == 0) {
        must(world.n_committed == 0);
        return;
    }
    must(sscanf(world.said, "lines 1 to %lld are published, none after them; go on with line %lld", &to,
                &from) == 2);
    must(from == to + 1 && n_events(to) == world.n_committed);
}

static const command_option *option_of(const char *name)
{
    const command_option *o = command_publish.options;
    while (strcmp(o->name, name) != 0)
        o++;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char topic[] = "topic", key[] = "key", member[] = "k", batch[8];
    char *words[] = {topic};
    given_option given[3];
    call c = {.command = &command_publish, .given = given, .words = words, .n_words = 1};
    if (size < 3)
        return 0;
    world.lines = world.rest = (piece){(const char *)data + 3, size - 3};
    world.key = data[0] % 3 == 1 ? key : NULL;
    world.key_member = data[0] % 3 == 2 ? member : NULL;
    world.is_lost = data[0] / 3 % 2;
    world.until_failure = data[1] % 16 ? INT64_MAX : data[1] / 16;
    world.batch = data[2] % 8;
    world.state = PQTRANS_IDLE;
    world.n_open = world.n_committed = 0;
    world.is_short = world.is_doubted = false;
    given[c.n_given++] = (given_option){option_of("lines"), NULL};
    if (world.key || world.key_member)
        given[c.n_given++] =
            (given_option){option_of(world.key ? "key" : "key-field"), world.key ? key : member};
    snprintf(batch, sizeof batch, "%d", (int)world.batch);
    if (world.batch > 0)
        given[c.n_given++] = (given_option){option_of("batch"), batch};
    check_end(publish_lines(&c));
    return 0;
}

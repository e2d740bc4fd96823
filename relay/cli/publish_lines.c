/* postbus publish --lines: each line an event, sent in arrays; never publishes a part of a batch. */
#include "publish_lines.h"

#include "bytes_array.h"
#include "database.h"
#include "postbus_sql.h"
#include "progress_bar.h"
#include "publish_input.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEND_ROWS 2000               /* a round trip carries at most so many lines, */
#define SEND_BYTES (4 * 1024 * 1024) /* or so many bytes */
#define LINE_MOST_BYTES 1000000000   /* with what else a round trip carries it is less than libpq can count */

typedef struct feed {
    const call *c;
    PGconn *conn;
    FILE *file;
    bytes_array values, keys;
    bool with_keys;
    char *headers;
    int64_t batch;             /* lines a transaction; 0 = all */
    int64_t line_no;           /* the last line read */
    int64_t n_sent;            /* events sent in all, */
    int64_t n_open;            /* of these in the open transaction, buffered ones too */
    int64_t committed_to_line; /* all lines up to this one are published for good */
    int64_t n_committed, n_empty, read_bytes;
    int64_t first_buffered_line;
    bool is_unknown; /* whether the last commit took effect */
    progress_bar bar;
} feed;

static bool execute(feed *f, const char *sql, bool *out_lost)
{
    PGresult *result = PQexec(f->conn, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok)
        database_fault(f->c, f->conn, result, sql);
    *out_lost = !ok && database_answer_lost(f->conn, result);
    PQclear(result);
    return ok;
}

static bool send_buffered(feed *f)
{
    if (f->values.n == 0)
        return true;
    char count[16];
    snprintf(count, sizeof count, "%d", f->values.n);
    int values_size = 0, keys_size = 0;
    const char *values = bytes_array_param(&f->values, &values_size);
    const char *keys = f->with_keys ? bytes_array_param(&f->keys, &keys_size) : NULL;
    const char *params[] = {f->c->words[0], count, values, keys, call_text(f->c, "type"), f->headers};
    const int lengths[] = {0, 0, values_size, keys_size, 0, 0}, formats[] = {0, 0, 1, 1, 0, 0};
    PGresult *result =
        PQexecParams(f->conn, sql_query("publish_lines"), 6, NULL, params, lengths, formats, 0);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!ok) {
        char what[100];
        snprintf(what, sizeof what, "lines %" PRId64 " to %" PRId64, f->first_buffered_line, f->line_no);
        database_fault(f->c, f->conn, result, what);
    }
    PQclear(result);
    f->n_sent += f->values.n;
    bytes_array_clear(&f->values);
    bytes_array_clear(&f->keys);
    return ok;
}

static bool commit(feed *f)
{
    if (!send_buffered(f) || !execute(f, "COMMIT", &f->is_unknown))
        return false;
    f->n_committed += f->n_open;
    f->n_open = 0;
    f->committed_to_line = f->line_no;
    return true;
}

/* NULL: it is none, and the reason was printed. */
static json_t *object_of(const feed *f, const char *line, size_t size)
{
    json_error_t error;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!object) {
        char said[4 * sizeof error.text]; /* it quotes the line */
        one_line(error.text, said, sizeof said);
        fault(f->c, "line %" PRId64 " is not a JSON object: %s", f->line_no, said);
    } else if (!json_is_object(object)) {
        fault(f->c,
              "line %" PRId64
              " is JSON, but not an object; --key-field takes the key from a member of an object",
              f->line_no);
        json_decref(object);
        object = NULL;
    }
    return object;
}

static bool is_number(const char *text, double number)
{
    double read = strtod(text, NULL);
    return memcmp(&read, &number, sizeof read) == 0;
}

/* A real has as few digits as tell it from all others: 1.1, and not 1.1000000000000001. For the caller to free; NULL: no memory. */
static char *scalar_text(const json_t *scalar)
{
    char *text = json_dumps(scalar, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    for (size_t digits = 16;
         text && json_is_real(scalar) && !is_number(text, json_real_value(scalar)) && digits <= 17;
         digits++) {
        free(text);
        text = json_dumps(scalar, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
    }
    return text;
}

/* The member named by --key-field: text as it is, numbers and booleans as JSON writes them. */
static bool add_key_of(feed *f, const char *line, size_t size)
{
    const char *field = call_text(f->c, "key-field");
    json_t *object = object_of(f, line, size);
    const json_t *member = json_object_get(object, field);
    bool ok = false;
    if (!object)
        return false;
    if (!member)
        fault(f->c, "line %" PRId64 " has no member \"%s\" to be the key; correct the line or --key-field",
              f->line_no, field);
    else if (json_is_string(member))
        ok = bytes_array_add(&f->keys, json_string_value(member), json_string_length(member));
    else if (json_is_number(member) || json_is_boolean(member)) {
        char *text = scalar_text(member);
        ok = text && bytes_array_add(&f->keys, text, strlen(text));
        free(text);
    } else
        fault(f->c,
              "line %" PRId64 ": the member \"%s\" is neither text nor a number; a key has to be one of them",
              f->line_no, field);
    json_decref(object);
    return ok;
}

static bool add_line(feed *f, const char *line, size_t size)
{
    if (f->values.n == 0)
        f->first_buffered_line = f->line_no;
    if (call_has(f->c, "key-field") && !add_key_of(f, line, size))
        return false;
    const char *key = call_text(f->c, "key");
    if ((key && !bytes_array_add(&f->keys, key, strlen(key))) || !bytes_array_add(&f->values, line, size)) {
        fault(f->c, "line %" PRId64 ": out of memory", f->line_no);
        return false;
    }
    f->n_open++;
    if (f->values.n >= SEND_ROWS || f->values.size >= SEND_BYTES)
        return send_buffered(f);
    return true;
}

static bool take_line(feed *f, const char *line, size_t size)
{
    f->line_no++;
    f->read_bytes += (int64_t)size;
    if (size > 0 && line[size - 1] == '\n')
        size--;
    if (size == 0 || (size == 1 && line[0] == '\r')) {
        f->n_empty++;
        return true;
    }
    if (size > LINE_MOST_BYTES) {
        fault(f->c, "line %" PRId64 " has %zu bytes; PostgreSQL takes no value of 1 GB", f->line_no, size);
        return false;
    }
    bool lost;
    if (PQtransactionStatus(f->conn) == PQTRANS_IDLE && !execute(f, "BEGIN", &lost))
        return false;
    if (!add_line(f, line, size))
        return false;
    progress_bar_show(&f->bar, f->read_bytes, f->n_sent);
    return f->batch == 0 || f->n_open < f->batch || commit(f);
}

static bool feed_all(feed *f)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    bool ok = true;
    while (ok && (size = getline(&line, &capacity, f->file)) >= 0)
        ok = take_line(f, line, (size_t)size);
    free(line);
    if (ok && ferror(f->file)) {
        fault(f->c, "line %" PRId64 " is the last one that could be read", f->line_no);
        ok = false;
    }
    return ok && (f->n_open == 0 || commit(f));
}

static int64_t size_of(FILE *file)
{
    struct stat info;
    return fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
}

static int run_feed(feed *f)
{
    progress_bar_start(&f->bar, size_of(f->file));
    bool ok = feed_all(f);
    progress_bar_stop(&f->bar);
    if (ok) {
        printf("published %" PRId64 " events", f->n_committed);
        printf(f->n_empty ? ", passed over %" PRId64 " empty lines\n" : "\n", f->n_empty);
        return EXIT_OK;
    }
    if (f->is_unknown)
        return fault(f->c,
                     "whether lines %" PRId64 " to %" PRId64
                     " are published is not known: look for them before you go on, with line %" PRId64
                     " or %" PRId64,
                     f->committed_to_line + 1, f->line_no, f->committed_to_line + 1, f->line_no + 1);
    if (f->n_committed == 0)
        return fault(f->c, "nothing was published");
    return fault(f->c, "lines 1 to %" PRId64 " are published, none after them; go on with line %" PRId64,
                 f->committed_to_line, f->committed_to_line + 1);
}

static int check_flags(const call *c)
{
    if (call_has(c, "tombstone"))
        return misuse(c, "--tombstone publishes one event without a value; leave out --lines");
    if (call_has(c, "key") && call_has(c, "key-field"))
        return misuse(c, "--key and --key-field both give the key; use one of the two");
    if (c->n_words > 1 && strcmp(c->words[1], "-") != 0)
        return misuse(c,
                      "with --lines the events come from a file; write --file FILE, or - for standard input");
    if (c->n_words > 1 && call_has(c, "file"))
        return misuse(c, "the lines are given in two ways; use --file FILE or -");
    return EXIT_OK;
}

int publish_lines(const call *c)
{
    feed f = {.c = c,
              .with_keys = call_has(c, "key") || call_has(c, "key-field"),
              .batch = call_count(c, "batch", 0)};
    int code = check_flags(c);
    if (code != EXIT_OK)
        return code;
    if (!publish_input_headers(c, &f.headers))
        return EXIT_USAGE;
    const char *path = call_text(c, "file");
    f.file = publish_input_open(c, path ? path : "-");
    code = EXIT_FAULT;
    if (f.file && (f.conn = database_open(c, &code)) != NULL)
        code = run_feed(&f);
    PQfinish(f.conn);
    if (f.file && f.file != stdin)
        fclose(f.file);
    bytes_array_done(&f.values);
    bytes_array_done(&f.keys);
    free(f.headers);
    return code;
}

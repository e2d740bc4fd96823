/* Prints records by a format or as JSON; never changes or drops a byte of a value silently. */
#include "tail_format.h"

#include "bytes_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char letters[] = "TtpokvhiySK%"; /* what may stand behind '%' */

bool tail_format_check(const char *format, const char **out_wrong)
{
    for (; *format; format++) {
        bool directive = *format == '%', escape = *format == '\\';
        if (!directive && !escape)
            continue;
        *out_wrong = format;
        format++;
        if (*format == '\0' || !strchr(directive ? letters : "nt0\\", *format))
            return false;
    }
    return true;
}

static void time_text(const rd_kafka_message_t *record, char *out, size_t out_size)
{
    rd_kafka_timestamp_type_t kind;
    int64_t ms = rd_kafka_message_timestamp(record, &kind);
    if (kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0) {
        snprintf(out, out_size, "-");
        return;
    }
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t at = strftime(out, out_size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + at, out_size - at, ".%03dZ", (int)(ms % 1000));
}

static rd_kafka_headers_t *headers_of(const rd_kafka_message_t *record)
{
    rd_kafka_headers_t *headers = NULL;
    return rd_kafka_message_headers(record, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR ? headers : NULL;
}

/* A walk over a record's headers: begins as {.headers = headers_of(record)}. */
typedef struct header_walk {
    const rd_kafka_headers_t *headers; /* NULL: the record has none */
    size_t n_passed;
    const char *name;
    const void *value; /* may be NULL */
    size_t size;
} header_walk;

static bool next_header(header_walk *w)
{
    return w->headers && rd_kafka_header_get_all(w->headers, w->n_passed++, &w->name, &w->value, &w->size) ==
                             RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void put_headers(FILE *to, const rd_kafka_message_t *record)
{
    header_walk w = {.headers = headers_of(record)};
    while (next_header(&w)) {
        fprintf(to, "%s%s=", w.n_passed > 1 ? "," : "", w.name);
        fwrite(w.value ? w.value : "", 1, w.value ? w.size : 0, to);
    }
}

static void put_header(FILE *to, const rd_kafka_message_t *record, const char *name)
{
    rd_kafka_headers_t *headers = headers_of(record);
    const void *value;
    size_t size;
    if (headers && rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        value)
        fwrite(value, 1, size, to);
    else
        fputc('-', to);
}

static void put_bytes(FILE *to, const void *bytes, size_t size)
{
    if (bytes)
        fwrite(bytes, 1, size, to);
    else
        fputs("NULL", to);
}

static void put_directive(FILE *to, char letter, const rd_kafka_message_t *r, const tail_avro *avro)
{
    char text[40];
    switch (letter) {
    case 'T':
        time_text(r, text, sizeof text);
        fputs(text, to);
        break;
    case 't':
        fputs(rd_kafka_topic_name(r->rkt), to);
        break;
    case 'p':
        fprintf(to, "%" PRId32, r->partition);
        break;
    case 'o':
        fprintf(to, "%" PRId64, r->offset);
        break;
    case 'k':
        put_bytes(to, r->key, r->key_len);
        break;
    case 'v':
        put_bytes(to, avro->json ? avro->json : r->payload, avro->json ? avro->size : r->len);
        break;
    case 'h':
        put_headers(to, r);
        break;
    case 'i':
        put_header(to, r, "id");
        break;
    case 'y':
        put_header(to, r, "type");
        break;
    case 'S':
        fprintf(to, "%zd", r->payload ? (ssize_t)r->len : (ssize_t)-1);
        break;
    case 'K':
        fprintf(to, "%zd", r->key ? (ssize_t)r->key_len : (ssize_t)-1);
        break;
    default:
        fputc('%', to);
    }
}

static char escaped(char letter)
{
    return letter == 'n' ? '\n' : letter == 't' ? '\t' : letter == '0' ? '\0' : '\\';
}

void tail_format_print(FILE *to, const char *format, const rd_kafka_message_t *record, const tail_avro *avro)
{
    for (; *format; format++) {
        if (*format == '%')
            put_directive(to, *++format, record, avro);
        else if (*format == '\\')
            fputc(escaped(*++format), to);
        else
            fputc(*format, to);
    }
}

/* A list of [name, value]: names may repeat, and their order counts. */
static json_t *headers_json(const rd_kafka_message_t *record)
{
    json_t *list = json_array();
    header_walk w = {.headers = headers_of(record)};
    while (next_header(&w)) {
        json_t *header = json_object();
        bytes_json_set(header, "name", w.name, strlen(w.name));
        bytes_json_set(header, "value", w.value, w.size);
        json_array_append_new(list, header);
    }
    return list;
}

void tail_format_json(FILE *to, const rd_kafka_message_t *record, const tail_avro *avro)
{
    char when[40];
    time_text(record, when, sizeof when);
    json_t *object =
        json_pack("{s:s, s:i, s:I, s:s}", "topic", rd_kafka_topic_name(record->rkt), "partition",
                  (int)record->partition, "offset", (json_int_t)record->offset, "timestamp", when);
    bytes_json_set(object, "key", record->key, record->key_len);
    json_t *decoded =
        avro->json ? json_loadb(avro->json, avro->size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    if (decoded)
        json_object_set_new(object, "value_avro", decoded);
    else
        bytes_json_set(object, "value", record->payload, record->len);
    json_object_set_new(object, "headers", headers_json(record));
    json_dumpf(object, to, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', to);
    json_decref(object);
}

/* postbus_avro_bench: values encoded and decoded a second, by libpostbus_schema and by avro-c, in turn; must never let one of them do less than the other. */
#include <avro.h>
#include <postbus/schema.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},{\"name\":"
    "\"customer\",\"type\":\"string\"},"
    "{\"name\":\"quantity\",\"type\":\"int\"},{\"name\":\"price\",\"type\":\"double\"},{\"name\":\"paid\","
    "\"type\":\"boolean\"},"
    "{\"name\":\"note\",\"type\":[\"null\",\"string\"]},{\"name\":\"state\",\"type\":{\"type\":\"enum\","
    "\"name\":\"State\",\"symbols\":[\"NEW\",\"SENT\"]}},"
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},{\"name\":"
    "\"digest\",\"type\":\"bytes\"},"
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}]}";
static const char order[] = "{\"id\":123456789,\"customer\":\"customer-000042\",\"quantity\":3,\"price\":19."
                            "95,\"paid\":true,\"note\":\"leave at the door\","
                            "\"state\":\"SENT\",\"at\":\"2026-11-25T14:03:05.123Z\",\"digest\":\"AAECAwQFBgc="
                            "\",\"tags\":[\"new\",\"gift\"]}";
#define BATCH 2000
#define LARGEST_BYTES 1024

typedef struct bench {
    pbus_schema *schema;
    pbus_decoder *decoder;
    pbus_buffer wire; /* the order, encoded */
    pbus_buffer out;
    avro_value_t value;
    unsigned char theirs[LARGEST_BYTES];
} bench;

static void must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "postbus_avro_bench: %s failed\n", what);
    exit(1);
}

static void encode_ours(bench *b)
{
    b->out.size = 0;
    must(pbus_schema_encode_value(b->schema, &b->value, &b->out, NULL) == PBUS_OK, "encoding");
}

static void encode_theirs(bench *b)
{
    avro_writer_t writer = avro_writer_memory((char *)b->theirs, sizeof b->theirs);
    must(avro_value_write(writer, &b->value) == 0, "avro_value_write");
    avro_writer_free(writer);
}

static void decode_ours(bench *b)
{
    must(pbus_decoder_value(b->decoder, b->wire.data, b->wire.size, &b->value, NULL) == PBUS_OK, "decoding");
}

static void decode_theirs(bench *b)
{
    avro_reader_t reader = avro_reader_memory((const char *)b->wire.data, (int64_t)b->wire.size);
    must(avro_value_reset(&b->value) == 0 && avro_value_read(reader, &b->value) == 0, "avro_value_read");
    avro_reader_free(reader);
}

static pbus_status look(void *context, const pbus_datum *datum)
{
    *(uint64_t *)context += datum->kind;
    return PBUS_OK;
}

static void decode_by_visitor(bench *b)
{
    uint64_t sum = 0;
    must(pbus_decoder_visit(b->decoder, b->wire.data, b->wire.size, look, &sum, NULL) == PBUS_OK && sum > 0,
         "visiting");
}

static void decode_to_json(bench *b)
{
    b->out.size = 0;
    must(pbus_decoder_json(b->decoder, b->wire.data, b->wire.size, PBUS_JSON_PLAIN, &b->out, NULL) == PBUS_OK,
         "writing JSON");
}

static void encode_json(bench *b)
{
    b->out.size = 0;
    must(pbus_schema_encode_json(b->schema, order, sizeof order - 1, PBUS_JSON_PLAIN, &b->out, NULL) ==
             PBUS_OK,
         "reading JSON");
}

static const struct {
    const char *name;
    void (*run)(bench *b);
} runs[] = {
    {"encode_value", encode_ours},         {"encode_value_avro_c", encode_theirs},
    {"decode_value", decode_ours},         {"decode_value_avro_c", decode_theirs},
    {"decode_visitor", decode_by_visitor}, {"decode_json", decode_to_json},
    {"encode_json", encode_json},
};
#define N_RUNS (sizeof runs / sizeof *runs)

static double clock_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin(bench *b)
{
    avro_schema_t schema;
    must(pbus_schema_parse(schema_text, sizeof schema_text - 1, NULL, 0, &b->schema, NULL) == PBUS_OK,
         "the schema");
    must(pbus_decoder_new(b->schema, b->schema, NULL, &b->decoder, NULL) == PBUS_OK, "the decoder");
    must(pbus_schema_encode_json(b->schema, order, sizeof order - 1, PBUS_JSON_PLAIN, &b->wire, NULL) ==
             PBUS_OK,
         "the order");
    const char *form = pbus_schema_canonical(b->schema);
    must(avro_schema_from_json_length(form, strlen(form), &schema) == 0, "avro-c's schema");
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    must(class && avro_generic_value_new(class, &b->value) == 0, "avro-c's value");
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
    /* Both write the same before either is measured. */
    decode_ours(b);
    encode_ours(b);
    encode_theirs(b);
    must(b->out.size == b->wire.size && memcmp(b->out.data, b->wire.data, b->wire.size) == 0 &&
             memcmp(b->theirs, b->wire.data, b->wire.size) == 0,
         "the comparison of the bytes");
}

/* For others, who measure themselves on it. */
static void print_record(const bench *b)
{
    printf("{\"bytes\": %zu, \"schema\": %s, \"wire\": \"", b->wire.size, pbus_schema_canonical(b->schema));
    for (size_t i = 0; i < b->wire.size; i++)
        printf("%02x", ((const unsigned char *)b->wire.data)[i]);
    putchar('"');
}

/* Batches of all in turn until the time is up; values a second of each, of the processor's time that it took: what else runs on the machine
 * has its own. */
int main(int argc, char **argv)
{
    bench b = {.schema = NULL};
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3, spent_s[N_RUNS] = {0};
    unsigned long n = 0;
    begin(&b);
    for (double end = clock_s(CLOCK_MONOTONIC) + seconds; n == 0 || clock_s(CLOCK_MONOTONIC) < end;
         n += BATCH)
        for (size_t i = 0; i < N_RUNS; i++) {
            double start = clock_s(CLOCK_THREAD_CPUTIME_ID);
            for (int j = 0; j < BATCH; j++)
                runs[i].run(&b);
            spent_s[i] += clock_s(CLOCK_THREAD_CPUTIME_ID) - start;
        }
    print_record(&b);
    for (size_t i = 0; i < N_RUNS; i++)
        printf(", \"%s\": %.0f", runs[i].name, (double)n / spent_s[i]);
    printf("}\n");
    avro_value_decref(&b.value);
    pbus_buffer_done(&b.wire);
    pbus_buffer_done(&b.out);
    pbus_decoder_free(b.decoder);
    pbus_schema_free(b.schema);
    return 0;
}

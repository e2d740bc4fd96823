/* Avro: schemas that evolve, and values that are checked before they are published.
 *
 *     pbus_schema *order;
 *     if (pbus_schema_parse(text, text_size, NULL, 0, &order, &err) != PBUS_OK) ...
 *     pbus_buffer bytes = PBUS_BUFFER_INIT;
 *     if (pbus_schema_encode_json(order, json, json_size, PBUS_JSON_PLAIN, &bytes, &err) != PBUS_OK)
 *         fprintf(stderr, "%s\n", err.message);     ... "lines[3].price: "abc" is no decimal number"
 *     pbus_event event = {.topic = "orders", .value = bytes.data, .value_size = bytes.size};
 *     ... and on the other side, where an older or a newer schema is at hand:
 *     pbus_decoder *decoder;
 *     if (pbus_decoder_new(writer, reader, NULL, &decoder, &err) != PBUS_OK) ...
 *     if (pbus_decoder_json(decoder, bytes, n_bytes, PBUS_JSON_PLAIN, &json, &err) != PBUS_OK) ...
 *
 * The reference is the specification of Apache Avro 1.11.1. The functions are in libpostbus_schema (pkg-config:
 * postbus-schema, which brings libpostbus), so that an application that only publishes needs neither jansson nor
 * avro-c.
 *
 * Schemas and decoders do not change after they are made: any number of threads may use one at the same time.
 * The functions print nothing, start no thread, and keep nothing of the caller's after they return. They
 * block never.
 *
 * Bytes may come from anywhere: whatever they hold, decoding ends with a value or an error, within the limits
 * of pbus_decode_limits, and reads no byte behind them. So may schema texts and JSON; their limits are the
 * constants below.
 */
#ifndef POSTBUS_SCHEMA_H
#define POSTBUS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postbus/error.h>
#include <postbus/export.h>

/* Of a schema's text, in bytes. */
#define PBUS_SCHEMA_MAX_BYTES 1048576u
/* How deep types may be nested in one another, and values that are encoded; what is encoded is not too deep to be
 * decoded. */
#define PBUS_SCHEMA_MAX_DEPTH 200u
/* The most that one encoded value, or the JSON of one decoded value, may have, in bytes. */
#define PBUS_SCHEMA_MAX_VALUE_BYTES 268435456u

/* Bytes that grow. The caller's; zeroed storage is an empty one. What a function of this header writes it
 * appends; one that fails leaves size and the bytes below it as they were. */
typedef struct pbus_buffer {
    unsigned char *data; /* NULL, or from malloc */
    size_t size;
    size_t capacity;
} pbus_buffer;
#define PBUS_BUFFER_INIT                                                                                     \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

/* A schema, with the definitions of all types it names. */
typedef struct pbus_schema pbus_schema;

/* The avro_value_t of avro-c (<avro/value.h>), for those who use it. */
struct avro_value;

#ifdef __cplusplus
extern "C" {
#endif

/* Releases the bytes and makes the buffer an empty one. Cannot fail. Takes NULL. */
PBUS_API void pbus_buffer_done(pbus_buffer *buffer);

/* Reads a schema from its text, the contents of an .avsc file.
 *
 * Refused are: what is no JSON or has a key twice; unknown types; names that are none; a name that is defined
 * twice or used before it is defined; a union in a union, or with one type twice; symbols and fields that
 * appear twice; a default that does not fit its field (of a union: its first branch); and what is above the
 * limits. Logical types that are unknown, or not allowed for their type, are passed over, as the
 * specification demands; attributes that it does not know as well. A "namespace", or the "default" of an enum,
 * that is null is none, as for Java's parser: a namespace is then the one around it.
 *   text, size      caller's, read during the call
 *   known, n_known  schemas whose named types the text may use without defining them; kept alive by the new
 *                   schema; may be NULL where n_known is 0
 *   out             yours, to be given to pbus_schema_free; written on PBUS_OK only
 * Returns: PBUS_OK; PBUS_ERROR_AVRO_SCHEMA, with the place in the schema; PBUS_ERROR_LIMIT;
 *   PBUS_ERROR_ARGUMENT; PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_schema_parse(const char *text, size_t size, pbus_schema *const *known,
                                                     size_t n_known, pbus_schema **out, pbus_error *err);

/* One more holder of the schema, who has to free it too. Returns the schema. Takes NULL. Since: 0.2. */
PBUS_API pbus_schema *pbus_schema_share(pbus_schema *schema);

/* Ends one holder's share; the last one releases the memory. Takes NULL. Since: 0.2. */
PBUS_API void pbus_schema_free(pbus_schema *schema);

/* The full name of a record, enum or fixed, else the name of the type, such as "array". Since: 0.2. */
PBUS_API const char *pbus_schema_name(const pbus_schema *schema);

/* The text the schema was read from, with a NUL behind it: what registries are given, since the canonical form
 * has no defaults, aliases and logical types. out_size may be NULL. Since: 0.2. */
PBUS_API const char *pbus_schema_text(const pbus_schema *schema, size_t *out_size);

/* The Parsing Canonical Form, NUL-terminated, with the definitions of known types at their first use. It is
 * also what avro-c should be given for a schema of its own (avro_schema_from_json), since it cannot resolve
 * names of other schemas. Since: 0.2. */
PBUS_API const char *pbus_schema_canonical(const pbus_schema *schema);

/* CRC-64-AVRO of the canonical form. Since: 0.2. */
PBUS_API uint64_t pbus_schema_fingerprint(const pbus_schema *schema);

#ifdef __cplusplus
}
#endif

/* ---- Compatibility ---- */

/* What a new schema has to hold against earlier ones: BACKWARD: it reads what they wrote; FORWARD: they read
 * what it writes; FULL: both. Against the latest one, or, TRANSITIVE, against all. */
typedef enum pbus_compatibility {
    PBUS_COMPATIBILITY_NONE = 0,
    PBUS_COMPATIBILITY_BACKWARD = 1,
    PBUS_COMPATIBILITY_BACKWARD_TRANSITIVE = 2,
    PBUS_COMPATIBILITY_FORWARD = 3,
    PBUS_COMPATIBILITY_FORWARD_TRANSITIVE = 4,
    PBUS_COMPATIBILITY_FULL = 5,
    PBUS_COMPATIBILITY_FULL_TRANSITIVE = 6
} pbus_compatibility;

typedef struct pbus_incompatibility {
    size_t earlier;         /* index of the earlier schema */
    bool new_reads_earlier; /* true: the new one cannot read the earlier one's values; false: the reverse */
    /* Such as "lines[*].price"; "[*]" stands for any item or key, "|name" for the branch of a union; "the value"
     * for the whole. Borrowed from the list. */
    const char *path;
    const char *reason;
} pbus_incompatibility;

typedef struct pbus_incompatibilities {
    pbus_incompatibility *items;
    size_t n_items;
    void *memory; /* the library's */
} pbus_incompatibilities;

#ifdef __cplusplus
extern "C" {
#endif

/* Compares a new schema with earlier ones, and tells everything that stands against it.
 *
 * Compatible is what pbus_decoder_new can resolve whatever the values hold: the same rules, applied by the same
 * code.
 *   earlier, n_earlier  oldest first; may be NULL where n_earlier is 0
 *   out                 may be NULL; filled on PBUS_ERROR_INCOMPATIBLE only, and then to be given to
 *                       pbus_incompatibilities_done. At most 1000 are listed.
 * Returns: PBUS_OK: compatible. PBUS_ERROR_INCOMPATIBLE: err tells the first and the number of all. Else
 *   PBUS_ERROR_ARGUMENT, PBUS_ERROR_LIMIT, PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_schema_compare(const pbus_schema *schema,
                                                       const pbus_schema *const *earlier, size_t n_earlier,
                                                       pbus_compatibility mode, pbus_incompatibilities *out,
                                                       pbus_error *err);

/* Tells where compatible schemas give numbers another meaning: a date or a time that was written as one logical
 * type is read as another, such as timestamp-millis as timestamp-micros. Avro's rules resolve the int or long
 * beneath and convert nothing, so every value is read wrong, 1000 times too small there. Compares those that
 * pbus_schema_compare compares; a logical type that comes or goes is none.
 *   out    yours, to be given to pbus_incompatibilities_done; filled on PBUS_OK, with 0 items where there are
 *          none, and left as it was on an error. At most 1000 are listed. new_reads_earlier: which of the two
 *          reads.
 * Returns: PBUS_OK, PBUS_ERROR_ARGUMENT, PBUS_ERROR_LIMIT, PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_schema_compare_meaning(const pbus_schema *schema,
                                                               const pbus_schema *const *earlier,
                                                               size_t n_earlier, pbus_compatibility mode,
                                                               pbus_incompatibilities *out, pbus_error *err);

/* Releases a list and empties it. Takes NULL. Since: 0.2. */
PBUS_API void pbus_incompatibilities_done(pbus_incompatibilities *list);

/* "backward-transitive" and the like; NULL for a number that is none. Since: 0.2. */
PBUS_API const char *pbus_compatibility_name(pbus_compatibility mode);

/* The mode of a name, whose letters may be of either case, with - or _ between the words. Returns: PBUS_OK or
 * PBUS_ERROR_ARGUMENT. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_compatibility_parse(const char *name, pbus_compatibility *out,
                                                            pbus_error *err);

#ifdef __cplusplus
}
#endif

/* ---- Values as JSON ---- */

/* Two ways to write a value as JSON. UTF-8; a number that is not finite is "NaN", "Infinity" or "-Infinity" in
 * both; a float or double may be written as an integer of any size.
 *
 * PBUS_JSON_AVRO is the JSON encoding of the specification: a union's value stands in an object whose only key
 * is the branch's name, {"string": "a"}, but null, which stands alone; bytes and fixed are strings whose
 * characters U+0000 to U+00FF are the bytes; logical types are as the type beneath; every field has to be there.
 *
 * PBUS_JSON_PLAIN is what people and other programs write. A union's value stands alone: the branch is the one
 * that it fits. Of numbers it is the narrowest of int, long, double, float for an integer, and double before
 * float for another number. Where it fits several branches otherwise it is refused as ambiguous, unless it is
 * tagged as above, which is always allowed (a name without its namespace will do). An object whose only key is
 * a branch's name can be a tagged value, and can be a map or a record itself: it is the tagged value wherever what
 * stands behind the key fits that branch, else the map or record if it fits one. So of ["string", {"type": "map",
 * "values": "string"}] {"string": "a"} is the string, and the map is written {"map": {"string": "a"}}: of a union
 * that holds a map, or a record of one field with a branch's name, tag what may look so. A field that is missing
 * has its default. Bytes and fixed are base64 (RFC 4648, section 4, padded). Numbers are taken as they are written,
 * with all their digits: an integer may be 5.0 or 5e0, a decimal has no digit rounded. And
 *   date                    "2026-11-25"
 *   time-millis, -micros    "14:03:05", "14:03:05.123" (no more digits than the type keeps)
 *   timestamp-millis, …     "2026-11-25T14:03:05.123Z", or with an offset such as +01:00; written back in Z
 *   local-timestamp-…       "2026-11-25T14:03:05.123", without a zone
 *   decimal                 "12.34" or 12.34 (a string: of at most 1005 characters, its exponent at most 2000; a
 *                           number: within the range of a double, as all numbers); nothing is rounded, what does
 *                           not fit scale and precision is refused
 *   uuid                    "0190f3e4-7c1a-8def-8000-00000000002a" (of a string, or a fixed of 16 bytes)
 *   duration                "P1M2DT3.004S": months, days, milliseconds; years, weeks, hours and minutes are
 *                           taken too
 * Dates and times may be given as the number beneath as well, and are written so where the year is not within 1
 * and 9999. A field that the record does not have is refused in both forms. */
typedef enum pbus_json_form { PBUS_JSON_AVRO = 0, PBUS_JSON_PLAIN = 1 } pbus_json_form;

#ifdef __cplusplus
extern "C" {
#endif

/* Appends the Avro binary encoding of a value that is given as JSON.
 *
 * Returns: PBUS_OK; PBUS_ERROR_MISFIT: the JSON is none, or does not fit the schema: the message has the path
 *   of the field, the value, and what is wanted; PBUS_ERROR_LIMIT; PBUS_ERROR_ARGUMENT; PBUS_ERROR_MEMORY.
 *   A failure leaves out as it was. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_schema_encode_json(const pbus_schema *schema, const char *json,
                                                           size_t size, pbus_json_form form, pbus_buffer *out,
                                                           pbus_error *err);

/* Appends the Avro binary encoding of a value of avro-c: the bytes that avro_value_write would give, once the
 * value was seen to be of this schema (avro-c's own need not be the same: it has no defaults and no logical
 * types), its strings to be UTF-8, and its unions to have a branch.
 * Returns: as pbus_schema_encode_json. Threads: avro-c's values are used by one thread at a time. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_schema_encode_value(const pbus_schema *schema,
                                                            const struct avro_value *value, pbus_buffer *out,
                                                            pbus_error *err);

/* Appends the SQL text, with a NUL behind it that does not count, that makes the check of JSON values in
 * PostgreSQL: a function (v jsonb) that returns NULL where pbus_schema_encode_json would take the value in the form PBUS_JSON_PLAIN, else a text: the path of what does
 * not fit, and the reason. `postbus schema add` runs it, so that JSON is checked before the commit.
 *
 * The functions are in PL/pgSQL and call those that `postbus migrate` puts into the schema postbus; EXECUTE is
 * revoked from PUBLIC. They differ from the encoder where jsonb does: it keeps the last of a key that is there twice, and it
 * takes no text with a NUL and no number with more than 16383 digits behind the point.
 *   function  its name, such as "postbus.avro_7": a-z, 0-9, _ and ., at most 48; those of inner types are named
 *             after it, with _ and a number
 * Returns: PBUS_OK; PBUS_ERROR_ARGUMENT; PBUS_ERROR_MEMORY. A failure leaves out as it was. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_schema_check_sql(const pbus_schema *schema, const char *function,
                                                         pbus_buffer *out, pbus_error *err);

#ifdef __cplusplus
}
#endif

/* ---- Decoding ---- */

/* A decoder: the way from what one schema wrote to what another wants to read, worked out once. */
typedef struct pbus_decoder pbus_decoder;

/* What one value may cost. 0 stands for the default. */
typedef struct pbus_decode_limits {
    size_t size; /* sizeof(pbus_decode_limits) */
    /* Values in values, where unions do not count; default and most PBUS_SCHEMA_MAX_DEPTH. */
    uint32_t max_depth;
    /* Values of all kinds, also those that have no bytes and those that are skipped; default 1,000,000, and 16
     * more for each byte. */
    uint64_t max_values;
} pbus_decode_limits;
/* clang-format off */
#define PBUS_DECODE_LIMITS_INIT {sizeof(pbus_decode_limits), 0, 0}
/* clang-format on */

typedef enum pbus_datum_kind {
    PBUS_DATUM_NULL = 0,
    PBUS_DATUM_BOOLEAN = 1, /* boolean */
    PBUS_DATUM_INT = 2,     /* integer */
    PBUS_DATUM_LONG = 3,    /* integer */
    PBUS_DATUM_FLOAT = 4,   /* real */
    PBUS_DATUM_DOUBLE = 5,  /* real */
    PBUS_DATUM_BYTES = 6,   /* data, data_size */
    PBUS_DATUM_STRING = 7,  /* data, data_size: UTF-8, may hold NUL, not terminated */
    PBUS_DATUM_FIXED = 8,   /* data, data_size; name: the type's */
    PBUS_DATUM_ENUM = 9,    /* name: the symbol; index: its place in the reader's schema */
    /* A record: RECORD, then FIELD (name, index in the reader's schema) before each field's value, END. Fields
     * come in the order of the bytes, then those of defaults. */
    PBUS_DATUM_RECORD = 10, /* name: the type's */
    PBUS_DATUM_FIELD = 11,
    PBUS_DATUM_ARRAY = 12, /* ARRAY, then ITEM before each value, END */
    PBUS_DATUM_ITEM = 13,
    PBUS_DATUM_MAP = 14, /* MAP, then KEY (data, data_size: UTF-8) before each value, END */
    PBUS_DATUM_KEY = 15,
    PBUS_DATUM_UNION = 16, /* UNION (index, name: the branch's in the reader's schema), its value, END */
    PBUS_DATUM_END = 17
} pbus_datum_kind;

typedef enum pbus_logical {
    PBUS_LOGICAL_NONE = 0,
    PBUS_LOGICAL_DECIMAL = 1, /* precision, scale */
    PBUS_LOGICAL_UUID = 2,
    PBUS_LOGICAL_DATE = 3,
    PBUS_LOGICAL_TIME_MILLIS = 4,
    PBUS_LOGICAL_TIME_MICROS = 5,
    PBUS_LOGICAL_TIMESTAMP_MILLIS = 6,
    PBUS_LOGICAL_TIMESTAMP_MICROS = 7,
    PBUS_LOGICAL_LOCAL_TIMESTAMP_MILLIS = 8,
    PBUS_LOGICAL_LOCAL_TIMESTAMP_MICROS = 9,
    PBUS_LOGICAL_DURATION = 10
} pbus_logical;

/* One step through a value. Only the members that are named at its kind are set. Pointers are valid until the
 * visitor returns; names as long as the decoder. */
typedef struct pbus_datum {
    pbus_datum_kind kind;
    pbus_logical logical; /* of scalars */
    int precision, scale; /* of PBUS_LOGICAL_DECIMAL */
    bool boolean;
    int64_t integer;
    double real;
    const unsigned char *data;
    size_t data_size;
    const char *name; /* NUL-terminated */
    size_t index;
} pbus_datum;

/* Anything but PBUS_OK ends the decoding, and is what it returns. */
typedef pbus_status pbus_visitor(void *context, const pbus_datum *datum);

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the decoder of what `writer` wrote for who wants `reader`, by the specification's rules of schema
 * resolution: fields by name or alias, defaults for those that were not written, writer's fields skipped that
 * the reader does not have, promotions (int to long, float, double; long to float, double; float to double;
 * string and bytes to each other), symbols by name and else the reader enum's default, types by their name
 * without namespace or by the reader's alias, unions on either side. In a reader's union the branch of the very
 * same type is taken, if there is one, else the first that matches. Two decimals match if precision and scale do.
 *
 * What only some values meet (a symbol, a branch of a union, an item of an array) is no error here, but when
 * such a value comes: PBUS_ERROR_INCOMPATIBLE. What no value can avoid is refused here.
 *   writer, reader  kept alive by the decoder; may be the same
 *   limits          may be NULL
 *   out             yours, to be given to pbus_decoder_free
 * Returns: PBUS_OK; PBUS_ERROR_INCOMPATIBLE; PBUS_ERROR_LIMIT, where to work it out takes more than 64 MiB or 20
 * million comparisons of names; PBUS_ERROR_ARGUMENT; PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_decoder_new(pbus_schema *writer, pbus_schema *reader,
                                                    const pbus_decode_limits *limits, pbus_decoder **out,
                                                    pbus_error *err);
/* Takes NULL. Since: 0.2. */
PBUS_API void pbus_decoder_free(pbus_decoder *decoder);

/* Walks through the value that the bytes hold, all of them, and shows it to the visitor step by step, without
 * allocating memory. What was shown before an error was found is void.
 * Returns: PBUS_OK; PBUS_ERROR_CORRUPT: cut off, bytes left over, a negative or too large length, a string that
 *   is no UTF-8, a branch or symbol that does not exist, a boolean that is neither 0 nor 1, a varint too long: with
 *   the path; PBUS_ERROR_INCOMPATIBLE; PBUS_ERROR_LIMIT; PBUS_ERROR_ARGUMENT; what the visitor returned.
 * Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_decoder_visit(const pbus_decoder *decoder, const void *data,
                                                      size_t size, pbus_visitor *visit, void *context,
                                                      pbus_error *err);

/* Appends the value as JSON. Returns: as pbus_decoder_visit; PBUS_ERROR_CORRUPT also for a decimal of more digits
 * than its precision (PBUS_JSON_PLAIN only); PBUS_ERROR_MEMORY. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_decoder_json(const pbus_decoder *decoder, const void *data,
                                                     size_t size, pbus_json_form form, pbus_buffer *out,
                                                     pbus_error *err);

/* Decodes into a value of avro-c that was made with the reader's schema (avro_schema_from_json of
 * pbus_schema_canonical(reader), avro_generic_class_from_schema, avro_generic_value_new). What it held is
 * overwritten; after a failure it holds a part. Strings that hold a NUL are refused, as C strings cannot.
 * Returns: as pbus_decoder_visit; PBUS_ERROR_ARGUMENT where the value is of another schema; PBUS_ERROR_MEMORY.
 * Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_decoder_value(const pbus_decoder *decoder, const void *data,
                                                      size_t size, struct avro_value *value, pbus_error *err);

#ifdef __cplusplus
}
#endif

/* ---- Framing: how a record in Kafka tells the schema it was written with ---- */

typedef enum pbus_framing {
    PBUS_FRAMING_NONE = 0,
    PBUS_FRAMING_CONFLUENT = 1,    /* 0x00, the schema's id (4 bytes, big-endian), the value */
    PBUS_FRAMING_SINGLE_OBJECT = 2 /* 0xC3 0x01, the fingerprint (8 bytes, little-endian), the value */
} pbus_framing;

typedef struct pbus_frame {
    pbus_framing framing;
    int32_t schema_id;    /* of PBUS_FRAMING_CONFLUENT; not negative */
    uint64_t fingerprint; /* of PBUS_FRAMING_SINGLE_OBJECT */
    /* What the frame takes before the value: 0, 5 or 10. pbus_frame_put does not look at it. */
    size_t size_bytes;
} pbus_frame;

#ifdef __cplusplus
extern "C" {
#endif

/* Appends a frame; the value is appended behind it. Returns: PBUS_OK; PBUS_ERROR_ARGUMENT; PBUS_ERROR_MEMORY.
 * Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_frame_put(const pbus_frame *frame, pbus_buffer *out, pbus_error *err);

/* Reads the frame that is expected. Returns: PBUS_OK; PBUS_ERROR_FRAMING: the bytes are too few or begin
 * otherwise, with what they look like; PBUS_ERROR_ARGUMENT. Since: 0.2. */
PBUS_API PBUS_MUST_USE pbus_status pbus_frame_read(const void *data, size_t size, pbus_framing expected,
                                                   pbus_frame *out, pbus_error *err);

/* What the bytes look like: a frame, or PBUS_FRAMING_NONE. A guess, since a value without a frame may begin with
 * the same bytes: whoever knows the fingerprint or the id decides. Since: 0.2. */
PBUS_API pbus_frame pbus_frame_guess(const void *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif

/* Writes and reads what stands before a value in a Kafka record; must never guess where a framing is expected. */
#include <string.h>

#include "bytes.h"
#include "failure.h"
#include <postbus/schema.h>

#define CONFLUENT_MAGIC 0x00
#define CONFLUENT_BYTES 5
#define SINGLE_OBJECT_BYTES 10
static const unsigned char single_object_mark[2] = {0xC3, 0x01};

static const char *framing_name(pbus_framing framing)
{
    static const char *const names[] = {"no framing", "Confluent's framing", "Avro's single-object framing"};
    return names[framing];
}

static size_t framing_bytes(pbus_framing framing)
{
    return framing == PBUS_FRAMING_NONE        ? 0
           : framing == PBUS_FRAMING_CONFLUENT ? CONFLUENT_BYTES
                                               : SINGLE_OBJECT_BYTES;
}

static bool framing_is_known(pbus_framing framing)
{
    return framing == PBUS_FRAMING_NONE || framing == PBUS_FRAMING_CONFLUENT ||
           framing == PBUS_FRAMING_SINGLE_OBJECT;
}

static size_t frame_write(const pbus_frame *frame, unsigned char wire[SINGLE_OBJECT_BYTES])
{
    if (frame->framing == PBUS_FRAMING_CONFLUENT) {
        wire[0] = CONFLUENT_MAGIC;
        for (int i = 0; i < 4; i++)
            wire[1 + i] = (unsigned char)((uint32_t)frame->schema_id >> (24 - 8 * i));
    } else if (frame->framing == PBUS_FRAMING_SINGLE_OBJECT) {
        memcpy(wire, single_object_mark, sizeof single_object_mark);
        for (int i = 0; i < 8; i++)
            wire[2 + i] = (unsigned char)(frame->fingerprint >> (8 * i));
    }
    return framing_bytes(frame->framing);
}

pbus_status pbus_frame_put(const pbus_frame *frame, pbus_buffer *out, pbus_error *err)
{
    unsigned char wire[SINGLE_OBJECT_BYTES];
    if (!frame || !out)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", frame ? "out" : "the frame");
    if (!framing_is_known(frame->framing))
        return failure(err, PBUS_ERROR_ARGUMENT, "%d is no framing", (int)frame->framing);
    if (frame->framing == PBUS_FRAMING_CONFLUENT && frame->schema_id < 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "%d is no schema's id; ids are not negative",
                       (int)frame->schema_id);
    bytes run = {.data = out->data, .size = out->size, .capacity = out->capacity};
    bytes_put(&run, wire, frame_write(frame, wire));
    *out = (pbus_buffer){run.data, run.size, run.capacity};
    return run.failed ? failure(err, PBUS_ERROR_MEMORY, "no memory for the frame") : PBUS_OK;
}

pbus_frame pbus_frame_guess(const void *data, size_t size)
{
    const unsigned char *wire = data;
    pbus_frame frame = {.framing = PBUS_FRAMING_NONE};
    if (wire && size >= CONFLUENT_BYTES && wire[0] == CONFLUENT_MAGIC && wire[1] < 0x80) {
        frame.framing = PBUS_FRAMING_CONFLUENT;
        frame.schema_id =
            (int32_t)((uint32_t)wire[1] << 24 | (uint32_t)wire[2] << 16 | (uint32_t)wire[3] << 8 | wire[4]);
    } else if (wire && size >= SINGLE_OBJECT_BYTES &&
               memcmp(wire, single_object_mark, sizeof single_object_mark) == 0) {
        frame.framing = PBUS_FRAMING_SINGLE_OBJECT;
        for (int i = 0; i < 8; i++)
            frame.fingerprint |= (uint64_t)wire[2 + i] << (8 * i);
    }
    frame.size_bytes = framing_bytes(frame.framing);
    return frame;
}

pbus_status pbus_frame_read(const void *data, size_t size, pbus_framing expected, pbus_frame *out,
                            pbus_error *err)
{
    if (!out || !framing_is_known(expected) || (!data && size > 0))
        return failure(err, PBUS_ERROR_ARGUMENT, "%s",
                       !out            ? "out is NULL"
                       : !data && size ? "the bytes are NULL"
                                       : "there is no such framing");
    if (expected == PBUS_FRAMING_NONE) {
        *out = (pbus_frame){.framing = PBUS_FRAMING_NONE};
        return PBUS_OK;
    }
    pbus_frame found = pbus_frame_guess(data, size);
    if (found.framing == expected) {
        *out = found;
        return PBUS_OK;
    }
    const unsigned char *wire = data;
    if (size < framing_bytes(expected))
        return failure(err, PBUS_ERROR_FRAMING, "the record has %zu bytes, and %s alone takes %zu", size,
                       framing_name(expected), framing_bytes(expected));
    if (found.framing != PBUS_FRAMING_NONE)
        return failure(err, PBUS_ERROR_FRAMING,
                       "the record begins with 0x%02X 0x%02X, which is %s and not %s", wire[0], wire[1],
                       framing_name(found.framing), framing_name(expected));
    return failure(err, PBUS_ERROR_FRAMING, "the record begins with 0x%02X 0x%02X, which is not %s", wire[0],
                   wire[1], framing_name(expected));
}

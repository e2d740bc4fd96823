/* Writes any bytes as a JSON string: what is UTF-8 without a NUL must be read back the same by another library, the rest is refused. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_written(const bytes *out, const char *text, size_t size)
{
    must(text_is_ascii((const char *)out->data, out->size));
    json_t *read = json_loadb((const char *)out->data, out->size, JSON_DECODE_ANY, NULL);
    must(json_is_string(read) && json_string_length(read) == size);
    must(size == 0 || memcmp(json_string_value(read), text, size) == 0);
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    json_t *sample = memchr(text, 0, size) ? NULL : json_stringn(text, size);
    size_t needed = json_string_size(text, size);
    bytes out = {0};
    json_put_string(&out, text, size);
    must((needed != 0) == (sample != NULL));
    must(out.failed == (needed == 0));
    if (needed) {
        must(out.size == needed);
        check_written(&out, text, size);
    }
    bytes_done(&out);
    json_decref(sample);
    return 0;
}

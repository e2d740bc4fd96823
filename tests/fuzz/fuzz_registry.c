/* Answers a call of the registry's client with any bytes: it fails and says why, or what it gives is whole, and is asked for no more. Nothing is sent: the answers
 * are put in the place of libcurl's.
 *
 * The input: which call, and the answers, each with a byte for its HTTP status and behind a newline. Who asks for more reaches nobody. */
#include <curl/curl.h>
#include <postbus/registry.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* The type checks of libcurl's header are macros of the same names. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...);
CURLcode __real_curl_easy_setopt(CURL *curl, CURLoption option, ...);
CURLcode __wrap_curl_easy_perform(CURL *curl);
CURLcode __wrap_curl_easy_getinfo(CURL *curl, CURLINFO info, ...);

enum { ID = 7, MOST_ASKED = 102 };

static const uint8_t *rest; /* NULL: there are no more answers */
static size_t rest_size;
static size_t (*take)(char *data, size_t one, size_t n, void *arg);
static void *take_arg;
static long http_status;
static int n_asked;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* An argument of any type is as large as a pointer here. */
CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
    va_list ap;
    va_start(ap, option);
    void *value = va_arg(ap, void *);
    va_end(ap);
    if (option == CURLOPT_WRITEFUNCTION)
        memcpy(&take, &value, sizeof take);
    if (option == CURLOPT_WRITEDATA)
        take_arg = value;
    return __real_curl_easy_setopt(curl, option, value);
}

CURLcode __wrap_curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
    va_list ap;
    (void)curl;
    must(info == CURLINFO_RESPONSE_CODE);
    va_start(ap, info);
    *va_arg(ap, long *) = http_status;
    va_end(ap);
    return CURLE_OK;
}

static bool hand_over(const uint8_t *from, size_t size)
{
    char *copy = malloc(size + 1); /* of its size, so that nothing behind it is read */
    memcpy(copy, from, size);
    bool taken = size == 0 || take(copy, 1, size, take_arg) == size;
    free(copy);
    return taken;
}

CURLcode __wrap_curl_easy_perform(CURL *curl)
{
    static const long known[] = {200, 404, 409, 422, 401, 500, 204, 302};
    (void)curl;
    n_asked++;
    if (!rest || rest_size == 0)
        return CURLE_COULDNT_CONNECT;
    const uint8_t *answer = rest, *end = memchr(answer, '\n', rest_size);
    size_t size = end ? (size_t)(end - answer) : rest_size;
    rest = end ? end + 1 : NULL;
    rest_size -= end ? size + 1 : size;
    if (size == 0)
        return CURLE_RECV_ERROR;
    http_status = known[answer[0] % (sizeof known / sizeof *known)];
    size_t half = (size - 1) / 2;
    return hand_over(answer + 1, half) && hand_over(answer + 1 + half, size - 1 - half) ? CURLE_OK
                                                                                        : CURLE_WRITE_ERROR;
}

/* It goes to terminals and logs. */
static void check_failure(pbus_status status, const pbus_error *err)
{
    size_t size = strnlen(err->message, sizeof err->message);
    must(err->status == status && size > 0 && size < sizeof err->message);
    must(text_find_fault(err->message, size) == SIZE_MAX);
    for (size_t i = 0; i < size; i++)
        must((unsigned char)err->message[i] >= ' ' && err->message[i] != 0x7F);
}

static void ask_by_id(pbus_registry *r)
{
    pbus_error err, err_again;
    pbus_schema *schema = NULL, *again = NULL;
    pbus_status status = pbus_registry_schema(r, ID, &schema, &err);
    int n = n_asked;
    must((status == PBUS_OK) == (schema != NULL) && n >= 1 && n <= MOST_ASKED);
    if (status == PBUS_ERROR_REGISTRY || status == PBUS_ERROR_MEMORY) {
        check_failure(status, &err);
        return;
    }
    if (status != PBUS_OK)
        check_failure(status, &err);
    must(pbus_registry_schema(r, ID, &again, &err_again) == status && n_asked == n && again == schema);
    pbus_schema_free(schema);
    pbus_schema_free(again);
}

static void ask_by_schema(pbus_registry *r, unsigned how)
{
    static const char text[] = "\"string\"";
    pbus_error err;
    pbus_schema *schema;
    int32_t id = -1, again = -1;
    must(pbus_schema_parse(text, strlen(text), NULL, 0, &schema, &err) == PBUS_OK);
    pbus_status status = how == 1   ? pbus_registry_register(r, "a-value", schema, &id, &err)
                         : how == 2 ? pbus_registry_find(r, "a-value", schema, &id, &err)
                                    : pbus_registry_check(r, "a-value", schema, &err);
    must(n_asked == 1 && (id >= 0) == (status == PBUS_OK && how != 3));
    if (status != PBUS_OK)
        check_failure(status, &err);
    else if (how == 1)
        must(pbus_registry_register(r, "a-value", schema, &again, &err) == PBUS_OK && again == id &&
             n_asked == 1);
    pbus_schema_free(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    pbus_registry *r;
    options.url = "http://registry:8081";
    if (size == 0)
        return 0;
    must(pbus_registry_new(&options, &r, NULL) == PBUS_OK);
    rest = data + 1;
    rest_size = size - 1;
    n_asked = 0;
    if (data[0] % 4 == 0)
        ask_by_id(r);
    else
        ask_by_schema(r, data[0] % 4);
    pbus_registry_free(r);
    return 0;
}

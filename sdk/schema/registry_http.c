/* Speaks HTTP with a registry by libcurl; must never follow it to another host, nor tell anybody the password. */
#include "registry_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bytes.h"
#include "failure.h"
#include "text.h"
#include "web.h"

#define DEFAULT_TIMEOUT_MS 10000
/* A schema's text has 1 MiB at most, and a character of it six bytes at most as JSON. */
#define MOST_ANSWER_BYTES (8u * PBUS_SCHEMA_MAX_BYTES)
#define MEDIA_TYPE "application/vnd.schemaregistry.v1+json"

struct registry_http {
    CURL *curl;
    struct curl_slist *headers;
    char *url; /* without a slash at its end */
    int64_t timeout_ms;
    bytes answer;
    bool too_large;
    char said[CURL_ERROR_SIZE];
    int64_t pause_until_ms; /* it was out of order: nothing is asked before */
    pbus_error pause_reason;
};

int64_t registry_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t on_answer(char *data, size_t one, size_t n, void *arg)
{
    registry_http *http = arg;
    size_t size = one * n;
    http->too_large = size > MOST_ANSWER_BYTES - http->answer.size;
    if (!http->too_large)
        bytes_put(&http->answer, data, size);
    return http->too_large || http->answer.failed ? 0 : size;
}

/* The message does not show an URL that may have a password in it. */
static pbus_status check_url(const char *text, pbus_error *err)
{
    web_url what = text ? web_url_judge(text) : WEB_URL_UNREADABLE;
    if (what == WEB_URL_ENDPOINT)
        return PBUS_OK;
    if (what == WEB_URL_SECRET)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "the registry's URL holds a user; give user and password by themselves");
    return failure(err, PBUS_ERROR_ARGUMENT,
                   "the registry's URL is \"%s\"; write https://HOST:PORT or http://HOST:PORT",
                   !text               ? "(NULL)"
                   : strchr(text, '@') ? "(hidden, since it may hold a password)"
                                       : text_show(text, strlen(text)).text);
}

static bool set_login(CURL *curl, const pbus_registry_options *o)
{
    return !o->user || (curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
                        curl_easy_setopt(curl, CURLOPT_USERNAME, o->user) == CURLE_OK &&
                        curl_easy_setopt(curl, CURLOPT_PASSWORD, o->password ? o->password : "") == CURLE_OK);
}

static bool add_header(registry_http *http, const char *line)
{
    struct curl_slist *longer = curl_slist_append(http->headers, line);
    http->headers = longer ? longer : http->headers;
    return longer != NULL;
}

static bool set_up(registry_http *http, const pbus_registry_options *o)
{
    size_t length = strlen(o->url);
    while (length > 0 && o->url[length - 1] == '/')
        length--;
    http->url = strndup(o->url, length);
    http->timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    return http->url && add_header(http, "Accept: " MEDIA_TYPE ", application/json") &&
           add_header(http, "Content-Type: " MEDIA_TYPE) && web_set_up(http->curl, o->ca_file) &&
           set_login(http->curl, o) &&
           curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
           curl_easy_setopt(http->curl, CURLOPT_USERAGENT, "postbus") == CURLE_OK &&
           curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->said) == CURLE_OK &&
           curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, http) == CURLE_OK;
}

pbus_status registry_http_new(const pbus_registry_options *options, registry_http **out, pbus_error *err)
{
    pbus_status status = check_url(options->url, err);
    if (status != PBUS_OK)
        return status;
    registry_http *http = web_start() ? calloc(1, sizeof *http) : NULL;
    if (http)
        http->curl = curl_easy_init();
    if (!http || !http->curl || !set_up(http, options)) {
        registry_http_free(http);
        return failure(err, PBUS_ERROR_MEMORY, "libcurl cannot be set up for the registry");
    }
    *out = http;
    return PBUS_OK;
}

void registry_http_free(registry_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->headers);
    bytes_done(&http->answer);
    free(http->url);
    free(http);
}

int64_t registry_http_until_ms(const registry_http *http)
{
    return registry_now_ms() + http->timeout_ms;
}

char *registry_http_escape(const char *text)
{
    return curl_easy_escape(NULL, text, 0);
}

void registry_http_forget(char *escaped)
{
    curl_free(escaped);
}

/* What no second attempt makes good: somebody has to change a setting. */
static bool is_final(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WRITE_ERROR;
}

/* Of a fault that may pass by itself, nothing is asked for a while. */
static pbus_status unusable(registry_http *http, pbus_status status, bool retriable, pbus_error *err)
{
    err->retriable = retriable;
    if (retriable) {
        http->pause_until_ms = registry_now_ms() + PBUS_REGISTRY_PAUSE_MS;
        http->pause_reason = *err;
    }
    return status;
}

static pbus_status no_answer(registry_http *http, CURLcode code, pbus_error *err)
{
    if (http->answer.failed || code == CURLE_OUT_OF_MEMORY)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for an answer of the registry");
    if (http->too_large)
        return failure(err, PBUS_ERROR_REGISTRY, "the registry %s answers with more than %u bytes", http->url,
                       MOST_ANSWER_BYTES);
    pbus_status status = failure(err, PBUS_ERROR_REGISTRY, "the registry %s cannot be asked: %s", http->url,
                                 http->said[0] ? http->said : curl_easy_strerror(code));
    return unusable(http, status, !is_final(code), err);
}

void registry_http_quote(const char *text, char *out, size_t out_size)
{
    uint32_t character;
    snprintf(out, out_size, "%s", text);
    text_trim_cut(out);
    size_t size = strlen(out), from, at = 0;
    while (from = at, text_next(out, size, &at, &character))
        if (character < ' ' || (character >= 0x7F && character < 0xA0))
            memset(out + from, ' ', at - from);
}

/* What an answer says of the schema that was sent or asked for. In answer to a question by an id, or for a version, the API has nothing but 404 that does. */
static pbus_status kind_of(long http_status, int code, bool schema_sent)
{
    enum { NOT_PERMITTED = 42205, BAD_SUBJECT = 42208 };
    if (http_status == 404 &&
        code / 100 == 404) /* with another code it is of something else that listens there */
        return PBUS_ERROR_UNKNOWN_SCHEMA;
    if (http_status == 409 && schema_sent)
        return PBUS_ERROR_INCOMPATIBLE;
    if (http_status == 422 && schema_sent && code != NOT_PERMITTED && code != BAD_SUBJECT)
        return PBUS_ERROR_AVRO_SCHEMA;
    return PBUS_ERROR_REGISTRY;
}

static pbus_status refused(registry_http *http, long http_status, bool schema_sent, const json_t *said,
                           pbus_error *err)
{
    const char *message = json_string_value(json_object_get(said, "message"));
    json_int_t code = json_integer_value(json_object_get(said, "error_code"));
    int number = code > 0 && code < 1000000 ? (int)code : (int)http_status;
    pbus_status kind = kind_of(http_status, number, schema_sent);
    char words[700];
    registry_http_quote(message                                    ? message
                        : http_status == 401 || http_status == 403 ? "user and password do not have the right"
                                                                   : "nothing that a schema registry says",
                        words, sizeof words);
    kind = failure(err, kind, "the registry %s answers %d: %s", http->url, number, words);
    bool passes = http_status >= 500 || http_status == 429 || http_status == 408;
    return kind == PBUS_ERROR_REGISTRY ? unusable(http, kind, passes, err) : kind;
}

static pbus_status send_request(registry_http *http, int64_t until_ms, const char *path, const json_t *body,
                                long *out_status, pbus_error *err)
{
    int64_t left_ms = until_ms - registry_now_ms();
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, *url = NULL;
    if ((body && !text) || asprintf(&url, "%s%s", http->url, path) < 0) {
        free(text);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a request to the registry");
    }
    http->answer.size = 0;
    http->answer.failed = http->too_large = false;
    http->said[0] = '\0';
    CURLcode code = curl_easy_setopt(http->curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1));
    if (code == CURLE_OK && !text)
        code = curl_easy_setopt(http->curl, CURLOPT_HTTPGET, 1L);
    else if (code == CURLE_OK)
        code = curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    if (code == CURLE_OK && text)
        code = curl_easy_setopt(http->curl, CURLOPT_COPYPOSTFIELDS, text);
    if (code == CURLE_OK)
        code = curl_easy_perform(http->curl);
    free(text);
    free(url);
    if (code != CURLE_OK)
        return no_answer(http, code, err);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, out_status);
    return PBUS_OK;
}

pbus_status registry_http_ask(registry_http *http, int64_t until_ms, const char *path, const json_t *body,
                              json_t **out, pbus_error *err)
{
    long http_status = 0;
    if (http->pause_until_ms > registry_now_ms()) {
        *err = http->pause_reason;
        return PBUS_ERROR_REGISTRY;
    }
    pbus_status status = send_request(http, until_ms, path, body, &http_status, err);
    if (status != PBUS_OK)
        return status;
    json_t *said = json_loadb((const char *)http->answer.data, http->answer.size, 0, NULL);
    if (http_status >= 200 && http_status < 300 && json_is_object(said)) {
        *out = said;
        return PBUS_OK;
    }
    status = refused(http, http_status, body != NULL, said, err);
    json_decref(said);
    return status;
}

/* Prepares libcurl for requests; must never let one go elsewhere than it was sent, or trust anybody unasked. */
#include "web.h"

#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode start_code;

static void start(void)
{
    start_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool web_start(void)
{
    pthread_once(&once, start);
    return start_code == CURLE_OK;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static bool is_http(CURLU *url)
{
    char *scheme = NULL;
    bool is = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    return is;
}

web_url web_url_judge(const char *text)
{
    web_url what = WEB_URL_UNREADABLE;
    CURLU *url = curl_url();
    if (!url)
        return what;
    if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK && is_http(url)) {
        bool secret = has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD);
        bool more = has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT);
        what = secret ? WEB_URL_SECRET : more ? WEB_URL_QUERY : WEB_URL_ENDPOINT;
    }
    curl_url_cleanup(url);
    return what;
}

/* The directory of authorities that libcurl was built with is trusted beside any file, until it is taken away. */
static bool trust(CURL *curl, const char *ca_file)
{
    return curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           (!ca_file || !*ca_file ||
            (curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

/* A name server that does not answer would hold up every limit in time, and every end: the thread that asks it is waited for. So it is left to itself. */
static void leave_resolver(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)curl;
#endif
}

bool web_set_up(CURL *curl, const char *ca_file)
{
    leave_resolver(curl);
    return curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK && trust(curl, ca_file);
}

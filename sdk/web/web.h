/* What every request over HTTP has in common: libcurl's start, which URLs are taken, and who is trusted. */
#ifndef POSTBUS_WEB_H
#define POSTBUS_WEB_H

#include <curl/curl.h>
#include <stdbool.h>

/* Starts libcurl, once for the process, whichever thread calls it first. false: it cannot be used. */
bool web_start(void);

typedef enum web_url {
    WEB_URL_UNREADABLE, /* or of another scheme than http and https, or relative */
    WEB_URL_SECRET,     /* there is a user or a password in it, which would stand where URLs are shown */
    WEB_URL_ENDPOINT,   /* http or https, host, port and path */
    WEB_URL_QUERY,      /* the same with a query or a fragment */
} web_url;

/* text is not NULL. */
web_url web_url_judge(const char *text);

/* No signals, no redirection followed, http and https alone, TLS 1.2 at least, and the host's certificate has to hold.
 *   ca_file  certificates in PEM, of which one has to have signed it: nobody else is trusted; NULL or "": the system's */
bool web_set_up(CURL *curl, const char *ca_file);

#endif

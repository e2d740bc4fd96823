/* Connects the commands to PostgreSQL and tells its errors in one line; never retries. */
#include "database.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define CONNECT_TIMEOUT_S "10" /* where neither the connection string nor PGCONNECT_TIMEOUT says otherwise */

static bool is_control(uint32_t character)
{
    return character < ' ' || (character >= 0x7F && character < 0xA0);
}

void one_line(const char *text, char *out, size_t out_size)
{
    size_t size = strlen(text), at = 0;
    for (size_t from = 0, next; from < size; from = next) {
        uint32_t character = (unsigned char)text[from];
        next = from;
        bool is_text = text_next(text, size, &next, &character);
        if (!is_text)
            next = from + 1;
        bool space = isspace((unsigned char)text[from]);
        bool shown = space || (is_text && !is_control(character));
        if (at + (shown ? next - from : strlen("\\xNN")) >= out_size)
            break;
        if (!shown)
            at += (size_t)snprintf(out + at, out_size - at, "\\x%02X", (unsigned)character);
        else if (!space)
            memcpy(out + at, text + from, next - from), at += next - from;
        else if (at > 0 && out[at - 1] != ' ')
            out[at++] = ' ';
    }
    while (at > 0 && out[at - 1] == ' ')
        at--;
    out[at] = '\0';
}

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

PGconn *database_connect(const call *c)
{
    char name[64];
    snprintf(name, sizeof name, "postbus %s", c->command->name);
    bool own_timeout = getenv("PGCONNECT_TIMEOUT") == NULL;
    /* A later keyword overrides an earlier one: the connection string comes after our default. */
    const char *keywords[] = {"fallback_application_name",
                              own_timeout ? "connect_timeout" : "fallback_application_name", "dbname",
                              "client_encoding", NULL};
    const char *values[] = {name, own_timeout ? CONNECT_TIMEOUT_S : name, c->cfg.database, "UTF8", NULL};
    return PQconnectdbParams(keywords, values, 1);
}

PGconn *database_open(const call *c, int *out_code)
{
    *out_code = EXIT_FAULT;
    if (!c->cfg.database || !c->cfg.database[0]) {
        *out_code = misuse(c, "no database is given; use --database CONNINFO or POSTBUS_DATABASE");
        return NULL;
    }
    PGconn *conn = database_connect(c);
    if (!conn || PQstatus(conn) != CONNECTION_OK) {
        char said[1024], *masked = config_mask_conninfo(c->cfg.database);
        one_line(conn ? PQerrorMessage(conn) : "out of memory", said, sizeof said);
        *out_code = fault(c, "%s; check the server and --database (%s)", said, masked ? masked : "");
        free(masked);
        PQfinish(conn);
        return NULL;
    }
    PQsetNoticeProcessor(conn, ignore_notice, NULL);
    *out_code = EXIT_OK;
    return conn;
}

/* A pooler has a SQLSTATE for it, mostly of class 08, and hangs up. */
bool database_answer_lost(const PGconn *conn, const PGresult *result)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return !state || strncmp(state, "08", 2) == 0 || PQstatus(conn) != CONNECTION_OK;
}

int database_fault(const call *c, PGconn *conn, const PGresult *result, const char *what)
{
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    char text[2048], line[2048];
    snprintf(text, sizeof text, "%s%s%s%s%s", primary ? primary : PQerrorMessage(conn), detail ? ". " : "",
             detail ? detail : "", hint ? ". " : "", hint ? hint : "");
    one_line(text, line, sizeof line);
    if (!state)
        return fault(c, "%s: %s", what, line);
    /* invalid_schema_name, undefined_table, undefined_function */
    bool bare = strcmp(state, "3F000") == 0 || strcmp(state, "42P01") == 0 || strcmp(state, "42883") == 0;
    bool of_subscribers = strstr(line, "postbus_inbox") != NULL;
    return fault(c, "%s: %s (SQLSTATE %s)%s%s%s", what, line, state, bare ? "; postbus migrate" : "",
                 bare && of_subscribers ? " --subscriber" : "", bare ? " makes what is missing" : "");
}

PGresult *database_query(const call *c, PGconn *conn, const char *what, const char *sql, int n_params,
                         const char *const *params)
{
    PGresult *result = PQexecParams(conn, sql, n_params, NULL, params, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    database_fault(c, conn, result, what);
    PQclear(result);
    return NULL;
}

/* Shows connection strings without their secrets; never prints a string that libpq cannot read, since nobody knows what is secret in it. */
#include "config.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static void put_quoted(FILE *to, const char *value)
{
    bool plain = *value != '\0' && strpbrk(value, " '\\\t\n\v\f\r") == NULL;
    if (plain) {
        fputs(value, to);
        return;
    }
    fputc('\'', to);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            fputc('\\', to);
        fputc(*value, to);
    }
    fputc('\'', to);
}

static bool is_secret(const PQconninfoOption *option)
{
    return option->dispchar[0] == '*' || strstr(option->keyword, "password") ||
           strstr(option->keyword, "secret");
}

/* A dbname that is itself a connection string is left unread by PQconninfoParse, and may hide a password. */
static bool is_nested(const PQconninfoOption *option)
{
    return strcmp(option->keyword, "dbname") == 0 && (strchr(option->val, '=') || strstr(option->val, "://"));
}

char *config_mask_conninfo(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (!options)
        return strdup("(a connection string that cannot be read)");
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    for (const PQconninfoOption *o = options; to && o->keyword; o++) {
        if (!o->val)
            continue;
        fprintf(to, "%s%s=", ftell(to) > 0 ? " " : "", o->keyword);
        if (is_secret(o) || is_nested(o))
            fputs("********", to);
        else
            put_quoted(to, o->val);
    }
    if (to)
        fclose(to);
    PQconninfoFree(options);
    if (text && size == 0 &&
        *conninfo) { /* it leaves all to libpq's defaults; as "" it would be no setting */
        free(text);
        return strdup("postgresql://");
    }
    return text;
}

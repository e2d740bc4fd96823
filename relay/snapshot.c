/* Reads the text of a pg_snapshot strictly; must never accept what PostgreSQL could not have printed. */
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool number(const char **p, uint64_t *out)
{
    if (**p < '0' || **p > '9' || (**p == '0' && (*p)[1] >= '0' && (*p)[1] <= '9'))
        return false;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(*p, &end, 10);
    if (errno != 0 || n > INT64_MAX)
        return false;
    *out = n;
    *p = end;
    return true;
}

static size_t count_items(const char *list)
{
    if (!*list)
        return 0;
    size_t n = 1;
    for (; *list; list++)
        n += *list == ',';
    return n;
}

static bool read_xips(snapshot *s, const char *p)
{
    for (size_t i = 0; i < s->n_xip; i++) {
        if (i > 0 && *p++ != ',')
            return false;
        if (!number(&p, &s->xip[i]))
            return false;
        if (s->xip[i] < s->xmin || s->xip[i] >= s->xmax || (i > 0 && s->xip[i] <= s->xip[i - 1]))
            return false;
    }
    return *p == '\0';
}

snapshot *snapshot_parse(const char *text)
{
    const char *p = text;
    uint64_t xmin, xmax;
    if (!number(&p, &xmin) || *p++ != ':' || !number(&p, &xmax) || *p++ != ':')
        return NULL;
    if (xmin == 0 || xmin > xmax)
        return NULL;
    size_t n = count_items(p);
    snapshot *s = calloc(1, sizeof *s + n * sizeof s->xip[0]);
    if (!s)
        return NULL;
    *s = (snapshot){.refs = 1, .text = strdup(text), .xmin = xmin, .xmax = xmax, .n_xip = n};
    if (!s->text || !read_xips(s, p)) {
        snapshot_unref(s);
        return NULL;
    }
    return s;
}

snapshot *snapshot_ref(snapshot *s)
{
    if (s)
        s->refs++;
    return s;
}

void snapshot_unref(snapshot *s)
{
    if (!s || --s->refs > 0)
        return;
    free(s->text);
    free(s);
}

size_t snapshot_bytes(const snapshot *s)
{
    return sizeof *s + s->n_xip * sizeof s->xip[0] + strlen(s->text) + 1;
}

bool snapshot_sees(const snapshot *s, uint64_t xid)
{
    if (xid < s->xmin)
        return true;
    if (xid >= s->xmax)
        return false;
    for (size_t i = 0; i < s->n_xip; i++)
        if (s->xip[i] == xid)
            return false;
    return true;
}

char *snapshot_unseen_array(const snapshot *s, uint64_t before)
{
    uint64_t n_later = before > s->xmax ? before - s->xmax : 0;
    char *out = malloc(3 + (s->n_xip + n_later) * 21);
    if (!out)
        return NULL;
    char *p = out;
    *p++ = '{';
    for (size_t i = 0; i < s->n_xip; i++)
        p += sprintf(p, "%llu,", (unsigned long long)s->xip[i]);
    for (uint64_t xid = s->xmax; xid < before; xid++)
        p += sprintf(p, "%llu,", (unsigned long long)xid);
    if (p[-1] == ',')
        p--;
    *p++ = '}';
    *p = '\0';
    return out;
}

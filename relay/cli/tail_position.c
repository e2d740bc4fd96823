/* Reads where tail begins; never asks a clock or a broker. */
#include "tail_position.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool parse_age(const char *text, int64_t now_ms, int64_t *out_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(text + digits, units[i].name) == 0) {
            *out_ms = now_ms - strtoll(text, NULL, 10) * units[i].ms;
            return true;
        }
    return false;
}

/* "", "Z", "+02:00", "-0530": minutes east of UTC. */
static bool parse_zone(const char *text, int *out_min)
{
    *out_min = 0;
    if (*text == '\0' || strcmp(text, "Z") == 0)
        return true;
    int hours, minutes, length = 0;
    if (*text != '+' && *text != '-')
        return false;
    if ((sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 &&
         sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &length) != 2) ||
        text[1 + length] != '\0' || hours < 0 || hours > 14 || minutes < 0 || minutes > 59 ||
        !isdigit((unsigned char)text[1]))
        return false;
    *out_min = (hours * 60 + minutes) * (*text == '-' ? -1 : 1);
    return true;
}

/* timegm() would turn the 31st of February into March: what it gives must read as it was written. */
static bool is_calendar(const struct tm *written, time_t seconds)
{
    struct tm back;
    gmtime_r(&seconds, &back);
    return back.tm_mday == written->tm_mday && back.tm_mon == written->tm_mon &&
           back.tm_hour == written->tm_hour && back.tm_min == written->tm_min &&
           back.tm_sec == written->tm_sec;
}

static bool parse_time(const char *text, int64_t *out_ms)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    if (!rest)
        return false;
    if (*rest == 'T' || *rest == ' ') {
        const char *time = rest + 1;
        rest = strptime(time, "%H:%M:%S", &tm);
        if (!rest)
            rest = strptime(time, "%H:%M", &tm);
    } else if (*rest != '\0')
        return false;
    if (!rest)
        return false;
    int64_t fraction_ms = 0;
    if (*rest == '.') {
        fraction_ms = (int64_t)(strtod(rest, NULL) * 1000);
        rest += 1 + strspn(rest + 1, "0123456789");
    }
    int zone_min;
    struct tm written = tm;
    time_t seconds = timegm(&tm);
    if (!parse_zone(rest, &zone_min) || !is_calendar(&written, seconds))
        return false;
    *out_ms = (int64_t)seconds * 1000 + fraction_ms - zone_min * INT64_C(60000);
    return true;
}

bool tail_position_parse(const char *text, int64_t now_ms, tail_position *out)
{
    *out = (tail_position){.start = TAIL_TIME};
    if (strcmp(text, "beginning") == 0)
        out->start = TAIL_BEGINNING;
    else if (strcmp(text, "end") == 0)
        out->start = TAIL_END;
    else
        return parse_age(text, now_ms, &out->time_ms) || parse_time(text, &out->time_ms);
    return true;
}

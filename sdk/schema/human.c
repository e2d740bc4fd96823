/* Reads and writes dates, times, UUIDs and durations; must never round, nor go by the locale or the time zone of the process. */
#include "human.h"

#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
#define FIRST_DAY (-719162) /* 0001-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */

typedef struct reading {
    const char *at, *end;
} reading;

static bool take(reading *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly n digits, of a number between the two. */
static bool take_number(reading *r, int n, int least, int most, int64_t *out)
{
    int64_t value = 0;
    if (r->end - r->at < n)
        return false;
    for (int i = 0; i < n; i++) {
        if (!is_digit(r->at[i]))
            return false;
        value = value * 10 + (r->at[i] - '0');
    }
    r->at += n;
    *out = value;
    return value >= least && value <= most;
}

/* Digits behind a point, if there is one, as so many digits; those beyond must be 0. */
static bool take_fraction(reading *r, int n_digits, int64_t *out)
{
    int n = 0;
    *out = 0;
    if (take(r, '.')) {
        for (; r->at < r->end && is_digit(*r->at); r->at++, n++) {
            if (n < n_digits)
                *out = *out * 10 + (*r->at - '0');
            else if (*r->at != '0')
                return false;
        }
        if (n == 0)
            return false;
    }
    for (; n < n_digits; n++)
        *out *= 10;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March here, so that the leap day is the last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static bool take_date(reading *r, int64_t *out_days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!take_number(r, 4, 1, 9999, &year) || !take(r, '-') || !take_number(r, 2, 1, 12, &month) ||
        !take(r, '-') || !take_number(r, 2, 1, 31, &day))
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (month == 2 && leap))
        return false;
    *out_days = days_of(year, month, day);
    return true;
}

static bool take_time(reading *r, int n_digits, int64_t *out)
{
    int64_t hours, minutes, seconds, fraction;
    if (!take_number(r, 2, 0, 23, &hours) || !take(r, ':') || !take_number(r, 2, 0, 59, &minutes) ||
        !take(r, ':') || !take_number(r, 2, 0, 59, &seconds) || !take_fraction(r, n_digits, &fraction))
        return false;
    int64_t unit = n_digits == 3 ? 1000 : 1000000;
    *out = ((hours * 60 + minutes) * 60 + seconds) * unit + fraction;
    return true;
}

/* "Z", "+01:00" or "+01", in minutes. */
static bool take_zone(reading *r, int64_t *out_minutes)
{
    int64_t hours, minutes = 0;
    *out_minutes = 0;
    if (take(r, 'Z'))
        return true;
    bool west = take(r, '-');
    if ((!west && !take(r, '+')) || !take_number(r, 2, 0, 23, &hours))
        return false;
    if (take(r, ':') && !take_number(r, 2, 0, 59, &minutes))
        return false;
    *out_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool is_micros(pbus_logical logical)
{
    return logical == PBUS_LOGICAL_TIME_MICROS || logical == PBUS_LOGICAL_TIMESTAMP_MICROS ||
           logical == PBUS_LOGICAL_LOCAL_TIMESTAMP_MICROS;
}

static bool is_time_of_day(pbus_logical logical)
{
    return logical == PBUS_LOGICAL_TIME_MILLIS || logical == PBUS_LOGICAL_TIME_MICROS;
}

static bool has_zone(pbus_logical logical)
{
    return logical == PBUS_LOGICAL_TIMESTAMP_MILLIS || logical == PBUS_LOGICAL_TIMESTAMP_MICROS;
}

const char *human_name(pbus_logical logical)
{
    static const char *const names[] = {
        [PBUS_LOGICAL_DATE] = "date",
        [PBUS_LOGICAL_TIME_MILLIS] = "time-millis",
        [PBUS_LOGICAL_TIME_MICROS] = "time-micros",
        [PBUS_LOGICAL_TIMESTAMP_MILLIS] = "timestamp-millis",
        [PBUS_LOGICAL_TIMESTAMP_MICROS] = "timestamp-micros",
        [PBUS_LOGICAL_LOCAL_TIMESTAMP_MILLIS] = "local-timestamp-millis",
        [PBUS_LOGICAL_LOCAL_TIMESTAMP_MICROS] = "local-timestamp-micros",
    };
    return names[logical];
}

const char *human_sample(pbus_logical logical)
{
    if (logical == PBUS_LOGICAL_DATE)
        return "2026-11-25";
    if (is_time_of_day(logical))
        return is_micros(logical) ? "14:03:05.123456" : "14:03:05.123";
    if (has_zone(logical))
        return is_micros(logical) ? "2026-11-25T14:03:05.123456Z" : "2026-11-25T14:03:05.123Z";
    return is_micros(logical) ? "2026-11-25T14:03:05.123456" : "2026-11-25T14:03:05.123";
}

bool human_read_time(pbus_logical logical, const char *text, size_t size, int64_t *out)
{
    reading r = {text, text + size};
    int n_digits = is_micros(logical) ? 6 : 3;
    int64_t days = 0, time = 0, zone = 0, unit = n_digits == 3 ? 1000 : 1000000;
    if (logical == PBUS_LOGICAL_DATE)
        return take_date(&r, out) && r.at == r.end;
    if (is_time_of_day(logical))
        return take_time(&r, n_digits, out) && r.at == r.end;
    if (!take_date(&r, &days) || (!take(&r, 'T') && !take(&r, ' ')) || !take_time(&r, n_digits, &time))
        return false;
    if (has_zone(logical) && !take_zone(&r, &zone))
        return false;
    *out = (days * DAY_SECONDS - zone * 60) * unit + time;
    return r.at == r.end;
}

static size_t put_date(int64_t days, char *out, size_t size)
{
    int year, month, day;
    date_of(days, &year, &month, &day);
    return (size_t)snprintf(out, size, "%04d-%02d-%02d", year, month, day);
}

/* Without a fraction where it is 0. */
static size_t put_time(int64_t time, int n_digits, char *out, size_t size)
{
    int64_t unit = n_digits == 3 ? 1000 : 1000000, seconds = time / unit;
    int n = snprintf(out, size, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                     (int)(seconds % 60));
    if (time % unit)
        n += snprintf(out + n, size - (size_t)n, ".%0*d", n_digits, (int)(time % unit));
    return (size_t)n;
}

size_t human_put_time(pbus_logical logical, int64_t value, char out[HUMAN_TEXT_BYTES])
{
    int n_digits = is_micros(logical) ? 6 : 3;
    int64_t day = (int64_t)DAY_SECONDS * (n_digits == 3 ? 1000 : 1000000);
    if (logical == PBUS_LOGICAL_DATE)
        return value < FIRST_DAY || value > LAST_DAY ? 0 : put_date(value, out, HUMAN_TEXT_BYTES);
    if (is_time_of_day(logical))
        return value < 0 || value >= day ? 0 : put_time(value, n_digits, out, HUMAN_TEXT_BYTES);
    int64_t days = value / day - (value % day < 0);
    if (days < FIRST_DAY || days > LAST_DAY)
        return 0;
    size_t n = put_date(days, out, HUMAN_TEXT_BYTES);
    out[n++] = 'T';
    n += put_time(value - days * day, n_digits, out + n, HUMAN_TEXT_BYTES - n);
    if (has_zone(logical)) {
        out[n++] = 'Z';
        out[n] = '\0';
    }
    return n;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool human_read_uuid(const char *text, size_t size, unsigned char out[16])
{
    size_t n = 0;
    if (size != 36)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[n++] = (unsigned char)(high << 4 | low);
        i++;
    }
    return true;
}

size_t human_put_uuid(const unsigned char bytes[16], char out[HUMAN_TEXT_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < 16; i++)
        n += (size_t)snprintf(out + n, HUMAN_TEXT_BYTES - n,
                              i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    return n;
}

/* The units of a duration, in the order in which they are written. */
static const struct duration_unit {
    char letter;
    bool behind_t;
    int into;       /* months, days or milliseconds */
    uint64_t times; /* of that */
} duration_units[] = {{'Y', false, 0, 12},     {'M', false, 0, 1},    {'W', false, 1, 7},  {'D', false, 1, 1},
                      {'H', true, 2, 3600000}, {'M', true, 2, 60000}, {'S', true, 2, 1000}};
#define DURATION_N_UNITS (sizeof duration_units / sizeof *duration_units)

/* One number with its unit, which stands behind those before. */
static bool take_duration_part(reading *r, bool behind_t, size_t *unit, uint64_t totals[3])
{
    uint64_t number = 0;
    int64_t fraction = 0;
    const char *from = r->at;
    for (; r->at < r->end && is_digit(*r->at) && number <= UINT32_MAX; r->at++)
        number = number * 10 + (uint64_t)(*r->at - '0');
    bool point = r->at < r->end && *r->at == '.';
    if (r->at == from || number > UINT32_MAX || !take_fraction(r, 3, &fraction) || r->at == r->end)
        return false;
    while (*unit < DURATION_N_UNITS &&
           (duration_units[*unit].letter != *r->at || duration_units[*unit].behind_t != behind_t))
        (*unit)++;
    if (*unit == DURATION_N_UNITS || (point && *r->at != 'S'))
        return false;
    const struct duration_unit *u = &duration_units[(*unit)++];
    totals[u->into] += number * u->times + (uint64_t)fraction;
    r->at++;
    return totals[u->into] <= UINT32_MAX;
}

bool human_read_duration(const char *text, size_t size, unsigned char out[HUMAN_DURATION_BYTES])
{
    reading r = {text, text + size};
    uint64_t totals[3] = {0};
    size_t unit = 0;
    bool behind_t = false;
    if (!take(&r, 'P') || r.at == r.end)
        return false;
    while (r.at < r.end) {
        if (!behind_t && take(&r, 'T')) {
            behind_t = true;
            if (r.at == r.end)
                return false;
        }
        if (!take_duration_part(&r, behind_t, &unit, totals))
            return false;
    }
    for (int i = 0; i < HUMAN_DURATION_BYTES; i++)
        out[i] = (unsigned char)(totals[i / 4] >> (8 * (i % 4)));
    return true;
}

size_t human_put_duration(const unsigned char bytes[HUMAN_DURATION_BYTES], char out[HUMAN_TEXT_BYTES])
{
    uint32_t numbers[3] = {0};
    for (int i = 0; i < HUMAN_DURATION_BYTES; i++)
        numbers[i / 4] |= (uint32_t)bytes[i] << (8 * (i % 4));
    size_t n =
        (size_t)snprintf(out, HUMAN_TEXT_BYTES, "P%uM%uDT%u", numbers[0], numbers[1], numbers[2] / 1000);
    if (numbers[2] % 1000)
        n += (size_t)snprintf(out + n, HUMAN_TEXT_BYTES - n, ".%03u", numbers[2] % 1000);
    return n + (size_t)snprintf(out + n, HUMAN_TEXT_BYTES - n, "S");
}

/* Counts records by partition; must never take a record that came back for an answer. */
#include "flights.h"

#include <stdlib.h>

#include "clock.h"

#define FORGET_US 10000000 /* a failure this long ago says nothing about the record that is sent now */

static bool make_room(flights *f, int slot)
{
    if (slot < f->n_slots)
        return true;
    int n = slot + 1 < 4 ? 4 : slot + 1;
    flight *bigger = realloc(f->slots, (size_t)n * sizeof *bigger);
    if (!bigger)
        return false;
    for (int i = f->n_slots; i < n; i++)
        bigger[i] = (flight){0};
    f->slots = bigger;
    f->n_slots = n;
    return true;
}

int flights_sent(flights *f, int slot, int64_t now_us)
{
    if (!make_room(f, slot))
        return -1;
    flight *one = &f->slots[slot];
    if (one->n++ == 0 && !(one->failed && now_us - one->failed_us < FORGET_US)) {
        one->since_us = now_us;
        one->failed = false;
    }
    return slot;
}

void flights_answered(flights *f, int slot, int64_t now_us)
{
    if (slot < 0)
        return;
    f->slots[slot].n--;
    f->slots[slot].failed = false;
    f->slots[slot].since_us = now_us;
}

static flight *of_partition(flights *f, int32_t partition)
{
    int slot = FLIGHT_PLACED + (int)partition;
    return partition >= 0 && make_room(f, slot) ? &f->slots[slot] : NULL;
}

static void took(answers *by, bool first_time)
{
    by->refused_since_us = 0;
    by->n_took += first_time;
}

void flights_took(flights *f, int32_t partition, bool first_time)
{
    flight *one = of_partition(f, partition);
    took(&f->all, first_time);
    if (one)
        took(&one->answers, first_time);
}

static void refused(answers *by, bool first_time, int64_t now_us)
{
    if (by->refused_since_us == 0)
        by->refused_since_us = now_us;
    by->n_refused += first_time;
}

void flights_refused(flights *f, int32_t partition, bool first_time, int64_t now_us)
{
    flight *one = of_partition(f, partition);
    refused(&f->all, first_time, now_us);
    if (one)
        refused(&one->answers, first_time, now_us);
}

const answers *flights_answers(const flights *f, int32_t partition)
{
    int slot = FLIGHT_PLACED + (int)partition;
    return partition >= 0 && slot < f->n_slots ? &f->slots[slot].answers : NULL;
}

void flights_forget_refusals(flights *f, int32_t partition)
{
    flight *one = of_partition(f, partition);
    f->all.refused_since_us = 0;
    if (one)
        one->answers.refused_since_us = 0;
}

void flights_failed(flights *f, int slot, int64_t now_us)
{
    if (slot < 0)
        return;
    f->slots[slot].n--;
    f->slots[slot].failed = true;
    f->slots[slot].failed_us = now_us;
}

int64_t flights_since(const flights *f)
{
    int64_t since_us = CLOCK_NEVER;
    for (int i = 0; i < f->n_slots; i++)
        if (f->slots[i].n > 0 && f->slots[i].since_us < since_us)
            since_us = f->slots[i].since_us;
    return since_us;
}

size_t flights_count(const flights *f, bool alone)
{
    size_t n = 0;
    for (int i = 0; i < f->n_slots; i++)
        if ((i == FLIGHT_ALONE) == alone)
            n += f->slots[i].n;
    return n;
}

void flights_mark_stuck(flights *f, int64_t until_us)
{
    f->n_stuck = 0;
    for (int i = 0; i < f->n_slots; i++) {
        f->slots[i].stuck = i >= FLIGHT_PLACED && f->slots[i].n > 0 && f->slots[i].since_us < until_us;
        f->n_stuck += f->slots[i].stuck;
    }
}

void flights_unmark(flights *f, int32_t partition)
{
    int slot = FLIGHT_PLACED + (int)partition;
    if (slot >= f->n_slots || !f->slots[slot].stuck)
        return;
    f->slots[slot].stuck = false;
    f->n_stuck--;
}

void flights_begin_anew(flights *f)
{
    for (int i = 0; i < f->n_slots; i++)
        f->slots[i].failed = false;
}

void flights_done(flights *f)
{
    free(f->slots);
    *f = (flights){0};
}

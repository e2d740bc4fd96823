/* Judges from beats and times whether the relay makes progress; must never call a relay ready that could not publish an event now. */
#include "health.h"

#include <stdio.h>

static const char *const standing_still[HEALTH_N_WORKS] = {
    [HEALTH_READING] = "PostgreSQL has not answered a read",
    [HEALTH_SHIPPING] = "no event that was read has been acknowledged and settled",
    [HEALTH_LEADER_LOCK] = "PostgreSQL has not answered whether this relay may lead",
    [HEALTH_DOUBT] = "Kafka has not said what became of the last transaction",
};

void health_note(health *h, const health_facts *facts, int64_t now_us)
{
    for (int i = 0; i < HEALTH_N_WORKS; i++)
        if (!facts->works[i].busy || !h->facts.works[i].busy ||
            facts->works[i].beat != h->facts.works[i].beat || facts->role != h->facts.role)
            h->since_us[i] = now_us;
    if (!facts->brokers_down)
        h->down_since_us = 0;
    else if (h->down_since_us == 0)
        h->down_since_us = now_us;
    h->facts = *facts;
    h->refused &= facts->role == HEALTH_AWAY;
}

void health_note_lost(health *h, const char *reason)
{
    h->refused = false;
    snprintf(h->away_reason, sizeof h->away_reason, "%s", reason);
}

void health_note_refused(health *h, const char *reason)
{
    health_note_lost(h, reason);
    h->refused = true;
}

static int slowest(const health *h)
{
    int at = -1;
    for (int i = 0; i < HEALTH_N_WORKS; i++)
        if (h->facts.works[i].busy && (at < 0 || h->since_us[i] < h->since_us[at]))
            at = i;
    return at;
}

int64_t health_stalled_us(const health *h, int64_t now_us)
{
    int at = slowest(h);
    return at < 0 ? 0 : now_us - h->since_us[at];
}

static void say_stalled(const health *h, int64_t now_us, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s for %lld s", standing_still[slowest(h)],
             (long long)(health_stalled_us(h, now_us) / 1000000));
}

bool health_is_ready(const health *h, int64_t now_us, char *reason, size_t reason_size)
{
    if (h->facts.stopping) {
        snprintf(reason, reason_size, "the relay is stopping");
    } else if (h->refused) {
        snprintf(reason, reason_size, "refused: %s", h->away_reason);
    } else if (h->facts.role == HEALTH_AWAY) {
        snprintf(reason, reason_size, "no session with PostgreSQL%s%s", h->away_reason[0] ? ": " : " yet",
                 h->away_reason);
    } else if (h->facts.role == HEALTH_RESOLVING && slowest(h) < 0) {
        snprintf(reason, reason_size, "taking the lead");
    } else if (h->facts.role == HEALTH_RESOLVING || health_stalled_us(h, now_us) >= HEALTH_STALLED_US) {
        say_stalled(h, now_us, reason, reason_size);
    } else if (h->down_since_us > 0 && now_us - h->down_since_us >= HEALTH_STALLED_US) {
        snprintf(reason, reason_size, "no broker can be reached for %lld s",
                 (long long)((now_us - h->down_since_us) / 1000000));
    } else {
        snprintf(reason, reason_size, "%s", h->facts.role == HEALTH_LEADING ? "leading" : "standing by");
        return true;
    }
    return false;
}

bool health_is_alive(const health *h, int64_t now_us, char *reason, size_t reason_size)
{
    if (health_stalled_us(h, now_us) >= HEALTH_STUCK_US) {
        say_stalled(h, now_us, reason, reason_size);
        return false;
    }
    snprintf(reason, reason_size, "alive");
    return true;
}

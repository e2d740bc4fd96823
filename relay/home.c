/* Judges whether the outbox is found where it was left; must never change anything by itself. */
#include "home.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

void home_note(home *h, uint64_t x, int64_t l)
{
    if (x > h->x)
        h->x = x;
    if (l > h->l)
        h->l = l;
}

static void tell_lost(const home *h, int64_t l)
{
    log_event(LOG_LEVEL_WARN, "database.behind", "settled_id=%" PRId64 " now_id=%" PRId64 " reason=%s", h->l,
              l,
              "a failover or a recovery has lost commits: events that were published with them are in Kafka "
              "and not here");
}

home_answer home_compare(home *h, const char *identity, uint64_t x, int64_t l)
{
    bool behind = h->identity[0] && (x < h->x || l < h->l), same = strcmp(h->identity, identity) == 0;
    if (behind && same)
        return HOME_WENT_BACK;
    if (behind)
        tell_lost(h, l);
    snprintf(h->identity, sizeof h->identity, "%s", identity);
    h->x = x;
    h->l = l;
    return behind ? HOME_LOST_COMMITS : HOME_FINE;
}

enum home_column { H_REASON, H_ADOPTED, H_BEFORE, H_NOW, H_AFTER_ID };

const char *home_judge(const PGresult *res)
{
    if (PQntuples(res) != 1)
        return "postbus.instance has no row, or the outbox no sequence";
    if (!PQgetisnull(res, 0, H_REASON))
        return PQgetvalue(res, 0, H_REASON);
    if (PQgetvalue(res, 0, H_ADOPTED)[0] == 't')
        log_event(LOG_LEVEL_WARN, "timeline.changed", "before=%s now=%s after_id=%s remedy=%s",
                  PQgetvalue(res, 0, H_BEFORE), PQgetvalue(res, 0, H_NOW), PQgetvalue(res, 0, H_AFTER_ID),
                  "none where the standby was synchronous; else look in the runbook for what may be lost");
    return NULL;
}

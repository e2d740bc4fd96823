/* postbus dead redrive and discard: must never touch many dead letters, or one for good, without being told twice. */
#include "dead.h"

#include "age_param.h"
#include "confirm.h"
#include "database.h"
#include "key_param.h"
#include "postbus_sql.h"

#include <stdlib.h>
#include <string.h>

#define ASK_ABOVE 10

enum { BY_APPLICATION, BY_SUBSCRIPTION, BY_TOPIC, BY_REASON, BY_ID, BY_AGE, BY_KEY, N_FILTERS };

/* What was chosen, as parameters of dead_count, and what that said. */
typedef struct choice {
    const char *by[N_FILTERS];
    char *key;
    long long n;
    char highest[24]; /* their highest number */
} choice;

static bool has_others_than_id(const choice *chosen)
{
    for (int i = 0; i < N_FILTERS; i++)
        if (i != BY_ID && chosen->by[i])
            return true;
    return false;
}

static int unknown(const call *c, const choice *chosen)
{
    return fault(c, "there is no dead letter %s%s; postbus dead list shows those there are",
                 chosen->by[BY_ID], has_others_than_id(chosen) ? " that the other flags choose" : "");
}

/* EXIT_OK: *out has what the flags choose, and choice_done releases it. */
static int choose(const call *c, PGconn *conn, const char *id, const char *reason, choice *out)
{
    *out = (choice){.by = {[BY_APPLICATION] = call_text(c, "application"),
                           [BY_SUBSCRIPTION] = call_text(c, "subscription"),
                           [BY_TOPIC] = call_text(c, "topic"),
                           [BY_REASON] = reason,
                           [BY_ID] = id,
                           [BY_AGE] = call_text(c, "older-than")},
                    .key = key_param(call_text(c, "key"))};
    out->by[BY_KEY] = out->key;
    if (call_has(c, "key") && !out->key)
        return fault(c, "out of memory");
    int age_code = age_param_check(c, conn);
    if (age_code != EXIT_OK)
        return age_code;
    PGresult *row = database_query(c, conn, "dead letters cannot be counted",
                                   subscriber_sql_query("dead_count"), N_FILTERS, out->by);
    if (!row)
        return EXIT_FAULT;
    out->n = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
    snprintf(out->highest, sizeof out->highest, "%s", PQgetvalue(row, 0, 1));
    PQclear(row);
    if (out->key)
        key_param_tell(out->key);
    return id && out->n == 0 ? unknown(c, out) : EXIT_OK;
}

static void choice_done(choice *chosen)
{
    free(chosen->key);
}

/* Prints how many dead letters it was, by a query that returns this. */
static int carry_out(const call *c, PGconn *conn, const char *query, int n_params, const char *const *params,
                     const char *become)
{
    char what[80];
    snprintf(what, sizeof what, "dead letters cannot be %s", become);
    PGresult *row = database_query(c, conn, what, subscriber_sql_query(query), n_params, params);
    if (!row)
        return EXIT_FAULT;
    printf("%s dead letters are %s\n", PQgetvalue(row, 0, 0), become);
    PQclear(row);
    return EXIT_OK;
}

static int redrive_chosen(const call *c, PGconn *conn, const choice *chosen)
{
    const char *params[N_FILTERS + 1];
    memcpy(params, chosen->by, sizeof chosen->by);
    int n_filters = chosen->key ? N_FILTERS : BY_KEY;
    params[n_filters] = call_text(c, "why");
    return carry_out(c, conn, chosen->key ? "dead_redrive_key" : "dead_redrive", n_filters + 1, params,
                     "tried again");
}

int dead_redrive(const call *c, PGconn *conn)
{
    char question[100];
    choice chosen;
    int code = choose(c, conn, call_text(c, "id"), call_text(c, "reason"), &chosen);
    bool idle = code == EXIT_OK && (call_has(c, "dry-run") || chosen.n == 0);
    snprintf(question, sizeof question, "Have %lld dead letters tried again?", chosen.n);
    if (idle)
        printf("%lld dead letters %s tried again\n", chosen.n, chosen.n == 0 ? "are" : "would be");
    else if (code == EXIT_OK && chosen.n > ASK_ABOVE)
        code = confirm(c, question);
    if (code == EXIT_OK && !idle)
        code = redrive_chosen(c, conn, &chosen);
    choice_done(&chosen);
    return code;
}

static int discard_chosen(const call *c, PGconn *conn, const choice *chosen, const char *why)
{
    char question[100];
    const char *params[N_FILTERS + 2];
    if (call_has(c, "dry-run") || chosen->n == 0) {
        printf("%lld dead letters %s discarded\n", chosen->n, chosen->n == 0 ? "are" : "would be");
        return EXIT_OK;
    }
    snprintf(question, sizeof question, "Discard %lld dead letters for good?", chosen->n);
    int code = confirm(c, question);
    memcpy(params, chosen->by, sizeof chosen->by);
    params[N_FILTERS] = chosen->highest;
    params[N_FILTERS + 1] = why;
    return code == EXIT_OK ? carry_out(c, conn, "dead_discard", N_FILTERS + 2, params, "discarded") : code;
}

/* Of one that is named, --reason may say why; where several are chosen it is theirs. */
int dead_discard(const call *c, PGconn *conn)
{
    const char *id = c->n_words > 1 ? c->words[1] : NULL, *reason = call_text(c, "reason");
    bool is_why = id && !call_has(c, "why");
    const char *why = is_why ? reason : call_text(c, "why");
    if (!call_has(c, "dry-run") && (!why || !why[strspn(why, " \t\r\n\v\f")]))
        return misuse(c, "discard needs --why TEXT: why %s%s shall never be handled",
                      id ? "dead letter " : "these dead letters", id ? id : "");
    choice chosen;
    int code = choose(c, conn, id, is_why ? NULL : reason, &chosen);
    if (code == EXIT_OK && !id && !has_others_than_id(&chosen))
        code = misuse(c,
                      "discard needs a number, or a flag that chooses, such as --subscription or "
                      "--older-than; postbus %s --help lists them",
                      c->command->name);
    if (code == EXIT_OK)
        code = discard_chosen(c, conn, &chosen, why);
    choice_done(&chosen);
    return code;
}

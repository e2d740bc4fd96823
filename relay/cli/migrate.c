/* postbus migrate: brings the schema up to date, one transaction a migration; never changes or removes an applied one. */
#include "migrate.h"

#include "database.h"
#include "postbus_sql.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const command_option options[] = {
    {.name = "dry-run",
     .letter = 'n',
     .kind = OPTION_SWITCH,
     .effect = "Prints the SQL that would be run, ready for psql, and changes nothing."},
    {.name = "json", .kind = OPTION_SWITCH, .effect = "Prints what was done as one JSON object."},
    {.name = "subscriber",
     .kind = OPTION_SWITCH,
     .effect = "The schema postbus_inbox, for applications that subscribe, and not the schema postbus."},
    {.name = NULL},
};

/* What can be migrated: a schema that notes what was applied to it in a table of its own. */
typedef struct migration_set {
    const sql_migration *all;
    const char *(*query)(const char *name);
    const char *table;
    const char *grant_sight;
    long long lock;
} migration_set;

static const migration_set outbox_set = {
    .all = sql_migrations,
    .query = sql_query,
    .table = "postbus.migration",
    .grant_sight = "GRANT SELECT ON postbus.migration TO postbus_viewer, postbus_relay",
    .lock = SQL_LOCK_MIGRATE,
};

static const migration_set subscriber_set = {
    .all = subscriber_sql_migrations,
    .query = subscriber_sql_query,
    .table = "postbus_inbox.migration",
    .grant_sight = "GRANT SELECT ON postbus_inbox.migration TO postbus_viewer, postbus_subscriber",
    .lock = SQL_LOCK_MIGRATE_SUBSCRIBER,
};

typedef struct migrating {
    const call *c;
    const migration_set *set;
    PGconn *conn;
    json_t *applied; /* what was done, for --json */
    bool quiet;
    int before; /* the database's version at the start, -1 = not known yet */
} migrating;

static int newest_known(const migration_set *set)
{
    int version = 0;
    for (const sql_migration *m = set->all; m->name; m++)
        version = m->version;
    return version;
}

/* Statements without parameters, several in one text. */
static bool execute(const migrating *m, const char *what, const char *sql)
{
    PGresult *result = PQexec(m->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!ok)
        database_fault(m->c, m->conn, result, what);
    PQclear(result);
    return ok;
}

static PGresult *query(const migrating *m, const char *what, const char *sql, int n_params,
                       const char *const *params)
{
    return database_query(m->c, m->conn, what, sql, n_params, params);
}

/* SHA-256 of the file, in hexadecimal, as the server computes it: the bytes, whatever the database's encoding. */
static bool checksum_of(const migrating *m, const sql_migration *known, char out[65])
{
    const char *values[] = {known->text};
    int lengths[] = {(int)strlen(known->text)}, formats[] = {1};
    PGresult *result = PQexecParams(m->conn, "SELECT encode(sha256($1::bytea), 'hex')", 1, NULL, values,
                                    lengths, formats, 0);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (ok)
        snprintf(out, 65, "%s", PQgetvalue(result, 0, 0));
    else
        database_fault(m->c, m->conn, result, "computing a checksum");
    PQclear(result);
    return ok;
}

static const sql_migration *migration_find(const migration_set *set, int version)
{
    for (const sql_migration *m = set->all; m->name; m++)
        if (m->version == version)
            return m;
    return NULL;
}

/* The first one above a version. */
static const sql_migration *migration_after(const migration_set *set, int version)
{
    const sql_migration *m = set->all;
    while (m->name && m->version <= version)
        m++;
    return m->name ? m : NULL;
}

static bool check_applied(const migrating *m, int version, const char *name, const char *checksum)
{
    const sql_migration *known = migration_find(m->set, version);
    if (!known) {
        fault(m->c,
              "the database has migration %d (%s), and this postbus knows only 1 to %d; use a postbus as new "
              "as the database",
              version, name, newest_known(m->set));
        return false;
    }
    char ours[65];
    if (!checksum_of(m, known, ours))
        return false;
    bool fits = strcmp(ours, checksum) == 0;
    if (!fits)
        fault(m->c,
              "migration %d was applied to the database as %s with the checksum %.12s…, which is not the one "
              "of this postbus; use the "
              "postbus that migrated it, or a release that follows it",
              version, name, checksum);
    return fits;
}

/* The newest version applied, 0 for none; false: the reason was printed. */
static bool read_version(const migrating *m, int *out_version)
{
    const char *table = m->set->table;
    PGresult *known =
        query(m, "looking for what was applied", "SELECT to_regclass($1) IS NOT NULL", 1, &table);
    bool exists = known && strcmp(PQgetvalue(known, 0, 0), "t") == 0;
    bool ok = known != NULL;
    PQclear(known);
    *out_version = 0;
    if (!exists)
        return ok;
    PGresult *rows = query(m, "reading what was applied", m->set->query("migration_state"), 0, NULL);
    ok = rows != NULL;
    for (int i = 0; ok && i < PQntuples(rows); i++) {
        *out_version = atoi(PQgetvalue(rows, i, 0));
        ok = check_applied(m, *out_version, PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2));
    }
    PQclear(rows);
    return ok;
}

static bool take_lock(const migrating *m)
{
    char key[32];
    snprintf(key, sizeof key, "%lld", m->set->lock);
    const char *params[] = {key};
    PGresult *tried =
        query(m, "taking the lock of migrations", "SELECT pg_try_advisory_xact_lock($1::bigint)", 1, params);
    if (!tried)
        return false;
    bool taken = strcmp(PQgetvalue(tried, 0, 0), "t") == 0;
    PQclear(tried);
    if (taken)
        return true;
    fputs("postbus migrate: another migration is running; waiting for it\n", stderr);
    PGresult *waited =
        query(m, "waiting for another migration", "SELECT pg_advisory_xact_lock($1::bigint)", 1, params);
    PQclear(waited);
    return waited != NULL;
}

static bool note_applied(const migrating *m, const sql_migration *next)
{
    char version[16], checksum[65];
    snprintf(version, sizeof version, "%d", next->version);
    if (!checksum_of(m, next, checksum))
        return false;
    const char *params[] = {version, next->name, checksum};
    PGresult *noted = query(m, "noting the migration", m->set->query("migration_note"), 3, params);
    PQclear(noted);
    return noted && execute(m, "granting sight of what was applied", m->set->grant_sight);
}

static void tell_applied(const migrating *m, const sql_migration *next, int64_t took_ms)
{
    if (m->quiet)
        return;
    if (call_has(m->c, "json"))
        json_array_append_new(m->applied, json_pack("{s:i, s:s, s:I}", "version", next->version, "name",
                                                    next->name, "took_ms", (json_int_t)took_ms));
    else
        printf("applied %s (%" PRId64 " ms)\n", next->name, took_ms);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Inside the transaction: the next migration, if there is one. */
static bool apply_next(migrating *m, bool *out_done)
{
    int version;
    if (!take_lock(m) || !execute(m, "making the table of migrations", m->set->query("migration_table")) ||
        !read_version(m, &version))
        return false;
    if (m->before < 0)
        m->before = version;
    const sql_migration *next = migration_after(m->set, version);
    *out_done = next == NULL;
    if (!next)
        return true;
    char what[200];
    snprintf(what, sizeof what, "migration %s failed and nothing of it stays", next->name);
    int64_t start_ms = now_ms();
    if (!execute(m, what, next->text) || !note_applied(m, next) || !execute(m, what, "COMMIT"))
        return false;
    tell_applied(m, next, now_ms() - start_ms);
    return true;
}

static int migrate(migrating *m)
{
    bool done = false;
    while (!done) {
        if (!execute(m, "beginning", sql_query("migration_session")) || !apply_next(m, &done))
            return EXIT_FAULT;
        if (PQtransactionStatus(m->conn) != PQTRANS_IDLE && !execute(m, "ending", "COMMIT"))
            return EXIT_FAULT;
    }
    if (m->quiet)
        return EXIT_OK;
    if (!call_has(m->c, "json")) {
        printf("the database is up to date at version %d\n", newest_known(m->set));
        return EXIT_OK;
    }
    json_t *all = json_pack("{s:i, s:i, s:O}", "version_before", m->before, "version", newest_known(m->set),
                            "applied", m->applied);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
    return EXIT_OK;
}

static bool print_pending(const migrating *m, const sql_migration *next)
{
    char checksum[65];
    if (!checksum_of(m, next, checksum))
        return false;
    printf("-- %s\n%sSELECT pg_catalog.pg_advisory_xact_lock(%lld);\n%s%s\n", next->name,
           sql_query("migration_session"), m->set->lock, m->set->query("migration_table"), next->text);
    printf("INSERT INTO %s (version, name, checksum) VALUES (%d, '%s', '%s');\n%s;\nCOMMIT;\n\n",
           m->set->table, next->version, next->name, checksum, m->set->grant_sight);
    return true;
}

static int dry_run(migrating *m)
{
    int version;
    if (!execute(m, "beginning", "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp") ||
        !read_version(m, &version))
        return EXIT_FAULT;
    const sql_migration *next = migration_after(m->set, version);
    if (!next)
        printf("-- nothing to do: the database is up to date at version %d\n", version);
    for (; next; next = migration_after(m->set, next->version))
        if (!print_pending(m, next))
            return EXIT_FAULT;
    return EXIT_OK;
}

int migrate_quietly(const call *c, PGconn *conn)
{
    migrating m = {.c = c, .set = &outbox_set, .conn = conn, .quiet = true, .before = -1};
    return migrate(&m);
}

static int run(const call *c)
{
    if (call_has(c, "dry-run") && call_has(c, "json"))
        return misuse(c, "--dry-run prints SQL and --json prints JSON; give one of the two");
    int code;
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    migrating m = {.c = c,
                   .set = call_has(c, "subscriber") ? &subscriber_set : &outbox_set,
                   .conn = conn,
                   .applied = json_array(),
                   .before = -1};
    code = call_has(c, "dry-run") ? dry_run(&m) : migrate(&m);
    json_decref(m.applied);
    PQfinish(conn);
    return code;
}

const command command_migrate = {
    .name = "migrate",
    .synopsis = "",
    .summary = "creates the schema postbus in a database, or brings it up to date",
    .description = "Applies the migrations that the database does not have yet, each in a transaction of its "
                   "own, under a lock: it may be run "
                   "again, and by several at once. A database newer than this postbus is refused, and so is "
                   "one that was migrated with "
                   "another text of a migration.\n\n"
                   "The role needs CREATE on the database and, the first time, CREATEROLE: four roles are "
                   "made (postbus_publisher, postbus_viewer, "
                   "postbus_operator, postbus_relay).\n\n"
                   "With --subscriber it is the schema postbus_inbox of a database in which an application "
                   "handles events, be it that of a publisher "
                   "or another. It makes the roles postbus_subscriber, postbus_viewer and postbus_operator "
                   "where they are "
                   "missing, and then needs CREATEROLE, too.",
    .examples = "postbus migrate --database postgresql://admin@db/shop\n"
                "postbus migrate --database service=shop --dry-run\n"
                "postbus migrate --database service=billing --subscriber",
    .options = options,
    .takes = TAKES_DATABASE,
    .words_remedy = "postbus migrate takes flags only",
    .run = run,
};

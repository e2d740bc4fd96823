/* The SQL of schemas/sql, embedded at build. */
#ifndef POSTBUS_SQL_H
#define POSTBUS_SQL_H

typedef struct sql_migration {
    int version;      /* 1, 2, 3 … without gaps */
    const char *name; /* the file's name without its ending, "0001_outbox" */
    const char *text; /* the statements */
} sql_migration;

/* In the order of their versions; ends with a row whose name is NULL. */
extern const sql_migration sql_migrations[];

/* The text of schemas/sql/queries/NAME.sql, or NULL where there is no such file. */
const char *sql_query(const char *name);

/* The same of schemas/sql/subscriber: the schema postbus_inbox. */
extern const sql_migration subscriber_sql_migrations[];
const char *subscriber_sql_query(const char *name);

/* Advisory locks of a database: bigint keys, "postbus" in ASCII and a number. */
#define SQL_LOCK_DOORBELL 8101821198368076544LL
#define SQL_LOCK_LEADER 8101821198368076545LL
#define SQL_LOCK_LEASE 1886352244 /* the first of two keys; the second is the length of the leader's lease */
#define SQL_LOCK_MIGRATE 8101821198368076546LL
#define SQL_LOCK_RETENTION 8101821198368076547LL /* of the outbox's leaves */
#define SQL_LOCK_MIGRATE_SUBSCRIBER 8101821198368076548LL
#define SQL_LOCK_ROTATE 8101821198368076549LL  /* of the inbox's leaves */
#define SQL_LOCK_REDRIVE 8101821198368076550LL /* of dead letters */

#endif

-- Whether the database has our schema at all, and whether this role may look into it.
SELECT count(*) > 0, coalesce(bool_or(has_schema_privilege(n.oid, 'USAGE')), false), current_user
  FROM pg_namespace n WHERE n.nspname = 'postbus'

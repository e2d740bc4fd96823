-- Whether dead letters can be published in this database: whether there is an outbox; whether this role may publish; which role that is.
SELECT o.oid IS NOT NULL,
       coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(o.oid, 'value', 'INSERT')
                AND has_sequence_privilege(q.oid, 'SELECT') AND has_function_privilege(p.oid, 'EXECUTE'), false),
       current_user
  FROM (VALUES ('postbus')) AS wanted (name)
  LEFT JOIN pg_namespace n ON n.nspname = wanted.name
  LEFT JOIN pg_class o ON o.relnamespace = n.oid AND o.relname = 'outbox'
  LEFT JOIN pg_class q ON q.relnamespace = n.oid AND q.relname = 'outbox_id_seq'
  LEFT JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'publish' AND p.proargtypes[1] = 'bytea'::regtype

-- What a relay's role needs and the role of this session lacks: all that postbus_relay is granted, and what no relay can do without.
WITH needed (object, kind, privilege) AS (
    SELECT 'postbus.' || v.name, v.kind, v.privilege
      FROM (VALUES ('outbox', 'r', 'SELECT'), ('outbox_id_seq', 'S', 'SELECT'), ('instance', 'r', 'SELECT'), ('progress', 'r', 'SELECT'),
                   ('progress', 'r', 'INSERT'), ('receipt', 'r', 'INSERT'), ('leadership', 'r', 'INSERT'), ('parked', 'r', 'SELECT'),
                   ('parked', 'r', 'INSERT'), ('parked', 'r', 'DELETE')) AS v (name, kind, privilege)
    UNION
    SELECT c.oid::regclass::text, CASE c.relkind WHEN 'S' THEN 'S' ELSE 'r' END, a.privilege_type
      FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
     WHERE c.relnamespace = 'postbus'::regnamespace AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'postbus_relay')
    UNION
    SELECT p.oid::regprocedure::text, 'f', a.privilege_type
      FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
     WHERE p.pronamespace = 'postbus'::regnamespace AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'postbus_relay')
), lacking AS (
    SELECT n.privilege || ' on ' || n.object AS what FROM needed n
     WHERE NOT CASE n.kind WHEN 'r' THEN has_table_privilege(n.object, n.privilege)
                           WHEN 'S' THEN has_sequence_privilege(n.object, n.privilege)
                           ELSE has_function_privilege(n.object, n.privilege) END
)
SELECT 'error' AS level, format('the role %s lacks %s', current_user,
                                CASE WHEN count(*) > 5 THEN format('%s privileges of a relay', count(*))
                                     ELSE string_agg(what, ', ' ORDER BY what) END) AS found,
       NULL AS why, format('GRANT postbus_relay TO %I', current_user) AS remedy
  FROM lacking HAVING count(*) > 0
UNION ALL
SELECT 'warning', format('the role %s is a superuser', current_user),
       'Whoever gets hold of the relay''s password gets hold of the whole server.',
       'CREATE ROLE relay LOGIN; GRANT postbus_relay TO relay; and let the relay connect as that.'
 WHERE (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
UNION ALL
SELECT 'ok', format('the role %s may lead, read and settle', current_user), NULL, NULL
 WHERE NOT EXISTS (SELECT FROM lacking) AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)

-- Who may do what with each object of the schema, as the catalogue says: one line an object, the owner and the extensions' own left out. The leaves
-- _0 to _15 are one line where they are alike. The table migration is no migration's: `postbus migrate` makes it.
WITH schema AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = 'postbus'),
     object AS (
        SELECT 'schema ' || nspname AS name, nspowner AS owner, coalesce(nspacl, acldefault('n', nspowner)) AS acl, '' AS runs_as FROM schema
        UNION ALL
        SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'S' THEN 'sequence ' WHEN 'r' THEN 'table ' WHEN 'p' THEN 'table ' ELSE c.relkind::text || ' ' END
               || regexp_replace(c.relname, '_[0-9]+$', '_N'), c.relowner,
               coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)), ''
          FROM pg_class c JOIN schema s ON c.relnamespace = s.oid
         WHERE c.relkind NOT IN ('i', 'I', 't', 'c') AND c.relname <> 'migration'
        UNION ALL
        SELECT 'column ' || regexp_replace(c.relname, '_[0-9]+$', '_N') || '.' || a.attname, c.relowner, a.attacl, ''
          FROM pg_class c JOIN schema s ON c.relnamespace = s.oid JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
        UNION ALL
        SELECT 'function ' || replace(p.oid::regprocedure::text, 'postbus.', ''), p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)),
               CASE WHEN p.prosecdef THEN ' as its owner' ELSE '' END
          FROM pg_proc p JOIN schema s ON p.pronamespace = s.oid
        UNION ALL
        SELECT 'default for new objects of kind ' || d.defaclobjtype::text, d.defaclrole, d.defaclacl, ''
          FROM pg_default_acl d JOIN schema s ON d.defaclnamespace IN (s.oid, 0)
        UNION ALL
        SELECT 'role ' || m.rolname, 0, NULL, ' member of ' || g.rolname
          FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
         WHERE m.rolname LIKE 'postbus\_%'
     ),
     given AS (
        SELECT o.name || o.runs_as AS name, o.owner, a.grantee, a.privilege_type || CASE WHEN a.is_grantable THEN ' with grant option' ELSE '' END AS privilege
          FROM object o LEFT JOIN LATERAL aclexplode(o.acl) a ON a.grantee <> o.owner
     ),
     by_role AS (
        SELECT DISTINCT g.name, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE coalesce(r.rolname, '') END AS role, g.privilege
          FROM given g LEFT JOIN pg_roles r ON r.oid = g.grantee
     ),
     told AS (
        SELECT b.name, b.role, string_agg(b.privilege, ', ' ORDER BY b.privilege) AS privileges FROM by_role b GROUP BY 1, 2
     )
SELECT t.name || ': ' || coalesce(string_agg(t.role || ' ' || t.privileges, '; ' ORDER BY t.role COLLATE "C"), 'nobody')
  FROM told t GROUP BY t.name ORDER BY t.name COLLATE "C"

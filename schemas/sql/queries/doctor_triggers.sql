-- Triggers, rules and row-level security of the outbox and its leaves: ours are those whose function is in our schema.
WITH leaf AS (
    SELECT 'postbus.outbox'::regclass AS oid UNION ALL
    SELECT i.inhrelid::regclass FROM pg_inherits i WHERE i.inhparent = 'postbus.outbox'::regclass
), trigger AS (
    SELECT t.tgname, t.tgenabled, t.tgtype, t.tgrelid::regclass AS relation, p.pronamespace = 'postbus'::regnamespace AS ours
      FROM pg_trigger t JOIN leaf ON leaf.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE NOT t.tgisinternal AND t.tgparentid = 0
), fault AS (
    SELECT 'error' AS level, 'the trigger ring is missing on postbus.outbox' AS found,
           'Publishers do not wake the relay: events wait for its safety poll.' AS why,
           'CREATE TRIGGER ring AFTER INSERT ON postbus.outbox FOR EACH STATEMENT EXECUTE FUNCTION postbus.ring()' AS remedy
     WHERE NOT EXISTS (SELECT FROM trigger t WHERE t.ours AND t.tgname = 'ring')
    UNION ALL
    SELECT 'error', 'the trigger check_event is missing on postbus.outbox, and topics are bound to schemas',
           'What does not fit the schema of its topic is not refused, and parked.', 'SELECT postbus.guard_outbox()'
     WHERE EXISTS (SELECT FROM postbus.binding) AND NOT EXISTS (SELECT FROM trigger t WHERE t.ours AND t.tgname = 'check_event')
    UNION ALL
    SELECT 'error', format('our trigger %s on %s does not fire', t.tgname, t.relation),
           CASE t.tgname WHEN 'check_event' THEN 'What does not fit the schema of its topic is not refused, and parked.'
                ELSE 'Publishers do not wake the relay: events wait for its safety poll.' END,
           format('ALTER TABLE %s ENABLE TRIGGER %I', t.relation, t.tgname)
      FROM trigger t WHERE t.ours AND t.tgenabled IN ('D', 'R')
    UNION ALL
    SELECT CASE WHEN t.tgtype & 3 = 3 THEN 'error' ELSE 'warning' END,  -- a row, before
           format('the trigger %s on %s is not ours', t.tgname, t.relation),
           CASE WHEN t.tgtype & 3 = 3 THEN 'A trigger before each row can alter or drop events, and their ids.'
                ELSE 'It runs within every publish, slows it, and makes it fail where it fails.' END,
           format('DROP TRIGGER %I ON %s', t.tgname, t.relation)
      FROM trigger t WHERE NOT t.ours AND t.tgenabled <> 'D'
    UNION ALL
    SELECT 'error', format('the rule %s on %s is not ours', r.rulename, leaf.oid), 'A rule can drop events or write others.',
           format('DROP RULE %I ON %s', r.rulename, leaf.oid)
      FROM pg_rewrite r JOIN leaf ON leaf.oid = r.ev_class
    UNION ALL
    SELECT 'error', format('row-level security is on for %s', c.oid::regclass), 'The relay''s role may not see all events, and then refuses to read.',
           format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', c.oid::regclass)
      FROM pg_class c JOIN leaf ON leaf.oid = c.oid WHERE c.relrowsecurity
)
SELECT * FROM fault
UNION ALL
SELECT 'ok', 'only ours, and it fires', NULL, NULL WHERE NOT EXISTS (SELECT FROM fault)

-- Opens a batch: its snapshot, kept for the pages that follow, the last id drawn before now, where the log ends, in bytes, and whether the leaf
-- that is read next holds values out of line, kept, too; and the bindings of topics
-- to schemas that this snapshot sees. Must run without an xid of its own, or the snapshot would count this transaction's
-- later rows as seen. The last id is read under the sequence's own lock: a plain SELECT can see it up to 32 ahead, for as long as nextval() logs that many.
-- NULL: none was drawn since the sequence was made or restarted. The relay names the leaf in place of the outbox.
SELECT s.s2::text, (SELECT CASE WHEN q.is_called THEN pg_sequence_last_value('postbus.outbox_id_seq') END FROM postbus.outbox_id_seq q), pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
       set_config('postbus.large', (SELECT coalesce(pg_relation_size(c.reltoastrelid) > 0, true)::text
                                      FROM pg_class c WHERE c.oid = 'postbus.outbox'::regclass), false),
       set_config('postbus.s2', s.s2::text, false), (SELECT c.n FROM postbus.binding_change c)
  FROM (SELECT pg_current_snapshot() AS s2) s

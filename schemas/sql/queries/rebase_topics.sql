-- Which events a rebase has published again, by topic; $1 as rebase_plan has it.
SELECT u.topic, count(*), min(u.id), max(u.id)
  FROM postbus.rebase_plan($1::boolean) r, postbus.unpublished(r.until_xid, r.copied_id, NOT r.sequence_behind) u
 GROUP BY u.topic ORDER BY u.topic

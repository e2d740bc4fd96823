-- What event ids derive from, the newest identity first: each holds for the rows with ids above its after_id.
SELECT i.after_id, i.outbox_id FROM postbus.identity i ORDER BY i.after_id DESC

-- The outbox's id.
SELECT i.outbox_id FROM postbus.instance i

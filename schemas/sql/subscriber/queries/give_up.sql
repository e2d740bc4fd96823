-- Gives partitions up: $1 sources, $2 partitions, $3 epochs.
UPDATE postbus_inbox.position p SET held = false
  FROM unnest($1::int[], $2::int[], $3::bigint[]) AS u (source, partition, epoch)
 WHERE p.source = u.source AND p.partition = u.partition AND p.epoch = u.epoch

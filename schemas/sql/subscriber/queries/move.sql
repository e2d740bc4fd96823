-- Moves positions: $1 sources, $2 partitions, $3 epochs, $4 next offsets. Returns those that are still this member's.
UPDATE postbus_inbox.position p SET next_offset = u.next_offset, moved_at = clock_timestamp()
  FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[]) AS u (source, partition, epoch, next_offset)
 WHERE p.source = u.source AND p.partition = u.partition AND p.epoch = u.epoch
RETURNING p.source, p.partition

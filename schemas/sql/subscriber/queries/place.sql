-- Takes partitions over: $1 sources, $2 partitions, $3 first offsets, $4 ends, $5 where to begin, $6 the positions that were stored before the ends were
-- asked for, $7 who.
SELECT source, partition, next_offset, epoch, incarnation, gap_from, gap_reason, doubt_to
  FROM postbus_inbox.place($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $7, $6::bigint[])

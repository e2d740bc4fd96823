-- Takes the event $1, where it is still due, for this transaction. The headers come as one run of bytes: of each the name and the value, with
-- their lengths before them (-1: NULL).
SELECT t.xid::text::bigint, (t.event).n, (t.event).source, s.topic, (t.event).partition, (t.event).kafka_offset, (t.event).identity, (t.event).queue,
       (t.event).key, (t.event).value, (t.event).record_ms, (t.event).attempts, (t.event).deaths, cardinality((t.event).header_names),
       coalesce((SELECT string_agg(int4send(octet_length(h.name)) || h.name
                                   || coalesce(int4send(octet_length(h.value)) || h.value, int4send(-1)), '' ORDER BY h.i)
                   FROM unnest((t.event).header_names, (t.event).header_values) WITH ORDINALITY AS h (name, value, i)), '')
  FROM postbus_inbox.take($1::bigint) t JOIN postbus_inbox.source s ON s.id = (t.event).source

-- One dead letter: $1 its number, $2 whether its value is wanted, for which another right is needed.
SELECT d.n, s.application, s.key AS subscription, o.topic, d.partition, d.kafka_offset AS "offset", d.event_id, d.type, d.key,
       p.value,
       (SELECT string_agg(encode(h.name, 'escape') || '=' || coalesce(encode(h.value, 'escape'), ''), ', ' ORDER BY h.i)
          FROM unnest(p.header_names, p.header_values) WITH ORDINALITY AS h (name, value, i)) AS headers,
       d.value_bytes, d.reason, d.attempts, d.last_error, d.history,
       CASE WHEN d.record_ms BETWEEN -62135596800000 AND 253402300799999  -- of the years 1 to 9999; a record may have any number
            THEN to_char(to_timestamp(d.record_ms / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ELSE d.record_ms::text END AS created_at,
       to_char(d.first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS first_at,
       to_char(d.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS died_at
  FROM postbus_inbox.dead d JOIN postbus_inbox.subscription s ON s.id = d.subscription JOIN postbus_inbox.source o ON o.id = d.source
  LEFT JOIN LATERAL (SELECT asked.* FROM postbus_inbox.dead_payload(d.n) asked WHERE $2::boolean) p ON true
 WHERE d.n = $1::bigint

-- One dead letter: $1 its number, $2 whether its value is wanted.
SELECT d.n, s.application, s.key AS subscription, o.topic, d.partition, d.kafka_offset AS "offset", d.event_id, d.type, d.key,
       CASE WHEN $2::boolean THEN d.value END AS value,
       (SELECT string_agg(encode(h.name, 'escape') || '=' || coalesce(encode(h.value, 'escape'), ''), ', ' ORDER BY h.i)
          FROM unnest(d.header_names, d.header_values) WITH ORDINALITY AS h (name, value, i) WHERE $2::boolean) AS headers,
       octet_length(d.value) AS value_bytes, d.reason, d.attempts, d.last_error, d.history,
       to_char(to_timestamp(d.record_ms / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
       to_char(d.first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS first_at,
       to_char(d.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS died_at
  FROM postbus_inbox.dead d JOIN postbus_inbox.subscription s ON s.id = d.subscription JOIN postbus_inbox.source o ON o.id = d.source
 WHERE d.n = $1::bigint

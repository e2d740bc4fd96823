-- Decides an intent in doubt by what Kafka holds: $1 n, $2 its stamp (both NULL: nothing), $3 whether to take it back where that does not tell.
SELECT outcome, intent_n FROM postbus.resolve($1::bigint, $2::text, $3::boolean)

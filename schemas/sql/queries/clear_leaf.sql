-- One step towards emptying leaf $1, where it is older than $2 milliseconds; $3: whether each event must be in a receipt or parked.
SELECT c.outcome, c.n_rows, c.n_receipts, c.n_parked, c.n_missing, c.first_missing_id, c.freed_bytes
  FROM postbus.clear_leaf($1::int, make_interval(secs => $2::float8 / 1000), $3::boolean) c

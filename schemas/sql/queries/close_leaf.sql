-- Ends the leaf that the sequence is in, where its oldest row is older than $1 milliseconds.
SELECT c.outcome, c.leaf, c.next_leaf FROM postbus.close_leaf(make_interval(secs => $1::float8 / 1000)) c

-- Records how far the relay is; its xid can serve as the next batch's fence.
INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
VALUES (($4::bigint >> 30) & 15, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING pg_current_xact_id()

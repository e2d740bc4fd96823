-- Records how far the relay is. Its commit can serve as a batch's durability barrier.
INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
VALUES (($4::bigint >> 30) & 15, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- Where a page of redriving ends that begins behind wish number $1 and looks at $2 wishes at most; NULL where there is none.
SELECT max(n) FROM (SELECT w.n FROM postbus.wish w WHERE w.action = 'redrive' AND w.n > $1::bigint ORDER BY w.n LIMIT $2::int) w

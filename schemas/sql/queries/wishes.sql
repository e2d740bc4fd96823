-- Whether operators wish something: a redrive, by a wish behind number $1, and a discard.
SELECT EXISTS (SELECT FROM postbus.wish WHERE action = 'redrive' AND n > $1::bigint), EXISTS (SELECT FROM postbus.wish WHERE action = 'discard')

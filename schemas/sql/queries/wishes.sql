-- Whether operators wish something: a redrive, a discard.
SELECT EXISTS (SELECT FROM postbus.wish WHERE action = 'redrive'), EXISTS (SELECT FROM postbus.wish WHERE action = 'discard')

-- Discards of events that a broker took before: forgotten, and noted in postbus.audit.
SELECT postbus.end_late_discards()

-- The compatibility mode of the subject $1.
SELECT compatibility FROM postbus.subject WHERE name = $1

-- Makes a dead letter of an event; the parameters are those of the function.
SELECT postbus_inbox.bury($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

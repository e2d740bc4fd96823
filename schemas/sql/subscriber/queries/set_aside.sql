-- Sets an event aside; the parameters are those of the function, queue and what follows it may be NULL.
SELECT postbus_inbox.set_aside($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)

-- Publishes dead letter $1 to topic $2 in this transaction; NULL, or why that is impossible.
SELECT postbus_inbox.publish_dead($1::bigint, $2)

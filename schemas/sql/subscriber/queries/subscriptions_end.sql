-- Ends subscriptions of application $1: that of key $2 (NULL: all), because of $3. Returns how many.
SELECT postbus_inbox.end_subscriptions($1::text, $2::text, $3::text)

-- How many dead letters a redrive would choose: $1 application, $2 subscription, $3 topic, $4 reason, $5 number, $6 longer dead than; NULL: any.
SELECT count(*) FROM postbus_inbox.chosen($1::text, $2::text, $3::text, $4::text, $5::bigint, $6::interval)

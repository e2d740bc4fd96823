-- What is stored of subscription $1: of each source and partition the next offset.
SELECT p.source, p.partition, p.next_offset FROM postbus_inbox.position p JOIN postbus_inbox.source s ON s.id = p.source WHERE s.subscription = $1::int

-- What is applied, in order.
SELECT version, name, checksum FROM postbus_inbox.migration ORDER BY version;

-- What is applied, in order. Fails where postbus.migration does not exist: ask migration_known first.
SELECT version, name, checksum FROM postbus.migration ORDER BY version;

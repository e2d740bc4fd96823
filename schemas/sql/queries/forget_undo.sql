-- What was noted for taking back the intent $1, and those before it, is of no use any more.
DELETE FROM postbus.undo WHERE intent <= $1::xid8

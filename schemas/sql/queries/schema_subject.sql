-- The subject $1 with the compatibility mode $2 (NULL: as it is, or backward for a new one). Its row stays locked until the transaction ends, so that
-- two who add a version do so one after the other.
INSERT INTO postbus.subject AS s (name, compatibility) VALUES ($1, coalesce($2, 'backward'))
ON CONFLICT (name) DO UPDATE SET compatibility = coalesce($2, s.compatibility)
RETURNING compatibility

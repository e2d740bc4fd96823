-- Does it; $1: whether the cluster was upgraded, $2: a remark for postbus.audit.
SELECT postbus.rebase($1::boolean, $2::text)

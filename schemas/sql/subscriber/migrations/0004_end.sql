-- Operators end subscriptions, and it is kept who did.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE postbus_inbox.audit DROP CONSTRAINT audit_action_check, ADD CONSTRAINT audit_action_check CHECK (action IN ('redrive', 'discard', 'end'));
COMMENT ON TABLE postbus_inbox.audit IS 'What operators did with dead letters and subscriptions: one row a call. Never changed; what is old may be removed by the owner.';
COMMENT ON COLUMN postbus_inbox.audit.action IS 'redrive or discard of dead letters, end of subscriptions.';
COMMENT ON COLUMN postbus_inbox.audit.n_events IS 'How many dead letters, or how many subscriptions.';

CREATE FUNCTION postbus_inbox.end_subscriptions(application text, subscription text DEFAULT NULL, why text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    n_ended bigint := postbus_inbox.unsubscribe(application, subscription);
BEGIN
    INSERT INTO postbus_inbox.audit (who, action, what, n_events, why)
    VALUES (session_user, 'end', jsonb_strip_nulls(jsonb_build_object('application', application, 'subscription', subscription)), n_ended, why);
    RETURN n_ended;
END $$;
COMMENT ON FUNCTION postbus_inbox.end_subscriptions(text, text, text) IS
'What unsubscribe does, for operators: ends one of an application''s subscriptions, or all of them, and keeps who did it. Returns how many.';
REVOKE ALL ON FUNCTION postbus_inbox.end_subscriptions(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus_inbox.end_subscriptions(text, text, text) TO postbus_operator;

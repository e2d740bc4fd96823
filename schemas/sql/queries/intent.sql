-- The statements of this transaction are an intent: what they do to receipts and parked events can be taken back.
SELECT set_config('postbus.intent', 'on', true)

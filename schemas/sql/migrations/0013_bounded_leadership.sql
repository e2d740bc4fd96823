-- Each change of leader left a row for ever. The newest thousand tell what anybody looks back for; no program reads more than the newest.
SET LOCAL search_path = pg_catalog, pg_temp;

-- As the owner, so that the relay's role needs no right to delete. Who holds a row that is to go must not keep a relay from the lead: the next one
-- deletes it.
CREATE FUNCTION postbus.trim_leadership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM postbus.leadership l
     WHERE l.epoch = ANY (ARRAY(SELECT o.epoch FROM postbus.leadership o
                                 WHERE o.epoch <= (SELECT k.epoch FROM postbus.leadership k ORDER BY k.epoch DESC OFFSET 1000 LIMIT 1)
                                   FOR UPDATE SKIP LOCKED));
    RETURN NULL;
END $$;
COMMENT ON FUNCTION postbus.trim_leadership() IS 'Trigger: keeps the newest thousand rows of postbus.leadership.';
REVOKE ALL ON FUNCTION postbus.trim_leadership() FROM PUBLIC;

CREATE TRIGGER trim AFTER INSERT ON postbus.leadership FOR EACH STATEMENT EXECUTE FUNCTION postbus.trim_leadership();

DELETE FROM postbus.leadership l
 WHERE l.epoch <= (SELECT k.epoch FROM postbus.leadership k ORDER BY k.epoch DESC OFFSET 1000 LIMIT 1);

COMMENT ON TABLE postbus.leadership IS 'One row each time a relay took the lead; the newest thousand are kept.';

-- Text that has no UTF-8 form, which a database of another encoding can hold: SQL_ASCII takes any bytes, and WIN1252 has bytes that are no character.
-- Records carry type and headers as UTF-8, and the relay reads nothing else: one such event stopped the outbox. It is refused at publish time, and so is
-- such a reason of an operator's, with which nobody could read the audit.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION postbus.has_utf8(content text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM convert_to(content, 'UTF8');
    RETURN true;
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION postbus.has_utf8(text) IS 'Whether a text of this database can be converted to UTF-8. In a database of that encoding each can.';

CREATE FUNCTION postbus.shown(content text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN postbus.has_utf8(content) THEN content ELSE encode(convert_to(content, getdatabaseencoding()), 'escape') END;
END $$;
COMMENT ON FUNCTION postbus.shown(text) IS 'A text as it is, or, where it has no UTF-8 form, with its bytes beyond ASCII as octal numbers: what every client can be sent.';

REVOKE ALL ON FUNCTION postbus.has_utf8(text), postbus.shown(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus.has_utf8(text), postbus.shown(text) TO postbus_publisher, postbus_viewer, postbus_operator;

-- ---------------------------------------------------------------------------------------------------------------------
-- Events
-- ---------------------------------------------------------------------------------------------------------------------

-- As before, but for shown(): PostgreSQL gave its own error for a message that could not be sent in place of ours.
CREATE OR REPLACE FUNCTION postbus.check_topic(topic text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF topic IS NULL OR topic = '' THEN
        RAISE EXCEPTION 'postbus: the topic is %', CASE WHEN topic IS NULL THEN 'NULL' ELSE 'empty ("")' END
            USING ERRCODE = 'PB001', HINT = 'Name the Kafka topic the event goes to: 1 to 249 of the characters a-z A-Z 0-9 . _ -';
    END IF;
    IF topic !~ '^[a-zA-Z0-9._-]+$' OR octet_length(topic) > 249 OR topic IN ('.', '..') THEN
        RAISE EXCEPTION 'postbus: % is not a topic name%', to_json(postbus.shown(left(topic, 260))),
            CASE WHEN octet_length(topic) > 249 THEN format(' (%s bytes long)', octet_length(topic)) ELSE '' END
            USING ERRCODE = 'PB001', HINT = 'A topic is 1 to 249 of the characters a-z A-Z 0-9 . _ - and neither "." nor "..".';
    END IF;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION postbus.check_type(type text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(type) > 1024 THEN
        RAISE EXCEPTION 'postbus: the type has % bytes, more than the limit of 1024', octet_length(type)
            USING ERRCODE = 'PB005', DETAIL = format('It begins: %s', to_json(postbus.shown(left(type, 60)))),
                  HINT = 'A type is a short name such as "order.created".';
    END IF;
    IF NOT postbus.has_utf8(type) THEN
        RAISE EXCEPTION 'postbus: the type has no UTF-8 form: %', postbus.shown(type)
            USING ERRCODE = 'PB005', HINT = CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'This database (SQL_ASCII) converts nothing: convert the type to UTF-8 before it is published.'
                ELSE format('It has bytes that are no character of this database''s encoding (%s), or one that UTF-8 has not: leave them out.', getdatabaseencoding()) END;
    END IF;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION postbus.check_headers(headers jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most bigint;
    bad record;
BEGIN
    IF jsonb_typeof(headers) <> 'object' THEN
        RAISE EXCEPTION 'postbus: the headers are a JSON %, not an object: %', jsonb_typeof(headers), postbus.shown(left(headers::text, 100))
            USING ERRCODE = 'PB003', HINT = 'Pass an object of strings, such as {"tenant": "7"}, or an SQL NULL for none.';
    END IF;
    SELECT h.key, jsonb_typeof(h.value) AS type INTO bad FROM jsonb_each(headers) h
     WHERE jsonb_typeof(h.value) <> 'string' ORDER BY h.key COLLATE "C" LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'postbus: the header % is a JSON %, not a string', to_json(postbus.shown(left(bad.key, 100))), bad.type
            USING ERRCODE = 'PB003', HINT = 'Header values are strings: write numbers and booleans in quotes, and leave out what is null.';
    END IF;
    IF headers ? '' THEN
        RAISE EXCEPTION 'postbus: a header has the empty name ""'
            USING ERRCODE = 'PB003', HINT = 'Give each header a name.';
    END IF;
    SELECT s.value INTO most FROM postbus.setting s WHERE s.name = 'max_headers_bytes';
    IF octet_length(headers::text) > most THEN
        RAISE EXCEPTION 'postbus: the headers have % bytes, more than the limit of %', octet_length(headers::text), most
            USING ERRCODE = 'PB003', HINT = 'Move data into the value, or raise max_headers_bytes in postbus.setting.';
    END IF;
    RETURN true;
END $$;

-- Not in check_headers, which a restored dump has to pass with what it holds: of constraints that are NOT VALID, pg_dump restores data first.
CREATE FUNCTION postbus.check_headers_utf8(headers jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    IF NOT postbus.has_utf8(headers::text) THEN
        SELECT postbus.shown(left(h.key, 100)) AS key, postbus.shown(left(h.value, 100)) AS value INTO bad FROM jsonb_each_text(headers) h
         WHERE NOT (postbus.has_utf8(h.key) AND postbus.has_utf8(h.value)) ORDER BY h.key COLLATE "C" LIMIT 1;
        RAISE EXCEPTION 'postbus: the header "%" has no UTF-8 form: %', bad.key, bad.value
            USING ERRCODE = 'PB003', HINT = CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'This database (SQL_ASCII) converts nothing: convert names and values of headers to UTF-8 before they are published.'
                ELSE format('It has bytes that are no character of this database''s encoding (%s), or one that UTF-8 has not: leave them out.', getdatabaseencoding()) END;
    END IF;
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION postbus.check_headers_utf8(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus.check_headers_utf8(jsonb) TO postbus_publisher;

COMMENT ON FUNCTION postbus.check_type(text) IS 'Raises PB005 for a type of more than 1024 bytes or without a UTF-8 form. For the domain event_type.';
COMMENT ON FUNCTION postbus.check_headers_utf8(jsonb) IS 'Raises PB003 for headers without a UTF-8 form. For the domain event_headers.';

-- Printable ASCII has a UTF-8 form in every encoding. NOT VALID: what is there already hinders no migration, and nobody waits until it is read.
ALTER DOMAIN postbus.event_type ADD CONSTRAINT event_type_utf8
    CHECK (getdatabaseencoding() = 'UTF8' OR VALUE ~ '^[ -~]*$' OR postbus.check_type(VALUE)) NOT VALID;
ALTER DOMAIN postbus.event_headers ADD CONSTRAINT event_headers_utf8
    CHECK (getdatabaseencoding() = 'UTF8' OR VALUE::text COLLATE "C" ~ '^[ -~]*$' OR postbus.check_headers_utf8(VALUE)) NOT VALID;

-- ---------------------------------------------------------------------------------------------------------------------
-- Operators' texts
-- ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION postbus.check_audit(what jsonb, why text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad text := CASE WHEN NOT postbus.has_utf8(why) THEN why WHEN NOT postbus.has_utf8(what::text) THEN what::text END;
BEGIN
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'postbus: % has no UTF-8 form: %', CASE bad WHEN why THEN 'the reason' ELSE 'what was chosen' END, left(postbus.shown(bad), 100)
            USING ERRCODE = 'PB008', HINT = 'Write it in ASCII, or, where the database is of encoding SQL_ASCII, in UTF-8: postbus.audit has to be readable.';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION postbus.check_audit(jsonb, text) IS 'Raises PB008 for a text without a UTF-8 form. For postbus.audit, to which everything goes that operators write.';
REVOKE ALL ON FUNCTION postbus.check_audit(jsonb, text) FROM PUBLIC;

-- Never queued for: the relay writes there what came too late, and would stand behind the migration and whoever that waits for.
DO $$
BEGIN
    FOR attempt IN 1..600 LOOP
        BEGIN
            LOCK TABLE postbus.audit IN ACCESS EXCLUSIVE MODE NOWAIT;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1);
        END;
    END LOOP;
    RAISE EXCEPTION 'postbus: for a minute other transactions have held postbus.audit'
        USING ERRCODE = '55P03', HINT = 'End them (pg_locks shows which they are), and run the migration again.';
END $$;

-- What the relay notes itself has the words of a wish that may be older than this.
ALTER TABLE postbus.audit ADD CONSTRAINT audit_utf8
    CHECK (getdatabaseencoding() = 'UTF8' OR what ? 'outcome' OR postbus.check_audit(what, why)) NOT VALID;

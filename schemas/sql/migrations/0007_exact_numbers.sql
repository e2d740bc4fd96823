-- Numbers of JSON for topics with a schema are taken as they are written, as the encoder takes them: a decimal or an integer may have all digits
-- that its type holds. The checks that postbus schema add has made call these functions, and follow.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION postbus.avro_integer(v jsonb, kind text, logical text, sample text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n numeric;
BEGIN
    IF jsonb_typeof(v) = 'number' THEN
        n := v;
        IF n <> trunc(n) THEN
            RETURN ': ' || postbus.avro_shown(v) || ' is no ' || kind;
        ELSIF kind = 'int' AND n NOT BETWEEN -2147483648 AND 2147483647 THEN
            RETURN ': ' || postbus.avro_shown(v) || ' does not fit an int of 32 bits';
        ELSIF n NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
            RETURN ': ' || postbus.avro_shown(v) || ' does not fit a long of 64 bits';
        END IF;
        RETURN NULL;
    ELSIF logical IS NULL OR jsonb_typeof(v) <> 'string' THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is no ' || kind;
    ELSIF postbus.avro_is_time(logical, v #>> '{}') THEN
        RETURN NULL;
    END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is not of the form "' || sample || '"';
END $$;

-- From 2^1024 - 2^970 on, halfway between the greatest double and what would be the next, a number rounds to no finite one: the encoder's parser
-- takes none such, whatever its type.
CREATE FUNCTION postbus.avro_is_endless(n numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN abs(n) >= 179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792;
END $$;
COMMENT ON FUNCTION postbus.avro_is_endless(numeric) IS 'Whether a number is larger than any double.';
REVOKE ALL ON FUNCTION postbus.avro_is_endless(numeric) FROM PUBLIC;

-- A float is read as a double first, as the encoder does: from 2^128 - 2^103 on that rounds to no finite one.
CREATE OR REPLACE FUNCTION postbus.avro_real(v jsonb, kind text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n numeric;
BEGIN
    IF jsonb_typeof(v) = 'number' THEN
        n := abs(v::numeric);
        IF (CASE WHEN postbus.avro_is_endless(n) THEN true WHEN kind = 'float' AND n > 1 THEN n::float8 >= 3.4028235677973366e38 ELSE false END) THEN
            RETURN ': ' || postbus.avro_shown(v) || ' is too large for a ' || kind;
        END IF;
        RETURN NULL;
    ELSIF jsonb_typeof(v) = 'string' AND (v #>> '{}') = ANY ('{NaN,Infinity,-Infinity}'::text[]) THEN
        RETURN NULL;
    END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is no ' || kind;
END $$;

CREATE OR REPLACE FUNCTION postbus.avro_decimal(v jsonb, most_digits int, behind int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    t text := v #>> '{}';
    n numeric;
BEGIN
    IF jsonb_typeof(v) = 'number' THEN
        n := v;
        IF postbus.avro_is_endless(n) THEN
            RETURN ': ' || postbus.avro_shown(v) || ' is larger than JSON numbers can be; write it as a string';
        END IF;
    ELSIF jsonb_typeof(v) = 'string' AND length(t) <= 1005 AND t ~ '^[+-]?[0-9]*\.?[0-9]+([eE][+-]?0*(?:1?[0-9]{1,3}|2000))?$' THEN
        n := t;
    ELSE
        RETURN ': ' || postbus.avro_shown(v) || ' is no decimal number';
    END IF;
    IF scale(trim_scale(n)) > behind THEN
        RETURN ': ' || postbus.avro_shown(v) || ' has more than ' || behind || ' digits behind the point';
    ELSIF abs(n) >= 10::numeric ^ (most_digits - behind) THEN
        RETURN ': ' || postbus.avro_shown(v) || ' has more digits than a decimal(' || most_digits || ', ' || behind || ') holds';
    END IF;
    RETURN NULL;
END $$;

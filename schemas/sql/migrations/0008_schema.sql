-- Avro schemas: each text once, with an id that is never given to another; and which of them a subject has had, in their order.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE postbus.schema (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint bigint NOT NULL,
    text        text NOT NULL,
    digest      bytea NOT NULL UNIQUE,
    added_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    added_by    text NOT NULL DEFAULT session_user
);
CREATE INDEX schema_fingerprint ON postbus.schema (fingerprint);
COMMENT ON TABLE postbus.schema IS 'Avro schemas, each text once. Never changed and never removed: records name them by their id or fingerprint.';
COMMENT ON COLUMN postbus.schema.id IS 'What Confluent''s framing names it by.';
COMMENT ON COLUMN postbus.schema.fingerprint IS 'CRC-64-AVRO of its canonical form, as a signed number; schemas that differ in what does not change the bytes have the same.';
COMMENT ON COLUMN postbus.schema.text IS 'As it was added, with defaults, aliases and logical types.';
COMMENT ON COLUMN postbus.schema.digest IS 'SHA-256 of the text.';
COMMENT ON COLUMN postbus.schema.added_at IS 'When.';
COMMENT ON COLUMN postbus.schema.added_by IS 'By which role, as it logged in.';

CREATE TABLE postbus.subject (
    name          text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND pg_catalog.octet_length(name) <= 1000),
    compatibility text COLLATE "C" NOT NULL CHECK (compatibility IN ('none', 'backward', 'backward-transitive', 'forward', 'forward-transitive', 'full', 'full-transitive'))
);
COMMENT ON TABLE postbus.subject IS 'What schemas evolve under: mostly a topic''s name and -value.';
COMMENT ON COLUMN postbus.subject.name IS 'Its name.';
COMMENT ON COLUMN postbus.subject.compatibility IS 'What a new version has to hold against earlier ones.';

CREATE TABLE postbus.subject_version (
    subject   text COLLATE "C" NOT NULL REFERENCES postbus.subject,
    version   int NOT NULL CHECK (version > 0),
    schema_id int NOT NULL REFERENCES postbus.schema,
    added_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    added_by  text NOT NULL DEFAULT session_user,
    PRIMARY KEY (subject, version),
    UNIQUE (subject, schema_id)
);
COMMENT ON TABLE postbus.subject_version IS 'The schemas a subject has had.';
COMMENT ON COLUMN postbus.subject_version.subject IS 'Of which.';
COMMENT ON COLUMN postbus.subject_version.version IS 'The how many-th, from 1.';
COMMENT ON COLUMN postbus.subject_version.schema_id IS 'Which schema.';
COMMENT ON COLUMN postbus.subject_version.added_at IS 'When.';
COMMENT ON COLUMN postbus.subject_version.added_by IS 'By which role, as it logged in.';

GRANT SELECT ON postbus.schema, postbus.subject, postbus.subject_version TO postbus_publisher, postbus_relay, postbus_operator, postbus_viewer;

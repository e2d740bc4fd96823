"""A publisher that knows only SQL and a subscriber that knows only Kafka: nothing of Postbus is imported here."""

import json
import os
import subprocess
import tempfile
import time
import unittest
import uuid

import psycopg
from confluent_kafka import Consumer, TIMESTAMP_CREATE_TIME
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

DATABASE = os.environ["FOREIGN_DATABASE"]
BROKERS = os.environ["FOREIGN_BROKERS"]
REGISTRY = os.environ["FOREIGN_REGISTRY"]
POSTBUS = os.environ["FOREIGN_POSTBUS"]
DEADLINE_S = 60


def new_topic(partitions=3):
    name = f"foreign-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": BROKERS, "log_level": 4})  # kept until the answer is there
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(DEADLINE_S)
    return name


def read(topic, count):
    """The first `count` records of a topic, by a subscriber in a consumer group of its own."""
    consumer = Consumer(
        {"bootstrap.servers": BROKERS, "group.id": f"foreign-{uuid.uuid4()}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    records, deadline = [], time.monotonic() + DEADLINE_S
    while len(records) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            records.append(message)
    consumer.close()
    return records


class Foreign(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.operator = psycopg.connect(DATABASE, autocommit=True)
        cls.operator.execute("CREATE ROLE shop LOGIN IN ROLE postbus_publisher")
        # The last keyword of a connection string wins.
        cls.shop = psycopg.connect(DATABASE, user="shop")

    @classmethod
    def tearDownClass(cls):
        cls.shop.close()
        cls.operator.close()

    def tearDown(self):
        self.shop.rollback()

    def publish(self, sql, *parameters):
        return self.shop.execute(f"SELECT postbus.publish({sql})", parameters).fetchone()[0]

    def event(self, row_id):
        """What the operator sees of it, once it is published."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            row = self.operator.execute(
                "SELECT event_id::text, state, partition, broker_offset, floor(extract(epoch FROM created_at) * 1000)::bigint "
                "FROM postbus.event WHERE id = %s",
                (row_id,),
            ).fetchone()
            if row[1] == "published" or time.monotonic() > deadline:
                return row
            time.sleep(0.02)

    def test_text_by_position_and_by_name(self):
        topic = new_topic()
        self.publish("%s, %s", topic, "plain")
        self.publish("topic => %s, value => %s, key => %s, type => %s", topic, "grüße", "schlüssel", "greeting.sent")
        self.shop.commit()
        plain, named = sorted(read(topic, 2), key=lambda m: m.key() is not None)
        self.assertEqual((plain.key(), plain.value()), (None, b"plain"))
        self.assertEqual([name for name, _ in plain.headers()], ["id"])
        self.assertEqual((named.key(), named.value()), ("schlüssel".encode(), "grüße".encode()))
        self.assertEqual(dict(named.headers())["type"], b"greeting.sent")

    def test_untyped_literals(self):
        topic = new_topic()
        self.shop.execute(f"SELECT postbus.publish('{topic}', 'literal', 'k')")
        self.shop.commit()
        (record,) = read(topic, 1)
        self.assertEqual((record.key(), record.value()), (b"k", b"literal"))

    def test_jsonb(self):
        topic = new_topic()
        self.publish("%s, %s::jsonb, %s", topic, json.dumps({"total": 12.5, "lines": [1, 2]}), "7")
        self.shop.commit()
        (record,) = read(topic, 1)
        self.assertEqual(json.loads(record.value()), {"total": 12.5, "lines": [1, 2]})

    def test_bytes_stay_as_they_are(self):
        topic, every_byte = new_topic(), bytes(range(256))
        self.publish("%s, %s, %s", topic, every_byte, b"\x00\xff")
        self.shop.commit()
        (record,) = read(topic, 1)
        self.assertEqual((record.key(), record.value()), (b"\x00\xff", every_byte))

    def test_tombstone_is_a_null_and_no_empty_value(self):
        topic = new_topic(1)
        self.publish("%s, ''::text, %s", topic, "k")
        self.publish("%s, NULL::text, %s", topic, "k")
        self.shop.commit()
        self.assertEqual([record.value() for record in read(topic, 2)], [b"", None])

    def test_headers_and_a_callers_own_id(self):
        topic, own = new_topic(), uuid.uuid4()
        row_id = self.publish(
            "%s, %s, headers => %s::jsonb, event_id => %s", topic, "v", json.dumps({"tenant": "7", "höhe": "ä"}), own
        )
        self.shop.commit()
        (record,) = read(topic, 1)
        headers = dict(record.headers())
        self.assertEqual(headers, {"tenant": b"7", "höhe": "ä".encode(), "id": str(own).encode()})
        self.assertEqual(self.event(row_id)[0], str(own))

    def test_subscriber_and_operator_see_the_same_event(self):
        topic = new_topic()
        row_id = self.publish("%s, %s, %s", topic, "v", "k")
        self.shop.commit()
        (record,) = read(topic, 1)
        event_id, state, partition, offset, created_ms = self.event(row_id)
        self.assertEqual(state, "published")
        self.assertEqual(dict(record.headers())["id"], event_id.encode())
        self.assertEqual((record.partition(), record.offset()), (partition, offset))
        self.assertEqual(record.timestamp(), (TIMESTAMP_CREATE_TIME, created_ms))

    def test_rolled_back_events_are_never_seen_and_keys_keep_their_order(self):
        topic = new_topic()
        for n in range(200):
            self.publish("%s, %s, %s", topic, str(n), f"key-{n % 5}")
            if n % 4 == 3:
                self.shop.rollback()
            elif n % 4 == 2:
                self.shop.commit()
        self.publish("%s, %s, %s", topic, "last", "last")
        self.shop.commit()
        # Groups of three are committed before the fourth is rolled back alone.
        expected = [n for n in range(200) if n % 4 != 3]
        records = [record for record in read(topic, len(expected) + 1) if record.key() != b"last"]
        self.assertEqual(sorted(int(record.value()) for record in records), expected)
        for k in range(5):
            of_key = [int(record.value()) for record in records if record.key() == f"key-{k}".encode()]
            self.assertEqual(of_key, [n for n in expected if n % 5 == k])

    def test_a_batch_is_one_statement(self):
        topic = new_topic()
        rows = self.shop.execute(
            "SELECT id, event_id::text FROM postbus.publish_batch(%s::text[], %s::bytea[], %s::bytea[])",
            ([topic] * 50, [str(n).encode() for n in range(50)], [b"k"] * 50),
        ).fetchall()
        self.shop.commit()
        records = read(topic, 50)
        self.assertEqual([int(record.value()) for record in records], list(range(50)))
        self.assertEqual([dict(record.headers())["id"].decode() for record in records], [row[1] for row in rows])

    def test_bad_input_is_refused_in_the_transaction_and_a_savepoint_saves_it(self):
        topic = new_topic()
        self.publish("%s, %s", topic, "before")
        with self.assertRaises(psycopg.Error) as refused, self.shop.transaction():
            self.publish("%s, %s", "no such topic!", "v")
        self.assertEqual(refused.exception.diag.sqlstate, "PB001")
        self.assertIn("no such topic!", refused.exception.diag.message_primary)
        self.assertTrue(refused.exception.diag.message_hint)
        self.publish("%s, %s", topic, "after")
        self.shop.commit()
        self.assertEqual(sorted(record.value() for record in read(topic, 2)), [b"after", b"before"])

    def postbus(self, *words):
        done = subprocess.run([POSTBUS, *words, "--database", DATABASE, "--registry-url", REGISTRY], capture_output=True, text=True,
                              timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_json_of_a_topic_with_a_registrys_ids_is_read_by_confluents_deserializer(self):
        topic, client = new_topic(1), SchemaRegistryClient({"url": REGISTRY})
        schema = {"type": "record", "name": "Order", "fields": [
            {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}]}
        with tempfile.NamedTemporaryFile("w", suffix=".avsc") as file:
            json.dump(schema, file)
            file.flush()
            self.postbus("schema", "add", "orders-value", file.name)
        self.postbus("schema", "bind", topic, "orders-value", "--registry")
        registered = client.get_latest_version(f"{topic}-value")
        self.assertEqual(json.loads(registered.schema.schema_str), schema)
        self.publish("%s, %s", topic, json.dumps({"id": 7, "note": "schön"}))
        self.shop.commit()
        # What confluent's serializer wrote, the check lets through: its frame has the same id.
        context = SerializationContext(topic, MessageField.VALUE)
        theirs = AvroSerializer(client, json.dumps(schema), conf={"auto.register.schemas": False})({"id": 8, "note": None}, context)
        self.publish("%s, %s", topic, theirs)
        self.shop.commit()
        read_avro = AvroDeserializer(client)
        values = [read_avro(record.value(), context) for record in read(topic, 2)]
        self.assertEqual(values, [{"id": 7, "note": "schön"}, {"id": 8, "note": None}])
        self.assertIn('"id":7', self.tail(topic))

    def test_a_topic_of_confluents_serializer_is_printed_as_json(self):
        topic, client = new_topic(1), SchemaRegistryClient({"url": REGISTRY})
        schema = '{"type": "record", "name": "Seen", "fields": [{"name": "at", "type": "long"}]}'
        self.assertGreater(client.register_schema(f"{topic}-value", Schema(schema, "AVRO")), 0)
        value = AvroSerializer(client, schema)({"at": 1234567}, SerializationContext(topic, MessageField.VALUE))
        self.publish("%s, %s", topic, value)
        self.shop.commit()
        read(topic, 1)
        self.assertIn('{"at":1234567}', self.tail(topic))

    def tail(self, topic):
        return self.postbus("tail", "--exit-at-end", "--brokers", BROKERS, topic)

    def test_a_publisher_cannot_read_events(self):
        with self.assertRaises(psycopg.errors.InsufficientPrivilege):
            self.shop.execute("SELECT * FROM postbus.outbox")


if __name__ == "__main__":
    unittest.main()

"""What others' Avro writes we read, and the reverse: every type, every framing, evolution both ways; with Java's Avro, fastavro and confluent-kafka."""
import datetime
import decimal
import io
import json
import os
import struct
import subprocess
import unittest
import uuid

import fastavro
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

NONE, CONFLUENT, SINGLE_OBJECT = 0, 1, 2


class Peer:
    """A program that answers a line of JSON with one."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def __call__(self, op, **ask):
        for name in {"schema", "reader", "json"} & set(ask):
            ask[name] = json.dumps(ask[name])
        self.process.stdin.write(json.dumps({"op": op, **ask}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def record(*fields, name="R", **more):
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}
FIXED = {"type": "fixed", "name": "F", "size": 3}
LIST = record(field("v", "int"), field("next", ["null", "L"]), name="L")
EVERY = record(
    field("n", "null"), field("o", "boolean"), field("i", "int"), field("l", "long"), field("f", "float"), field("d", "double"),
    field("y", "bytes"), field("s", "string"), field("x", FIXED), field("e", ENUM), field("r", {"type": "array", "items": ["null", "int", "string"]}),
    field("m", {"type": "map", "values": "F"}), field("u", ["null", "long", "E"]), field("in", record(field("deep", "long"), name="In")), name="a.b.Every")

# A schema, and values of it in Avro's JSON encoding.
VALUES = [
    ("null", [None]),
    ("boolean", [True, False]),
    ("int", [0, -1, 1, 63, 64, -64, -65, 2147483647, -2147483648]),
    ("long", [0, 9223372036854775807, -9223372036854775808]),
    ("float", [0.0, 1.5, -3.4028234663852886e38, 1.401298464324817e-45]),
    ("double", [0.0, 0.1, -1e300, 5e-324, 1e22]),
    ("bytes", ["", "\u0000\u00ff", "abc"]),
    ("string", ["", "h\u00e9llo", "\U0001f600", "a\"b\\c\n"]),
    (FIXED, ["abc"]),
    (ENUM, ["A", "C"]),
    ({"type": "array", "items": "long"}, [[], [1, 2, 3], list(range(1000))]),
    ({"type": "map", "values": "string"}, [{}, {"a": "b", "c": ""}]),
    (["null", "string", {"type": "array", "items": "int"}], [None, {"string": "x"}, {"array": [1]}]),
    (LIST, [{"v": 1, "next": {"L": {"v": 2, "next": None}}}]),
    (EVERY, [{"n": None, "o": True, "i": -5, "l": 1 << 62, "f": 0.5, "d": 0.1, "y": "\u0080", "s": "s", "x": "xyz", "e": "B",
              "r": [None, {"int": 1}, {"string": "z"}], "m": {"k": "abc"}, "u": {"a.b.E": "C"}, "in": {"deep": 7}}]),
]

DEFAULTS = record(
    field("a", "int"), field("i", "int", default=-7), field("s", "string", default="d"), field("u", ["null", "int"], default=None),
    field("v", ["string", "null"], default="v"), field("r", {"type": "array", "items": "int"}, default=[1, 2]),
    field("m", {"type": "map", "values": "double"}, default={"k": 1.5}), field("e", ENUM, default="C"), field("x", FIXED, default="\u0000\u0001\u00ff"),
    field("y", "bytes", default="\u00fe"), field("in", record(field("z", "long", default=9), name="In"), default={"z": 8}))

# Writer, reader, a written value (Avro's JSON), the value that is read. The writer's fields come first in ours, so objects are compared.
EVOLUTION = [
    ("int", "long", 7, 7), ("int", "double", 7, 7.0), ("long", "float", 7, 7.0), ("float", "double", 0.5, 0.5),
    ("string", "bytes", "ab", "ab"), ("bytes", "string", "ab", "ab"),
    (record(field("a", "int")), DEFAULTS, {"a": 1},
     {"a": 1, "i": -7, "s": "d", "u": None, "v": {"string": "v"}, "r": [1, 2], "m": {"k": 1.5}, "e": "C", "x": "\u0000\u0001\u00ff", "y": "\u00fe", "in": {"z": 8}}),
    (record(field("a", "int"), field("b", "string"), field("c", {"type": "array", "items": EVERY})), record(field("a", "int")), {"a": 1, "b": "x", "c": []}, {"a": 1}),
    (record(field("a", "int"), field("b", "string")), record(field("b", "string"), field("a", "long")), {"a": 1, "b": "x"}, {"a": 1, "b": "x"}),
    (record(field("old", "int")), record(field("new", "int", aliases=["old"])), {"old": 1}, {"new": 1}),
    (record(field("a", "int"), name="Old"), record(field("a", "int"), name="New", aliases=["Old"]), {"a": 1}, {"a": 1}),
    (["null", "int"], ["int", "null"], {"int": 5}, {"int": 5}),
    (["null", "int"], ["null", "long"], {"int": 5}, {"long": 5}),
    ("int", ["null", "int"], 5, {"int": 5}),
    (["null", "int"], "int", {"int": 5}, 5),
    (ENUM, {"type": "enum", "name": "E", "symbols": ["C", "A"], "default": "A"}, "B", "A"),
    (ENUM, {"type": "enum", "name": "E", "symbols": ["C", "B", "A"]}, "C", "C"),
    (LIST, record(field("next", ["null", "L"]), field("w", "int", default=3), name="L"), {"v": 1, "next": {"L": {"v": 2, "next": None}}},
     {"next": {"L": {"next": None, "w": 3}}, "w": 3}),
    ({"type": "array", "items": record(field("a", "int"))}, {"type": "array", "items": record(field("a", "double"), field("b", "int", default=0))},
     [{"a": 1}], [{"a": 1.0, "b": 0}]),
]

INCOMPATIBLE = [
    ("long", "int", 5), ("string", "int", "x"), ("double", "float", 1.5),
    (record(field("a", "int")), record(field("b", "int")), {"a": 1}),
    (["null", "int"], "int", None),
    (ENUM, {"type": "enum", "name": "E", "symbols": ["A"]}, "B"),
    (FIXED, {"type": "fixed", "name": "F", "size": 4}, "abc"),
    ("string", ["null", "int"], "x"),
]

UTC = datetime.timezone.utc
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3}
# A schema with a logical type, its value as people write it, and as Python has it.
LOGICAL = [
    ({"type": "int", "logicalType": "date"}, "2026-11-25", datetime.date(2026, 11, 25)),
    ({"type": "int", "logicalType": "date"}, "1969-12-31", datetime.date(1969, 12, 31)),
    ({"type": "int", "logicalType": "time-millis"}, "14:03:05.123", datetime.time(14, 3, 5, 123000)),
    ({"type": "long", "logicalType": "time-micros"}, "14:03:05.123456", datetime.time(14, 3, 5, 123456)),
    ({"type": "long", "logicalType": "timestamp-millis"}, "2026-11-25T14:03:05.123Z", datetime.datetime(2026, 11, 25, 14, 3, 5, 123000, UTC)),
    ({"type": "long", "logicalType": "timestamp-micros"}, "1969-12-31T23:59:59.999999Z", datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)),
    ({"type": "long", "logicalType": "local-timestamp-millis"}, "2026-11-25T14:03:05.123", datetime.datetime(2026, 11, 25, 14, 3, 5, 123000)),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, "2026-11-25T14:03:05.123456", datetime.datetime(2026, 11, 25, 14, 3, 5, 123456)),
    (DECIMAL, "-12345678901234.567", decimal.Decimal("-12345678901234.567")),
    (DECIMAL, "0.128", decimal.Decimal("0.128")),
    ({"type": "fixed", "name": "D", "size": 9, "logicalType": "decimal", "precision": 20, "scale": 3}, "-0.001", decimal.Decimal("-0.001")),
    ({"type": "string", "logicalType": "uuid"}, "0190f3e4-7c1a-8def-8000-00000000002a", uuid.UUID("0190f3e4-7c1a-8def-8000-00000000002a")),
]


def same(schema, one, other):
    """Equal as JSON; floats where they are the same 32 bits, however many digits are written."""
    if schema == "float":
        return struct.pack("<f", one) == struct.pack("<f", other)
    return one == other


def fast_write(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def fast_read(data, writer, reader=None):
    return fastavro.schemaless_reader(io.BytesIO(data), fastavro.parse_schema(writer), fastavro.parse_schema(reader) if reader is not None else None)


def fast_value(schema, value):
    """The Python value of Avro's JSON."""
    return next(iter(fastavro.json_reader(io.StringIO(json.dumps(value)), schema)))


class Registry:
    """As much of a schema registry's client as confluent-kafka's serializers use."""

    def __init__(self):
        self.schemas = []

    def register_schema(self, subject_name, schema, normalize_schemas=False):
        self.schemas.append(schema)
        return len(self.schemas) + 0x01020300

    def get_schema(self, schema_id, *rest, **more):
        return self.schemas[schema_id - 0x01020301]


class Avro(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours = Peer(os.environ["AVRO_PEER"])
        cls.java = Peer("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.environ["AVRO_JAVA"], "Peer")

    @classmethod
    def tearDownClass(cls):
        cls.ours.end()
        cls.java.end()

    def values(self):
        for schema, values in VALUES:
            for value in values:
                with self.subTest(schema=str(schema)[:60], value=str(value)[:60]):
                    yield schema, value

    def test_java_and_we_write_the_same_bytes_and_read_them(self):
        for schema, value in self.values():
            theirs, ours = self.java("encode", schema=schema, json=value), self.ours("encode", schema=schema, json=value)
            self.assertIn("hex", ours)
            self.assertEqual(ours, theirs)
            for peer in (self.ours, self.java):
                read = peer("decode", schema=schema, reader=schema, **ours)
                self.assertTrue(same(schema, json.loads(read["json"]), value), read)

    def test_fastavro_and_we_write_the_same_bytes_and_read_them(self):
        for schema, value in self.values():
            python = fast_value(schema, value)
            ours = bytes.fromhex(self.ours("encode", schema=schema, json=value)["hex"])
            self.assertEqual(fast_read(ours, schema), fast_read(fast_write(schema, python), schema))
            read = self.ours("decode", schema=schema, reader=schema, hex=fast_write(schema, python).hex())
            self.assertTrue(same(schema, json.loads(read["json"]), value), read)

    def test_java_resolves_what_we_wrote_as_we_resolve_what_it_wrote(self):
        for writer, reader, value, wanted in EVOLUTION:
            with self.subTest(writer=str(writer)[:60], reader=str(reader)[:60]):
                ours, theirs = self.ours("encode", schema=writer, json=value), self.java("encode", schema=writer, json=value)
                self.assertEqual(ours, theirs)
                for peer in (self.ours, self.java):
                    read = peer("decode", schema=writer, reader=reader, **ours)
                    self.assertEqual(json.loads(read.get("json", "null")), wanted, read)
                    # A branch that this value is not of cannot be read.
                    self.assertEqual("compatible" in peer("compare", schema=writer, reader=reader), (writer, reader) != (["null", "int"], "int"))

    def test_fastavro_resolves_what_we_wrote(self):
        for writer, reader, value, wanted in EVOLUTION:
            with self.subTest(writer=str(writer)[:60], reader=str(reader)[:60]):
                ours = bytes.fromhex(self.ours("encode", schema=writer, json=value)["hex"])
                read, wanted = fast_read(ours, writer, reader), fast_read(fast_write(reader, fast_value(reader, wanted)), reader)
                if reader is DEFAULTS:
                    # fastavro leaves the defaults of bytes as the text of the schema.
                    read = {name: value.encode("latin-1") if name in "xy" else value for name, value in read.items()}
                self.assertEqual(read, wanted)

    def test_what_cannot_be_resolved_is_an_error_here_and_there(self):
        for writer, reader, value in INCOMPATIBLE:
            with self.subTest(writer=str(writer)[:60], reader=str(reader)[:60]):
                data = self.ours("encode", schema=writer, json=value)
                for peer in (self.ours, self.java):
                    self.assertIn("error", peer("decode", schema=writer, reader=reader, **data))
                    self.assertIn("error", peer("compare", schema=writer, reader=reader))

    def test_canonical_forms_and_fingerprints_are_javas(self):
        schemas = [schema for schema, _ in VALUES] + [schema for pair in EVOLUTION for schema in pair[:2]]
        for schema in schemas:
            self.assertEqual(self.ours("describe", schema=schema), self.java("describe", schema=schema))

    def test_single_objects_go_both_ways(self):
        for schema, value in self.values():
            ours, theirs = (peer("encode", schema=schema, json=value, framing=SINGLE_OBJECT) for peer in (self.ours, self.java))
            self.assertEqual(ours, theirs)
            for peer in (self.ours, self.java):
                read = peer("decode", schema=schema, reader=schema, framing=SINGLE_OBJECT, **ours)
                self.assertTrue(same(schema, json.loads(read["json"]), value), read)

    def test_confluents_framing_goes_both_ways(self):
        registry = Registry()
        context = SerializationContext("orders", MessageField.VALUE)
        write = AvroSerializer(registry, json.dumps(EVERY))
        read = AvroDeserializer(registry)
        value = VALUES[-1][1][0]
        theirs = write(fast_value(EVERY, value), context)
        answer = self.ours("decode", schema=EVERY, reader=EVERY, framing=CONFLUENT, hex=theirs.hex())
        self.assertEqual((answer["id"], json.loads(answer["json"])), (0x01020301, value))
        ours = bytes.fromhex(self.ours("encode", schema=EVERY, json=value, framing=CONFLUENT, id=0x01020301)["hex"])
        self.assertEqual(ours, theirs)
        self.assertEqual(read(ours, context), fast_read(ours[5:], EVERY))

    def test_logical_types_are_what_python_has(self):
        for schema, plain, python in LOGICAL:
            with self.subTest(schema=schema["logicalType"]):
                ours = bytes.fromhex(self.ours("encode", schema=schema, json=plain, form="plain")["hex"])
                self.assertEqual(fast_read(ours, schema), python)
                self.assertEqual(fast_write(schema, python), ours)
                self.assertEqual(json.loads(self.ours("decode", schema=schema, reader=schema, hex=ours.hex(), form="plain")["json"]), plain)

    def test_plain_json_is_what_python_writes(self):
        schema = record(field("id", "long"), field("note", ["null", "string"], default=None), field("tags", {"type": "array", "items": "string"}))
        ours = bytes.fromhex(self.ours("encode", schema=schema, json={"id": 7, "tags": ["a"]}, form="plain")["hex"])
        self.assertEqual(fast_read(ours, schema), {"id": 7, "note": None, "tags": ["a"]})


if __name__ == "__main__":
    unittest.main()

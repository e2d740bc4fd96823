"""Avro values encoded and decoded a second: libpostbus_schema, and avro-c or fastavro on the same record."""
import json
import os
import sys

from processes import run
from report import row


FASTAVRO = "fastavro==1.9.7"


def ours(options):
    program = os.path.join(options.build, "postbus_avro_bench")
    return json.loads(run(program, "0.2" if options.quick else str(options.seconds)))


def measure_fastavro(stage, options):
    """Beside Python's fastavro, from PyPI, on the same bytes; its values are Python's, ours are avro-c's or are told to a visitor."""
    venv = os.path.join(stage.directory, "venv")
    run(sys.executable, "-m", "venv", venv)
    run(os.path.join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", FASTAVRO)
    script = os.path.join(os.path.dirname(os.path.realpath(__file__)), "fastavro_values.py")
    encode, decode, theirs = [], [], {"encode": [], "decode": []}
    for _ in range(options.rounds):
        figures = ours(options)
        encode.append(figures["encode_value"])
        decode.append(figures["decode_visitor"])
        beside = json.loads(run(os.path.join(venv, "bin", "python"), script, json.dumps(figures["schema"]), figures["wire"], str(options.seconds)))
        for name, values in theirs.items():
            values.append(beside[name])
    return [row("encode avro-c's value, checked / fastavro's schemaless_writer", encode, theirs["encode"], "values/s"),
            row("decode for a visitor / fastavro's schemaless_reader", decode, theirs["decode"], "values/s")]


def measure(stage, options):
    runs = [ours(options) for _ in range(options.rounds)]

    def figures(name):
        return [one[name] for one in runs]

    return [
        row("encode avro-c's value, checked / avro-c's writer", figures("encode_value"), figures("encode_value_avro_c"), "values/s", goal=0.8),
        row("decode into avro-c's value / avro-c's reader", figures("decode_value"), figures("decode_value_avro_c"), "values/s", goal=0.8),
        row("decode for a visitor / avro-c's reader", figures("decode_visitor"), figures("decode_value_avro_c"), "values/s"),
        row("decode to plain JSON / avro-c's reader", figures("decode_json"), figures("decode_value_avro_c"), "values/s"),
        row("encode plain JSON / avro-c's writer", figures("encode_json"), figures("encode_value_avro_c"), "values/s"),
    ]

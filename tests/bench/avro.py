"""Avro values encoded and decoded a second: libpostbus_schema, and avro-c on the same record."""
import json
import os
import subprocess

from report import row


def measure(stage, options):
    program = os.path.join(options.build, "postbus_avro_bench")
    runs = [json.loads(subprocess.run([program, "0.2" if options.quick else str(options.seconds)], capture_output=True, text=True, check=True).stdout)
            for _ in range(options.rounds)]

    def figures(name):
        return [run[name] for run in runs]

    return [
        row("encode avro-c's value, checked / avro-c's writer", figures("encode_value"), figures("encode_value_avro_c"), "values/s", goal=0.8),
        row("decode into avro-c's value / avro-c's reader", figures("decode_value"), figures("decode_value_avro_c"), "values/s", goal=0.8),
        row("decode for a visitor / avro-c's reader", figures("decode_visitor"), figures("decode_value_avro_c"), "values/s"),
        row("decode to plain JSON / avro-c's reader", figures("decode_json"), figures("decode_value_avro_c"), "values/s"),
        row("encode plain JSON / avro-c's writer", figures("encode_json"), figures("encode_value_avro_c"), "values/s"),
    ]

"""Values that fastavro encodes and decodes a second: fastavro_values.py SCHEMA WIRE-IN-HEX SECONDS. Run by a Python that has fastavro."""
import io
import json
import sys
import time

import fastavro

BATCH = 2000


def main():
    schema, wire, seconds = fastavro.parse_schema(json.loads(sys.argv[1])), bytes.fromhex(sys.argv[2]), float(sys.argv[3])
    value = fastavro.schemaless_reader(io.BytesIO(wire), schema)

    def encode():
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, value)
        return out.getvalue()

    def decode():
        return fastavro.schemaless_reader(io.BytesIO(wire), schema)

    if encode() != wire:
        sys.exit("fastavro writes other bytes")
    spent, n = {"encode": 0.0, "decode": 0.0}, 0
    end = time.monotonic() + seconds
    while n == 0 or time.monotonic() < end:
        for name, call in (("encode", encode), ("decode", decode)):
            start = time.process_time()
            for _ in range(BATCH):
                call()
            spent[name] += time.process_time() - start
        n += BATCH
    print(json.dumps({name: n / s for name, s in spent.items()}))


main()

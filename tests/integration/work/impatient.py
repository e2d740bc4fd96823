"""Answers a line of --exec-lines before it has read it whole, and reads on to its end. usage: impatient.py DIRECTORY

Of each line that it got whole its value and attempt are written to DIRECTORY/whole; of any other, the beginning to DIRECTORY/parts."""
import json
import os
import sys

directory = sys.argv[1]


def write_down(name, text):
    with open(os.path.join(directory, name), "a", encoding="utf-8") as file:
        file.write(text + "\n")


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            sys.exit(0)
        if not line and not part.endswith(b"\n"):
            print('{"result": "dead", "reason": "too long"}', flush=True)
        line += part
    return line


while True:
    text = read_line()
    try:
        event = json.loads(text)
    except ValueError:
        write_down("parts", repr(text[:60]))
        continue
    if len(text) < 65536:
        write_down("whole", f"{event['value']} {event['attempt']}")
        print('{"result": "ack"}', flush=True)

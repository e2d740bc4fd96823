#!/usr/bin/env python3
"""A subscriber in Python: writes the total of each order to a file of its own. Run by postbus work:

    postbus work --application shop --topics orders --exec-lines 'python3 examples/totals.py /var/lib/totals'

An event can come twice. The file is named by the event's id and put in its place at once, so the second time changes nothing.
"""

import json
import os
import pathlib
import sys

directory = pathlib.Path(sys.argv[1])


def handle(event):
    if event["value_form"] != "json" or "total" not in event["value"]:
        return {"result": "dead", "reason": "an order without a total"}
    target = directory / event["id"].replace("/", "_")
    unfinished = target.with_suffix(".new")
    unfinished.write_text(f"{event['key']} {event['value']['total']}\n")
    os.replace(unfinished, target)
    return {"result": "ack"}


for line in sys.stdin:
    try:
        answer = handle(json.loads(line))
    except OSError as error:  # a full disk, say: it is tried again, and later events of the key wait
        answer = {"result": "retry", "reason": str(error)}
    print(json.dumps(answer), flush=True)

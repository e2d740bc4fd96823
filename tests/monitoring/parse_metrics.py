#!/usr/bin/python3
"""Reads the text of /metrics by the OpenMetrics parser of Prometheus' Python client, and compares its families with the reference page.

Usage: parse_metrics.py TEXT PAGE. Exit code 77: the parser is not installed (Debian: python3-prometheus-client)."""
import pathlib
import re
import sys

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    print("no Python module prometheus_client (Debian: python3-prometheus-client)")
    sys.exit(77)


def main():
    text, page = (pathlib.Path(name).read_text() for name in sys.argv[1:3])
    families = {family.name: family for family in text_string_to_metric_families(text)}
    told = {re.sub(r"_(total|info)$", "", name): kind for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.M)}
    faults = [f"{name} is served and not in the reference" for name in families.keys() - told.keys()]
    faults += [f"{name} is in the reference and not served" for name in told.keys() - families.keys()]
    faults += [f"{name} is served as a {families[name].type}, and is a {kind} in the reference"
               for name, kind in told.items() if name in families and families[name].type != kind]
    faults += [f"{name} has no help" for name, family in families.items() if not family.documentation]
    print(*faults, f"{len(families)} families", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

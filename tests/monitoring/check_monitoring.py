"""The dashboards and the alert rules ask for metrics that exist, and what they point to is there.

Usage: check_monitoring.py ROOT. Prints one line a fault; exit code 1 if there is any."""
import json
import pathlib
import re
import sys

DASHBOARDS = ("docs/monitoring/postbus-dashboard.json", "docs/monitoring/postbus-subscribers-dashboard.json")
PAGES = ("docs/reference/metrics.md", "docs/reference/subscriber-metrics.md")
ENDINGS = {"histogram": ("_bucket", "_sum", "_count")}


def samples(page):
    """The names that a scrape can have, from the reference page."""
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.M):
        yield from (name + ending for ending in ENDINGS.get(kind, ("",)))


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for note in dashboard["annotations"]["list"]:
        yield note["name"], note["expr"]


def anchors(text):
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link_faults(root, rules):
    for target in re.findall(r"runbook: (\S+)", rules):
        file, _, anchor = target.partition("#")
        if not (root / file).exists():
            yield f"the alert rules point to {file}, which does not exist"
        elif anchor and anchor not in set(anchors((root / file).read_text())):
            yield f"the alert rules point to {target}: no such heading"


def faults(root):
    served = {name for page in PAGES for name in samples((root / page).read_text())}
    dashboards = {path: json.loads((root / path).read_text()) for path in DASHBOARDS}
    rules = (root / "docs/monitoring/postbus-alerts.yml").read_text()
    panels = [asked for dashboard in dashboards.values() for asked in expressions(dashboard)]
    asked = [*panels, *(("an alert", line) for line in re.findall(r"^ +expr: (.*)$", rules, re.M))]
    for where, expression in asked:
        for name in re.findall(r"\b(?:postbus|process)_\w+", expression):
            if name not in served:
                yield f"{where} asks for {name}, which is in none of {', '.join(PAGES)}"
    for path, dashboard in dashboards.items():
        ids = [panel["id"] for panel in dashboard["panels"]]
        if len(set(ids)) != len(ids):
            yield f"two panels of {path} have one id"
    yield from link_faults(root, rules)


def main():
    found = list(faults(pathlib.Path(sys.argv[1])))
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

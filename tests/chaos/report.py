"""The table of the matrix in Markdown, from the results of a run alone."""
import os
import platform
import re
import shutil
import subprocess

import judgement

MARKS = {"relays": ("<!-- chaos: begin -->", "<!-- chaos: end -->"),
         "subscribers": ("<!-- chaos of subscribers: begin -->", "<!-- chaos of subscribers: end -->")}
HEADINGS = {"relays": "| fault | what is done | times | events | transactions/s | lost | extra | misordered | duplicates, of at most in flight | "
                      "recovered in s: median / longest | bound |",
            "subscribers": "| fault | what is done | times | events | twice in the topics | effects | missing | repeated | foreign | misordered | "
                           "dead letters, of those expected | recovered in s: median / longest | bound |"}


def commit(root):
    """Of which state of the sources; nothing where that cannot be known."""
    command = ["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=9", "--exclude=*"]
    found = shutil.which("git") and subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return f", commit {found.stdout.strip()}" if found and found.returncode == 0 else ""


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}"


def times(result):
    ordered = sorted(result["recoveries_ms"])
    return f"{ordered[len(ordered) // 2] / 1000:.2f} / {ordered[-1] / 1000:.2f}" if ordered else "–"


def bound(result):
    return "**" + "; ".join(result["failures"]) + "**" if result["failures"] else f"{result['bound_ms'] / 1000:g} s: {result['bounded_by']}"


def subscribers_row(result):
    if "skipped" in result:
        return [f"`{result['name']}`", result["what"], *["–"] * 10, "not run: " + result["skipped"]]
    v, e = result["verdict"], result.get("effects")
    cells = [f"`{result['name']}`", result["what"], str(result["strikes"])]
    if not v or not e:
        return cells + ["–"] * 9 + ["**" + "; ".join(result["failures"]) + "**"]
    return cells + [f"{e['events']:,}", f"{v['duplicates']:,}", f"{e['effects']:,}{lost(result)}", str(e["unhandled"]), repeated(e), str(e["foreign"] + e["altered"]),
                    str(e["misordered"] + e["passed"]), f"{e['dead']} of {e['poison']}", times(result), bound(result)]


def repeated(effects):
    """Where repetitions are allowed they are no fault, and are counted."""
    return f"{effects['repetitions']}, allowed" if effects.get("repetitions") else str(effects["repeated"])


def lost(result):
    return f" ({result['lost_effects']:,} lost with the database, and done again)" if result.get("lost_effects") else ""


def row(result):
    if "skipped" in result:
        return [f"`{result['name']}`", result["what"], *["–"] * 8, "not run: " + result["skipped"]]
    v = result["verdict"]
    cells = [f"`{result['name']}`", result["what"], str(result["strikes"])]
    if not v:
        return cells + ["–"] * 7 + ["**" + "; ".join(result["failures"]) + "**"]
    ghosts = f" (and {v['ghosts']} ghosts)" if result["ghosts"] else ""
    cells += [f"{v['events']:,}", f"{result['transactions'] / max(result['load_s'], 1):,.0f}", str(v["lost"]), f"{v['extra']}{ghosts}",
              judgement.misordered(result), f"{v['duplicates']:,} of {result['duplicates_bound']:,}", times(result), bound(result)]
    return cells


def table(run):
    kind = run["kind"]
    begin, end = MARKS[kind]
    lines = [begin, f"`{run['command']}`, {run['date']}, {run['minutes']:.0f} minutes on {run['machine']}; PostgreSQL {run['postgresql']}, "
             f"Kafka {run['kafka']}. Seed {run['seed']}{run['commit']}.", "", HEADINGS[kind], "|---" * (HEADINGS[kind].count("|") - 1) + "|"]
    lines += ["| " + " | ".join((subscribers_row if kind == "subscribers" else row)(result)) + " |" for result in run["rows"]]
    return "\n".join([*lines, end])


def write(path, run):
    with open(path, encoding="utf-8") as page:
        text = page.read()
    begin, end = MARKS[run["kind"]]
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    if not found.search(text):
        raise SystemExit(f"chaos: {path} has no place for the table: {begin} and {end} are missing")
    with open(path, "w", encoding="utf-8") as page:
        page.write(found.sub(lambda _: table(run), text))

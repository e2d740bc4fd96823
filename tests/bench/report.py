"""Rows of results, the table they are printed as, and what they were measured on."""
import os
import platform
import statistics
import subprocess
import tempfile
import time


def row(what, ours, theirs=None, unit="", goal=None, digits=0, lower_is_better=False, **more):
    """ours and theirs: one value a round. goal: what the median of the ratios should reach."""
    out = {"what": what, "unit": unit, "ours": statistics.median(ours), "rounds": {"ours": ours}, "digits": digits, **more}
    if theirs is not None:
        ratios = [o / t for o, t in zip(ours, theirs)]
        out.update(theirs=statistics.median(theirs), ratio=statistics.median(ratios), lowest=min(ratios), highest=max(ratios))
        out["rounds"]["theirs"] = theirs
    if goal is not None:
        value = out.get("ratio", out["ours"])
        out.update(goal=goal, reached=value <= goal if lower_is_better else value >= goal, lower_is_better=lower_is_better)
    return out


def number(value, digits):
    return "" if value is None else f"{value:,.{digits}f}"


def table(rows):
    lines = [("", "Postbus", "beside it", "ratio", "rounds", "goal")]
    for r in rows:
        spread = f"{r['lowest']:.2f}-{r['highest']:.2f}" if "ratio" in r else ""
        goal = ""
        if "goal" in r:
            goal = f"{'<=' if r['lower_is_better'] else '>='} {r['goal']:g} {'reached' if r['reached'] else 'MISSED'}"
        lines.append((r["what"] + (f" [{r['unit']}]" if r["unit"] else ""), number(r["ours"], r["digits"]),
                      number(r.get("theirs"), r["digits"]), number(r.get("ratio"), 3), spread, goal))
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    for line in lines:
        print("  ".join(cell.ljust(w) if i in (0, 5) else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))).rstrip(),
              flush=True)


def verdict(results):
    """0 when there is a figure above zero in each row; what it is, is not judged."""
    rows = [r for measure in results["measures"].values() for r in measure]
    bad = [r["what"] for r in rows if not (r["ours"] > 0 or r.get("may_be_zero")) or r.get("theirs", 1) <= 0]
    for what in bad:
        print(f"bench: no figure for: {what}")
    return 1 if bad or not rows else 0


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return ""


def flushes_a_second():
    """8 KiB written and flushed, over and over, for a second: what a commit waits for."""
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        page, n, start = b"x" * 8192, 0, time.monotonic()
        while time.monotonic() - start < 1:
            os.pwrite(file.fileno(), page, n % 2048 * 8192)
            os.fdatasync(file.fileno())
            n += 1
        return n


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    with open("/proc/meminfo", encoding="utf-8") as info:
        memory_kib = int(next(line for line in info if line.startswith("MemTotal")).split()[1])
    return {"cpu": models[0] if models else platform.processor(), "cores": os.cpu_count(), "memory_mib": memory_kib // 1024,
            "kernel": platform.release(), "disk": first_line(["findmnt", "-no", "SOURCE,FSTYPE", "-T", "/tmp"]),
            "fdatasync_8k_per_second": flushes_a_second(), "load_average_at_start": os.getloadavg()[0],
            "librdkafka": first_line(["pkg-config", "--modversion", "rdkafka"]), "libpq": first_line(["pkg-config", "--modversion", "libpq"])}

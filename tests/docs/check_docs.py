"""Checks the written part against the tree: links lead somewhere, named files exist, what is quoted is what is there, and promises have their tests.

Usage: check_docs.py ROOT. Prints one line a fault; exit code 1 if there is any."""
import pathlib
import re
import sys

import promises

# A name in backticks that looks like a path of the tree: it begins with one of its folders.
TREE_PATH = re.compile(r"`((?:sdk|relay|schemas|tests|docs|examples|scripts)/[^`\s*…{}<>]*)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
QUOTE = re.compile(r"^```c\n/\* from (\S+) \*/\n(.*?)^```", re.M | re.S)
LOG_EVENT = re.compile(r"log_event\(\s*[A-Z_0-9 <>=?:a-z]+,\s*\"([a-z_.]+)\"")


def pages(root):
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])


def anchors(text):
    """The anchors that GitHub makes of the headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def link_faults(page, text):
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists():
            yield f"the link to {target} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield f"the link to {target}: no such heading"


def path_faults(root, text):
    for name in TREE_PATH.findall(text):
        file = root / name.split(":")[0].rstrip("/")
        if not file.exists():
            yield f"`{name}` is named and does not exist"


def quote_faults(root, text):
    """The first C block of the README is examples/hello.c without its opening comment."""
    block = re.search(r"^```c\n(.*?)^```", text, re.M | re.S)
    program = (root / "examples/hello.c").read_text()
    if not block:
        yield "there is no C program"
    elif block.group(1) != program[program.index("#include"):]:
        yield "the C program is not that of examples/hello.c"


def part_faults(root, text):
    """A C block that says which program it is from is a part of it."""
    for name, part in QUOTE.findall(text):
        if not (root / name).exists():
            yield f"C from {name} is quoted, and there is no such file"
        elif part not in (root / name).read_text():
            yield f"C is quoted that is not in {name}: {part.splitlines()[0].strip()}"


def runbook_faults(root, text):
    """Each event that the relay can log is explained."""
    for source in sorted(root.glob("relay/**/*.c")):
        for event in LOG_EVENT.findall(source.read_text()):
            if f"`{event}`" not in text:
                yield f"the log event {event} of {source.relative_to(root)} is not explained"


def faults(root):
    for page in pages(root):
        text = page.read_text()
        found = [*link_faults(page, text), *path_faults(root, text), *part_faults(root, text)]
        if page == root / "README.md":
            found += quote_faults(root, text)
        if page == root / "docs/runbook.md":
            found += runbook_faults(root, text)
        if page == root / "docs/testing.md":
            found += promises.faults(root, text)
        for fault in found:
            yield f"{page.relative_to(root)}: {fault}"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    found = list(faults(root))
    for fault in found:
        print(fault)
    print(f"{len(pages(root))} pages, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

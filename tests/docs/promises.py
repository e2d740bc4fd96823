"""Checks the table of promises in docs/testing.md against the tests: each promise is there once, and each test that it names exists, is run and says
above itself which promise it shows."""
import re

HOW_MANY = {"A": 18, "B": 6, "C": 6, "D": 14, "E": 10}
ROW = re.compile(r"^\| ([A-Z]\d+) \| ([^|]*) \| ([^|]*) \|([^|]*)\|$", re.M)
TEST = re.compile(r"`(\w+): (\w+)`")
LOOP = re.compile(r"foreach\((\w+) (?:IN LISTS )?([^)]*)\)\n(.*?)endforeach\(\)", re.S)
PROGRAM = re.compile(r"postbus_test\(NAME (\S+) SOURCES (\S+)[^)]*?(?:LABELS (\w+)[^)]*)?\)")
COMMENT = re.compile(r"^/\* Promises? ([A-Z]\d+(?:(?:, | and )[A-Z]\d+)*)\.(?:(?!\*/).)*\*/\nstatic void (\w+)\(", re.M | re.S)


def unrolled(folder, cmake):
    """The text with its loops done: over words, or over the programs test_*.c of the folder, whose name is theirs without both ends."""
    def turns(loop):
        variable, words, body = loop.groups()
        for word in sorted(p.name for p in folder.glob("test_*.c")) if words == "programs" else words.split():
            named = body.replace("${%s}" % variable, word)
            yield named.replace("${name}", re.sub(r"^test_(.*)\.c$", r"\1", word))
    return LOOP.sub(lambda loop: "".join(turns(loop)), cmake)


def programs(root):
    """The source of each test program."""
    return {f"{kind or 'unit'}_{name}": cmake.parent / source
            for cmake in root.glob("tests/**/CMakeLists.txt")
            for name, source, kind in PROGRAM.findall(unrolled(cmake.parent, cmake.read_text()))}


def is_run(source, function):
    """Defined, and named once more by the table of the program."""
    text = source.read_text()
    return f"static void {function}(void **state)" in text and len(re.findall(rf"\b{function}\b", text)) > 1


def marks(root):
    """What the comments above tests say: promise and function."""
    return {(promise, function) for source in root.glob("tests/**/*.c")
            for promises, function in COMMENT.findall(source.read_text())
            for promise in re.findall(r"[A-Z]\d+", promises)}


def table_faults(rows):
    ids = [row[0] for row in rows]
    promised = [f"{letter}{n}" for letter, last in HOW_MANY.items() for n in range(1, last + 1)]
    for promise in promised:
        if ids.count(promise) != 1:
            yield f"promise {promise} is in the table {ids.count(promise)} times"
    for promise in sorted(set(ids) - set(promised)):
        yield f"there is no promise {promise}"
    for promise, _, tests, missing in rows:
        if not TEST.search(tests) and not missing.strip():
            yield f"promise {promise} has no test, and nothing is said to be missing"


def faults(root, text):
    rows = ROW.findall(text)
    yield from table_faults(rows)
    sources, marked, named = programs(root), marks(root), set()
    for promise, _, tests, _ in rows:
        for program, function in TEST.findall(tests):
            named.add((promise, function))
            if program not in sources:
                yield f"promise {promise}: there is no test program {program}"
            elif not sources[program].exists() or not is_run(sources[program], function):
                yield f"promise {promise}: {program} has no test {function}"
            elif (promise, function) not in marked:
                yield f"promise {promise}: no comment above {function} says that it shows it"
    for promise, function in sorted(marked - named):
        yield f"promise {promise}: {function} says that it shows it, and is not in the table"

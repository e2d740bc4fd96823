"""Shows that check_docs finds each kind of fault it is there for."""
import pathlib
import tempfile
import unittest

import check_docs
import promises

HELLO = "/* What it does. */\n#include <stdio.h>\nint main(void) {}\n"
README = "# Title\n\n[runbook](docs/runbook.md#what-it-logs)\n\n```c\n#include <stdio.h>\nint main(void) {}\n```\n"
RUNBOOK = "# Runbook\n\n## What it logs\n\n`relay.started` by `relay/relay.c`.\n"
RELAY = 'log_event(LOG_LEVEL_INFO, "relay.started", "relay=%s", id);\n'

# A program of a loop over words, one of a loop over files, and one by itself.
CMAKE = """foreach(name filter other)
  postbus_test(NAME worker_${name} SOURCES test_${name}.c LIBS x LABELS integration TIMEOUT 600)
endforeach()
file(GLOB programs CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/test_*.c)
foreach(program IN LISTS programs)
  postbus_test(NAME relay_${name} SOURCES ${program} LABELS unit)
endforeach()
postbus_test(NAME plain SOURCES test_plain.c)
"""
FILTER = "/* Promises A1 and E10. Both. */\nstatic void all_hold(void **state)\n{\n}\nTEST(all_hold)\n"
OTHER = "/* Promise E1. */\nstatic void kept(void **state)\n{\n}\nTEST(kept)\n"
SHOWN = {"A1": "`integration_worker_filter: all_hold`<br>`unit_plain: kept`", "E10": "`unit_relay_filter: all_hold`"}
PROMISED = [f"{letter}{n}" for letter, last in promises.HOW_MANY.items() for n in range(1, last + 1)]


def row(promise, shown):
    return f"| {promise} | words | {shown} | {'' if shown else 'all of it'} |\n"


def testing(rows):
    return "# Testing\n\n| promise | in short | shown by | what is missing |\n|---|---|---|---|\n" + "".join(rows)


def in_order():
    return {"docs/testing.md": testing(row(promise, SHOWN.get(promise, "")) for promise in PROMISED),
            "tests/unit/CMakeLists.txt": CMAKE, "tests/unit/test_filter.c": FILTER,
            "tests/unit/test_plain.c": OTHER.replace("E1", "A1")}


class CheckDocs(unittest.TestCase):
    def faults(self, **changed):
        files = {"README.md": README, "docs/runbook.md": RUNBOOK, "relay/relay.c": RELAY, "examples/hello.c": HELLO}
        files.update(changed.get("files", {}))
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return list(check_docs.faults(root))

    def test_a_tree_in_order_has_no_faults(self):
        self.assertEqual(self.faults(), [])

    def test_a_link_to_a_missing_page_is_found(self):
        found = self.faults(files={"docs/other.md": "[x](missing.md)"})
        self.assertEqual(found, ["docs/other.md: the link to missing.md leads nowhere"])

    def test_a_link_to_a_missing_heading_is_found(self):
        found = self.faults(files={"docs/other.md": "[x](runbook.md#what-it-says)"})
        self.assertEqual(found, ["docs/other.md: the link to runbook.md#what-it-says: no such heading"])

    def test_a_named_file_that_does_not_exist_is_found(self):
        found = self.faults(files={"docs/other.md": "See `relay/gone.c`."})
        self.assertEqual(found, ["docs/other.md: `relay/gone.c` is named and does not exist"])

    def test_a_program_that_differs_from_the_example_is_found(self):
        found = self.faults(files={"README.md": README.replace("stdio", "stdlib")})
        self.assertEqual(found, ["README.md: the C program is not that of examples/hello.c"])

    def test_a_quoted_part_that_differs_from_its_program_is_found(self):
        part = "```c\n/* from examples/hello.c */\nint main(void) {}\n```\n"
        self.assertEqual(self.faults(files={"docs/other.md": part}), [])
        found = self.faults(files={"docs/other.md": part.replace("main", "mine")})
        self.assertEqual(found, ["docs/other.md: C is quoted that is not in examples/hello.c: int mine(void) {}"])
        found = self.faults(files={"docs/other.md": part.replace("hello", "gone")})
        self.assertEqual(found, ["docs/other.md: C from examples/gone.c is quoted, and there is no such file"])

    def test_a_log_event_that_is_not_explained_is_found(self):
        found = self.faults(files={"relay/ship.c": 'log_event(LOG_LEVEL_WARN, "kafka.down", "x=%s", x);\n'})
        self.assertEqual(found, ["docs/runbook.md: the log event kafka.down of relay/ship.c is not explained"])

    def test_links_in_code_blocks_are_left_alone(self):
        self.assertEqual(self.faults(files={"docs/other.md": "```\n[x](missing.md)\n```\n"}), [])

    def promise_faults(self, name, old, new):
        """What is found where one file of a tree in order has another text, or is not there."""
        files = in_order()
        self.assertIn(old, files[name])
        files[name] = files[name].replace(old, new)
        return [fault.removeprefix("docs/testing.md: ") for fault in self.faults(files=files)]

    def test_promises_in_order_have_no_faults(self):
        self.assertEqual(self.faults(files=in_order()), [])

    def test_a_test_of_a_promise_that_does_not_exist_is_found(self):
        found = self.promise_faults("docs/testing.md", "filter: all_hold`<br>", "filter: none_holds`<br>")
        self.assertEqual(found, ["promise A1: integration_worker_filter has no test none_holds",
                                 "promise A1: all_hold says that it shows it, and is not in the table"])
        found = self.promise_faults("docs/testing.md", "unit_plain", "integration_plain")
        self.assertEqual(found, ["promise A1: there is no test program integration_plain"])

    def test_a_test_of_a_promise_that_nobody_runs_is_found(self):
        found = self.promise_faults("tests/unit/test_plain.c", "TEST(kept)", "")
        self.assertEqual(found, ["promise A1: unit_plain has no test kept"])

    def test_a_promise_that_is_missing_twice_there_or_none_is_found(self):
        found = self.promise_faults("docs/testing.md", row("D14", ""), "")
        self.assertEqual(found, ["promise D14 is in the table 0 times"])
        found = self.promise_faults("docs/testing.md", row("D14", ""), row("D14", "") * 2 + row("D15", ""))
        self.assertEqual(found, ["promise D14 is in the table 2 times", "there is no promise D15"])

    def test_a_promise_without_a_test_and_a_word_is_found(self):
        found = self.promise_faults("docs/testing.md", row("B2", ""), "| B2 | words | — | |\n")
        self.assertEqual(found, ["promise B2 has no test, and nothing is said to be missing"])

    def test_a_comment_that_differs_from_the_table_is_found(self):
        found = self.promise_faults("tests/unit/test_filter.c", "Promises A1 and E10", "Promise A1")
        self.assertEqual(found, ["promise E10: no comment above all_hold says that it shows it"])
        found = self.promise_faults("tests/unit/test_plain.c", "Promise A1.", "Promises A1, A2 and B1.")
        self.assertEqual(found, ["promise A2: kept says that it shows it, and is not in the table",
                                 "promise B1: kept says that it shows it, and is not in the table"])


if __name__ == "__main__":
    unittest.main()

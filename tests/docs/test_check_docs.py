"""Shows that check_docs finds each kind of fault it is there for."""
import pathlib
import tempfile
import unittest

import check_docs

HELLO = "/* What it does. */\n#include <stdio.h>\nint main(void) {}\n"
README = "# Title\n\n[runbook](docs/runbook.md#what-it-logs)\n\n```c\n#include <stdio.h>\nint main(void) {}\n```\n"
RUNBOOK = "# Runbook\n\n## What it logs\n\n`relay.started` by `relay/relay.c`.\n"
RELAY = 'log_event(LOG_LEVEL_INFO, "relay.started", "relay=%s", id);\n'


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


if __name__ == "__main__":
    unittest.main()

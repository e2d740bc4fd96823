"""The judgement over forged results: each thing that must not be makes a row fail, and nothing else does."""
import dataclasses
import importlib.util
import os
import sys
import unittest

sys.dont_write_bytecode = True

import effects  # noqa: E402
import judgement  # noqa: E402
import report  # noqa: E402


def verdict(**changes):
    return {"events": 1000, "records": 1010, "lost": 0, "extra": 0, "overtaken": 0, "broken_replay": 0, "duplicates": 10, "altered": 0,
            "scattered": 0, "ambiguous": 0, "ghosts": 0, "shared_ids": 0, "forgeries": 4, "forgeries_caught": 4, **changes}


def result(changes=None, **verdict_changes):
    return {"name": "forged", "what": "nothing", "verdict": verdict(**verdict_changes), "strikes": 3, "recoveries_ms": [100, 1900],
            "bound_ms": 2000, "bounded_by": "nothing", "duplicates_bound": 10, "drained": True, "bad_exits": 0, "stale_requests": False,
            "ghosts": False, "subscribers": False, "duplicates_needed": False, "losses_needed": False, "transactions": 900, "load_s": 1.0, **(changes or {})}


def with_effects(changes=None, **effects_changes):
    effects = {"events": 1000, "effects": 1000, "poison": 3, "dead": 3, **dict.fromkeys(judgement.EFFECTS_ZERO, 0), "forgeries": 9, "forgeries_caught": 9,
               **effects_changes}
    return result({"subscribers": True, "effects": effects, **(changes or {})})


BAD = {
    "a lost event": result(lost=1),
    "an event that never committed": result(extra=1),
    "an overtaken event": result(overtaken=1),
    "a repetition that breaks off": result(broken_replay=1),
    "an altered event": result(altered=1),
    "a key in two partitions": result(scattered=1),
    "a load that is at fault": result(ambiguous=1),
    "two events under one id": result(shared_ids=1),
    "a ghost where none may be": result(ghosts=1),
    "ghosts that were to be made and were not": result({"ghosts": True}),
    "one duplicate more than were in flight": result(duplicates=11),
    "no load": result({"transactions": 49}),
    "a fault that never struck": result({"strikes": 0}),
    "a backlog that stays": result({"drained": False}),
    "a relay that ended badly": result({"bad_exits": 1}),
    "a slow recovery": result({"recoveries_ms": [100, 2001]}),
    "a verdict that overlooks a forgery": result(forgeries_caught=3),
    "no verdict": result({"verdict": None}),
    "an error": result({"error": "a broker did not come back"}),
    "a stopped relay that breaks off more than it had in flight": result({"stale_requests": True}, broken_replay=11),
    "a stopped relay that overtakes": result({"stale_requests": True}, overtaken=1),
    "subscribers without a verdict on their effects": with_effects({"effects": None}),
    **{f"effects: {what}": with_effects(**{name: 1}) for name, what in judgement.EFFECTS_ZERO.items()},
    "a verdict on effects that overlooks a forgery": with_effects(forgeries_caught=8),
    "a verdict on effects that was not tried": with_effects(forgeries=0, forgeries_caught=0),
    "duplicates that were to be injected and were not": result({"duplicates_needed": True}, duplicates=0),
    "effects that were to be lost with the database and were not": with_effects({"losses_needed": True, "lost_effects": 0}),
}
GOOD = {
    "all in order": result(),
    "no duplicates": result(duplicates=0),
    "a stopped relay's last requests": result({"stale_requests": True}, broken_replay=10),
    "ghosts after an asynchronous failover": result({"ghosts": True}, ghosts=5),
    "effects once each": with_effects(),
    "effects once each, of events that are twice in the topics": with_effects({"duplicates_needed": True}),
    "effects once each, of which a database lost some for a while": with_effects({"losses_needed": True, "lost_effects": 3}),
    "a log that is too large to forge": result(forgeries=0, forgeries_caught=0),
}


class Judgement(unittest.TestCase):
    def test_each_forged_fault_fails(self):
        for name, forged in BAD.items():
            with self.subTest(name):
                self.assertEqual(len(judgement.failures(forged)), 1)

    def test_what_is_allowed_does_not(self):
        for name, forged in GOOD.items():
            with self.subTest(name):
                self.assertEqual(judgement.failures(forged), [])

    def test_what_came_late_is_told_apart(self):
        self.assertEqual(judgement.misordered(BAD["a repetition that breaks off"]), "1")
        self.assertEqual(judgement.misordered(GOOD["a stopped relay's last requests"]), "0 (and 10 repeated late)")
        self.assertEqual(judgement.misordered(BAD["a stopped relay that breaks off more than it had in flight"]), "1 (and 10 repeated late)")

    def test_times_are_judged_only_where_they_mean_something(self):
        self.assertEqual(judgement.failures(BAD["a slow recovery"], check_times=False), [])

    def test_the_table_has_a_row_for_each_result_and_shows_failures(self):
        rows = [dict(forged, failures=judgement.failures(forged)) for forged in [*BAD.values(), *GOOD.values()]]
        rows.append({"name": "forged", "what": "nothing", "skipped": "no disk", "failures": []})
        self.check_table("relays", rows)
        self.check_table("subscribers", [row for row in rows if row.get("subscribers") or "skipped" in row])

    def check_table(self, kind, rows):
        said = report.table({"kind": kind, "command": "scripts/chaos", "date": "2026-11-25", "minutes": 1.0, "machine": "m", "postgresql": "15",
                             "kafka": "3", "commit": "", "seed": 1, "rows": rows})
        lines = [line for line in said.splitlines() if line.startswith("| `forged`")]
        self.assertEqual(len(lines), len(rows))
        self.assertEqual(len({line.count(" | ") for line in lines}), 1)
        self.assertEqual(sum("**" in line for line in lines), sum(bool(row["failures"]) for row in rows))


def evidence():
    """Five events of two keys and one without, of which one is poison, as they should be handled."""
    events = tuple(effects.Event(token, "a", key, seq) for token, key, seq in
                   [(1, "k", 1), (2, "k", 2), (3, "l", 1), (4, None, None), (POISON, "l", 2), (5, "l", 3), (6, "k", 3)])
    order = [1, 4, 3, 2, 6, 5, POISON]
    key = {event.token: event.key for event in events}
    written = tuple(effects.Effect(token, "a", key[token], float(i)) for i, token in enumerate(order))
    return effects.Evidence(events, written, (effects.DeadLetter(POISON, 5, "exhausted", 4.5),), frozenset({POISON}), 5)


POISON = 1 << 59


def reordered(tokens, repeats):
    """The same events with effects of these, one after the other."""
    whole = evidence()
    of = {effect.token: effect for effect in whole.effects}
    written = tuple(dataclasses.replace(of[token], at=4.6 + i) for i, token in enumerate(tokens))
    return dataclasses.replace(whole, effects=written, repeats=repeats)


class Effects(unittest.TestCase):
    """The verdict on effects over forged evidence."""

    def test_what_is_in_order_is_clean(self):
        found = effects.judged(evidence())
        self.assertTrue(effects.is_clean(found), found)
        self.assertEqual((found["events"], found["effects"], found["dead"], found["poison"]), (7, 7, 1, 1))

    def test_each_forgery_is_found_and_named(self):
        forged = effects.forgeries(evidence())
        expected = {"an effect is missing": "unhandled", "an effect is there twice": "repeated", "an effect of what never committed": "foreign",
                    "an effect under another key": "altered", "two effects of a key are swapped": "misordered",
                    "a dead letter that should not be": "dead_unexpected", "poison that did not die": "dead_missing",
                    "poison that died too early": "dead_unexpected", "an event that did not wait behind poison": "passed"}
        self.assertEqual(set(forged), set(expected))
        for name, field in expected.items():
            with self.subTest(name):
                self.assertGreaterEqual(effects.verdict(forged[name])[field], 1)

    def test_repetitions_that_are_allowed_are_counted_and_no_fault(self):
        for repeats, order in (("event", [1, 1, 4, 3, 2, 6, 6, 5, POISON]), ("stretch", [1, 4, 3, 2, 1, 2, 6, 2, 6, 5, POISON])):
            with self.subTest(repeats):
                found = effects.judged(reordered(order, repeats))
                self.assertTrue(effects.is_clean(found), found)
                self.assertEqual((found["repeated"], found["repetitions"]), (0, len(order) - 7))
                self.assertGreater(found["forgeries"], 0)
                self.assertEqual(found["forgeries_caught"], found["forgeries"])

    def test_repetitions_are_faults_where_the_promise_is_less(self):
        for repeats, order in (("never", [1, 1, 4, 3, 2, 6, 5, POISON]), ("event", [1, 4, 3, 2, 1, 6, 5, POISON]),
                               ("stretch", [1, 4, 3, 2, 1, 6, 5, POISON]), ("stretch", [2, 1, 2, 4, 3, 6, 5, POISON])):
            with self.subTest(repeats=repeats, order=order):
                self.assertFalse(effects.is_clean(effects.verdict(reordered(order, repeats))))

    def test_what_is_lost_is_lost_where_repetitions_are_allowed(self):
        for repeats in ("event", "stretch"):
            with self.subTest(repeats):
                self.assertEqual(effects.verdict(reordered([1, 4, 3, 3, 2, 2, 5, POISON], repeats))["unhandled"], 1)

    def test_every_fault_of_the_verdict_is_judged(self):
        self.assertEqual(set(effects.CLEAN), set(judgement.EFFECTS_ZERO))

    def test_evidence_that_is_not_clean_is_not_forged_further(self):
        found = effects.judged(dataclasses.replace(evidence(), effects=evidence().effects[1:]))
        self.assertEqual((found["unhandled"], found["forgeries"]), (1, 0))
        self.assertEqual(judgement.failures(with_effects(**found)), ["1 without an effect"])

    def test_poison_that_dies_twice_is_found(self):
        twice = dataclasses.replace(evidence(), dead=evidence().dead * 2)
        self.assertEqual(effects.verdict(twice)["dead_missing"], 1)


@unittest.skipUnless(importlib.util.find_spec("psycopg2"), "psycopg2 is missing")
class Matrix(unittest.TestCase):
    def setUp(self):
        sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "support"))
        import matrix
        self.faults, self.kinds = matrix.FAULTS, matrix.KINDS

    def test_each_row_has_a_name_of_its_own(self):
        self.assertEqual(len({fault.name for fault in self.faults}), len(self.faults))

    def test_who_takes_longer_than_two_seconds_says_why(self):
        for fault in self.faults:
            with self.subTest(fault.name):
                self.assertGreaterEqual(fault.bound_ms, 2000)
                self.assertEqual(fault.bound_ms == 2000, fault.bounded_by.startswith("nothing"))

    def test_the_short_form_is_short(self):
        for faults, n in ((self.kinds["relays"], range(4, 8)), (self.kinds["subscribers"], range(2, 4))):
            self.assertIn(sum(fault.short for fault in faults), n)
            self.assertLessEqual(sum(fault.least_s for fault in faults if fault.short), 40)


if __name__ == "__main__":
    unittest.main()

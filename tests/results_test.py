#!/usr/bin/env python3
"""What `make results` makes of files, right and wrong ones.

SPDX-License-Identifier: Apache-2.0
"""
import copy
import json
import pathlib
import sys
import tempfile
import unittest

import results

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "bench"))
import figures

RATIO = {"what": "commands|64", "figure": 0.7, "unit": "ratio", "target": 1, "note": "so many"}
LOST = {"what": "acknowledged and lost", "figure": 0, "unit": "commands", "target": 0, "note": ""}
MEMORY = {"what": "memory", "figure": 116.4, "unit": "MB", "target": 200, "better": "less", "note": ""}
PLAIN = {"what": "a rate", "figure": 12345.6, "unit": "per s", "target": None, "note": ""}
FOUND = {"name": "bench", "commit": "0123456789abcdef", "dirty": False, "date": "2026-11-27T01:00:00Z",
         "machine": {"cores": 2, "memory_mib": 1024, "kernel": "6.1", "cpu": "some"},
         "rows": [RATIO, LOST, MEMORY, PLAIN]}


class Rendering(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def render(self, *files, text=None):
        for found in files:
            (self.folder / f"{found['name']}.json").write_text(json.dumps(found))
        if text:
            (self.folder / "bench.md").write_text(text)
        return results.render(self.folder, self.folder)

    def refuses(self, pattern, **members):
        found = {**copy.deepcopy(FOUND), **members}
        with self.assertRaisesRegex(results.Wrong, pattern):
            self.render(found)

    def test_each_row_says_whether_its_target_is_met(self):
        document, _ = self.render(FOUND)
        self.assertIn("| commands\\|64 | 0.7 | ratio | ≥ 1 | **no** | so many |", document)
        self.assertIn("| acknowledged and lost | 0 | commands | ≤ 0 | yes |  |", document)
        self.assertIn("| memory | 116 | MB | ≤ 200 | yes |  |", document)
        self.assertIn("| a rate | 12,346 | per s |  |  |  |", document)
        self.assertIn("2 of 3 targets are met", document)

    def test_a_single_loss_misses_a_target_of_none(self):
        document, _ = self.render({**FOUND, "rows": [{**LOST, "figure": 1}]})
        self.assertIn("| ≤ 0 | **no** |", document)
        self.assertIn("0 of 1 targets are met", document)

    def test_a_missed_target_asks_for_a_text(self):
        _, warnings = self.render(FOUND)
        self.assertEqual(len(warnings), 1)
        self.assertIn("commands|64", warnings[0])
        document, warnings = self.render(FOUND, text="The writer waits.")
        self.assertEqual(warnings, [])
        self.assertIn("The writer waits.", document)

    def test_bench_comes_first_and_dirty_is_told(self):
        document, _ = self.render({**FOUND, "name": "fuzz", "dirty": True}, {**FOUND, "name": "another"}, FOUND)
        self.assertLess(document.index("## bench"), document.index("## fuzz"))
        self.assertLess(document.index("## fuzz"), document.index("## another"))
        self.assertEqual(document.count("0123456789ab and changes"), 1)

    def test_what_failed_is_not_left_out(self):
        document, _ = self.render({**FOUND, "failed": [{"part": "relay", "why": "no broker"}]})
        self.assertIn("**Not measured**: relay: no broker", document)

    def test_wrong_files_are_refused(self):
        self.refuses("dirty", dirty="no")
        self.refuses("has no note", rows=[{k: v for k, v in RATIO.items() if k != "note"}])
        self.refuses("figure is no number", rows=[{**RATIO, "figure": "fast"}])
        self.refuses("target is neither", rows=[{**RATIO, "target": "1"}])
        self.refuses("better is neither", rows=[{**RATIO, "better": "faster"}])
        self.refuses("machine has no cpu", machine={"cores": 2, "memory_mib": 1, "kernel": ""})

    def test_a_file_under_another_name_is_refused(self):
        (self.folder / "sim.json").write_text(json.dumps(FOUND))
        with self.assertRaisesRegex(results.Wrong, "the name in it is bench"):
            results.render(self.folder, self.folder)

    def test_nothing_measured_is_no_document(self):
        with self.assertRaisesRegex(results.Wrong, "nothing was measured"):
            results.render(self.folder, self.folder)


class Figures(unittest.TestCase):
    """Those of `make bench`, which are where most rows come from."""

    def test_a_ratio_is_of_medians_and_its_spread_of_rounds(self):
        row = figures.Row("commands", "per s", [10, 30, 20], [20, 20, 20], "pgbench", target=1)
        told = row.to_json("commands")
        self.assertEqual((told["figure"], told["ratio"]["min"], told["ratio"]["max"]), (1, 0.5, 1.5))
        self.assertEqual((told["what"], told["unit"]), ("commands, to pgbench", "ratio"))
        self.assertIn("20 (10..30) to 20 (20..20) per s", told["note"])
        self.assertTrue(row.met())

    def test_less_is_better_where_it_says_so(self):
        self.assertFalse(figures.Row("memory", "MB", [201], target=200, better="less").met())
        self.assertTrue(figures.Row("a command", "ms", [3], [2], "a commit", target=1.5, better="less").met())
        self.assertIsNone(figures.Row("a rate", "per s", [1]).met())

    def test_a_line_of_the_table_has_both_sides_and_the_verdict(self):
        row = figures.Row("commands", "per s", [10], [20], "pgbench", target=1)
        self.assertEqual(row.line(20).split(), ["commands,", "per", "s", "10", "20", "0.50", "1", "MISSED"])
        self.assertEqual(row.line(20).index(" 10 "), 28)

    def test_its_rows_can_be_rendered(self):
        for row in (figures.Row("a", "MB", [1, 2]), figures.Row("b", "ms", [1], [2], "c", target=1)):
            results.check_row("bench.json", 1, row.to_json("part"))


if __name__ == "__main__":
    unittest.main()

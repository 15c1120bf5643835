#!/usr/bin/env python3
"""scripts/option_tables.py: the documents have the option tables of the program, and differences are found.

/usr/bin/python3 tests/scripts/option_tables_test.py -v
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import DARKNET, HOST, ROOT, RunTest, read

SCRIPT = os.path.join(ROOT, "scripts", "option_tables.py")
OPTIONS, LAYERS = "docs/options.md", "layers/README.md"
OTHER = "AlexeyAB's fork" if HOST == "packaged" else "packaged Darknet"


class OptionTables(RunTest):
    def setUp(self):
        super().setUp()
        for name in (OPTIONS, LAYERS):
            self.write(name, read(os.path.join(ROOT, name)))

    def run_script(self, *words):
        return subprocess.run([sys.executable, SCRIPT, "--darknet", DARKNET, "--root", self.folder, *words],
                              capture_output=True, text=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})

    def change(self, name, old, new):
        text = self.read(name).decode()
        self.assertIn(old, text)
        self.write(name, text.replace(old, new, 1))

    def test_the_documents_have_the_options_of_the_program(self):
        done = self.run_script()
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_differs_is_found_and_written_anew(self):
        row = next(line for line in self.read(LAYERS).decode().splitlines() if line.startswith("| `alpha` |"))
        for name, old, new in ((OPTIONS, "| `momentum` | 0.9 |", "| `momentum` | 0.8 |"),
                               (OPTIONS, "| `batch` |", "| `batches` |"),
                               (LAYERS, "| `beta` | 0.1 |", "| `beta` | 0.2 |"),
                               (LAYERS, row + "\n", ""),
                               (LAYERS, "| `probability` |", "| `unknown` | 1 | 1 | nothing |\n| `probability` |")):
            with self.subTest(new):
                right = self.read(name)
                self.change(name, old, new)
                done = self.run_script()
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"%s:\d+: found .* run scripts/option_tables.py --write\n$" % name)
                self.assertEqual(self.run_script("--write").returncode, 0)
                self.assertEqual(self.read(name), right)
                self.write(name, right)

    def test_rows_of_the_other_host_stay(self):
        row = next(line for line in self.read(LAYERS).decode().splitlines() if line.startswith("| `alpha` |"))
        self.change(LAYERS, row, row + "\n| `gamma` (%s) | 1 | 0 or 1 | made up |" % OTHER)
        before = self.read(LAYERS)
        self.assertEqual(self.run_script("--write").returncode, 0)
        self.assertEqual(self.read(LAYERS), before)

    def test_sections_and_aliases_must_be_there(self):
        for old, new, message in (
                ("<!-- darknet options: tsd -->\n", "", "no table for tsd"),
                ("<!-- darknet options: tsd -->", "<!-- darknet options: tds -->", "[tds] has a table, but"),
                ("## [avgpool]", "## avgpool", "[avgpool] is without a heading"),
                ("## [tsd]", "## [tds]\n\n## [tsd]", "[tds] is no section of the program"),
                ("`[conv]`", "", "[convolutional] does not name its alias `[conv]`")):
            with self.subTest(message):
                right = self.read(LAYERS)
                self.change(LAYERS, old, new)
                done = self.run_script()
                self.assertEqual(done.returncode, 1)
                self.assertIn(message, done.stderr)
                self.write(LAYERS, right)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Tests of the files of a report: tables as CSV and LaTeX, the HTML page (in Chromium where it is installed), classes,
provenance, and the table that a run ends with.

python3 tests/scripts/report_test.py
"""

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
import unittest

from generations_support import Case, ONE_SEED

from generations_driver import html_page, provenance, table_files
from generations_driver.class_report import class_section
from generations_driver.document import Cell, Heading, Picture, Table, Text, markdown, spread_cell
from generations_driver.errors import Failure
from generations_driver.figures.style import load_matplotlib
from generations_driver.report import closing_table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TABLE = Table("t", ["run", "top-1 %", "n_1"], [
    ["D(0.6, 0.5), K 5", spread_cell({"mean": 0.83551, "deviation": 0.002, "n": 3}), "3"],
    ["a_b & 50 %", spread_cell({"mean": 0.8, "deviation": None, "n": 1}), "-"],
    ["none", spread_cell(None), Cell("-0.25", {"": -0.25})],
])


class Tables(unittest.TestCase):
    def test_markdown_has_what_is_shown(self):
        lines = markdown([Heading(2, "Title"), Text("Text."), Picture("accuracy", "a line"), TABLE]).split("\n\n")
        self.assertEqual(lines[:3], ["## Title", "Text.", "![a line](accuracy.png)"])
        self.assertEqual(lines[3].splitlines()[2], "| D(0.6, 0.5), K 5 | 83.55 ± 0.20 | 3 |")

    def test_csv_has_numbers_in_columns_of_their_own(self):
        rows = list(csv.DictReader(io.StringIO(table_files.csv_text(TABLE))))
        self.assertEqual(list(rows[0]), ["run", "top-1 %", "top-1 % deviation", "top-1 % n", "n_1"])
        self.assertAlmostEqual(float(rows[0]["top-1 %"]), 83.551)
        self.assertEqual([row["top-1 % deviation"] for row in rows], ["0.2", "", ""])
        self.assertEqual([row["n_1"] for row in rows], ["3", "", "-0.25"])
        self.assertEqual(rows[0]["run"], "D(0.6, 0.5), K 5", "the comma is quoted")

    def test_latex_is_escaped_and_has_as_many_cells_as_columns(self):
        text = table_files.latex_text(TABLE)
        self.assertIn(r"\begin{tabular}{lrr}", text)
        self.assertIn(r"a\_b \& 50 \% & 80.00 & - \\", text)
        self.assertIn(r"83.55 $\pm$ 0.20", text)
        self.assertIn(r"& $-$0.25 \\", text)
        for line in re.findall(r"^.*\\\\$", text, re.M):
            self.assertEqual(len(re.findall(r"(?<!\\)&", line)), 2, line)

    def test_closing_table_follows_the_width(self):
        def entry(name):
            value = {"mean": 0.5, "deviation": 0.01, "n": 3}
            return {"generation": name, "last": dict.fromkeys(("top1", "topk", "loss"), value),
                    "best": dict.fromkeys(("top1", "topk", "loss"), value)}

        summary = {"mean": [entry(name) for name in ("baseline", "patriarch", "student1", "student12")], "runs": [],
                   "configuration": {"seeds": [1, 2, 3]}, "ensemble_mean": [
                       {"kind": kind, "name": name, **entry("")["last"]} for kind, name in (
                           ("cumulative", "students 1 to 12"), ("patriarch", "patriarch and students 1 to 12"))]}
        columns = {}
        for width in (40, 60, 80, 120):
            lines = list(closing_table(summary, width))
            self.assertLessEqual(max(map(len, lines)), width)
            columns[width] = len(re.split("  +", lines[1]))
        self.assertEqual(columns, {40: 2, 60: 3, 80: 4, 120: 6})
        self.assertIn("ensemble: patriarch, 1-12  50.00 ± 1.00", "\n".join(lines))


class Page(unittest.TestCase):
    def page(self, *blocks):
        return html_page.html_page([Heading(1, "A <run>"), *blocks], ".")

    def test_text_is_escaped_and_inline_markdown_becomes_tags(self):
        text = self.page(Text("**Not complete.** `a*b*<c>` and *no* [r](a/report.md) < 3 & more"))
        self.assertIn("<p><strong>Not complete.</strong> <code>a*b*&lt;c&gt;</code> and <em>no</em> "
                      '<a href="a/report.html">r</a> &lt; 3 &amp; more</p>', text)
        self.assertIn("<title>A &lt;run&gt;</title>", text)
        self.assertNotIn("<run>", text)

    def test_tags_are_balanced_and_nothing_is_loaded(self):
        text = self.page(Heading(2, "b"), Text("c"), TABLE)
        for tag in ("h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "div", "body", "html", "style"):
            self.assertEqual(len(re.findall(rf"<{tag}[ >]", text)), text.count(f"</{tag}>"), tag)
        self.assertEqual(text.count("<td"), 9)
        self.assertIsNone(re.search(r"https?:|@import|<script|<link", text))


class Reports(Case):
    def summary(self, path="runs/trial"):
        return json.loads(self.read(f"{path}/summary.json"))

    def test_tables_are_files(self):
        self.run_driver("run", "a.ini")
        means = {entry["generation"]: entry["last"]["top1"] for entry in self.summary()["mean"]}
        with open("runs/trial/tables/accuracy.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row, name in zip(rows, ("baseline", "patriarch", "student1", "student2"), strict=True):
            self.assertAlmostEqual(float(row["top-1 %, last epoch"]), 100 * means[name]["mean"])
            self.assertAlmostEqual(float(row["top-1 %, last epoch deviation"]), 100 * means[name]["deviation"])
        names = sorted(os.listdir("runs/trial/tables"))
        for name in ("differences.tex", "ensembles.csv", "measures-valid.csv", "classes.csv", "runs.tex"):
            self.assertIn(name, names)

    def test_where_a_training_ran_is_recorded_and_reported(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        for run in self.summary()["runs"]:
            (origin,) = run["provenance"]
            found = tuple(origin[key] for key in ("version", "oneDNN", "device"))
            self.assertEqual(found, ("a stand-in 1.0", "2.6.3", "CPU"))
            self.assertEqual(origin["threads"], len(os.sched_getaffinity(0)))
            self.assertTrue(origin["machine"] and origin["processor"])
            self.assertLessEqual(run["begun"], run["finished"])
        report = self.read("runs/trial/report.md")
        self.assertIn("\n| version | a stand-in 1.0 |\n", report)
        self.assertIn("\n| trainings | 4 |\n", report)
        # The same run continued by another version: the report has both.
        self.write("darknet", self.read("darknet").replace("a stand-in 1.0", "a stand-in 2.0"))
        self.run_driver("run", "a.ini")
        report = self.read("runs/trial/report.md")
        self.assertIn("\n| trainings | 4 | 4 |\n", report)
        self.assertIn("\n| version | a stand-in 1.0 | a stand-in 2.0 |\n", report)

    def test_gpu_is_what_the_last_training_of_the_log_says(self):
        self.assertIsNone(provenance.device_of("none.log"))
        self.write("a.log", "host: packaged, 2 threads, seed 1\nGPU: H200, CUDA 12.4, precision tf32\n1, 0.1: ...\n")
        self.assertEqual(provenance.device_of("a.log"), "H200, CUDA 12.4, precision tf32")
        self.write("a.log", self.read("a.log") + "host: packaged, 2 threads, seed 1\nactivations: 1 MiB\n")
        self.assertEqual(provenance.device_of("a.log"), "CPU")

    def test_commit_is_that_of_the_projects_own_checkout(self):
        def git(*words):
            subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *words], check=True, capture_output=True)

        self.assertIsNone(provenance.commit_of(self.folder))
        git("init", "-q")
        git("add", "a.ini")
        git("commit", "-q", "-m", "m")
        commit = provenance.commit_of(self.folder)
        self.assertRegex(commit, "^[0-9a-f]{12}$")
        self.write("a.ini", "changed")
        self.assertEqual(provenance.commit_of(self.folder), commit + " + changes")
        os.makedirs("below")
        self.assertIsNone(provenance.commit_of("below"), "another project's checkout")

    def test_accuracy_of_classes_and_confusions(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        run = self.summary()["runs"][0]
        self.assertEqual(run["class_accuracy"], [2 / 3, 1.0, 0.0] + [None] * 7)
        self.assertEqual({call[1] for call in self.calls()}, {"train", "valid", "inspect", "ensemble"})
        self.assertNotIn("confusion", run["last"])
        counted = json.loads(self.read(run["confusion"]))["result"]["confusion"]
        self.assertEqual(counted, [[0, 0, 2], [0, 1, 1], [1, 1, 3], [2, 0, 2]])
        report = self.read("runs/trial/report.md")
        self.assertIn("\n| class 0 | 66.67 | 66.67 | 66.67 | 66.67 |\n", report)
        self.assertIn("\n| class 2 | class 0 | 2.0 | 2.0 |\n| class 0 | class 1 | 1.0 | 1.0 |\n", report)
        self.assertFalse([name for name in os.listdir("runs/trial/seed1/evaluations") if name.endswith(".new")])

    def test_of_many_classes_those_that_change_most_are_shown(self):
        def run(name, shift):
            values = [0.5 + shift * (i - 15) / 100 for i in range(31)]
            return {"seed": 1, "generation": name, "class_accuracy": values, "confusion": None}

        runs = [run("baseline", 0), run("patriarch", 0), run("student1", 1)]
        summary = {"runs": runs, "patriarch_is_baseline": False,
                   "configuration": {"generations": 1, "data": "none.data"}}
        blocks, hidden = class_section(summary, {})
        shown, _ = (block for block in blocks if isinstance(block, Table))
        self.assertEqual([row[0] for row in shown.rows],
                         [f"class {i}" for i in (30, 29, 28, 27, 26, 4, 3, 2, 1, 0)])
        self.assertEqual((shown.rows[0][3].text, shown.rows[-1][3].text), ("+15.00", "-15.00"))
        self.assertEqual([(table.name, len(table.rows)) for table in hidden], [("classes", 31)])

    def test_classes_have_the_names_of_the_data_file(self):
        self.write("names", "".join(f"name_{i}, and more\n" for i in range(3)))
        self.write("a.data", self.read("a.data") + "names=names\n")
        self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertIn("| name 0 | ", self.read("runs/trial/report.md"))

    def drawn_page(self):
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "experiment.generations=1", flags=["--no-estimate"],
                        PYTHONPATH="")
        return self.read("runs/trial/report.html")

    def run_chromium(self, *arguments):
        return subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={self.folder}/chromium", *arguments],
            capture_output=True, text=True, timeout=120, check=True)

    def chromium(self, page, width):
        """What the page measures in Chromium, in a frame of that width: {name: value}, and what it complains about."""
        # srcdoc would not report errors of the page; a phone's width is less than a window may have.
        script = ("<script>addEventListener('error', e => document.title += ' error', true);"
                  "addEventListener('load', () => parent.postMessage([document.documentElement.scrollWidth, "
                  "[...document.images].filter(i => i.complete && i.naturalWidth > 0).length, document.title], '*'))"
                  "</script>")
        frame = html.escape(page.replace("<head>", "<head>" + script))
        self.write("frame.html", "<script>addEventListener('message', e => document.title = e.data.join('|'))</script>"
                                 f'<iframe style="border:0" width="{width}" height="800" srcdoc="{frame}"></iframe>')
        done = self.run_chromium("--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom",
                                 f"file://{self.folder}/frame.html")
        measured = re.search(r"<title>(\d+)\|(\d+)\|(.*?)</title>", done.stdout)
        self.assertTrue(measured, done.stderr[-2000:])
        complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return int(measured[1]), int(measured[2]), measured[3], complaints

    @unittest.skipUnless(CHROMIUM, "Chromium is missing")
    def test_page_in_chromium(self):
        page = self.drawn_page()
        images = page.count("<img ")
        self.assertGreater(images, 5)
        for width in (360, 1200):
            self.assertEqual(self.chromium(page, width), (width, images, "trial", []))
        # Negative controls: a picture that is no picture, something wider than the page.
        broken = re.sub(r"base64,[^\"]{9}", "base64,nonsense!", page, count=1)
        self.assertEqual(self.chromium(broken, 360)[1:3], (images - 1, "trial error"))
        wide = page.replace("<body>", '<body><div style="width:900px">x</div>')
        self.assertGreater(self.chromium(wide, 360)[0], 900 - 1)

    @unittest.skipUnless(CHROMIUM, "Chromium is missing")
    def test_page_on_paper(self):
        self.drawn_page()
        self.run_chromium("--print-to-pdf=a.pdf", f"file://{self.folder}/runs/trial/report.html")
        with open("a.pdf", "rb") as file:
            content = file.read()
        self.assertEqual(content[:5], b"%PDF-")
        sizes = set(re.findall(rb"/MediaBox\s*\[([^\]]*)\]", content))
        self.assertEqual(len(sizes), 1)
        width, height = map(float, sizes.pop().split()[2:])
        self.assertTrue(abs(width - 595) < 2 and abs(height - 842) < 2, "A4")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Text files as editors of Windows write them, with a byte order mark and CRLF, mean the same to every script.

python3 tests/scripts/text_files_test.py
"""

import json
import os
import subprocess
import sys
import unittest

from generations_support import Case, EXPERIMENT, NETWORK, ONE_SEED

from run_support import RUN_SECONDS, SCRIPTS, section

from generations_driver.errors import Failure
from generations_driver.figures.style import load_matplotlib
from generations_driver.files import read_csv

CURVE = "epoch,iteration,train_loss,train_top1,valid_loss,valid_top1,valid_topk,rate,seconds\n1,9,2,.5,1,.4,.6,.1,2\n"


def windows(text):
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


class TextFiles(Case):
    def inputs(self):
        return {"base.ini": EXPERIMENT, "a.ini": "[experiment]\nbase=base.ini\ngenerations=1\n", "net.cfg": NETWORK,
                "a.data": self.read("a.data") + "names=names.txt\n",
                "names.txt": "".join(f"name_{i}\n" for i in range(10))}

    def test_an_experiment(self):
        files = self.inputs()
        reports = []
        for out, form in (("runs/unix", str), ("runs/windows", windows)):
            for path, text in files.items():
                self.write(path, form(text))
            self.run_driver("run", "a.ini", *ONE_SEED, "--out", out)
            reports.append([self.read(f"{out}/{name}").replace(out, "") for name in (
                "network.cfg", "stock.cfg", "seed1/a.data", "seed1/patriarch.cfg", "seed1/student1.cfg",
                "tables/classes.csv", "tables/accuracy.csv")])
        self.assertEqual(*reports)
        self.assertNotIn("\r", "".join(reports[1]))
        self.assertIn("name 0,", reports[1][-2])
        # What a run wrote and an editor saved again.
        for path in ("runs/windows/summary.json", "runs/windows/experiment.ini", "runs/windows/seed1/patriarch.json",
                     "runs/windows/seed1/patriarch.csv"):
            self.write(path, windows(self.read(path)))
        self.run_driver("report", "runs/windows")
        self.assertTrue(json.loads(self.read("runs/windows/summary.json"))["complete"])
        self.assertEqual(read_csv("runs/windows/seed1/patriarch.csv")[3]["seconds"], 2.5)

    def test_a_stock_cfg(self):
        cfg = section("net", height=8, width=8, channels=3) + section("avgpool") + section("tsd", eta=1)
        stock = []
        for form in (str, windows):
            self.write("odd.cfg", form(cfg))
            stock.append(self.run_driver("stock", "odd.cfg").stdout)
        self.assertEqual(*stock)

    def test_a_chart_of_a_training(self):
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        self.write("a.csv", windows(CURVE))
        done = subprocess.run([sys.executable, os.path.join(SCRIPTS, "plot_training.py"), "a.csv", "-o", "a.svg"],
                              capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()

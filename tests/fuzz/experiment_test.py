#!/usr/bin/env python3
"""Changed experiment files: each is read or refused with one line.

CHANGES=100000 /usr/bin/python3 tests/fuzz/experiment_test.py -v
"""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scripts"))

from generations_support import EXPERIMENT, Case

from generations_driver.errors import Failure
from generations_driver.experiment import Experiment
from generations_driver.program import Program
from generations_driver.sweep import read_sweep

CHANGES = int(os.environ.get("CHANGES") or 1500)
SWEEP = EXPERIMENT + "\n[sweep]\nstudent.lambda=0.1 0.5\npatriarch.confidence=0.5 0.6\n"
WORDS = ("[", "]", "=", "\n", "\r", "\0", "#", ";", "\ufeff", "²", "-1", "1e999", "nan", "9" * 30, "base=a.ini\n",
         "[sweep]\n", "seeds=0 1", " ", "cached=1\n", "../", "\x1b")


def changed(text, pick):
    for _ in range(pick.randint(1, 2)):
        at, end = pick.randrange(len(text) + 1), pick.randrange(len(text) + 1)
        kind = pick.randrange(4)
        if kind == 0:
            text = text[:at] + pick.choice(WORDS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + pick.randint(1, 12):]
        elif kind == 2:
            text = text[:at] + text[min(at, end):max(at, end)] + text[at:]
        else:
            text = text[:at] + chr(pick.choice((pick.randrange(128), pick.randrange(0xd800)))) + text[at + 1:]
    return text


class ChangedExperiments(Case):
    def test_each_is_read_or_refused_with_one_line(self):
        pick, program, read, refused = random.Random(1), Program("./darknet"), 0, 0
        for number in range(CHANGES):
            text = changed(pick.choice((EXPERIMENT, SWEEP)), pick)
            content = text.encode()
            if number % 10 == 0:
                at = pick.randrange(len(content) + 1)
                content = content[:at] + bytes([pick.randrange(256)]) + content[at:]
            with self.subTest(content=content):
                self.write("a.ini", content)
                try:
                    sweep = read_sweep("a.ini", (), program)
                    for experiment in sweep.experiments if sweep else [Experiment("a.ini", (), program)]:
                        self.assertGreater(len(experiment.seeds), 0)
                        self.write("b.ini", experiment.as_text("test"))
                        again = Experiment("b.ini", (), program)
                        self.assertEqual(again.as_dictionary(), experiment.as_dictionary())
                    read += 1
                except Failure as failure:
                    self.assertRegex(str(failure), r"\A[^\n]+\Z")
                    refused += 1
        self.assertGreater(min(read, refused), CHANGES // 20)


if __name__ == "__main__":
    unittest.main()

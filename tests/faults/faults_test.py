#!/usr/bin/env python3
"""Every system call failed once: one line and exit 1, or nothing lost; the same command again ends as if undisturbed.

FAULTS=0 /usr/bin/python3 tests/faults/faults_test.py -v

FAULTS: how many calls of each kind fail, spread evenly; 0: all. MEMORY_FAULTS: of the allocations. Without FAULTS
one of each kind, for a training and targets.
"""

import errno
import os
import shutil
import signal
import struct
import unittest

from tiny_runs import FaultsLibrary, leftovers_in, results_of
from run_support import read, say

SHORT = "FAULTS" not in os.environ
FAULTS = int(os.environ.get("FAULTS") or 1)
MEMORY_FAULTS = int(os.environ.get("MEMORY_FAULTS") or FAULTS)  # there are some ten thousand
ERRORS = {"open": errno.EMFILE, "write": errno.ENOSPC, "fsync": errno.EIO, "rename": errno.EIO, "mmap": errno.ENOMEM,
          "thread": errno.EAGAIN, "memory": errno.ENOMEM}
# oneDNN (2.6.3) does not look whether it got memory for the code that it generates.
CRASHES = {"mmap": -signal.SIGSEGV}
OLD = b"an older file\n"


def spread(count, limit):
    """Numbers from 1 to count, `limit` at most."""
    if not limit or count <= limit:
        return range(1, count + 1)
    return sorted({1 + int((i + 0.5) * count / limit) for i in range(limit)})


class FaultsTest(FaultsLibrary):
    def run_faulty(self, words, kind, number):
        """(exit code, stderr, calls counted)"""
        code, err = self.run_words(words, env=self.faulty(kind, number, ERRORS[kind]))
        return code, err, struct.unpack("=q", self.read("count"))[0]

    def restore(self, folder):
        """`folder` as it was before the walk."""
        shutil.rmtree(self.path(folder), ignore_errors=True)
        shutil.copytree(self.path("before"), self.path(folder))

    def contents(self, folder):
        return {name: read(self.path(folder, name)) for name in os.listdir(self.path(folder))
                if os.path.isfile(self.path(folder, name))}

    def problem_of(self, words, folder, kind, number, whole):
        """What is wrong with a run in which that call fails; None where nothing is."""
        self.restore(folder)
        before = self.contents(folder)
        code, err, _ = self.run_faulty(words, kind, number)
        lines = err.splitlines()
        if code not in (0, 1, CRASHES.get(kind)) or (code == 1 and len(lines) != 1):
            return f"exit {code}: {err[-600:]}"
        for name, content in self.contents(folder).items():
            if name in before and len(content) < len(before[name]) and not name.endswith((".csv", ".log")):
                return f"{name} is shorter than before"
        if not before.keys() <= self.contents(folder).keys():
            return "a file is gone"
        # The driver asks again for an answer whose program failed (.new).
        left = [name for name in leftovers_in(self.path(folder)) if not name.endswith(".new")]
        if left and code >= 0:
            return f"left behind: {left}"
        if code == 0 and self.results(folder) != whole:
            return f"exit 0, but other results; {err[-300:]}"
        again, err = self.run_words(words)
        if again != 0:
            return f"the same command again: exit {again}: {err[-600:]}; before it: {lines}"
        return None if self.results(folder) == whole else f"the same command again: other results; before it: {lines}"

    def results(self, folder):
        return results_of(self.path(folder)) or self.contents(folder)

    def walk(self, words, folder):
        """Fails calls of every kind; `folder` is where the command writes."""
        os.makedirs(self.path(folder), exist_ok=True)
        shutil.copytree(self.path(folder), self.path("before"))
        self.run_whole(words)
        whole, problems = self.results(folder), []
        for kind in ERRORS:
            self.restore(folder)
            code, err, count = self.run_faulty(words, kind, 0)
            self.assertEqual((code, err, self.results(folder) == whole), (0, "", True), kind)
            numbers = spread(count, MEMORY_FAULTS if kind == "memory" else FAULTS)
            found = [(number, self.problem_of(words, folder, kind, number, whole)) for number in numbers]
            found = [f"{kind} {number}: {problem}" for number, problem in found if problem]
            say("%s: %d calls of %s, %d failed one by one, %d problems" % (
                " ".join(words[:3]), count, kind, len(numbers), len(found)))
            problems += found
        self.assertEqual(problems, [], "\n" + "\n".join(problems))

    def test_training(self):
        """One that goes on from its first epoch."""
        words = ("classifier", "train", "tiny.data", "patriarch.cfg", "-resume", "-threads", 1, "-seed", 5)
        code, err, _ = self.run_faulty(words, "rename", 5)
        self.assertEqual(code, 1, err)
        self.walk(words, "backup")

    def test_targets(self):
        self.run_whole(("classifier", "train", "tiny.data", "tiny.cfg", "-threads", 1))
        os.rename(self.path("backup", "tiny_final.weights"), self.path("teacher.weights"))
        self.write("out/a.targets", OLD)
        self.walk(("classifier", "targets", "tiny.data", "student.cfg", "-out", "out/a.targets", "-threads", 1), "out")

    @unittest.skipIf(SHORT, "`make faults` runs it")
    def test_evaluation(self):
        self.run_whole(("classifier", "train", "tiny.data", "tiny.cfg", "-threads", 1))
        self.write("out/a.json", OLD)
        self.walk(("classifier", "valid", "tiny.data", "tiny.cfg", "backup/tiny_final.weights", "-json", "out/a.json",
                   "-threads", 1), "out")

    @unittest.skipIf(SHORT, "takes minutes: `make faults` runs it")
    def test_chain(self):
        self.walk(("chain", "run", "a.ini", "--out", "run"), "run")


if __name__ == "__main__":
    unittest.main()

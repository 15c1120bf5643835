#!/usr/bin/env python3
"""Machines in odd conditions: the results are the same, or the run ends with one line and resumes.

/usr/bin/python3 tests/faults/conditions_test.py -v
"""

import os
import shutil
import subprocess
import unittest

from tiny_runs import FaultsLibrary, results_of, tiny_network
from run_support import SOFTMAX, distill, iteration_of, png, read

CHAIN = ("chain", "run", "a.ini", "--out", "run")


def training(*more, cfg="patriarch.cfg", threads=1):
    return ("classifier", "train", "tiny.data", cfg, "-resume", "-seed", 5, "-threads", threads, *more)


class ConditionsTest(FaultsLibrary):
    chain = None

    def whole(self, words, folder, **options):
        """The results of an undisturbed run, which are removed."""
        self.run_whole(words, **options)
        found = results_of(self.path(folder))
        shutil.rmtree(self.path(folder))
        return found

    def whole_chain(self):
        """Made once for all tests."""
        cls = type(self)
        cls.chain = cls.chain or self.whole(CHAIN, "run")
        return cls.chain

    def assert_one_line_of(self, words, *parts):
        code, err = self.run_words(words)
        self.assertEqual((code, len(err.splitlines())), (1, 1), err)
        for part in parts:
            self.assertIn(part, err)

    def assert_the_same(self, words, folder, whole, **options):
        self.run_whole(words, **options)
        self.assertEqual(results_of(self.path(folder)), whole)

    def test_clock_is_set_back(self):
        """By an hour with every look at it."""
        whole = self.whole_chain()
        self.assert_the_same(CHAIN, "run", whole, env=self.faulty("clock", 1))
        # And again: what is done is done, whatever the time of its files.
        self.assert_the_same(CHAIN, "run", whole)

    def test_one_core_and_many_threads(self):
        whole = self.whole(training(threads=2), "backup")
        self.assert_the_same(training(threads=2), "backup", whole, preexec_fn=lambda: os.sched_setaffinity(
            0, [min(os.sched_getaffinity(0))]))
        shutil.rmtree(self.path("backup"))
        many = self.whole(training(threads=64), "backup")
        self.assert_the_same(training(threads=64), "backup", many)

    def test_comma_as_decimal_point(self):
        made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", self.path("de_DE.UTF-8")], check=False,
                              capture_output=True)
        if not os.path.isdir(self.path("de_DE.UTF-8")):
            raise unittest.SkipTest(f"not tested: no locale de_DE ({made.stderr.decode().strip()[-100:]})")
        german = {**self.environment, "LOCPATH": self.folder, "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
        self.assert_the_same(training(), "backup", self.whole(training(), "backup"), env=german)

    def test_read_only_file_system(self):
        self.run_whole(training())
        weights = self.path("backup", "patriarch_final.weights")
        with self.mounted("read", "ro"):
            self.write("ro.data", read(self.path("tiny.data")).replace(b"backup=backup", b"backup=read"))
            self.assert_one_line_of(("classifier", "train", "ro.data", "tiny.cfg"), "read", "Read-only file system")
            self.assert_one_line_of(("classifier", "valid", "tiny.data", "patriarch.cfg", weights, "-json",
                                     "read/a.json"), "read/a.json", "Read-only file system")
            self.assert_one_line_of(("chain", "run", "a.ini", "--out", "read"), "read", "Read-only file system")

    def test_full_file_system(self):
        whole = self.whole_chain()
        with self.mounted("run", "size=1m"):
            # Room for the first generation.
            self.write("run/filler", bytes((1 << 20) - (96 << 10)))
            self.assert_one_line_of(CHAIN, "No space left on device")
            os.unlink(self.path("run", "filler"))
            self.assert_the_same(CHAIN, "run", whole)

    def cut_while_it_is_read(self, path, *parts, words):
        """The file loses its end in the second of many epochs; the run says so, and resumes with the whole file."""
        content, whole = self.read(path), self.whole(words, "backup")
        with self.start_words(words) as process:
            for line in process.stdout:
                if (iteration_of(line) or 0) >= 15:
                    break
            os.truncate(self.path(path), len(content) // 2)
            _, err = process.communicate()
        self.assertEqual((process.returncode, len(err.splitlines())), (1, 1), err)
        for part in parts:
            self.assertIn(part, err)
        self.write(path, content)
        self.assert_the_same(words, "backup", whole)

    def test_cached_targets_are_cut_while_they_are_read(self):
        self.run_whole(training(cfg="tiny.cfg"))
        os.rename(self.path("backup", "tiny_final.weights"), self.path("teacher.weights"))
        shutil.rmtree(self.path("backup"))
        self.write("student.cfg", tiny_network(distill("tiny.cfg", "teacher.weights"), epochs=40))
        self.run_whole(("classifier", "targets", "tiny.data", "student.cfg", "-out", "a.targets", "-seed", 5))
        self.write("cached.cfg", tiny_network(distill(targets="a.targets"), epochs=40))
        self.cut_while_it_is_read("a.targets", "a.targets: the row of position", words=training(cfg="cached.cfg"))

    def test_an_image_is_cut_while_it_is_read(self):
        pixels = [bytes(8 * y + x for x in range(8)) for y in range(8)]
        for number in range(160):
            self.write("images/%d.png" % number, png(pixels, 1))
        lines = "".join("images/%d.png %d\n" % (number, number % 4) for number in range(160))
        self.write("list.txt", lines)
        self.write("tiny.data", "classes=4\ntrain=list.txt\nbackup=backup\n")
        self.write("list.cfg", tiny_network(SOFTMAX, epochs=40))
        self.cut_while_it_is_read("images/7.png", "images/7.png", "PNG", words=training(cfg="list.cfg"))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""A run is decided by its seed: not by the clock, the number of threads or what ran before.

/usr/bin/python3 tests/train/seed_test.py -v
"""

import hashlib
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (HOST, RunTest, SOFTMAX, TSD, csv_without_seconds, distill, fashion_data, fashion_network,
                         write_fashion)


def losses(text):
    """Iteration -> loss of the log."""
    found = {}
    for line in text.splitlines():
        head, _, rest = line.partition(",")
        if head.isdigit() and " rate, " in line:
            found[int(head)] = float(rest.split(":", 1)[1].split(",", 1)[0])
    return found


class SeedTest(RunTest):
    def setUp(self):
        super().setUp()
        write_fashion(self.folder, 960, 300)
        for backup in ("one", "two", "teacher"):
            self.write(backup + ".data", fashion_data(backup=backup))
        self.write("net.cfg", fashion_network(TSD, epochs=2))

    def run_into(self, backup, **options):
        return self.train("net.cfg", data=backup + ".data", **options).stdout

    def weights_of(self, backup):
        content = self.read(backup, "net_final.weights")[20:]
        return struct.unpack("<%df" % (len(content) // 4), content)

    def test_same_seed_same_bytes(self):
        first, second = (self.run_into(backup, seed=7) for backup in ("one", "two"))
        self.assert_same_results(self.path("one", "net"), self.path("two", "net"))
        self.assertEqual(losses(first), losses(second))
        self.assertEqual(sorted(losses(first)), list(range(1, 61)))

    def test_another_seed_differs(self):
        self.run_into("one", seed=7)
        self.run_into("two", seed=8)
        self.assertNotEqual(self.read("one", "net_final.weights"), self.read("two", "net_final.weights"))
        self.assertNotEqual(csv_without_seconds(self.path("one", "net.csv")),
                            csv_without_seconds(self.path("two", "net.csv")))

    def test_threads_do_not_change_the_result(self):
        """Sums are cut by the shapes alone, and added in one order, whoever computed them."""
        first, second = (losses(self.run_into(backup, threads=threads)) for backup, threads in (("one", 1), ("two", 2)))
        self.assertEqual(sorted(first), list(range(1, 61)))
        self.assertEqual(first, second)
        distance = max(abs(a - b) for a, b in zip(self.weights_of("one"), self.weights_of("two"), strict=True))
        self.assertEqual(distance, 0, "-threads 1 and 2 on the host %s" % HOST)
        self.assert_same_results(self.path("one", "net"), self.path("two", "net"))

    def test_two_threads_repeat_themselves(self):
        for backup in ("one", "two"):
            self.run_into(backup, threads=2)
        self.assert_same_results(self.path("one", "net"), self.path("two", "net"))

    def test_subdivisions_split_a_batch(self):
        """Without batch norm and dropout an update from two halves is the update from the whole, but for rounding."""
        plain = fashion_network(SOFTMAX, epochs=1, batch=32).replace("batch_normalize=1", "batch_normalize=0")
        plain = plain.replace("[dropout]\nprobability=0.2\n", "")
        self.write("net.cfg", plain)
        whole = losses(self.run_into("one"))
        self.write("net.cfg", plain.replace("subdivisions=1", "subdivisions=2"))
        halves = losses(self.run_into("two"))
        self.assertEqual(sorted(halves), list(range(1, 31)))
        for iteration in range(1, 31):
            self.assertAlmostEqual(whole[iteration], halves[iteration], delta=2e-4)
        # With batch norm the statistics are those of a half: a valid run, and another one.
        self.write("net.cfg", fashion_network(TSD, epochs=1, subdivisions=2))
        self.assertEqual(sorted(losses(self.run_into("two"))), list(range(1, 31)))

    def test_teacher_is_frozen(self):
        self.write("teacher.cfg", fashion_network(TSD, epochs=1))
        self.train("teacher.cfg", data="teacher.data")
        before = hashlib.sha256(self.read("teacher", "teacher_final.weights")).hexdigest()
        cost = distill("teacher.cfg", "teacher/teacher_final.weights", **{"lambda": 1})
        self.write("net.cfg", fashion_network(cost, epochs=2))
        self.run_into("one")
        after = hashlib.sha256(self.read("teacher", "teacher_final.weights")).hexdigest()
        self.assertEqual(before, after)
        # And nothing of it moves while it teaches: a longer run begins with the same losses as a shorter one.
        self.write("net.cfg", fashion_network(cost, epochs=None, max_batches=40, policy="constant"))
        shorter = losses(self.run_into("one"))
        self.write("net.cfg", fashion_network(cost, epochs=None, max_batches=50, policy="constant"))
        longer = losses(self.run_into("two"))
        self.assertEqual(shorter, {i: loss for i, loss in longer.items() if i <= 40})


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Tests of the locks of scripts/generations.py, which need neither flock nor links.

python3 tests/scripts/lock_test.py
"""

import dataclasses
import os
import subprocess
import sys
import threading
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import FolderTest, say

from generations_driver import lock as locks
from generations_driver import slurm
from generations_driver.errors import Failure
from generations_driver.files import write_json
from generations_driver.lock import Holder, Lock, holders


class Locks(FolderTest):
    def setUp(self):
        super().setUp()
        self.lock = self.path("a.lock")

    def put(self, **changes):
        """A lock's file, as this process would write it but for these changes."""
        fields = {**dataclasses.asdict(Holder.here()), **changes}
        del fields["file"]
        write_json(self.lock + ".0123456789abcdef", fields)

    def ended(self):
        """Number and start time of a process that has ended."""
        with subprocess.Popen(["sleep", "60"]) as process:
            found = [process.pid, locks.start_of(process.pid)]
            process.kill()
        return found

    def assert_in_use(self, *words):
        with self.assertRaises(Failure) as caught:
            Lock(self.lock, "the run")
        for word in ("the run: in use by ", *words):
            self.assertIn(word, str(caught.exception))

    def assert_free(self):
        with Lock(self.lock, "the run"):
            self.assertEqual(len(os.listdir(self.folder)), 1, "the stale one is gone")
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_lock_is_held_once_and_names_its_process(self):
        with Lock(self.lock, "the run"):
            self.assert_in_use(f"process {os.getpid()}; wait for it, or stop it")
        self.assert_free()

    def test_other_files_are_no_locks(self):
        for name in ("a.lock", "a.lock.txt", "b.lock.0123", "a.lock.0123"):
            self.write(name, "{}")
        with Lock(self.lock, "the run"):
            self.assertEqual(len(os.listdir(self.folder)), 5)

    def test_a_process_that_has_ended_holds_nothing(self):
        self.put(processes=[self.ended()])
        self.assert_free()

    def test_another_process_with_the_same_number_is_another_one(self):
        self.put(processes=[[os.getpid(), locks.start_of(os.getpid()) - 1]])
        self.assert_free()

    def test_a_child_that_goes_on_holds_it(self):
        self.put(processes=[self.ended(), [os.getppid(), locks.start_of(os.getppid())]])
        self.assert_in_use(f"process {os.getppid()}; ")

    def test_a_host_that_was_started_again_holds_nothing(self):
        self.put(boot="another")
        self.assert_free()

    def test_a_process_on_another_host_counts_as_alive(self):
        self.put(host="node07", boot="another", processes=[[12, 34]])
        self.assert_in_use("process 12 on node07", f"if it is gone, remove {self.lock}.0123456789abcdef")

    def test_a_process_in_another_container_counts_as_alive(self):
        self.put(namespace="another", processes=[self.ended()])
        self.assert_in_use("if it is gone, remove")

    def test_slurm_says_whether_a_job_on_another_host_is_alive(self):
        self.put(host="node07", boot="another", job="34")
        with mock.patch.object(slurm, "is_installed", return_value=False):
            self.assert_in_use("Slurm job 34 on node07")
        with mock.patch.object(slurm, "is_installed", return_value=True):
            for answer, alive in (("RUNNING\n", True), ("COMPLETING\n", True), ("PENDING\n", False), ("", False),
                                  (Failure("squeue: cannot reach the controller"), True),
                                  (Failure("slurm_load_jobs error: Invalid job id specified"), False)):
                slurm.runs.cache_clear()
                effect = {"side_effect": answer} if isinstance(answer, Failure) else {"return_value": answer}
                with self.subTest(answer), mock.patch.object(slurm, "ask", **effect):
                    self.put(host="node07", boot="another", job="34")
                    if alive:
                        self.assert_in_use("Slurm job 34 on node07")
                    else:
                        self.assert_free()
        slurm.runs.cache_clear()

    def test_an_earlier_attempt_of_this_job_holds_nothing(self):
        with mock.patch.dict(os.environ, {"SLURM_JOB_ID": "34", "SLURM_RESTART_COUNT": "2"}):
            self.put(host="node07", boot="another", attempt=1)
            self.assert_free()
            self.put(host="node07", boot="another")
            self.assert_in_use("Slurm job 34 on node07")

    def test_of_many_at_a_time_at_most_one_holds_it(self):
        inside, most, entered = [], [0], [0]
        mutex = threading.Lock()

        def work():
            for _ in range(10):
                try:
                    with Lock(self.lock, "the run"):
                        with mutex:
                            inside.append(1)
                            most[0] = max(most[0], len(inside))
                            entered[0] += 1
                        with mutex:
                            inside.pop()
                except Failure:
                    pass

        with mock.patch.object(locks.random, "uniform", return_value=0.0001):
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        say(f"entered {entered[0]} times of 40")
        self.assertEqual(most[0], 1)
        self.assertGreater(entered[0], 0)
        self.assertEqual(holders(self.lock), [])


if __name__ == "__main__":
    unittest.main()

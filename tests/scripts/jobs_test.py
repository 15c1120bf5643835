#!/usr/bin/env python3
"""Tests of trainings side by side, of failures, of `status` and `stop`; with DNG_DARKNET=FILE against the program, too.

python3 tests/scripts/jobs_test.py
"""

import json
import os
import re
import signal
import subprocess
import sys
import unittest

from generations_support import (
    Case, EXPERIMENT, ONE_SEED, SCRIPT, TINY_NETWORK, on_terminal, weights_record, write_tiny,
)
from run_support import csv_without_seconds, read

from generations_driver.status import State, table

SWEEP = "[experiment]\nbase=a.ini\n[sweep]\nstudent.lambda=0.5 0.6\n"


def files_below(folder, *suffixes):
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names
                  if name.endswith(suffixes))


def times_of(value):
    """The value without what differs between two runs of the same."""
    varying = ("written", "begun", "finished", "wall_seconds", "train_seconds", "provenance", "command")
    if isinstance(value, dict):
        return {key: times_of(entry) for key, entry in value.items() if key not in varying}
    return [times_of(entry) for entry in value] if isinstance(value, list) else value


class SideBySide(Case):
    def test_two_jobs_equal_one(self):
        program = os.environ.get("DNG_DARKNET")
        if not program:
            self.skipTest("DNG_DARKNET does not name a ./darknet to test with")
        program = os.path.abspath(os.path.join(self.before, program))
        write_tiny(".", 160, 40)
        self.write("a.data", self.read("tiny.data"))
        self.write("net.cfg", TINY_NETWORK)
        self.write("a.ini", EXPERIMENT.replace("epochs=3", "epochs=2").replace("generations=2", "generations=1")
                   .replace("seeds=1 2", "seeds=1\nbaseline=0\nensemble=0")
                   .replace("confidence=0.6", "confidence=0.6\nk=3"))
        self.write("s.ini", SWEEP)
        self.run_driver("run", "s.ini", "--set", "experiment.threads=1", "--darknet", program)
        os.rename("runs", "serial")
        done = self.run_driver("run", "s.ini", "--jobs", "2", "--set", "experiment.threads=2", "--darknet", program)
        self.assertEqual(done.stdout.count("reused from"), 1, "the patriarch is trained once")
        weights = files_below("serial", ".weights")
        self.assertEqual(len(weights), 2 * 2 * 3)
        for path in weights:
            self.assertEqual(read(path), read(path.replace("serial", "runs", 1)), path)
        for path in files_below("serial/s/lambda0.5/seed1", ".csv"):
            self.assertEqual(csv_without_seconds(path), csv_without_seconds(path.replace("serial", "runs", 1)))
        for path in files_below("serial", "summary.json"):
            first, second = (times_of(json.loads(read(one))) for one in (path, path.replace("serial", "runs", 1)))
            for summary in (first, second):
                summary["configuration"].pop("threads")
            self.assertEqual(first, second)

    def test_all_steps_of_a_sweep_share_the_jobs(self):
        self.write("s.ini", SWEEP)
        self.run_driver("run", "s.ini", *ONE_SEED)
        os.rename("runs", "serial")
        done = self.run_driver("run", "s.ini", *ONE_SEED, "--jobs", "2")
        for path in files_below("serial", ".weights"):
            self.assertEqual(self.read(path), self.read(path.replace("serial", "runs", 1)))
        self.assertEqual(done.stdout.count("reused from"), 2)
        self.assertIn("runs/s/lambda0.6: run 2 of 2\n", done.stdout)

    def test_each_training_has_a_gpu_for_itself(self):
        self.environment.pop("CUDA_VISIBLE_DEVICES", None)
        self.run_driver("run", "a.ini", "--gpus", "0,3")
        used = {self.read(path) for path in files_below("runs", ".gpu")}
        self.assertLessEqual(used, {"0 0", "3 0"})
        self.run_driver("run", "a.ini", "--gpus", "1", "--out", "runs/b", CUDA_VISIBLE_DEVICES="4,6")
        self.assertEqual({self.read(path) for path in files_below("runs/b", ".gpu")}, {"6 0"})
        done = self.run_driver("run", "a.ini", "--gpus", "0-2", CUDA_VISIBLE_DEVICES="4,6", code=2)
        self.assertIn("--gpus 2: CUDA_VISIBLE_DEVICES=4,6 has 2 GPUs, from 0 on", done.stderr)
        for words in (["x"], ["1,1"], ["0-"], ["3-1"], ["0", "--jobs", "2"]):
            self.run_driver("run", "a.ini", "--gpus", *words, code=2)


class Failures(Case):
    BROKEN = "runs/trial/seed1/patriarch.cfg"

    def test_a_failed_training_ends_its_own_chain(self):
        for jobs in ("1", "2"):
            with self.subTest(jobs):
                out = ("--out", f"runs/jobs{jobs}", "--set", "experiment.ensemble=0")
                done = self.run_driver("run", "a.ini", *out, "--jobs", jobs, code=1,
                                       FAKE_FAIL=self.BROKEN.replace("trial", f"jobs{jobs}"))
                message = "seed 1 patriarch failed with exit code 1: "
                self.assertIn(message, done.stderr)
                self.assertRegex(done.stdout, rf"seed 1 patriarch: failed: {message}.*; not begun: seed 1 student1, "
                                              r"seed 1 student2\n")
                summary = json.loads(self.read(f"runs/jobs{jobs}/summary.json"))
                trained = {(run["seed"], run["generation"]) for run in summary["runs"] if run["done"]}
                self.assertEqual(len(trained), 5)
                self.assertNotIn((1, "student1"), trained)
                report = self.read(f"runs/jobs{jobs}/report.md")
                self.assertRegex(report, rf"Still missing: seed 1 patriarch \(failed: {message}.*\), seed 1 student1")
                status = self.run_driver("status", f"runs/jobs{jobs}").stdout
                self.assertIn("5 of 8 trainings done, 1 failed, 2 not begun\n", status)
                self.assertIn(f"seed 1 patriarch: failed, {message}", status)
                self.run_driver("run", "a.ini", *out)
                self.assertTrue(json.loads(self.read(f"runs/jobs{jobs}/summary.json"))["complete"])
                self.assertEqual(files_below("runs", ".failed"), [])

    def test_of_several_failures_the_first_is_told(self):
        done = self.run_driver("run", "a.ini", code=1, FAKE_FAIL="patriarch")
        self.assertRegex(done.stderr, r"seed 1 patriarch failed .*; and 1 more failed, see above\n$")

    def test_what_shares_a_failed_training_is_not_begun(self):
        self.write("s.ini", SWEEP)
        done = self.run_driver("run", "s.ini", *ONE_SEED, code=1, FAKE_FAIL="runs/s/lambda0.5/seed1/patriarch.cfg")
        behind = [f"{run} seed 1 {name}" for run in ("lambda0.5", "lambda0.6") for name in ("student1", "student2")]
        behind.insert(2, "lambda0.6 seed 1 patriarch")
        self.assertIn(f"; not begun: {', '.join(behind)}\n", done.stdout)
        self.assertRegex(self.read("runs/s/report.md"), r"lacks seed 1 patriarch \(failed: ")
        self.assertTrue(os.path.exists("runs/s/lambda0.6/seed1/baseline_final.weights"))


class Statuses(Case):
    ARGUMENTS = ("run", "a.ini", *ONE_SEED, "--set", "experiment.baseline=0")

    def running(self):
        """A driver that is in its first training."""
        driver = self.start_driver(*self.ARGUMENTS, FAKE_SECONDS="20")
        self.addCleanup(driver.communicate, timeout=60)
        self.addCleanup(driver.send_signal, signal.SIGINT)
        self.wait_for(lambda: os.path.exists("runs/trial/seed1/patriarch.state"))
        return driver

    def on_terminal(self, *words):
        code, found = on_terminal([sys.executable, SCRIPT, *words], self.environment)
        self.assertEqual(code, 0, found)
        return found

    def test_stop_ends_a_run_that_resumes(self):
        driver = self.running()
        self.assertRegex(self.run_driver("status", "runs/trial").stdout,
                         rf"seed 1 patriarch: running, epoch [0-9.]+/3, top-1 [0-9.]+ %, 0:\d\d left, "
                         rf"process {driver.pid}, \d+\n")
        self.assertRegex(self.on_terminal("status", "runs/trial"),
                         r"seed +done +training +epoch +top-1 % +left +state, job\n"
                         r"1 +0/3 +patriarch +[0-9.]+/3 +[0-9.]+ +0:\d\d +running process \d+")
        following = subprocess.Popen([sys.executable, SCRIPT, "status", "runs/trial", "--follow"], text=True,
                                     stdout=subprocess.PIPE, env=self.environment)
        self.addCleanup(following.kill)
        self.assertEqual(following.stdout.readline(), "runs/trial: 0 of 3 trainings done, 1 running, 2 not begun\n")
        done = self.run_driver("stop", "runs/trial")
        self.assertEqual(done.stdout, f"process {driver.pid} gets SIGTERM and saves its training\n")
        driver.wait(30)
        self.assertEqual(driver.returncode, 130)
        output, _ = following.communicate(timeout=30)
        self.assertRegex(output, "seed 1 patriarch: interrupted, epoch [12]/3, .*\n$")
        self.assertEqual(self.run_driver("stop", "runs/trial").stdout, "runs/trial: nothing runs\n")
        self.run_driver(*self.ARGUMENTS)
        self.assertIn("resumed at iteration", self.read("runs/trial/seed1/patriarch.log"))
        self.assertEqual(files_below("runs", ".lock"), [])

    def test_a_run_elsewhere_is_not_stopped(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        holder = {"host": "node07", "boot": "b", "namespace": "n", "job": None, "attempt": 0, "processes": [[12, 34]],
                  "since": "2026-11-28T12:00:00"}
        self.write("runs/trial/seed1/student1.lock.0123456789abcdef", json.dumps(holder))
        for command in (["stop", "runs/trial"], ["run", "a.ini"]):
            self.assertRegex(self.run_driver(*command, code=1).stderr,
                             r"in use by process 12 on node07; .*; if it is gone, remove "
                             r"runs/trial/seed1/student1.lock.0")

    def test_the_table_fits_its_width(self):
        states = [State(f"runs/s/a-very-long-name-of-a-run-in-a-sweep-k{k}-lambda0.5", seed, name, state, 12.34, 164,
                        0.5, 7200.0, "Slurm job 1234567 (DependencyNeverSatisfied)", "an error " * 20)
                  for k in (2, 5) for seed in (1, 2)
                  for name, state in (("patriarch", "done"), ("student10", "running"), ("student11", "failed"))]
        for width in (80, 60, 200):
            lines = table("runs/s", states, width)
            self.assertLessEqual(max(map(len, lines)), width)
            self.assertEqual(len(lines), 2 + 2 * 2 * 2 + len(states))
            self.assertEqual(len([line for line in lines if re.search(r"\b1/3 +student1[01] +12\.34/164", line)]), 8)

    def test_one_step_by_hand(self):
        self.run_driver("run", "a.ini", *ONE_SEED, code=1, FAKE_FAIL="student1")
        done = self.run_driver("step", "runs/trial", "seed1/student2", code=1)
        self.assertIn("seed1/student2 needs seed1/student1, which is not done", done.stderr)
        done = self.run_driver("step", "runs/trial", "seed1/student9", code=2)
        self.assertIn("no step seed1/student9; allowed: seed1/baseline, seed1/patriarch, seed1/student1", done.stderr)
        self.run_driver("step", "runs/trial", "seed1/student1", code=1, FAKE_FAIL="student1")
        for name in ("student1", "student2"):
            self.run_driver("step", "runs/trial", f"seed1/{name}")
            self.assertIn("finished", weights_record("runs/trial/seed1", name))
        os.unlink("calls")
        self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertFalse(os.path.exists("calls"), "nothing is left to do, the ensembles included")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Tests of `scripts/generations.py run --slurm` with a stand-in for Slurm; slurm_check.py has the real one.

python3 tests/scripts/slurm_jobs_test.py
"""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import unittest

from generations_support import Case, SCRIPT

SWEEP = "[experiment]\nbase=a.ini\nseeds=1\ngenerations=1\n[sweep]\nstudent.lambda=0.5 0.6\n"
OPTIONS = "--partition=gpu -c 2"

# sbatch, squeue, scancel and scontrol, by their names; the queue is a file.
FAKE_SLURM = r"""
import json, os, sys
queue = os.environ["FAKE_QUEUE"]
jobs = json.load(open(queue)) if os.path.exists(queue) else []
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
if os.environ.get("FAKE_SLURM_FAIL") == name and len(jobs) >= int(os.environ.get("FAKE_SLURM_JOBS", 0)):
    sys.exit("%s: error: Unable to contact slurm controller" % name)
if name == "sbatch":
    options = dict(word.partition("=")[::2] for word in words)
    jobs.append({"id": str(len(jobs) + 1), "state": "PENDING", "words": words, "options": options})
    print("%d;cluster" % len(jobs))
elif name == "squeue":
    chosen = [word.partition("=")[2] for word in words if word.startswith("--jobs=")]
    for job in jobs:
        if job["state"] in ("PENDING", "RUNNING") and (not chosen or job["id"] in chosen):
            print(job["state"] if chosen else "|".join(
                [job["id"], job["state"], "Dependency", "node07", job["options"]["--job-name"]]))
elif name == "scancel":
    for job in jobs:
        job["state"] = "CANCELLED" if job["id"] in words else job["state"]
else:
    assert (name, words[0]) == ("scontrol", "requeue"), words
    open(queue + ".requeued", "a").write(words[1] + "\n")
json.dump(jobs, open(queue, "w"))
"""


class Jobs(Case):
    def setUp(self):
        super().setUp()
        os.makedirs("bin")
        for name in ("sbatch", "squeue", "scancel", "scontrol"):
            self.write(f"bin/{name}", f"#!{sys.executable} -IS\n" + FAKE_SLURM)
            os.chmod(f"bin/{name}", os.stat(f"bin/{name}").st_mode | stat.S_IXUSR)
        self.environment["PATH"] = os.path.abspath("bin") + os.pathsep + os.environ["PATH"]
        self.environment["FAKE_QUEUE"] = os.path.abspath("queue.json")
        self.write("s.ini", SWEEP)

    def submit(self, *words, **more):
        return self.run_driver("run", "s.ini", "--slurm", OPTIONS, *words, **more)

    def queue(self):
        return json.loads(self.read("queue.json"))

    def run_queue(self, **environment):
        """Runs the jobs that wait, as far as what they depend on allows."""
        jobs = self.queue()
        states = {job["id"]: job for job in jobs}
        for job in jobs:
            if job["state"] != "PENDING":
                continue
            kind, *needed = job["options"].get("--dependency", "").split(":")
            if kind == "afterok" and any(states[one]["state"] != "COMPLETED" for one in needed):
                job["state"] = "CANCELLED"
                continue
            with open(job["options"]["--output"], "ab") as log:
                done = subprocess.run(["bash", "-c", job["options"]["--wrap"]], stdout=log, stderr=log, check=False,
                                      env={**self.environment, "SLURM_JOB_ID": job["id"], **environment})
            job["state"] = "FAILED" if done.returncode else "COMPLETED"
            self.write("queue.json", json.dumps(jobs))
        self.write("queue.json", json.dumps(jobs))

    def states(self):
        """{what: state} of all jobs, the last of each name."""
        return {re.sub("@.*/", "@", job["options"]["--job-name"]): job["state"] for job in self.queue()}

    def test_the_graph_is_submitted_with_its_dependencies(self):
        done = self.submit()
        self.assertIn("7 jobs submitted, 0 were queued already\n", done.stdout)
        self.assertIn("generations.py status runs/s --follow\n", done.stdout)
        first, second = "lambda0.5 seed 1", "lambda0.6 seed 1"
        self.assertEqual([line.partition(":")[0] for line in done.stdout.splitlines()[:-3]],
                         [f"{run} {name}" for run in (first, second) for name in ("baseline", "patriarch", "student1")]
                         + ["report"])
        jobs = self.queue()
        self.assertEqual([job["options"].get("--dependency") for job in jobs],
                         [None, None, "afterok:2", "afterok:1", "afterok:2", "afterok:5", "afterany:3:4:6"])
        for job in jobs:
            self.assertEqual(job["words"][:5], ["--parsable", "--requeue", "--open-mode=append",
                                                "--kill-on-invalid-dep=yes", "--signal=B:USR1@300"])
            self.assertEqual(job["words"][-4:-1], ["--partition=gpu", "-c", "2"], "the user's word is the last")
            self.assertIn("generations.py", job["options"]["--wrap"])
        self.assertIn("0 jobs submitted, 6 were queued already", self.submit().stdout)
        self.assertEqual(len(self.queue()), 7)
        status = self.run_driver("status", "runs/s").stdout
        self.assertIn("runs/s: 0 of 6 trainings done, 6 queued\n", status)
        self.assertIn("runs/s/lambda0.6 seed 1 student1: queued, Slurm job 6 (Dependency)\n", status)

    def test_jobs_equal_the_run_without_slurm(self):
        self.run_driver("run", "s.ini")
        os.rename("runs", "local")
        self.submit()
        self.run_queue()
        self.assertEqual(set(self.states().values()), {"COMPLETED"})
        for run in ("lambda0.5", "lambda0.6"):
            for name in ("baseline", "patriarch", "student1"):
                path = f"s/{run}/seed1/{name}_final.weights"
                self.assertEqual(self.read(f"runs/{path}"), self.read(f"local/{path}"))
        tables = [name for name in os.listdir("local/s/tables") if name.endswith(".csv") and name != "provenance.csv"]
        self.assertGreater(len(tables), 5)
        for name in tables:
            self.assertEqual(self.read(f"runs/s/tables/{name}"), self.read(f"local/s/tables/{name}"))
        done = self.submit()
        self.assertIn("all trainings are done\n", done.stdout)
        self.assertEqual(len(self.queue()), 7)

    def test_a_failed_job_ends_its_chain_and_is_submitted_again(self):
        self.submit()
        self.run_queue(FAKE_FAIL="runs/s/lambda0.5/seed1/student1.cfg")
        states = self.states()
        self.assertEqual(states.pop("seed1/student1@lambda0.5"), "FAILED")
        self.assertEqual(set(states.values()), {"COMPLETED"})
        self.assertRegex(self.read("runs/s/report.md"), r"lacks seed 1 student1 \(failed: seed 1 student1 failed with")
        self.assertIn("no such key", self.read("runs/s/lambda0.5/seed1/student1.slurm.log"))
        self.assertIn("seed 1 student1: failed, ", self.run_driver("status", "runs/s").stdout)
        self.assertIn("2 jobs submitted, 0 were queued already", self.submit().stdout)
        self.run_queue()
        self.assertNotIn("lacks", self.read("runs/s/report.md"))

    def test_a_failed_teacher_cancels_its_students(self):
        self.submit()
        self.run_queue(FAKE_FAIL="runs/s/lambda0.5/seed1/patriarch.cfg")
        cancelled = [name for name, state in self.states().items() if state == "CANCELLED"]
        self.assertEqual(cancelled,
                         ["seed1/student1@lambda0.5", "seed1/patriarch@lambda0.6", "seed1/student1@lambda0.6"])
        self.assertEqual(self.states()["report@s"], "COMPLETED")

    def test_the_rest_is_submitted_after_an_error(self):
        done = self.submit(code=1, FAKE_SLURM_FAIL="sbatch", FAKE_SLURM_JOBS="3")
        self.assertRegex(done.stderr, "Unable to contact slurm controller; 3 jobs are submitted, the same command "
                                      "submits the rest\n$")
        self.assertIn("4 jobs submitted, 3 were queued already", self.submit().stdout)
        self.assertEqual(self.queue()[5]["options"]["--dependency"], "afterok:5")

    def test_stop_cancels_the_last_ones_first(self):
        self.submit()
        done = self.run_driver("stop", "runs/s")
        self.assertEqual(done.stdout, "7 jobs cancelled: 7, 6, 5, 4, 3, 2, 1\n")
        self.assertEqual(set(self.states().values()), {"CANCELLED"})

    def step(self, number, **environment):
        """A job that gets a signal in its training; its output, and its exit code."""
        words = [sys.executable, SCRIPT, "step", "runs/s/lambda0.5", "seed1/patriarch"]
        with subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**self.environment, "SLURM_JOB_ID": "34", "FAKE_SECONDS": "2"}) as job:
            self.wait_for(lambda: os.path.exists("runs/s/lambda0.5/seed1/patriarch.state"))
            job.send_signal(number)
            return job.communicate(timeout=60)[0], job.returncode

    def test_the_warning_before_the_time_limit_saves_and_requeues(self):
        self.submit()
        output, code = self.step(signal.SIGUSR1)
        self.assertEqual(code, 130, output)
        self.assertEqual(self.read("queue.json.requeued"), "34\n")
        signals = self.read("runs/s/lambda0.5/seed1/patriarch.signals")
        self.assertEqual(signals, f"{int(signal.SIGINT)}\n1 in all\n", "another one than Slurm's SIGTERM")
        self.run_driver("step", "runs/s/lambda0.5", "seed1/patriarch")
        self.assertIn("resumed at iteration", self.read("runs/s/lambda0.5/seed1/patriarch.log"))

    def test_a_cancelled_job_saves_and_is_not_requeued(self):
        self.submit()
        output, code = self.step(signal.SIGTERM)
        self.assertEqual(code, 130, output)
        self.assertFalse(os.path.exists("queue.json.requeued"))
        self.assertFalse(os.path.exists("runs/s/lambda0.5/seed1/patriarch.failed"), "no failure")

    def test_options_are_words(self):
        self.assertIn("--slurm: -p 'gpu is not allowed: No closing quotation",
                      self.run_driver("run", "s.ini", "--slurm", "-p 'gpu", code=2).stderr)

    def test_without_slurm_one_line_says_so(self):
        done = self.submit(code=1, PATH=self.folder)
        self.assertIn("squeue: cannot start: No such file or directory", done.stderr)


if __name__ == "__main__":
    unittest.main()

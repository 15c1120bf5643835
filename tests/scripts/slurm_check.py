#!/usr/bin/env python3
"""A sweep on a Slurm of one node equals the run without Slurm, with a cancelled, a preempted and a timed-out job.

    DNG_DARKNET=./darknet tests/scripts/slurm_check.py [-v]     (make test-slurm)

Takes minutes: Slurm lets a requeued job wait for two of them.
"""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
import unittest

from generations_support import SCRIPT, TINY_NETWORK, on_terminal, write_tiny
from one_node_slurm import OneNodeSlurm, missing
from run_support import DARKNET, FolderTest, read, say, write

from generations_driver.files import read_csv

REQUEUED = 1200  # seconds that a requeued job and those behind it may take, on a busy machine
# SIGUSR1 comes when 20 s are left at the latest.
OPTIONS = "--ntasks=1 --cpus-per-task=1 --time=50 --signal=B:USR1@20"

# In the place of ./darknet: a training that holds/NAME names stands still after its first epoch until a signal comes.
HOLDING = """\
#!{python}
import os, signal, subprocess, sys, time
words = sys.argv[1:]
prefix = os.path.splitext(words[3])[0] if words[:2] == ["classifier", "train"] else ""
hold = "holds/" + prefix.replace("/", "+")
if not prefix or not os.path.exists(hold):
    os.execv("{program}", ["{program}", *words])
os.unlink(hold)
process = subprocess.Popen(["{program}", *words])

def pass_on(number, _):
    process.send_signal(signal.SIGCONT)
    process.send_signal(number)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, pass_on)
while not os.path.exists(prefix + ".state") and process.poll() is None:
    time.sleep(0.001)
process.send_signal(signal.SIGSTOP)
open(hold + ".held", "w").close()
code = process.wait()
sys.exit(code if code >= 0 else 128 - code)
"""

# With what a resumed training must bring back, and long enough to be held.
NETWORK = TINY_NETWORK.replace("epochs=2\npad=0\nmirror=0", "epochs=8\npad=1\nmirror=1").replace(
    "[connected]", "[dropout]\nprobability=0.2\n\n[connected]")

EXPERIMENT = """\
[experiment]
data=tiny.data
network=tiny.cfg
generations=2
seeds=1 2
baseline=0
threads=1

[patriarch]
cost=tsd
confidence=0.6
k=3

[student]
cost=distill

[sweep]
student.lambda=0.5 0.6
"""

FIRST, SECOND = "runs/sweep/lambda0.5", "runs/sweep/lambda0.6"
TIMED_OUT, PREEMPTED, CANCELLED = f"{FIRST}/seed1/patriarch", f"{FIRST}/seed2/student1", f"{SECOND}/seed1/student1"
# What differs between two runs of the same: times and machines, and processes.
VARYING = ("written", "begun", "finished", "wall_seconds", "train_seconds", "provenance", "command")


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if key not in VARYING}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def curve(path):
    return {epoch: {**row, "seconds": None} for epoch, row in read_csv(path).items()}


def summary(path):
    return without_times(json.loads(read(path)))


def reader_of(folder, name):
    """How the results in a file are read, without times; None where it has no results."""
    if name.endswith((".weights", ".cfg", ".data")):
        return read
    if name == "summary.json" or os.path.basename(folder) == "evaluations":
        return summary
    if name.endswith(".csv"):
        in_tables = os.path.basename(folder) == "tables"
        return None if name in ("provenance.csv", "runs.csv") else read if in_tables else curve
    return None


class Slurm(FolderTest):
    def setUp(self):
        reason = missing()
        if reason:
            self.skipTest(reason)
        super().setUp()
        os.chmod(self.folder, 0o755)  # munged is another user
        self.local, self.cluster = self.path("local"), self.path("cluster")
        for folder in (self.local, self.cluster):
            os.makedirs(folder)
            write_tiny(folder, 1600, 80)
            write(f"{folder}/tiny.cfg", NETWORK)
            write(f"{folder}/sweep.ini", EXPERIMENT)
        write(f"{self.cluster}/darknet", HOLDING.format(python=sys.executable, program=DARKNET))
        os.chmod(f"{self.cluster}/darknet", os.stat(f"{self.cluster}/darknet").st_mode | stat.S_IXUSR)
        os.makedirs(f"{self.cluster}/holds")
        self.begun = time.monotonic()

    def note(self, text):
        say(f"{time.monotonic() - self.begun:5.0f} s  {text}")

    def start(self, folder, *words, environment=None):
        command = [sys.executable, SCRIPT, "run", "sweep.ini", "--no-figures", "--no-estimate", *words]
        return subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def output_of(self, process):
        output, _ = process.communicate(timeout=REQUEUED)
        self.assertEqual(process.returncode, 0, output)
        return output

    def on_terminal(self, *words):
        """What the driver prints on a terminal of 80 columns."""
        code, found = on_terminal([sys.executable, SCRIPT, *words], self.slurm.environment, self.cluster, lines=40)
        self.assertEqual(code, 0)
        lines = found.splitlines()
        self.assertLessEqual(max(map(len, lines)), 80)
        return lines

    def show_status(self):
        say("\n".join(["$ generations.py status runs/sweep", *self.on_terminal("status", "runs/sweep")]))

    def number_of(self, prefix):
        folder, seed, name = prefix.rsplit("/", 2)
        names = {name: number for number, _, name in self.slurm.queue()}
        return names[f"{seed}/{name}@{os.path.realpath(os.path.join(self.cluster, folder))}"]

    def hold(self, *prefixes):
        for prefix in prefixes:
            write(f"{self.cluster}/holds/{prefix.replace('/', '+')}", "")

    def held(self, prefix):
        self.slurm.wait_for(lambda: os.path.exists(f"{self.cluster}/holds/{prefix.replace('/', '+')}.held"),
                            f"{prefix} is held", REQUEUED)
        return self.number_of(prefix)

    def submit(self):
        return self.output_of(self.start(self.cluster, "--darknet", "./darknet", "--slurm", OPTIONS,
                                         environment=self.slurm.environment))

    def test_sweep_equals_the_run_without_slurm(self):
        local = self.start(self.local, "--darknet", DARKNET)
        self.addCleanup(local.kill)
        with OneNodeSlurm(self.path("slurm")) as self.slurm:
            self.note(f"{self.slurm.ask('sinfo', '--version').strip()} is up")
            self.hold(TIMED_OUT, PREEMPTED, CANCELLED)
            self.interrupted_sweep()
            self.note("the same command again")
            output = self.submit()
            say(textwrap.indent(output, "  "))
            self.assertEqual(len(re.findall(": job ", output)), 3, "a student, the student behind it, the report")
            self.slurm.wait_for(lambda: not self.slurm.queue(), "all jobs have ended", REQUEUED)
            self.show_status()
            output = self.submit()
            self.assertIn("all trainings are done", output)
            self.assertEqual(self.slurm.queue(), [])
        self.output_of(local)
        self.compare()
        self.note("equal")

    def interrupted_sweep(self):
        output = self.submit()
        say(textwrap.indent(output, "  "))
        self.assertIn("13 jobs submitted, 0 were queued already", output)
        again = self.submit()
        self.assertIn("0 jobs submitted", again)
        timed_out = self.held(TIMED_OUT)
        limit = int(self.slurm.job(timed_out)["RunTime"].split(":")[1]) + 1
        self.slurm.ask("scontrol", "update", f"jobid={timed_out}", f"timelimit={limit}")
        self.note(f"{TIMED_OUT} stands still as job {timed_out}, which has less than a minute left")
        preempted = self.held(PREEMPTED)
        self.note(f"{PREEMPTED} stands still as job {preempted}")
        self.show_status()
        self.slurm.wait_for(lambda: self.slurm.job(timed_out).get("Restarts") == "1", "it is requeued", 120)
        self.note(f"job {timed_out} is requeued before its limit")
        self.slurm.ask("sbatch", "--partition=high", "--cpus-per-task=2", "--time=1", "--output=/dev/null",
                       "--wrap=sleep 1")
        self.slurm.wait_for(lambda: self.slurm.job(preempted).get("Restarts") == "1", "it is preempted", 120)
        self.note(f"job {preempted}, {PREEMPTED}, is preempted and requeued")
        self.show_status()
        cancelled = self.held(CANCELLED)
        self.slurm.ask("scancel", cancelled)
        self.note(f"job {cancelled}, {CANCELLED}, is cancelled")
        self.slurm.wait_for(lambda: not self.slurm.queue(), "all jobs have ended", REQUEUED)
        self.note("all jobs have ended")
        self.show_status()
        for prefix in (TIMED_OUT, PREEMPTED, CANCELLED):
            self.assertIn("generations.py: stopped; the same command resumes\n",
                          read(f"{self.cluster}/{prefix}.slurm.log").decode(), "saved after a signal")
        for prefix in (TIMED_OUT, PREEMPTED):
            self.assertIn("resumed at iteration", read(f"{self.cluster}/{prefix}.log").decode())
        report = read(f"{self.cluster}/runs/sweep/report.md").decode()
        self.assertRegex(report, r"\*\*Not complete:\*\* .* lacks .*seed 1 student1, seed 1 student2")

    def compare(self):
        """All results but times: every weights file, cfg, curve, evaluation, table and summary."""
        equal, different = 0, []
        for folder, _, names in os.walk(f"{self.local}/runs"):
            other = folder.replace(self.local, self.cluster, 1)
            for name in names:
                reader = reader_of(folder, name)
                if reader:
                    same = reader(os.path.join(folder, name)) == reader(os.path.join(other, name))
                    equal += same
                    different += [] if same else [os.path.join(other, name)]
        self.assertEqual(different, [])
        self.assertGreater(equal, 100)
        say(f"{equal} files are equal: weights, cfgs, curves, evaluations, tables, summaries")


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # Slurm's daemons are ended on the way out
    unittest.main()

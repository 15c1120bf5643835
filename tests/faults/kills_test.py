#!/usr/bin/env python3
"""Killed at random moments, a training and a chain of generations end as if undisturbed.

KILLS=1000 /usr/bin/python3 tests/faults/kills_test.py -v

KILLS: how many; a quarter of them hit chains. KILLS_SEED: of their moments.
"""

import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from tiny_runs import TinyRuns, leftovers_in, results_of
from run_support import RUN_SECONDS, say

KILLS = int(os.environ.get("KILLS") or 8)
SEED = int(os.environ.get("KILLS_SEED") or 1)
MAX_ATTEMPTS = 400  # of one run
KINDS = ("KILL", "TERM", "INT twice", "HUP", "closed pipe")
BETWEEN_INTERRUPTS = 0.02  # seconds


def processes_below(pid):
    """The process and all that it has started."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def send(number, pids):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


class KillsTest(TinyRuns):
    def setUp(self):
        super().setUp()
        self.pick = random.Random(f"{SEED} {self.id()}")
        self.kills = collections.Counter()

    def attempt(self, words, seconds):
        """Starts the command and disturbs it after a random time; whether it ended by itself with success."""
        kind, scope = self.pick.choice(KINDS), self.pick.choice(("process", "group", "child"))
        delay = self.pick.uniform(0, seconds)
        with self.start_words(words) as process:
            if kind == "closed pipe":
                time.sleep(delay)
                process.stdout.close()
                process.stdout = None
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(delay)
            pids = processes_below(process.pid)
            number = {"closed pipe": 0, "INT twice": signal.SIGINT}.get(kind) or getattr(signal, "SIG" + kind, 0)
            if number and process.poll() is None:
                targets = {"process": pids[:1], "group": pids, "child": pids[1:] or pids}[scope]
                send(number, targets)
                if kind == "INT twice":
                    time.sleep(BETWEEN_INTERRUPTS)
                    send(number, targets)
            _, err = process.communicate(timeout=RUN_SECONDS)
        code = process.returncode
        if code != 0 and "in use by" not in err and "another training writes" not in err:
            self.kills[f"{kind}, {scope}" if words[0] == "chain" and number else kind] += 1
        if "generations_driver" in err:  # not while Python itself starts
            self.assertLessEqual(len(err.splitlines()), 1, err)
        # Children that outlive their driver hold its lock until they end.
        for _ in range(600):
            if not any(os.path.exists(f"/proc/{pid}") for pid in pids[1:]):
                break
            time.sleep(0.05)
        return code == 0

    def run_killed(self, words, folder, seconds):
        """Repeats the command until it is done; `seconds`: it is disturbed before."""
        shutil.rmtree(self.path(folder), ignore_errors=True)
        for _ in range(MAX_ATTEMPTS):
            if self.attempt(words(), seconds):
                return
        self.fail(f"not done after {MAX_ATTEMPTS} attempts")

    def killed_as_whole(self, words, folder, kills, share):
        """Whole runs, each killed a few times, until there were so many kills. `share`: of an undisturbed run's time,
        which no attempt lasts longer."""
        began = time.monotonic()
        self.run_whole(words())
        seconds = time.monotonic() - began
        whole, runs = results_of(self.path(folder)), 0
        self.assertIn("weights", " ".join(whole))
        while self.kills.total() < kills:
            self.run_killed(words, folder, share * seconds)
            self.assertEqual(results_of(self.path(folder)), whole, dict(self.kills))
            self.assertEqual(leftovers_in(self.path(folder)), [])
            runs += 1
            if runs % 20 == 0:
                say("%d runs, %d kills" % (runs, self.kills.total()))
        say("%s: %d runs, %d kills: %s" % (" ".join(words()[:2]), runs, self.kills.total(), ", ".join(
            f"{name} {count}" for name, count in sorted(self.kills.items()))))

    def test_training(self):
        """A student's, whose teacher runs beside it."""
        self.run_whole(("classifier", "train", "tiny.data", "tiny.cfg", "-threads", 1))
        os.rename(self.path("backup", "tiny_final.weights"), self.path("teacher.weights"))
        shutil.rmtree(self.path("backup"))

        def words():
            return ("classifier", "train", "tiny.data", "student.cfg", "-resume", "-threads", 1, "-seed", 5,
                    "-state_seconds", self.pick.choice((0, 0.01, 30)))

        self.killed_as_whole(words, "backup", KILLS - KILLS // 4, 1.2)

    def test_chain(self):
        self.killed_as_whole(lambda: ("chain", "run", "a.ini", "--out", "run"), "run", KILLS // 4, 0.5)


if __name__ == "__main__":
    unittest.main()

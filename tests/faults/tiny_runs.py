"""A tiny training and a tiny experiment, and what of their results must be the same after faults and kills."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from run_support import (DARKNET, RUN_SECONDS, SCRIPTS, SOFTMAX, TSD, RunTest, csv_without_seconds, distill,
                         fashion_data, read, section, write_quarters)

# Of a summary: when, how long, by which command.
TIMES = ("written", "command", "begun", "finished", "train_seconds", "wall_seconds")
EXPERIMENT = """[experiment]
data=tiny.data
network=tiny.cfg
generations=1
seeds=1
baseline=0
threads=1
[network]
epochs=3
[patriarch]
cost=tsd
confidence=0.6
k=3
[student]
lambda=0.5
cached=1
"""


def tiny_network(cost, epochs=3):
    """With all that a resumed run must bring back: batch norm, dropout, momentum, augmentation."""
    return (section("net", batch=16, subdivisions=1, height=8, width=8, channels=1, learning_rate=0.05, momentum=0.9,
                    decay=0.0001, policy="cosine", epochs=epochs, pad=1, mirror=0)
            + section("convolutional", batch_normalize=1, filters=8, size=3, stride=2, pad=1, activation="relu")
            + section("dropout", probability=0.2) + section("connected", output=4, activation="linear") + cost)


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if key not in TIMES}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def results_of(folder):
    """{name: what must be the same} of a backup folder or an experiment's."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            key = os.path.relpath(path, folder)
            if name.endswith(".weights"):
                found[key] = read(path)
            elif name == "summary.json":
                found[key] = without_times(json.loads(read(path)))
            elif name.startswith("report."):
                text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:]+", "TIME", read(path).decode())
                found[key] = re.sub(r"\b\d+:\d\d(:\d\d)?\b", "CLOCK", text)
            elif name.endswith(".csv") and os.path.exists(path[:-4] + ".cfg"):
                found[key] = csv_without_seconds(path)
    return found


def leftovers_in(folder):
    return [name for _, _, names in os.walk(folder) for name in names if name != ".lock" and (
        ".tmp" in name or name.endswith((".new", ".lock")) or name.startswith(".write_probe"))]


class TinyRuns(RunTest):
    """tiny.data, with tiny.cfg, student.cfg and a.ini beside it."""

    def setUp(self):
        super().setUp()
        if os.access("/dev/shm", os.W_OK):  # without a disk, syncing is quick
            self.folder = tempfile.mkdtemp(prefix="dng-faults-", dir="/dev/shm")
            self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        write_quarters(self.folder)
        self.write("tiny.data", fashion_data().replace("classes=10", "classes=4").replace("top=5", "top=2"))
        self.write("tiny.cfg", tiny_network(SOFTMAX))
        self.write("patriarch.cfg", tiny_network(TSD.replace("k=5", "k=3")))
        self.write("student.cfg", tiny_network(distill("tiny.cfg", "teacher.weights")))
        self.write("a.ini", EXPERIMENT)

    # Without git a run's origin does not depend on what happens in the checkout meanwhile.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONDONTWRITEBYTECODE": "1", "GIT_DIR": os.devnull}

    def start_words(self, words, **options):
        """Starts the program, or the driver where the first word is `chain`."""
        if words[0] == "chain":
            words = [sys.executable, os.path.join(SCRIPTS, "generations.py"), *words[1:], "--darknet", DARKNET,
                     "--no-figures", "--no-estimate"]
        else:
            words = [DARKNET, *words]
        return subprocess.Popen(list(map(str, words)), cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                **{"env": self.environment, **options})

    def run_words(self, words, **options):
        """(exit code, stderr)"""
        with self.start_words(words, **options) as process:
            _, err = process.communicate(timeout=RUN_SECONDS)
        return process.returncode, err

    def run_whole(self, words, **options):
        code, err = self.run_words(words, **options)
        self.assertEqual((code, err), (0, ""), words)


class FaultsLibrary(TinyRuns):
    def setUp(self):
        super().setUp()
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.path("faults.so"), source, "-ldl"], check=True)

    def faulty(self, kind, number, error=0):
        """An environment in which calls of this kind fail; `count` has how many there were."""
        self.write("count", bytes(8))
        return {**self.environment, "LD_PRELOAD": self.path("faults.so"), "FAULT_KIND": kind,
                "FAULT_NUMBER": str(number), "FAULT_ERRNO": str(error), "FAULT_FOLDER": self.folder,
                "FAULT_COUNT": self.path("count")}

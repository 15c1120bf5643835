"""What the program is compared with, in the same run: the chain of bare oneDNN primitives, and PyTorch."""

import os
import re
import subprocess

from .processes import json_line

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTORCH_STEP = os.path.join(ROOT, "bench", "pytorch_step.py")
PEERS = re.compile(r"(?:^|-)(resnet20|resnet56|resnet110|densenet100|resnet18)$")
FORMATS = ("contiguous", "channels_last")


class Chain:
    """images/s of the primitives of a network's training and inference; distilling is one after the other."""

    def __init__(self, path, seconds):
        self.path, self.seconds = path, seconds

    def exists(self):
        return os.access(self.path, os.X_OK)

    def measure(self, workload, mode, threads):
        return json_line([os.path.abspath(self.path), workload.cfg, "-batch", str(workload.batch), "-threads",
                          str(threads), "-seconds", str(self.seconds), "-mode", mode])


def in_turn(*rates):
    """images/s where every image goes through one after the other."""
    return 1 / sum(1 / rate for rate in rates)


class PyTorch:
    """The better of two memory formats; one that is far behind in the first round is not tried again."""

    FAR_BEHIND = 0.75

    def __init__(self, python, seconds):
        self.python, self.seconds, self.formats = python, seconds, {}

    def exists(self):
        try:
            done = subprocess.run([self.python, "-c", "import torch"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False)
        except OSError:
            return False
        return done.returncode == 0

    @staticmethod
    def knows(workload):
        return PEERS.search(workload.name) is not None

    def measure(self, workload, mode, threads):
        key = workload.name, mode, threads
        results = [self.step(workload, mode, threads, name) for name in self.formats.get(key, FORMATS)]
        best = max(results, key=lambda result: result["images_per_second"])
        least = self.FAR_BEHIND * best["images_per_second"]
        self.formats[key] = [result["format"] for result in results if result["images_per_second"] >= least]
        return best

    def step(self, workload, mode, threads, memory_format):
        network = PEERS.search(workload.name).group(1)
        return json_line([self.python, PYTORCH_STEP, network, mode, "--threads", str(threads), "--batch",
                          str(workload.batch), "--format", memory_format, "--seconds", str(self.seconds)])

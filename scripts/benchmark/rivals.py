"""What the program is compared with, in the same run: the chain of bare oneDNN primitives, and PyTorch."""

import os
import re
import subprocess

from generations_driver.errors import Failure

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
        return self.best(key, [self.step(workload, mode, threads, name) for name in self.formats.get(key, FORMATS)])

    def best(self, key, results):
        best = max(results, key=lambda result: result["images_per_second"])
        least = self.FAR_BEHIND * best["images_per_second"]
        self.formats[key] = [result["format"] for result in results if result["images_per_second"] >= least]
        return best

    def step(self, workload, mode, threads, memory_format, more=(), most=None):
        network = PEERS.search(workload.name).group(1)
        return json_line([self.python, PYTORCH_STEP, network, mode, "--threads", str(threads), "--batch",
                          str(workload.batch), "--format", memory_format, "--seconds", str(self.seconds), *more], most)


class GpuPyTorch(PyTorch):
    """The same on a GPU; `kind`: eager or compile. What fails, as a compiler may, is told and not tried again."""

    KINDS = {"eager": (), "compile": ("--compile",)}
    PRECISIONS = {"fp32": (), "tf32": ("--tf32",), "bf16": ("--autocast",)}

    def __init__(self, python, seconds, gpu, most):
        super().__init__(python, seconds)
        self.gpu, self.most, self.failures = gpu, most, {}

    def exists(self):
        """Whether it finds a GPU."""
        done = subprocess.run([self.python, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def words(self, precision, kind):
        return ["--device", f"cuda:{self.gpu}", *self.PRECISIONS[precision], *self.KINDS[kind]]

    def measure_on_gpu(self, workload, mode, threads, precision, kind):
        """The better format's result, or None."""
        key = workload.name, mode, precision, kind
        results = []
        for name in self.formats.get(key, FORMATS):
            if (*key, name) in self.failures:
                continue
            try:
                results.append(self.step(workload, mode, threads, name, self.words(precision, kind), self.most))
            except Failure as failure:
                self.failures[(*key, name)] = str(failure)
        return self.best(key, results) if results else None

"""What the program is compared with in the same run: the primitive baseline, and PyTorch."""

import os
import subprocess

from generations_driver.errors import Failure

from .processes import json_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTORCH_STEP = os.path.join(ROOT, "bench", "pytorch_step.py")
FORMATS = ("contiguous", "channels_last")


class PrimitiveBaseline:
    """images/s of a network's bare oneDNN primitives. Distilling is training and inference one after the other, so it
    is computed from these two (`in_sequence`)."""

    kinds = ("baseline",)
    MODES = {"train": "train", "valid": "infer"}

    def __init__(self, path, seconds):
        self.path, self.seconds = os.path.abspath(path), seconds

    def exists(self):
        return os.access(self.path, os.X_OK)

    def knows(self, _workload, work, _kind):
        return work in self.MODES

    def measure(self, workload, work, threads, _kind):
        return json_of([self.path, workload.cfg, "-batch", str(workload.batch), "-threads", str(threads), "-seconds",
                        str(self.seconds), "-mode", self.MODES[work]])


def in_sequence(*rates):
    """images/s where every image goes through one after the other."""
    return 1 / sum(1 / rate for rate in rates)


class PyTorch:
    """kinds: eager, frozen (traced and frozen, evaluation only), compile. Each in the better of two memory formats; one
    that is far behind in the first repetition, or fails as a compiler may, is not measured again."""

    MODES = {"train": "train", "distill": "distill", "valid": "infer"}
    PRECISIONS = {None: (), "fp32": (), "tf32": ("--tf32",), "bf16": ("--autocast",)}
    FAR_BEHIND = 0.75

    def __init__(self, python, darknet, seconds, kinds, gpu=None, max_seconds=None):
        self.python, self.darknet, self.seconds = python, darknet, seconds
        self.kinds, self.gpu, self.max_seconds = kinds, gpu, max_seconds
        self.formats, self.failures, self.version = {}, {}, None

    def exists(self):
        """Whether it can be imported and, where a GPU is measured, finds one."""
        check = "import torch" if self.gpu is None else "import sys, torch; sys.exit(not torch.cuda.is_available())"
        try:
            done = subprocess.run([self.python, "-c", check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  check=False)
        except OSError:
            return False
        return done.returncode == 0

    def knows(self, _workload, work, kind):
        return kind != "frozen" or work == "valid"

    def options(self, precision, kind):
        device = [] if self.gpu is None else ["--device", f"cuda:{self.gpu}"]
        return [*device, *self.PRECISIONS[precision], *(["--compile"] if kind == "compile" else [])]

    def measure(self, workload, work, threads, kind):
        """The better format's result, or None."""
        key = workload.name, work, workload.precision or f"{threads} threads", kind
        results = []
        for memory_format in self.formats.get(key, FORMATS):
            if (*key, memory_format) in self.failures:
                continue
            try:
                results.append(self.step(workload, work, threads, kind, memory_format))
            except Failure as failure:
                self.failures[(*key, memory_format)] = str(failure)
        if not results:
            return None
        best = max(results, key=lambda result: result["images_per_second"])
        limit = self.FAR_BEHIND * best["images_per_second"]
        self.formats[key] = [result["format"] for result in results if result["images_per_second"] >= limit]
        self.version = best["pytorch"]
        return best

    def step(self, workload, work, threads, kind, memory_format):
        mode = "infer_jit" if kind == "frozen" else self.MODES[work]
        return json_of([self.python, PYTORCH_STEP, workload.cfg, mode, "--threads", str(threads), "--batch",
                        str(workload.batch), "--format", memory_format, "--seconds", str(self.seconds), "--darknet",
                        self.darknet, *self.options(workload.precision, kind)], self.max_seconds)

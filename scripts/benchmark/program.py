"""Measures ./darknet: training steps, evaluations, profiles."""

import json
import os
import re
import signal
import statistics
import subprocess
import time

from generations_driver.errors import Failure

from .processes import Child

ITERATION = re.compile(r"^\d+, [\d.]+: \S+, \S+ avg, \S+ rate, (\S+) seconds, ")
WARM_UP_STEPS, MIN_STEPS = 5, 10
# On a GPU the first steps include CUDA graph capture, and the clock of an idle GPU is low.
GPU_WARM_UP_SECONDS = 2
# Images of an evaluation on a GPU: repeated up to here, because real sets are evaluated too fast to be timed.
MAX_EVALUATED = 400_000
# A run that was stopped after enough steps is not gone on with.
NO_STATES = ["-state_seconds", "1e9", "-restart"]
# About how much faster evaluation is than training; decides how many images are evaluated.
EVALUATION_FACTOR = 3


class Program:
    """gpu: the number of the GPU; None for the CPU."""

    def __init__(self, path, seconds, gpu=None):
        self.path, self.seconds, self.gpu = os.path.abspath(path), seconds, gpu
        self.device = ["-nogpu"] if gpu is None else ["-gpus", str(gpu)]
        self.warm_up_seconds = 0 if gpu is None else GPU_WARM_UP_SECONDS
        if not os.access(self.path, os.X_OK):
            raise Failure(f"{path}: no such program; run `make` first, or name it with --darknet")
        self.evaluations = {}

    def versions(self):
        """{what: version} as `--version` says, without paths."""
        answer = subprocess.run([self.path, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
        words = [re.split(r"\s+", line, maxsplit=1) for line in answer.splitlines()]
        return {name: value.split(",")[0] for name, value in words}

    def measure(self, workload, work, threads, results):
        """One kind of work; `results` has those of the same repetition before it."""
        if work == "valid":
            return self.valid(workload, threads, results["train"]["program"]["images_per_second"])
        cfg = workload.cfg if work == "train" else workload.student
        return self.train(workload.data, cfg, workload.batch, threads)

    def train(self, data, cfg, batch, threads, flags=()):
        """{"images_per_second", "steps", "peak_bytes"}: the median over the steps after the first ones."""
        words = ["classifier", "train", data, cfg, "-seed", "1", "-threads", str(threads), *self.device, *NO_STATES,
                 *flags]
        with Child([self.path, *words]) as child:
            steps = self.steps(child.process.stdout)
            child.send(signal.SIGTERM)
            child.finish()
            if len(steps) < MIN_STEPS:
                raise Failure(f"{cfg}: {child.message()}")
            return {"images_per_second": batch / statistics.median(steps), "steps": len(steps),
                    "peak_bytes": child.peak_bytes}

    def steps(self, lines):
        """Seconds of each step after the warm-up, from the log while it is written."""
        seconds, first, end = [], None, None
        for line in lines:
            found = ITERATION.match(line)
            if not found:
                continue
            now = time.monotonic()
            first = first or now
            seconds.append(float(found.group(1)))
            if end is None and len(seconds) >= WARM_UP_STEPS and now - first >= self.warm_up_seconds:
                seconds, end = [], now + self.seconds
            elif end is not None and len(seconds) >= MIN_STEPS and now > end:
                break
        return seconds if end is not None else []

    def valid(self, workload, threads, training_rate):
        """Images per second between the end of a short evaluation and that of a long one: both start alike."""
        few, many = self.evaluation_sizes(workload, threads, training_rate)
        spent = [self.valid_seconds(workload, images, threads) for images in (few, many)]
        if spent[1] <= spent[0]:
            raise Failure(f"{workload.path}: evaluating {many} images took no longer than {few}; raise --seconds")
        return {"images_per_second": (many - few) / (spent[1] - spent[0]), "images": many - few}

    def evaluation_sizes(self, workload, threads, training_rate):
        """The same in every repetition."""
        key = workload.name, threads
        if key not in self.evaluations:
            batch, available = workload.batch, workload.valid_images()
            if self.gpu is not None:
                available = max(available, MAX_EVALUATED)
            wanted = EVALUATION_FACTOR * training_rate * self.seconds
            batches = min(max(4, round(wanted / batch)), available // batch - 1)
            if batches < 1:
                raise Failure(f"{workload.source}: valid= has {available} images, two batches of {batch} are needed")
            self.evaluations[key] = batch, batch * (batches + 1)
        return self.evaluations[key]

    def valid_seconds(self, workload, images, threads):
        data = workload.few_images(images)
        start = time.monotonic()
        words = ["classifier", "valid", data, workload.cfg, workload.weights, "-threads", str(threads), *self.device]
        with Child([self.path, *words]) as child:
            if child.finish() != 0:
                raise Failure(f"{workload.cfg}: {child.message()}")
        return time.monotonic() - start

    def profile(self, data, cfg, batch, threads, folder):
        """What `-profile` writes."""
        path = os.path.join(folder, "profile.json")
        self.train(data, cfg, batch, threads, ["-profile", path])
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise Failure(f"{path}: {error}; -profile should have written it") from error

"""./darknet under the clock: training steps, evaluations, profiles."""

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
WARM_UP, LEAST = 5, 10  # steps
# On a GPU a step is recorded before it is played, and the clock of an idle GPU is low.
GPU_WARM_UP_SECONDS = 2
# So many images at most does an evaluation on a GPU take: it is over too soon otherwise, and more do not fit anywhere.
MOST_EVALUATED = 400_000
NO_STATES = ["-state_seconds", "1e9"]
# Evaluation is about that much faster than training: for the first guess of how many images take the time wanted.
EVALUATION_FACTOR = 3


class Program:
    """gpu: the number of the GPU that it computes on; None for the CPU, also where there is a GPU."""

    def __init__(self, path, seconds, gpu=None):
        self.path, self.seconds, self.gpu = os.path.abspath(path), seconds, gpu
        self.device = ["-nogpu"] if gpu is None else ["-gpus", str(gpu)]
        self.warm_up_seconds = 0 if gpu is None else GPU_WARM_UP_SECONDS
        if not os.access(self.path, os.X_OK):
            raise Failure(f"{path}: no such program; run `make` first, or name it with --darknet")
        self.evaluations = {}

    def has_profile(self):
        """Whether this build knows `-profile FILE`."""
        answer = subprocess.run([self.path, "classifier", "train", "-profile", "FILE"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, check=False)
        return "unknown option" not in answer.stderr

    def train(self, data, cfg, batch, threads, flags=()):
        """{"images_per_second", "steps", "peak_bytes"}: the median over the steps after the first ones."""
        words = ["classifier", "train", data, cfg, "-seed", "1", "-threads", str(threads), *self.device, *NO_STATES,
                 *flags]
        with Child([self.path, *words]) as child:
            steps = self.steps(child.process.stdout)
            child.send(signal.SIGTERM)
            child.finish()
            if len(steps) < LEAST:
                raise Failure(f"{cfg}: {child.message()}")
            return {"images_per_second": batch / statistics.median(steps), "steps": len(steps),
                    "peak_bytes": child.peak_bytes}

    def steps(self, lines):
        """Seconds of each step after those that warm up, from the log while it is written."""
        seconds, first, end = [], None, None
        for line in lines:
            found = ITERATION.match(line)
            if not found:
                continue
            now = time.monotonic()
            first = first or now
            seconds.append(float(found.group(1)))
            if end is None and len(seconds) >= WARM_UP and now - first >= self.warm_up_seconds:
                seconds, end = [], now + self.seconds
            elif end is not None and len(seconds) >= LEAST and now > end:
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
        """The same in every round."""
        key = workload.name, threads
        if key not in self.evaluations:
            batch, available = workload.batch, workload.valid_images()
            if self.gpu is not None:
                available = max(available, MOST_EVALUATED)
            wanted = EVALUATION_FACTOR * training_rate * self.seconds
            batches = min(max(4, round(wanted / batch)), available // batch - 1)
            if batches < 1:
                raise Failure(f"{workload.source}: valid= has {available} images, needed are two batches of {batch}")
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
            raise Failure(f"{path}: {error}; the program was to write a profile there") from error

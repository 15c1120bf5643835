"""What runs will take, from finished trainings or a few measured steps of each network."""

import contextlib
import dataclasses
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from .cfg_files import read_sections, values
from .errors import Failure, warn
from .files import whole_or_none, write_text
from .network import epochs_of
from .progress import EPOCH, ITERATION, Display, finish_of
from .tables import counted
from .training_key import training_key

SECONDS = 3  # of steps that are measured
LEAST_STEPS = 3
WARM_UP = 2  # steps that are slower than the others: kernels are compiled, memory is touched for the first time
FORWARD = 1 / 3  # share of a step that a forward pass is: the backward pass has two products for each of its own
EVALUATIONS = 5  # of a generation on the validation images: last, best, inspect, and about two ensembles
PROCESSES = 2 + EVALUATIONS  # and the training, and inspect on the training images
LINE = 110  # bytes of the log for each batch
SETS = re.compile(r"^(training|validation) set: .*\b(\d+) images")  # the last number: of a part, not of the whole set
BATCHES = re.compile(r"^(\d+) batches of (\d+) images")


@dataclasses.dataclass
class Measured:
    """What the first steps of a training show. `valid_every`: epochs from one validation to the next."""

    valid_every: int = 1
    steps: list = dataclasses.field(default_factory=list)  # seconds of each
    images: dict = dataclasses.field(default_factory=lambda: {"training": 0, "validation": 0})
    batches: int = 0
    batch: int = 1
    start: float = 0.0  # seconds from the start of the program to the first step
    validation: float | None = None  # seconds, where the first epoch was short enough to wait for its end
    bytes: int = 0  # of the weights and the state

    @property
    def step(self):
        return statistics.median(self.steps[WARM_UP:] or self.steps or [0.0])

    @property
    def epoch_steps(self):
        return max(1, -(-self.images["training"] // self.batch))

    @property
    def forward(self):
        """Seconds for an image."""
        if self.validation is not None and self.images["validation"]:
            return self.validation / self.images["validation"]
        return FORWARD * self.step / self.batch

    @property
    def seconds(self):
        """Of a whole training with its validations and the evaluations behind it."""
        validations = math.ceil(self.batches / self.epoch_steps / self.valid_every) + EVALUATIONS
        evaluated = validations * self.images["validation"] + self.images["training"]
        return self.batches * self.step + evaluated * self.forward + PROCESSES * self.start

    def enough(self):
        """Whether the steps suffice and no short epoch is about to end."""
        count = len(self.steps) - WARM_UP
        if count < LEAST_STEPS or sum(self.steps[WARM_UP:]) < SECONDS and self.step < SECONDS / LEAST_STEPS:
            return False
        left = (self.epoch_steps * self.valid_every - len(self.steps)) * self.step
        left += self.images["validation"] * self.forward
        return left > SECONDS or self.validation is not None

    def read(self, lines):
        """The output of a training until it is enough."""
        begun = time.monotonic()
        for line in lines:
            iteration, batches, images = ITERATION.match(line), BATCHES.match(line), SETS.match(line)
            if iteration:
                self.steps.append(float(iteration[6]))
                arrived = time.monotonic()
                self.start = self.start or max(0.0, arrived - begun - self.steps[0])
            elif batches:
                self.batches, self.batch = int(batches[1]), int(batches[2])
            elif images:
                self.images[images[1]] = int(images[2])
            elif EPOCH.match(line) and self.validation is None:
                self.validation = time.monotonic() - arrived
            if self.enough():
                return


def measure(program, generation, folder, threads, data, student=False):
    """Trains the generation's own network for some steps in a folder of its own; `data`: the .data file's text."""
    name = "student" if student else "patriarch"
    cfg, weights = os.path.join(folder, f"{name}.cfg"), os.path.join(folder, "patriarch_last.weights")
    text = generation.contents[generation.targets_cfg if student and generation.cached else generation.cfg]
    if student:
        text = text.replace(generation.teacher.final, weights)
    write_text(cfg, text.replace(generation.network, os.path.join(folder, "network.cfg")))
    write_text(os.path.join(folder, "network.data"), data)
    keys = values(read_sections("network.data", data, "data")[0])
    found, errors = Measured(whole_or_none(keys.get("valid_every")) or 1), os.path.join(folder, "errors")
    command = [program.path, "classifier", "train", os.path.join(folder, "network.data"), cfg, "-threads", str(threads),
               "-dont_show"]
    with open(errors, "w", encoding="utf-8") as stderr, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace"
    ) as process:
        try:
            found.read(process.stdout)
            process.send_signal(signal.SIGTERM)  # it saves weights and state, which the student needs
            process.communicate()
        finally:
            process.kill()
    if process.returncode not in (0, 128 + signal.SIGTERM):
        with open(errors, encoding="utf-8", errors="replace") as file:
            last = (file.read().strip().splitlines() or ["no line on stderr"])[-1]
        raise Failure(f"{generation.title}: its first steps failed: {last.removeprefix('darknet: ')}")
    found.bytes = sum(copies * size_of(os.path.join(folder, name + suffix))
                      for suffix, copies in (("_last.weights", 3), (".state", 1))) + LINE * found.batches
    return found


def size_of(path):
    with contextlib.suppress(FileNotFoundError):
        return os.path.getsize(path)
    return 0


class Estimate:
    """Of the folders of a run or a sweep, which are prepared. `workers`: a Workers."""

    def __init__(self, program, folders, workers, reuse):
        self.program, self.folders, self.workers = program, folders, workers
        self.measured = {}  # (network, kind) -> Measured
        self.identities, self.known = {}, set()
        for folder in folders:
            for generation in folder.generations:
                self.identities[generation.cfg] = training_key(generation)
                if folder.experiment.reuse and reuse.known_as(generation):
                    self.known.add(self.identities[generation.cfg])

    def key(self, folder, generation):
        return (folder.network.body, folder.experiment.data, bool(generation.index))

    def to_do(self):
        """{index of a folder: its generations that have to be trained}, each training once."""
        seen, found = set(), {}
        for place, folder in enumerate(self.folders):
            found[place] = []
            for generation in folder.generations:
                identity = self.identities[generation.cfg]
                reused = folder.experiment.reuse and identity in self.known | seen
                seen.add(identity)
                if not reused and not generation.is_done():
                    found[place].append(generation)
        return found

    def finished(self):
        """{key: [seconds of a training]} of the trainings that are done here."""
        found = {}
        for folder in self.folders:
            for generation in folder.generations:
                record = generation.record() if generation.is_done() else None
                if record and not record.get("taken_from") and record.get("wall_seconds") is not None:
                    found.setdefault(self.key(folder, generation), []).append(record["wall_seconds"])
        return found

    def measure(self):
        """The networks of which no training is done."""
        finished = self.finished()
        for place, generations in self.to_do().items():
            folder = self.folders[place]
            keys = {self.key(folder, generation) for generation in generations}
            if keys - set(finished) - set(self.measured):
                self.measure_network(folder, generations, self.workers.threads)

    def measure_network(self, folder, generations, threads):
        with tempfile.TemporaryDirectory(prefix="darknet-estimate.") as temporary:
            write_text(os.path.join(temporary, "network.cfg"), folder.network.text([], "softmax", {}))
            plain = next(generation for generation in folder.generations if not generation.index)
            data = plain.contents[plain.data].replace(f"backup={plain.folder}\n", f"backup={temporary}\n")
            self.measured[self.key(folder, plain)] = measure(self.program, plain, temporary, threads, data)
            student = next((generation for generation in generations if generation.index), None)
            if student:
                key = self.key(folder, student)
                self.measured[key] = measure(self.program, student, temporary, threads, data, student=True)

    def seconds_of(self, folder, generation, finished):
        """Of what is left of a training."""
        key, epochs = self.key(folder, generation), epochs_of(folder.network.net)
        whole = statistics.fmean(finished[key]) if key in finished else self.measured[key].seconds
        begun = len(generation.curve()) / epochs if epochs else 0
        return whole * max(0.0, 1 - begun)

    def chains(self):
        """{folder: [seconds of each chain]}."""
        finished, found = self.finished(), {}
        for place, generations in self.to_do().items():
            folder = self.folders[place]
            found[folder] = [sum(self.seconds_of(folder, one, finished) for one in chain if one in generations)
                             for chain in folder.chains]
        return found

    def seconds(self):
        return finish_of([seconds for chains in self.chains().values() for seconds in chains], self.workers.jobs)

    def bytes(self):
        """Of disk, for what is still to be trained."""
        found = 0
        for place, generations in self.to_do().items():
            folder = self.folders[place]
            for generation in generations:
                measured = self.measured.get(self.key(folder, generation))
                found += measured.bytes if measured else self.finished_bytes(self.key(folder, generation))
            if any(generation.cached for generation in generations) and self.measured:
                one = next(iter(self.measured.values()))  # of one teacher at a time, removed afterwards
                found += self.workers.jobs * 4 * one.batches * one.batch * folder.classes
        return found

    def finished_bytes(self, key):
        """Of a finished training of this network."""
        done = next(one for folder in self.folders for one in folder.generations
                    if one.is_done() and self.key(folder, one) == key)
        kinds = ("_last.weights", "_best.weights", "_final.weights", ".state", ".log")
        return sum(size_of(done.path(suffix)) for suffix in kinds)

    def announce(self, out):
        """Measures, and prints one line; nothing where all is trained."""
        to_do = [generation for generations in self.to_do().values() for generation in generations]
        if not to_do:
            return
        display = Display()
        display.update("measuring some steps of each network")
        try:
            self.measure()
        finally:
            display.clear()
        needed, free = self.bytes(), shutil.disk_usage(existing(out)).free
        print(f"about {duration(self.seconds())} on this machine, {self.extent(len(to_do))}; "
              f"about {size(needed)} of disk, {size(free)} free", flush=True)
        if needed > free:
            warn(f"{out}: the disk has {size(free)} left, about {size(needed)} are needed")

    def extent(self, to_do):
        """'164 epochs x 5 generations and the baseline x 3 seeds'."""
        folder = self.folders[0]
        epochs = epochs_of(folder.network.net)
        length = f"{epochs} epochs" if epochs else f"{folder.network.net['max_batches']} batches"
        whole = sum(len(one.generations) for one in self.folders)
        if len(self.folders) > 1:
            lengths = {epochs_of(one.network.net) for one in self.folders}
            of = f" of {length}" if len(lengths) == 1 else ""
            return f"{len(self.folders)} runs, {to_do} trainings{of}"
        count, seeds = folder.experiment.generations + 1, len(folder.experiment.seeds)
        baseline = " and the baseline" if len(folder.chains) > seeds else ""
        text = f"{length} x {counted(count, 'generation')}{baseline} x {counted(seeds, 'seed')}"
        return text if to_do == whole else f"{text}, of which {to_do} of {whole} trainings are left"


def existing(path):
    """The path, or the first folder above it that exists."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def duration(seconds):
    for unit, length, from_on in (("days", 86400, 5), ("h", 3600, 2), ("min", 60, 2)):
        if seconds >= from_on * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(1, round(seconds))} s"


def size(count):
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= 0.95 * length:
            return f"{count / length:.3g} {unit}"
    return f"{max(1, round(count / 1e3))} kB"

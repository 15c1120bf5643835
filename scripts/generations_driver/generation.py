"""One training: the baseline, the patriarch or a student of one seed; its files and its record."""

import dataclasses
import itertools
import os

from . import slurm
from .errors import Failure
from .evaluation import Evaluation
from .experiment import SEEDS_APART, options_of
from .files import now, read_csv, read_json, read_text, sha256_file, sha256_text, write_json, write_text
from .measures import EXAMPLES, INSPECTIONS
from .place import PROGRAM_NAME
from .training_key import training_key

TRACES = (".targets", ".state", "_last.weights", "_best.weights", "_final.weights", ".csv")


@dataclasses.dataclass
class Generation:
    folder: str
    seed: int
    name: str
    index: int | None  # 0 patriarch, 1.. students; None: the baseline
    data: str
    network: str  # cfg that evaluates the weights
    teacher: "Generation | None" = None
    cached: bool = False

    def __post_init__(self):
        self.title = f"seed {self.seed} {self.name}"
        self.cfg, self.log, self.json, self.targets, self.targets_cfg, self.best, self.final, self.failed = map(
            self.path, (".cfg", ".log", ".json", ".targets", "-targets.cfg", "_best.weights", "_final.weights",
                        ".failed"))
        seed = ["-seed", str(self.training_seed)]
        self.train_arguments = ["classifier", "train", self.data, self.cfg, *seed]
        self.targets_arguments = ["classifier", "targets", self.data, self.targets_cfg, "-out", self.targets, *seed]
        self.contents = {}  # path -> text of the files that the folder must have

    @property
    def step(self):
        """What `step` calls it."""
        return f"{os.path.basename(self.folder)}/{self.name}"

    @property
    def training_seed(self):
        return self.seed * SEEDS_APART + (self.index or 0)

    def path(self, suffix):
        return os.path.join(self.folder, self.name + suffix)

    def prepare(self, experiment, network, keys):
        """Works out the contents of its files; `keys` are those of the .data file."""
        if self.index is None:
            what, values = "baseline, the network as it is", {"cost": "softmax"}
        elif self.index == 0:
            what, values = "patriarch", experiment.patriarch
        else:
            teacher = "the patriarch" if self.index == 1 else f"student {self.index - 1}"
            what, values = f"student {self.index}, taught by {teacher}", experiment.student
        cost, options = values["cost"], options_of(values)
        steps = [self.targets_arguments, self.train_arguments] if self.cached else [self.train_arguments]
        by_hand = [" ".join([PROGRAM_NAME, *arguments]) for arguments in steps]
        if self.teacher:
            live = {**options, "teacher": self.network, "teacher_weights": self.teacher.final}
            if self.cached:
                title = f"Seed {self.seed}, the teacher's outputs for student {self.index}. By hand:"
                self.contents[self.targets_cfg] = network.text([title, by_hand[0]], cost, live)
            options = {**options, "targets": self.targets} if self.cached else live
        self.contents[self.cfg] = network.text([f"Seed {self.seed}, {what}. By hand:", *by_hand], cost, options)
        self.contents[self.data] = "".join(f"{key}={value}\n" for key, value in {**keys, "backup": self.folder}.items())

    def load(self):
        """The contents of its files as the run has written them, for a step of its own."""
        for path in (self.cfg, self.data, *([self.targets_cfg] if self.cached else [])):
            self.contents[path] = read_text(path, "file of the run")

    def write(self):
        os.makedirs(self.folder, exist_ok=True)
        for path, text in self.contents.items():
            if not os.path.exists(path) or read_text(path, "file of the run") != text:
                write_text(path, text)

    def record(self):
        """What it began with; None where it has not begun."""
        advice = "remove it together with the generation's other files to train it again"
        return read_json(self.json, advice) if os.path.exists(self.json) else None

    def write_record(self, record):
        write_json(self.json, record)

    def key(self):
        """Equal for generations of which one training is enough."""
        return training_key(self)

    def failure(self):
        """Why its last attempt failed; None where it did not."""
        return read_json(self.failed, "remove it").get("error") if os.path.exists(self.failed) else None

    def write_failure(self, error):
        write_json(self.failed, {"error": error, "time": now(), "job": slurm.job()})

    def forget_failure(self):
        if os.path.exists(self.failed):
            os.unlink(self.failed)

    def identity(self):
        """What a record must match; the cfg's first lines have the seed."""
        return {"training_seed": self.training_seed, "cfg_sha256": sha256_text(self.contents[self.cfg]),
                "data_sha256": sha256_text(self.contents[self.data])}

    def traces(self):
        return [self.path(suffix) for suffix in TRACES if os.path.exists(self.path(suffix))]

    def is_done(self):
        """Finished, with the cfg that the folder has now."""
        exist = os.path.exists(self.final) and os.path.exists(self.cfg)
        return exist and (self.record() or {}).get("cfg_sha256") == sha256_file(self.cfg)

    def check(self):
        """Refuses to resume with other settings."""
        traces, record = self.traces(), self.record()
        if not traces:
            return
        advice = f"choose another --out, or remove {self.path('[._-]*')} (all of this generation's files)"
        if record is None:
            raise Failure(f"{traces[0]}: a training was begun here, but its record {self.json} is missing; {advice}")
        for path, text in self.contents.items():
            found = read_text(path, "file of the run") if os.path.exists(path) else text
            if found != text:
                place, old, new = first_difference(found, text)
                change = f"{self.title} was begun with '{old}', but the experiment now says '{new}'"
                raise Failure(f"{path}:{place}: {change}; {advice}")
        for key, value in self.identity().items():
            if record.get(key) != value:
                raise Failure(f"{self.json}: {self.title} was begun with another {key}; {advice}")
        self.check_teacher(record)

    def check_teacher(self, record):
        if self.teacher is None or not os.path.exists(self.teacher.final):
            return
        if record.get("teacher_sha256") != sha256_file(self.teacher.final):
            advice = f"remove {self.path('[._-]*')} to train it again with this teacher, or choose another --out"
            raise Failure(f"{self.teacher.final}: not the weights that {self.title} was begun with; {advice}")

    def evaluation(self, verb, name, weights, **more):
        path = os.path.join(self.folder, "evaluations", f"{name}.json")
        return Evaluation(verb, path, self.network, self.data, weights, **more)

    def look_at(self, kind):
        """The evaluation of its own weights: last, best, or one of INSPECTIONS."""
        name = f"{self.name}-{kind}"
        if kind not in INSPECTIONS:
            return self.evaluation("valid", name, [self.best if kind == "best" else self.final])
        images, teacher, makes = INSPECTIONS[kind], self.teacher, None
        options, also = ["-set", images], {"set": images}
        if teacher:
            options += ["-teacher", teacher.final]
            also["teacher_sha256"] = teacher.final
        if images == "valid":
            makes, also["examples"] = self.examples, str(EXAMPLES)
            options += ["-examples", os.path.dirname(makes), "-count", str(EXAMPLES)]
        return self.evaluation("inspect", name, [self.final], options=options, also=also, makes=makes)

    @property
    def examples(self):
        """Images with the network's top classes."""
        return os.path.join(self.folder, "examples", self.name, "examples.json")

    def curve(self):
        return read_csv(self.path(".csv"))

    def train_seconds(self):
        return round(sum(row.get("seconds") or 0 for row in self.curve().values()), 1)

    def best_epoch(self):
        tops = [(row["valid_top1"], -epoch) for epoch, row in self.curve().items() if row.get("valid_top1") is not None]
        return -max(tops)[1] if tops else None


def first_difference(old, new):
    """The number of the first line that differs, and the line in both."""
    pairs = itertools.zip_longest(old.splitlines(), new.splitlines(), fillvalue="no line")
    different = ((number, a, b) for number, (a, b) in enumerate(pairs, 1) if a != b)
    return next(different, (1, "other line ends", "one newline a line"))

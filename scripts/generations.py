#!/usr/bin/env python3
"""Trains a patriarch and its students, each generation with the one before as its teacher, and reports the accuracies.

    scripts/generations.py run EXPERIMENT.ini [--out DIR] [--set section.key=value]... [--darknet FILE] [--jobs N] [-v]
    scripts/generations.py report DIR     writes the report anew from what is in DIR
    scripts/generations.py status DIR     says what is done, cut off, or still to come

The run's folder holds one complete cfg per generation, so every step can be repeated by hand; the first lines of each
cfg say how. What is done is skipped and what was cut off goes on: the same command may be given again at any time.

Generation g of seed N trains with `-seed N*1000+g`: a student starts from fresh random weights, never from its
teacher's. The baseline has the patriarch's seed, N*1000: both start alike and see the same batches, so that only the
cost differs.
"""

import collections
import csv
import dataclasses
import datetime
import difflib
import fcntl
import hashlib
import json
import math
import os
import queue
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

import plot_generations

STOP_WAIT = 60  # seconds that a child has for saving its state
POLL = 0.2  # seconds between two looks at the logs
SEEDS_APART = 1000  # a seed's generations take the numbers from seed * 1000 on
STOPPED = "stopped; the same command goes on where it was"
TRACES = (".json", ".state", "_last.weights", "_best.weights", "_final.weights", ".csv")


class Failure(Exception):
    """One line for the user: what, where, found, allowed, what to do."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """A signal asked for the end."""


# ---------------------------------------------------------------- the experiment file


@dataclasses.dataclass(frozen=True)
class Option:
    """What one key accepts."""

    kind: str  # text, flag, integer, real, choice, integers
    default: str = ""
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    choices: tuple = ()

    def allowed(self):
        if self.kind == "flag":
            return "0 or 1"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "text":
            return "text"
        noun = {"integer": "a whole number", "real": "a number", "integers": "whole numbers, each different and"}[
            self.kind
        ]
        low = f"{'above' if self.low_open else 'from'} {self.low:g}"
        return f"{noun} {low}" + (f" to {self.high:g}" if math.isfinite(self.high) else " on")

    def read(self, text):
        """The value; raises ValueError where it is not allowed."""
        if self.kind == "text":
            return text
        if self.kind == "flag":
            return {"0": False, "1": True}[text] if text in ("0", "1") else self._refuse()
        if self.kind == "choice":
            return text if text in self.choices else self._refuse()
        if self.kind == "integers":
            numbers = [self._number(piece, int) for piece in text.replace(",", " ").split()]
            return numbers if numbers and len(set(numbers)) == len(numbers) else self._refuse()
        return self._number(text, int if self.kind == "integer" else float)

    def _refuse(self):
        raise ValueError

    def _number(self, text, convert):
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text):
            self._refuse()
        value = convert(text)
        if value < self.low or value > self.high or (self.low_open and value == self.low):
            self._refuse()
        return value


COSTS = {
    "softmax": {},
    "tsd": {
        "eta": Option("real", low=0, high=1),
        "confidence": Option("real", low=0, high=1, low_open=True),
        "k": Option("integer", "5", low=2),
        "primary": Option("choice", "top", choices=("top", "truth")),
        "warmup_epochs": Option("real", "0", low=0),
    },
    "label_smoothing": {"epsilon": Option("real", "0.1", low=0, high=1)},
    "confidence_penalty": {"beta": Option("real", "0.1", low=0)},
}

STUDENT_COSTS = {
    "distill": {
        "lambda": Option("real", "0.6", low=0, high=1),
        "temperature": Option("real", "1", low=0, low_open=True),
    }
}

EXPERIMENT_KEYS = {
    "name": Option("text"),
    "data": Option("text"),
    "network": Option("text"),
    "generations": Option("integer", "2", low=0, high=SEEDS_APART - 1),
    "seeds": Option("integers", "1", low=0, high=2_000_000),  # times 1000 it still fits into 31 bits
    "ensemble": Option("flag", "1"),
    "baseline": Option("flag", "1"),
    "threads": Option("integer", low=1),
    "jobs": Option("integer", "1", low=1),
}

# Names alone; what they accept is checked by ./darknet, which reads the whole cfg anyway.
NET_KEYS = tuple("""
    angle aspect batch burn_in channels decay epoch_steps epochs exposure flip gamma height hue learning_rate
    max_batches max_crop max_ratio mean min_crop min_ratio mirror momentum nesterov pad policy power
    random_resized_crop saturation scale scales std step steps subdivisions valid_resize width""".split())
ALTERNATIVES = {"epochs": "max_batches", "max_batches": "epochs", "epoch_steps": "steps", "steps": "epoch_steps"}


@dataclasses.dataclass
class Setting:
    value: str
    where: str  # "cfg/a.ini:12" or "--set"
    code: int = 1


def nearest(name, names):
    close = difflib.get_close_matches(name, names, 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def read_text(path, what):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"{path}: cannot read the {what}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: the {what} is not a text file") from error


def read_sections(path, text, what):
    """[(section, its line, [(key, value, line)])], in Darknet's syntax, strictly."""
    sections = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if line[-1] != "]" or not line[1:-1].strip():
                raise Failure(f"{path}:{number}: '{line}' is not a section; write [name]")
            sections.append((line[1:-1].strip(), number, []))
            continue
        key, equals, value = (piece.strip() for piece in line.partition("="))
        if not equals or not key:
            raise Failure(
                f"{path}:{number}: '{line}' is neither [section] nor key=value; comments start their line with #"
            )
        if not sections:
            raise Failure(f"{path}:{number}: {key}= stands before the first [section] of the {what}")
        if not value:
            raise Failure(f"{path}:{number}: [{sections[-1][0]}] {key}= has no value; give one or take the line out")
        for other, _, first in sections[-1][2]:
            if other == key:
                raise Failure(
                    f"{path}:{number}: [{sections[-1][0]}] {key}= is given twice, first in line {first}; "
                    "keep one of them"
                )
        sections[-1][2].append((key, value, number))
    return sections


class Experiment:
    """The checked contents of an experiment file with its overrides."""

    SECTIONS = ("experiment", "network", "patriarch", "student")

    def __init__(self, path, overrides=()):
        self.path = path
        self.settings = {name: {} for name in self.SECTIONS}
        first_lines = {}
        for section, line, entries in read_sections(path, read_text(path, "experiment file"), "experiment file"):
            self._know(section, f"{path}:{line}", 1)
            if section in first_lines:
                raise Failure(
                    f"{path}:{line}: [{section}] is there twice, first in line {first_lines[section]}; "
                    "keep one of them"
                )
            first_lines[section] = line
            for key, value, number in entries:
                self.settings[section][key] = Setting(value, f"{path}:{number}")
        self._override(overrides)
        self._check()

    def _know(self, section, where, code):
        if section not in self.SECTIONS:
            raise Failure(
                f"{where}: no section [{section}] in an experiment file; there are "
                + ", ".join(f"[{name}]" for name in self.SECTIONS)
                + nearest(section, self.SECTIONS),
                code,
            )

    def _override(self, overrides):
        seen = {}
        for text in overrides:
            name, equals, value = (piece.strip() for piece in text.partition("="))
            section, dot, key = name.partition(".")
            if not equals or not dot or not key:
                raise Failure(f"--set {text}: not section.key=value", 2)
            self._know(section, f"--set {text}", 2)
            if name in seen:
                raise Failure(f"--set {text}: {name} is set twice, first by --set {seen[name]}; keep one of them", 2)
            seen[name] = text
            if value:
                self.settings[section][key] = Setting(value, f"--set {text}", 2)
            elif self.settings[section].pop(key, None) is None:
                raise Failure(
                    f"--set {text}: an empty value takes a key out, but {self.path} has no {key}= in "
                    f"[{section}]" + nearest(key, self.settings[section]),
                    2,
                )

    def _section(self, section, options):
        """The values of a section, with defaults; unknown keys and values that are not allowed are errors."""
        values = {}
        for key, setting in self.settings[section].items():
            if key not in options:
                raise Failure(
                    f"{setting.where}: [{section}] has no key {key}=; there are {', '.join(options)}"
                    + nearest(key, options),
                    setting.code,
                )
            try:
                values[key] = options[key].read(setting.value)
            except ValueError:
                raise Failure(
                    f"{setting.where}: [{section}] {key}={setting.value} is not allowed: {options[key].allowed()}",
                    setting.code,
                ) from None
        for key, option in options.items():
            if key not in values and option.default:
                values[key] = option.read(option.default)
        return values

    def _cost(self, section, costs, more=None):
        """Name of the section's cost, its options as written (defaults filled in) and the values of `more`."""
        given = self.settings[section].get("cost")
        names = {"cost": Option("choice", next(iter(costs)) if len(costs) == 1 else "", choices=tuple(costs))}
        if given is None and not names["cost"].default:
            raise Failure(f"{self.path}: [{section}] has no cost=; allowed: {', '.join(costs)}")
        cost = given.value if given else names["cost"].default
        if cost not in costs:
            raise Failure(
                f"{given.where}: [{section}] cost={cost} is not allowed: {names['cost'].allowed()}"
                + nearest(cost, costs),
                given.code,
            )
        for key, setting in self.settings[section].items():
            owners = [name for name, options in costs.items() if key in options and name != cost]
            if owners and key not in costs[cost]:
                raise Failure(
                    f"{setting.where}: [{section}] {key}= belongs to cost={owners[0]}, not to cost={cost}; "
                    f"take it out (on the command line: --set {section}.{key}=)",
                    setting.code,
                )
        values = self._section(section, {**names, **costs[cost], **(more or {})})
        texts = {
            key: self.settings[section][key].value if key in self.settings[section] else option.default
            for key, option in costs[cost].items()
            if key in self.settings[section] or option.default
        }
        return cost, texts, {key: values[key] for key in (more or {})}

    def _check(self):
        values = self._section("experiment", EXPERIMENT_KEYS)
        for key in ("data", "network"):
            if key not in values:
                raise Failure(
                    f"{self.path}: [experiment] has no {key}=; it names the "
                    + {"data": ".data file", "network": "cfg of the network"}[key]
                )
        self.name = values.get("name") or os.path.splitext(os.path.basename(self.path))[0]
        if not re.fullmatch(r"[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            where = self.settings["experiment"].get("name", Setting("", self.path)).where
            raise Failure(
                f"{where}: [experiment] name={self.name} is not allowed: it names a folder; "
                "letters, digits, '.', '_' and '-'"
            )
        self.data, self.network = values["data"], values["network"]
        self.generations, self.seeds = values["generations"], values["seeds"]
        self.ensemble, self.baseline = values["ensemble"], values["baseline"]
        self.threads, self.jobs = values.get("threads"), values["jobs"]
        for key, setting in self.settings["network"].items():
            if key not in NET_KEYS:
                raise Failure(
                    f"{setting.where}: [network] has no key {key}=; it takes the keys of a network's [net]"
                    + nearest(key, NET_KEYS),
                    setting.code,
                )
            other = ALTERNATIVES.get(key)
            if other in self.settings["network"]:
                raise Failure(
                    f"{setting.where}: [network] {key}= and {other}= say the same thing in two units; keep one "
                    "of them",
                    setting.code,
                )
        self.net = {key: setting.value for key, setting in self.settings["network"].items()}
        self.patriarch, self.patriarch_options, _ = self._cost("patriarch", COSTS)
        if self.patriarch == "tsd":
            self._check_tsd()
        _, self.student_options, more = self._cost("student", STUDENT_COSTS, {"cached": Option("flag", "0")})
        self.cached = more["cached"]

    def _check_tsd(self):
        options = self.settings["patriarch"]
        if ("eta" in options) == ("confidence" in options):
            where = options["eta"].where if "eta" in options else self.path
            raise Failure(
                f"{where}: [patriarch] cost=tsd wants exactly one of eta= and confidence=, found "
                + ("both" if "eta" in options else "neither")
            )
        if "confidence" in options and float(options["confidence"].value) <= 1 / int(self.patriarch_options["k"]):
            raise Failure(
                f"{options['confidence'].where}: [patriarch] confidence={options['confidence'].value} is not "
                f"allowed: above 1/k = {1 / int(self.patriarch_options['k']):.4g}, up to 1"
            )

    def as_dictionary(self):
        """The experiment with every default filled in, for the summary."""
        return {
            "name": self.name,
            "data": self.data,
            "network": self.network,
            "generations": self.generations,
            "seeds": self.seeds,
            "ensemble": self.ensemble,
            "baseline": self.baseline,
            "threads": self.threads,
            "jobs": self.jobs,
            "net": self.net,
            "patriarch": {"cost": self.patriarch, **self.patriarch_options},
            "student": {"cost": "distill", **self.student_options, "cached": self.cached},
        }

    def as_text(self, command):
        """An experiment file with the overrides in it."""
        lines = [f"# As run by: {command}"]
        for section in self.SECTIONS:
            if self.settings[section] or section == "experiment":
                values = {key: setting.value for key, setting in self.settings[section].items()}
                if section == "experiment":
                    values = {"name": self.name, **values}
                lines += ["", f"[{section}]"] + [f"{key}={value}" for key, value in values.items()]
        return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- files of Darknet


def read_data(path):
    """The keys of a .data file, in order; ./darknet checks them strictly."""
    keys = {}
    for number, line in enumerate(read_text(path, ".data file").splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = (piece.strip() for piece in line.partition("="))
        if not equals or not key or not value:
            raise Failure(f"{path}:{number}: '{line}' is not key=value")
        if key in keys:
            raise Failure(f"{path}:{number}: {key}= is given twice; keep one of them")
        keys[key] = value
    for key in ("classes", "train", "valid"):
        if key not in keys:
            raise Failure(f"{path}: no {key}=; an experiment needs classes=, train= and valid=")
    if not keys["classes"].isdigit():
        raise Failure(f"{path}: classes={keys['classes']} is not a whole number")
    return keys


class Network:
    """A cfg whose last section is [softmax], as text: the cost is exchanged, keys of [net] are overridden."""

    def __init__(self, path, overrides):
        text = read_text(path, "network cfg")
        sections = read_sections(path, text, "network cfg")
        if not sections or sections[0][0] not in ("net", "network"):
            raise Failure(f"{path}: the first section of a network cfg is [net]")
        name, line, entries = sections[-1]
        if name != "softmax":
            raise Failure(
                f"{path}:{line}: the last section is [{name}]; an experiment's network ends with [softmax], "
                "which makes room for the costs"
            )
        for key, value, number in entries:
            if (key, value) != ("groups", "1"):
                raise Failure(
                    f"{path}:{number}: [softmax] {key}={value}: the costs that take its place have no such key; "
                    "take it out"
                )
        lines = text.splitlines()
        body = lines[: line - 1]
        net_end = sections[1][1] - 1  # lines of [net] are 0 .. net_end - 1
        while net_end > 0 and (not body[net_end - 1].strip() or body[net_end - 1].strip()[0] in "#;"):
            net_end -= 1
        self.net = {key: value for key, value, _ in sections[0][2]}
        places = {key: number - 1 for key, _, number in sections[0][2]}
        added, removed = [], set()
        for key, value in overrides.items():
            other = ALTERNATIVES.get(key)
            if other in places:
                removed.add(places[other])
                self.net.pop(other)
            if key in places:
                body[places[key]] = f"{key}={value}"
            else:
                added.append(f"{key}={value}")
            self.net[key] = value
        head = [text for number, text in enumerate(body[:net_end]) if number not in removed]
        self.body = "\n".join(head + added + body[net_end:]).rstrip("\n") + "\n"

    def text(self, header, cost, options):
        lines = [f"# {line}" for line in header] + ["", self.body, f"[{cost}]"]
        return "\n".join(lines + [f"{key}={value}" for key, value in options.items()]) + "\n"


def epochs_of(net):
    """epochs= as a number, an int where it is whole; None where there is none."""
    value = number_or_none(net.get("epochs"))
    return int(value) if value is not None and value.is_integer() else value


def sha256_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


_hashes = {}


def sha256_file(path):
    """Hash of a file; remembered while its size and time stay the same."""
    status = os.stat(path)
    key = (os.path.abspath(path), status.st_size, status.st_mtime_ns)
    if key not in _hashes:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        _hashes[key] = digest.hexdigest()
    return _hashes[key]


def write_text(path, text):
    """The whole file or nothing of it."""
    temporary = f"{path}.tmp{os.getpid()}.{threading.get_ident()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise Failure(f"{path}: cannot write: {error.strerror}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def finite(value):
    """The value with NaN and infinities, which JSON does not know, replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value


def write_json(path, value):
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def read_json(path, advice):
    try:
        value = json.loads(read_text(path, "JSON file"))
    except ValueError as error:
        raise Failure(f"{path}: not JSON ({error}); {advice}") from error
    if not isinstance(value, dict):
        raise Failure(f"{path}: not a JSON object; {advice}")
    return finite(value)


def tidy(path):
    """Below the working directory relative to it, as Darknet's own paths are; elsewhere absolute."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative


def number_or_none(text):
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def read_csv(path):
    """{epoch: row} of a training's table; a resumed training's later row of an epoch counts."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = {}
            for row in csv.DictReader(file):
                epoch = number_or_none(row.get("epoch"))
                if epoch is not None:
                    rows[int(epoch)] = {key: number_or_none(value) for key, value in row.items() if key}
            return rows
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}


# ---------------------------------------------------------------- the generations of a run


@dataclasses.dataclass
class Generation:
    """One training: the baseline, the patriarch or a student of one seed."""

    folder: str
    seed: int
    name: str
    index: int | None  # 0 patriarch, 1.. students; None: the baseline
    data: str
    teacher: "Generation | None" = None
    texts: dict = dataclasses.field(default_factory=dict)  # path -> contents, what the folder has to hold
    cached: bool = False

    @property
    def training_seed(self):
        return self.seed * SEEDS_APART + (self.index or 0)

    @property
    def title(self):
        return f"seed {self.seed} {self.name}"

    def path(self, suffix):
        return os.path.join(self.folder, self.name + suffix)

    @property
    def cfg(self):
        return self.path(".cfg")

    @property
    def final(self):
        return self.path("_final.weights")

    @property
    def best(self):
        return self.path("_best.weights")

    @property
    def targets(self):
        return self.path(".targets")

    def traces(self):
        return [self.path(suffix) for suffix in TRACES if os.path.exists(self.path(suffix))]

    def record(self):
        path = self.path(".json")
        return (
            read_json(path, "remove it together with the generation's other files to train it again")
            if os.path.exists(path)
            else None
        )

    def is_done(self):
        """Finished, and by the cfg that lies there now."""
        if not os.path.exists(self.final) or not os.path.exists(self.cfg):
            return False
        record = self.record()
        return (
            bool(record)
            and record.get("cfg_sha256") == sha256_file(self.cfg)
            and record.get("training_seed") == self.training_seed
        )

    def curve(self):
        return read_csv(self.path(".csv"))

    def best_epoch(self):
        rows = [
            (row.get("valid_top1"), -epoch) for epoch, row in self.curve().items() if row.get("valid_top1") is not None
        ]
        return -max(rows)[1] if rows else None


def first_difference(old, new):
    old_lines, new_lines = old.splitlines(), new.splitlines()
    for number in range(max(len(old_lines), len(new_lines))):
        left = old_lines[number] if number < len(old_lines) else "nothing"
        right = new_lines[number] if number < len(new_lines) else "nothing"
        if left != right:
            return number + 1, left, right
    return 1, "other line ends", "one newline a line"


class Folder:
    """The run's folder: what it holds, and what it would have to hold."""

    def __init__(self, path, experiment):
        self.path = tidy(path)
        self.experiment = experiment
        if re.search(r"\s", self.path):
            raise Failure(
                f"{self.path}: Darknet's cfg files cannot name a path with a blank in it; choose another --out", 2
            )
        self.network_cfg = os.path.join(self.path, "network.cfg")
        data = os.path.basename(experiment.data)
        self.data_name = data if data.endswith(".data") else data + ".data"
        # The plain network under the patriarch's seed is the baseline already.
        self.patriarch_is_baseline = experiment.baseline and experiment.patriarch == "softmax"
        self.chains = []
        for seed in experiment.seeds:
            folder = os.path.join(self.path, f"seed{seed}")
            data_path = os.path.join(folder, self.data_name)
            if experiment.baseline and not self.patriarch_is_baseline:
                self.chains.append([Generation(folder, seed, "baseline", None, data_path)])
            chain = [Generation(folder, seed, "patriarch", 0, data_path)]
            for index in range(1, experiment.generations + 1):
                chain.append(
                    Generation(folder, seed, f"student{index}", index, data_path, chain[-1], cached=experiment.cached)
                )
            self.chains.append(chain)
        self.generations = [generation for chain in self.chains for generation in chain]

    @staticmethod
    def describe(generation):
        if generation.index is None:
            return "baseline, the network as it is"
        if generation.index == 0:
            return "patriarch"
        teacher = "the patriarch" if generation.index == 1 else f"student {generation.index - 1}"
        return f"student {generation.index}, taught by {teacher}"

    def prepare(self):
        """Works out the contents of every cfg and .data file; checks the inputs of the experiment."""
        experiment = self.experiment
        keys = read_data(experiment.data)
        if experiment.patriarch == "tsd" and int(experiment.patriarch_options["k"]) > int(keys["classes"]):
            where = experiment.settings["patriarch"].get("k", Setting("", experiment.path)).where
            raise Failure(
                f"{where}: [patriarch] k={experiment.patriarch_options['k']} is not allowed: from 2 to classes = "
                f"{keys['classes']} of {experiment.data}"
            )
        network = Network(experiment.network, experiment.net)
        self.network_text = network.text(
            [f"{experiment.network} as this run has it; evaluates the weights of every generation."], "softmax", {}
        )
        for generation in self.generations:
            header = [
                f"Seed {generation.seed}, {self.describe(generation)}. By hand:",
                f"./darknet classifier train {generation.data} {generation.cfg} -seed {generation.training_seed}",
            ]
            if generation.index is None:
                text = network.text(header, "softmax", {})
            elif generation.index == 0:
                text = network.text(header, experiment.patriarch, experiment.patriarch_options)
            else:
                teacher = {"teacher": self.network_cfg, "teacher_weights": generation.teacher.final}
                if generation.cached:
                    targets_cfg = generation.path("-targets.cfg")
                    command = (
                        f"./darknet classifier targets {generation.data} {targets_cfg} -out {generation.targets} "
                        f"-seed {generation.training_seed}"
                    )
                    generation.texts[targets_cfg] = network.text(
                        [
                            f"Seed {generation.seed}, the teacher's outputs for student {generation.index}. By hand:",
                            command,
                        ],
                        "distill",
                        {**experiment.student_options, **teacher},
                    )
                    header.insert(1, command)
                    teacher = {"targets": generation.targets}
                text = network.text(header, "distill", {**experiment.student_options, **teacher})
            generation.texts[generation.cfg] = text
            generation.texts[generation.data] = "".join(
                f"{key}={value}\n" for key, value in {**keys, "backup": generation.folder}.items()
            )

    def check(self):
        """Refuses to go on where a generation was begun with other settings."""
        for generation in self.generations:
            traces = generation.traces()
            if not traces:
                continue
            record = generation.record()
            advice = f"choose another --out, or remove {generation.path('[._-]*')} (all of this generation's files)"
            if record is None:
                raise Failure(
                    f"{traces[0]}: a training was begun here, but {generation.path('.json')}, which has its seed "
                    f"and cfg, is missing; {advice}"
                )
            for path, text in generation.texts.items():
                if os.path.exists(path):
                    found = read_text(path, "file of the run")
                    if found != text:
                        line, left, right = first_difference(found, text)
                        raise Failure(
                            f"{path}:{line}: {generation.title} was begun with '{left}', but the experiment now "
                            f"says '{right}'; {advice}"
                        )
            for key, now in self.identity(generation).items():
                if record.get(key) != now:
                    raise Failure(
                        f"{generation.path('.json')}: {generation.title} was begun with another {key} "
                        f"({str(record.get(key))[:12]}) than the experiment has now ({str(now)[:12]}); {advice}"
                    )
            self.check_teacher(generation, record)

    def identity(self, generation):
        return {
            "training_seed": generation.training_seed,
            "cfg_sha256": sha256_text(generation.texts[generation.cfg]),
            "data_sha256": sha256_text(generation.texts[generation.data]),
        }

    def check_teacher(self, generation, record):
        if generation.teacher is None or not os.path.exists(generation.teacher.final):
            return
        if record.get("teacher_sha256") != sha256_file(generation.teacher.final):
            raise Failure(
                f"{generation.teacher.final}: not the weights that {generation.title} was begun with; remove "
                f"{generation.path('[._-]*')} to train it again with this teacher, or choose another --out"
            )

    def write(self, command):
        for path, text in [
            (os.path.join(self.path, "experiment.ini"), self.experiment.as_text(command)),
            (self.network_cfg, self.network_text),
        ]:
            write_text(path, text)
        for generation in self.generations:
            os.makedirs(generation.folder, exist_ok=True)
            for path, text in generation.texts.items():
                if not os.path.exists(path) or read_text(path, "file of the run") != text:
                    write_text(path, text)

    # Evaluations: what the program says about weights, kept with the hashes of what went in.

    def evaluation_path(self, seed, name):
        return os.path.join(self.path, f"seed{seed}", "evaluations", f"{name}.json")

    def evaluation_key(self, data, weights):
        return {
            "network_sha256": sha256_file(self.network_cfg),
            "data_sha256": sha256_file(data),
            "weights": {os.path.basename(path): sha256_file(path) for path in weights},
        }

    def evaluation(self, seed, name, data, weights):
        """The stored result, or None where there is none for these very weights."""
        path = self.evaluation_path(seed, name)
        if not all(os.path.exists(needed) for needed in [path, self.network_cfg, data, *weights]):
            return None
        stored = read_json(path, "remove it and run again")
        return stored.get("result") if stored.get("key") == self.evaluation_key(data, weights) else None

    def chain_of(self, seed):
        """The patriarch and the students of a seed."""
        return next(chain for chain in self.chains if chain[0].seed == seed and chain[0].index == 0)

    def ensembles(self, seed):
        """[(kind, index, name, members)]: students 1..g, and the patriarch with all students."""
        if not self.experiment.ensemble:
            return []
        patriarch, *students = self.chain_of(seed)
        found = [
            ("cumulative", count, f"students 1 to {count}", students[:count]) for count in range(2, len(students) + 1)
        ]
        if students:
            label = "patriarch and student 1" if len(students) == 1 else f"patriarch and students 1 to {len(students)}"
            found.append(("patriarch", len(students), label, [patriarch, *students]))
        return found

    def inspected(self, chain):
        """The generations of a chain whose secondary information is looked at."""
        return [chain[0]] if len(chain) == 1 else [chain[0], chain[-1]]


# ---------------------------------------------------------------- children and their progress

ITERATION = re.compile(r"^\s*(\d+), ([0-9.]+): (\S+), (\S+) avg, (\S+) rate, ")
EPOCH = re.compile(r"^epoch (\d+)\b.*?\bvalid loss \S+ top1 ([0-9.]+)")


class Progress:
    """What a training's log says, read as it grows."""

    def __init__(self, generation, log, total_epochs, max_batches):
        self.generation, self.total, self.max_batches = generation, total_epochs, max_batches
        self.log, self.offset, self.rest = log, os.path.getsize(log) if os.path.exists(log) else 0, ""
        self.fraction, self.epoch, self.top1, self.resumed = None, 0.0, None, None
        self.first = None  # (time, fraction) of the first line of this attempt
        self.what = ""

    def poll(self):
        """New lines as [(line, kind)], kind one of iteration, epoch, other."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                file.seek(self.offset)
                text = file.read()
                self.offset = file.tell()
        except OSError:
            return []
        lines = (self.rest + text).split("\n")
        self.rest = lines.pop()
        found = []
        for line in lines:
            iteration, epoch = ITERATION.match(line), EPOCH.match(line)
            if iteration:
                self.epoch = float(iteration[2])
                if self.total:
                    self.fraction = min(1.0, self.epoch / self.total)
                elif self.max_batches:
                    self.fraction = min(1.0, int(iteration[1]) / self.max_batches)
                if self.first is None and self.fraction is not None:
                    self.first = (time.monotonic(), self.fraction)
            elif epoch:
                self.top1 = number_or_none(epoch[2])
            found.append((line, "iteration" if iteration else "epoch" if epoch else "other"))
        return found

    def whole(self):
        """Seconds that the whole training would take at the speed seen so far, or None."""
        if self.first is None or self.fraction is None or self.fraction <= self.first[1]:
            return None
        return (time.monotonic() - self.first[0]) / (self.fraction - self.first[1])

    def left(self):
        whole = self.whole()
        return None if whole is None else whole * (1 - self.fraction)


def clock(seconds):
    seconds = int(round(seconds))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


class Display:
    """Plain lines, and on a terminal one line that is written over."""

    def __init__(self):
        self.terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.shown = False

    def line(self, text):
        if self.shown:
            sys.stdout.write("\r\x1b[K")
            self.shown = False
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def update(self, text):
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r\x1b[K" + (text if len(text) <= width else text[: max(0, width - 3)] + "..."))
            sys.stdout.flush()
            self.shown = True

    def clear(self):
        if self.shown:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self.shown = False


class Driver:
    """Runs the chains of a folder, several side by side, until all is done, one fails, or a signal comes."""

    def __init__(self, folder, darknet, jobs, command, verbose):
        self.folder, self.darknet, self.command, self.verbose = folder, darknet, command, verbose
        experiment = folder.experiment
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if experiment.threads and experiment.threads > cores:
            sys.stderr.write(
                f"generations.py: threads={experiment.threads}, but there are {cores} cores: using {cores}\n"
            )
        threads = min(experiment.threads or cores, cores)
        self.jobs = max(1, min(jobs, len(folder.chains), threads))
        if self.jobs < min(jobs, len(folder.chains)):
            sys.stderr.write(f"generations.py: {jobs} jobs, but only {threads} threads: {self.jobs} side by side\n")
        self.threads = max(1, threads // self.jobs)
        self.display = Display()
        self.events = queue.Queue()
        self.mutex = threading.Lock()
        self.children = {}  # process -> what it does
        self.progress = {}  # generation's title -> Progress, of those being trained now
        self.done = set()  # titles of what is trained and evaluated
        self.stopping = None  # the signal that is forwarded
        self.signals = []  # signals that came, oldest first
        self.failures = []
        net = Network(experiment.network, experiment.net).net
        self.epochs = epochs_of(net)
        self.max_batches = int(net["max_batches"]) if net.get("max_batches", "").isdigit() else None
        self.lock = None

    # The folder belongs to one driver. The children inherit the lock: should the driver be killed, the folder stays
    # locked for as long as one of them still writes into it.

    def take_lock(self):
        path = os.path.join(self.folder.path, ".lock")
        try:
            os.makedirs(self.folder.path, exist_ok=True)
            self.lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise Failure(
                f"{path}: cannot write into the run's folder: {error.strerror}; choose another --out"
            ) from error
        for attempt in range(5):
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 4:
                    holders = os.pread(self.lock, 4096, 0).decode(errors="replace").split()
                    living = [pid for pid in holders if pid.isdigit() and os.path.exists(f"/proc/{pid}")]
                    os.close(self.lock)
                    self.lock = None
                    who = f"process {', '.join(living)}" if living else "another process"
                    raise Failure(
                        f"{self.folder.path}: in use by {who}; wait for it, stop it, or choose another --out"
                    ) from None
                time.sleep(0.1)
        os.ftruncate(self.lock, 0)
        self._note_process(os.getpid())

    def _note_process(self, pid):
        os.lseek(self.lock, 0, os.SEEK_END)
        os.write(self.lock, f"{pid}\n".encode())

    def child(self, arguments, log, what, watched=False):
        """Runs the program to its end; its output goes to the log. Raises Failure with its last line on stderr.

        `watched`: its log is read while it runs, so what it says is shown from there.
        """
        command = [self.darknet, *arguments]
        if self.verbose:
            self.events.put(("line", "$ " + shlex.join(command)))
        with open(log, "ab", buffering=0) as output:
            output.write(
                f"\n# {datetime.datetime.now().isoformat(timespec='seconds')} {shlex.join(command)}\n".encode()
            )
            with self.mutex:
                if self.stopping:
                    raise Stopped
                try:
                    process = subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.PIPE,
                        start_new_session=True,
                        pass_fds=(self.lock,),
                    )
                except OSError as error:
                    raise Failure(
                        f"{self.darknet}: cannot start: {error.strerror}; name the program with --darknet"
                    ) from error
                self.children[process] = what
                self._note_process(process.pid)
            last = ""
            for line in process.stderr:
                output.write(line)
                text = line.decode(errors="replace").strip()
                if text:
                    last = text
                    if self.verbose and not watched:
                        self.events.put(("line", f"{what}: {text}"))
            process.stderr.close()
            code = process.wait()
        with self.mutex:
            self.children.pop(process, None)
            if self.stopping:
                raise Stopped
        if code:
            ended = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise Failure(f"{what} {ended}: {last or 'no line on stderr'}; log: {log}")

    def evaluate(self, generation, verb, name, weights):
        """What the program says about weights, from the store where it has said so before."""
        folder = self.folder
        result = folder.evaluation(generation.seed, name, generation.data, weights)
        if result is not None:
            return result
        path = folder.evaluation_path(generation.seed, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        answer = path + ".new"
        if os.path.exists(answer):
            os.unlink(answer)
        arguments = ["classifier", verb, generation.data, folder.network_cfg, *weights]
        arguments += ["-threads", str(self.threads), "-json", answer]
        self.child(
            arguments,
            os.path.join(generation.folder, f"{generation.name}.log"),
            f"{generation.title}: classifier {verb}",
        )
        if not os.path.exists(answer):
            raise Failure(f"{answer}: classifier {verb} ended without writing it; log: {generation.path('.log')}")
        result = read_json(answer, "run again")
        write_json(
            path,
            {
                "key": folder.evaluation_key(generation.data, weights),
                "command": [self.darknet, *arguments],
                "result": result,
            },
        )
        os.unlink(answer)
        return result

    def train(self, generation):
        folder = self.folder
        if not generation.is_done():
            record = generation.record()
            if record is not None:
                folder.check_teacher(generation, record)  # the teacher may have been trained again just now
            arguments = [
                "classifier",
                "train",
                generation.data,
                generation.cfg,
                "-seed",
                str(generation.training_seed),
                "-threads",
                str(self.threads),
                "-resume",
                "-dont_show",
            ]
            record = record or {
                "generation": generation.name,
                "seed": generation.seed,
                **folder.identity(generation),
                "teacher_sha256": sha256_file(generation.teacher.final) if generation.teacher else None,
                "begun": datetime.datetime.now().isoformat(timespec="seconds"),
                "wall_seconds": 0.0,
            }
            record["command"] = [self.darknet, *arguments]
            write_json(generation.path(".json"), record)
            started = time.monotonic()
            try:
                if generation.cached and not os.path.exists(generation.targets):
                    self.child(
                        [
                            "classifier",
                            "targets",
                            generation.data,
                            generation.path("-targets.cfg"),
                            "-out",
                            generation.targets,
                            "-seed",
                            str(generation.training_seed),
                            "-threads",
                            str(self.threads),
                        ],
                        generation.path(".log"),
                        f"{generation.title}: classifier targets",
                    )
                progress = Progress(generation, generation.path(".log"), self.epochs, self.max_batches)
                self.events.put(("begin", generation, progress))
                try:
                    self.child(arguments, generation.path(".log"), generation.title, watched=True)
                finally:
                    self.events.put(("end", generation))
            finally:
                record["wall_seconds"] = round(record.get("wall_seconds", 0.0) + time.monotonic() - started, 1)
                write_json(generation.path(".json"), record)
            if not os.path.exists(generation.final):
                raise Failure(
                    f"{generation.final}: the training ended without writing it; log: {generation.path('.log')}"
                )
            record["finished"] = datetime.datetime.now().isoformat(timespec="seconds")
            write_json(generation.path(".json"), record)
        if generation.cached and os.path.exists(generation.targets):
            os.unlink(generation.targets)
        metrics = {"last": self.evaluate(generation, "valid", f"{generation.name}-last", [generation.final])}
        if os.path.exists(generation.best):
            metrics["best"] = self.evaluate(generation, "valid", f"{generation.name}-best", [generation.best])
        record = generation.record()
        if record.get("metrics") != metrics:
            write_json(generation.path(".json"), {**record, "metrics": metrics})
        self.events.put(("done", generation, metrics))

    def finish_chain(self, chain):
        for generation in self.folder.inspected(chain):
            self.evaluate(generation, "inspect", f"{generation.name}-inspect", [generation.final])
        if chain[0].index == 0:
            for kind, index, _, members in self.folder.ensembles(chain[0].seed):
                self.evaluate(chain[-1], "ensemble", f"ensemble-{kind}{index}", [member.final for member in members])

    def worker(self, pending):
        try:
            while True:
                with self.mutex:
                    if self.stopping or not pending:
                        return
                    chain = pending.popleft()
                for generation in chain:
                    self.train(generation)
                self.finish_chain(chain)
        except Stopped:
            pass
        except Failure as failure:
            self.failures.append(failure)
            self.events.put(("failed",))
        except Exception as error:  # a thread's end must not go unnoticed
            self.failures.append(Failure(f"{type(error).__name__}: {error}"))
            self.events.put(("failed",))

    def forward(self, number):
        """Hands a signal to the children, once; they save their state and end."""
        with self.mutex:
            if self.stopping:
                return
            self.stopping = number
            for process in self.children:
                if process.poll() is None:
                    process.send_signal(number)

    def kill(self):
        with self.mutex:
            for process in self.children:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def time_left(self):
        """Seconds for the rest of all chains, from the speeds seen so far; None where there are none."""
        wholes = {}  # kind -> seconds of whole trainings
        for generation in self.folder.generations:
            kind = "student" if generation.index else "other"
            progress = self.progress.get(generation.title)
            seconds = progress.whole() if progress else None
            if progress is None and generation.title in self.done:
                rows = generation.curve().values()
                seconds = sum(row.get("seconds") or 0 for row in rows) or None
            if seconds:
                wholes.setdefault(kind, []).append(seconds)
        if not wholes:
            return None

        def whole(generation):
            values = wholes.get("student" if generation.index else "other") or next(iter(wholes.values()))
            return statistics.mean(values)

        busy, waiting = [], []
        for chain in self.folder.chains:
            rest = [generation for generation in chain if generation.title not in self.done]
            if not rest:
                continue
            seconds = sum(whole(generation) for generation in rest[1:])
            active = self.progress.get(rest[0].title)
            if active is None:
                waiting.append(seconds + whole(rest[0]))
                continue
            left = active.left()
            busy.append(seconds + (left if left is not None else whole(rest[0]) * (1 - (active.fraction or 0))))
        loads = sorted(busy) + [0.0] * max(0, self.jobs - len(busy))
        for seconds in waiting:
            loads[loads.index(min(loads))] += seconds
        return max(loads)

    def show(self):
        """Epoch by epoch in a pipe; one line that is written over on a terminal."""
        parts = []
        for title, progress in list(self.progress.items()):
            for line, kind in progress.poll():
                if self.verbose and kind != "epoch" and line and not line.startswith("# "):
                    self.display.line(f"{title}: {line}")
                if kind == "epoch" and (self.verbose or not self.display.terminal):
                    left = self.time_left()
                    self.display.line(f"{title}: {line}" + (f"; {clock(left)} left in all" if left is not None else ""))
            total = f"/{progress.total}" if progress.total else ""
            parts.append(
                f"{title} epoch {progress.epoch:.2f}{total}"
                + (f" top-1 {100 * progress.top1:.2f} %" if progress.top1 is not None else "")
            )
        if parts and self.display.terminal:
            left = self.time_left()
            text = f"{' | '.join(parts)} | {len(self.done)} of {len(self.folder.generations)} done"
            self.display.update(text + (f", {clock(left)} left" if left is not None else ""))

    def handle(self, event):
        kind = event[0]
        if kind == "line":
            self.display.line(event[1])
        elif kind == "begin":
            generation, progress = event[1:]
            self.progress[generation.title] = progress
            if not self.display.terminal or self.verbose:
                self.display.line(f"{generation.title}: training, log {generation.path('.log')}")
        elif kind == "end":
            self.progress.pop(event[1].title, None)
        elif kind == "done":
            generation, metrics = event[1:]
            self.done.add(generation.title)
            best = metrics.get("best")
            text = f"{generation.title}: done, top-1 {shown(top1(metrics['last']))} % last epoch"
            if best:
                epoch = generation.best_epoch()
                text += f", {shown(top1(best))} % best epoch" + (f" ({epoch})" if epoch is not None else "")
            self.display.line(text)
            write_outputs(self.folder, self.command, quiet=True)

    def run(self):
        """Returns the signal that ended it, or None."""

        def receive(number, _frame):
            self.signals.append(number)

        names = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            names.append(signal.SIGHUP)
        previous = {number: signal.signal(number, receive) for number in names}
        # Side by side, the long chains go first so that the short ones fill the gaps.
        chains = sorted(self.folder.chains, key=len, reverse=True) if self.jobs > 1 else self.folder.chains
        pending = collections.deque(chains)
        workers = [threading.Thread(target=self.worker, args=(pending,), daemon=True) for _ in range(self.jobs)]
        try:
            for worker in workers:
                worker.start()
            self.watch(workers)
        finally:
            self.end(workers)
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self.signals:
            return self.signals[0]
        if self.failures:
            raise self.failures[0]
        return None

    def watch(self, workers):
        """Shows and reports what the workers do, until they end or have to be ended."""
        while any(worker.is_alive() for worker in workers) or not self.events.empty():
            if self.signals or self.failures:
                return
            try:
                event = self.events.get(timeout=POLL)
            except queue.Empty:
                self.show()
                continue
            if event[0] == "end":
                self.show()  # its last lines
            self.handle(event)

    def end(self, workers):
        """Has the children save their state and waits for them; a second signal does not wait."""
        if any(worker.is_alive() for worker in workers):
            self.display.update("waiting for the training to save its state")
        self.forward(signal.SIGINT if not self.signals or self.signals[0] == signal.SIGINT else signal.SIGTERM)
        deadline = time.monotonic() + STOP_WAIT
        while any(worker.is_alive() for worker in workers):
            if time.monotonic() > deadline or len(self.signals) > 1:
                self.kill()
            time.sleep(POLL / 4)
        self.display.clear()


# ---------------------------------------------------------------- summary and report


def top1(result):
    return result.get("top1") if isinstance(result, dict) else None


def top_k(result):
    if not isinstance(result, dict):
        return None
    return result.get("topk", result.get("top5"))


def k_of(summary):
    for run in summary["runs"]:
        for result in (run.get("last"), run.get("best")):
            if isinstance(result, dict) and result.get("k"):
                return int(result["k"])
    return 5


def shown(value, digits=2):
    return "-" if value is None else f"{100 * value:.{digits}f}"


def spread(values):
    """Mean, sample deviation (None for a single value) and number of what is there; None where nothing is."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {
        "mean": statistics.mean(values),
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
        "n": len(values),
    }


def shown_spread(entry, scale=100, digits=2):
    if not entry:
        return "-"
    text = f"{scale * entry['mean']:.{digits}f}"
    return text if entry["deviation"] is None else f"{text} ± {scale * entry['deviation']:.{digits}f}"


def collect(folder, command):
    """The summary of what lies in the folder."""
    experiment = folder.experiment
    runs, ensembles, missing = [], [], []
    for generation in sorted(
        folder.generations, key=lambda entry: (entry.seed, -1 if entry.index is None else entry.index)
    ):
        done = generation.is_done()
        record = generation.record() if done else {}
        rows = generation.curve()
        run = {
            "seed": generation.seed,
            "generation": generation.name,
            "index": generation.index,
            "done": done,
            "training_seed": generation.training_seed,
            "cfg": generation.cfg,
            "weights": generation.final,
            "epochs": len(rows),
            "best_epoch": generation.best_epoch() if done else None,
            "train_seconds": round(sum(row.get("seconds") or 0 for row in rows.values()), 1),
            "wall_seconds": record.get("wall_seconds"),
            "command": record.get("command"),
        }
        for kind, path in (("last", generation.final), ("best", generation.best)):
            run[kind] = (
                folder.evaluation(generation.seed, f"{generation.name}-{kind}", generation.data, [path])
                if done
                else None
            )
        run["inspect"] = (
            folder.evaluation(generation.seed, f"{generation.name}-inspect", generation.data, [generation.final])
            if done
            else None
        )
        if not done:
            missing.append(generation.title)
        elif run["last"] is None:
            missing.append(f"{generation.title} (accuracy)")
        runs.append(run)
    for seed in experiment.seeds:
        last = folder.chain_of(seed)[-1]
        for kind, index, name, members in folder.ensembles(seed):
            result = (
                folder.evaluation(seed, f"ensemble-{kind}{index}", last.data, [member.final for member in members])
                if all(member.is_done() for member in members)
                else None
            )
            ensembles.append(
                {
                    "seed": seed,
                    "kind": kind,
                    "index": index,
                    "name": name,
                    "members": [member.name for member in members],
                    "result": result,
                }
            )
            if result is None:
                missing.append(f"seed {seed} ensemble of {name}")
    means = []
    for name in dict.fromkeys(run["generation"] for run in runs):
        same = [run for run in runs if run["generation"] == name]
        entry = {"generation": name, "index": same[0]["index"]}
        for kind in ("last", "best"):
            entry[kind] = {
                "top1": spread([top1(run[kind]) for run in same]),
                "topk": spread([top_k(run[kind]) for run in same]),
                "loss": spread([(run[kind] or {}).get("loss") for run in same]),
            }
        means.append(entry)
    ensemble_means = []
    for kind, index, name in dict.fromkeys((entry["kind"], entry["index"], entry["name"]) for entry in ensembles):
        same = [entry["result"] for entry in ensembles if (entry["kind"], entry["index"]) == (kind, index)]
        ensemble_means.append(
            {
                "kind": kind,
                "index": index,
                "name": name,
                "top1": spread([top1(result) for result in same]),
                "topk": spread([top_k(result) for result in same]),
                "loss": spread([(result or {}).get("loss") for result in same]),
            }
        )
    epochs = None
    network_sha = None
    if os.path.exists(folder.network_cfg):
        sections = read_sections(folder.network_cfg, read_text(folder.network_cfg, "network cfg"), "network cfg")
        epochs = epochs_of({key: value for key, value, _ in sections[0][2]}) if sections else None
        network_sha = sha256_file(folder.network_cfg)
    return {
        "format": 1,
        "name": experiment.name,
        "written": datetime.datetime.now().isoformat(timespec="seconds"),
        "command": command,
        "complete": not missing,
        "missing": missing,
        "configuration": experiment.as_dictionary(),
        "epochs": epochs,
        "network_sha256": network_sha,
        "patriarch_is_baseline": folder.patriarch_is_baseline,
        "runs": runs,
        "mean": means,
        "ensembles": ensembles,
        "ensemble_mean": ensemble_means,
    }


def label_of(name):
    return re.sub(r"^student(\d+)$", r"student \1", name)


def differ(value, reference):
    """'0.52 points above' and the like, from two fractions."""
    points = 100 * (value - reference)
    if abs(points) < 0.005:
        return "the same as"
    return f"{abs(points):.2f} points {'above' if points > 0 else 'below'}"


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def facts(summary):
    """Sentences that say what the numbers say, and nothing else."""
    means = {entry["generation"]: entry["last"]["top1"] for entry in summary["mean"] if entry["last"]["top1"]}
    chain = [
        entry["generation"] for entry in summary["mean"] if entry["index"] is not None and entry["generation"] in means
    ]
    if not means:
        return ["No generation is finished yet."]
    text = []
    baseline = means.get("baseline")
    if baseline:
        text.append(f"The baseline reaches {shown_spread(baseline)} % top-1.")
    if "patriarch" in means:
        patriarch = means["patriarch"]
        against = f", {differ(patriarch['mean'], baseline['mean'])} the baseline" if baseline else ""
        text.append(f"The patriarch reaches {shown_spread(patriarch)} %{against}.")
        if summary["patriarch_is_baseline"]:
            text.append("Its cost is plain softmax, so it is the baseline at the same time.")
    students = [name for name in chain if name != "patriarch"]
    reference_name, reference = ("baseline", baseline) if baseline else ("patriarch", means.get("patriarch"))
    if students:
        highest = max(students, key=lambda name: means[name]["mean"])
        against = f", {differ(means[highest]['mean'], reference['mean'])} the {reference_name}" if reference else ""
        which = "The student" if len(students) == 1 else f"Among the students, {label_of(highest)} is highest: it"
        text.append(f"{which} reaches {shown_spread(means[highest])} %{against}.")
        steps = [
            f"{100 * (means[b]['mean'] - means[a]['mean']):+.2f} ({label_of(a)} to {label_of(b)})"
            for a, b in zip(chain, chain[1:])
        ]
        text.append(f"From generation to generation the top-1 accuracy changes by {', '.join(steps)} points.")
        last = students[-1]
        pairs = []
        for seed in summary["configuration"]["seeds"]:
            values = {run["generation"]: top1(run["last"]) for run in summary["runs"] if run["seed"] == seed}
            if values.get(last) is not None and values.get(reference_name) is not None:
                pairs.append(values[last] - values[reference_name])
        if len(pairs) > 1:
            differences = ", ".join(f"{100 * pair:+.2f}" for pair in pairs)
            text.append(
                f"Seed by seed, {label_of(last)} differs from the {reference_name} by {differences} points: above it "
                f"in {sum(pair > 0 for pair in pairs)} of {len(pairs)} seeds."
            )
    for entry in summary["ensemble_mean"]:
        whole = entry["index"] == summary["configuration"]["generations"]
        if entry["top1"] and whole and students:
            last = students[-1]
            text.append(
                f"The ensemble of {entry['name']} reaches {shown_spread(entry['top1'])} %, "
                f"{differ(entry['top1']['mean'], means[last]['mean'])} {label_of(last)} alone."
            )
    return text


def table(header, rows):
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join("---" if not i else "---:" for i in range(len(header))) + "|",
    ]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


INSPECT_LABELS = {
    "mean_primary": "mean confidence of the primary class",
    "mean_rank_2_k": "mean probability of ranks 2 to k",
    "inside_superclass": "share of the other probability inside the superclass",
    "dist_between": "distance between classes of different superclasses",
    "dist_within": "distance between classes of the same superclass",
    "dist_all": "distance between classes",
    "entropy": "mean entropy (nats)",
    "ece": "expected calibration error",
}


def assignments(values):
    return " ".join(f"{key}={value}" for key, value in values.items())


def cost_text(configuration):
    options = {key: value for key, value in configuration.items() if key not in ("cost", "cached")}
    return f"[{configuration['cost']}] {assignments(options)}".rstrip()


def accuracy_rows(summary):
    k = k_of(summary)
    header = [
        "generation",
        "top-1 %, last epoch",
        f"top-{k} %, last epoch",
        "loss, last epoch",
        "top-1 %, best epoch",
        f"top-{k} %, best epoch",
        "n",
    ]
    rows = []
    for entry in summary["mean"]:
        last, best = entry["last"], entry["best"]
        rows.append(
            [
                label_of(entry["generation"]),
                shown_spread(last["top1"]),
                shown_spread(last["topk"]),
                shown_spread(last["loss"], 1, 4),
                shown_spread(best["top1"]),
                shown_spread(best["topk"]),
                str(last["top1"]["n"] if last["top1"] else 0),
            ]
        )
    return header, rows


def report_text(summary, chart):
    configuration = summary["configuration"]
    seeds = configuration["seeds"]
    setting = [f"Network `{configuration['network']}`", f"data `{configuration['data']}`"]
    if summary["epochs"]:
        setting.append(counted(summary["epochs"], "epoch"))
    changed = {key: value for key, value in configuration["net"].items() if key != "epochs" or not summary["epochs"]}
    if changed:
        setting.append(f"with `{assignments(changed)}` in `[net]`")
    lines = [
        f"# {summary['name']}",
        "",
        f"{', '.join(setting)}. Patriarch: `{cost_text(configuration['patriarch'])}`. "
        f"{counted(configuration['generations'], 'student generation').capitalize()}: "
        f"`{cost_text(configuration['student'])}`"
        f"{', from cached teacher outputs' if configuration['student']['cached'] else ''}.",
        "",
    ]
    if len(seeds) > 1:
        lines.append(
            f"{len(seeds)} seeds ({', '.join(map(str, seeds))}); every figure is the mean over the n seeds that are "
            "finished, ± the sample deviation."
        )
    else:
        lines.append(f"One seed ({seeds[0]}): a single run each, so no deviation can be given.")
    lines += [
        "The *last epoch* is the weights at the end of training. The *best epoch* is chosen by accuracy on the same "
        "validation images that it is reported on, so it is optimistic.",
        "",
    ]
    if summary["missing"]:
        lines += [f"**Not complete.** Still missing: {', '.join(summary['missing'])}.", ""]
    lines += ["## Accuracy over generations", ""]
    if chart:
        lines += [f"![top-1 accuracy over generations]({chart})", ""]
    header, rows = accuracy_rows(summary)
    lines += table(header, rows) + ["", "At the last epoch: " + " ".join(facts(summary)), ""]
    k = k_of(summary)
    if summary["ensemble_mean"]:
        lines += ["## Ensembles", "", "Mean of the members' probabilities, last epoch.", ""]
        rows = [
            [
                entry["name"],
                shown_spread(entry["top1"]),
                shown_spread(entry["topk"]),
                shown_spread(entry["loss"], 1, 4),
                str(entry["top1"]["n"] if entry["top1"] else 0),
            ]
            for entry in summary["ensemble_mean"]
        ]
        lines += table(["ensemble", "top-1 %", f"top-{k} %", "loss", "n"], rows) + [""]
    lines += inspect_section(summary)
    lines += ["## Every run", ""]
    rows = []
    for run in summary["runs"]:
        epoch = "" if run["best_epoch"] is None else f" ({run['best_epoch']})"
        rows.append(
            [
                f"{run['seed']}",
                label_of(run["generation"]),
                str(run["training_seed"]),
                str(run["epochs"]),
                shown(top1(run["last"])),
                shown(top_k(run["last"])),
                shown(top1(run["best"])) + (epoch if run["best"] else ""),
                "-" if run["wall_seconds"] is None else clock(run["wall_seconds"]),
            ]
        )
    lines += table(
        [
            "seed",
            "generation",
            "-seed",
            "epochs",
            "top-1 %, last",
            f"top-{k} %, last",
            "top-1 %, best (epoch)",
            "wall time",
        ],
        rows,
    )
    if summary["command"]:
        lines += ["", f"Command: `{shlex.join(summary['command'])}`"]
    return "\n".join(lines) + "\n"


def inspect_section(summary):
    inspected = {}
    for run in summary["runs"]:
        if isinstance(run["inspect"], dict):
            inspected.setdefault(run["generation"], []).append(run["inspect"])
    columns = []
    for results in inspected.values():
        for result in results:
            columns += [
                key
                for key, value in result.items()
                if key in INSPECT_LABELS and value is not None and key not in columns
            ]
    if not columns:
        return []
    names = list(inspected)
    rows = [
        [INSPECT_LABELS[key]]
        + [shown_spread(spread([result.get(key) for result in inspected[name]]), 1, 4) for name in names]
        for key in INSPECT_LABELS
        if key in columns
    ]
    return (
        [
            "## Secondary information",
            "",
            "Last epoch, validation images; `classifier inspect` says how each is measured.",
            "",
        ]
        + table(["", *(label_of(name) for name in names)], rows)
        + [""]
    )


def write_outputs(folder, command, quiet=False):
    """Writes summary.json, report.md and, with matplotlib, accuracy.png; returns the summary, and the chart or None."""
    path = os.path.join(folder.path, "summary.json")
    before = read_json(path, "remove it and ask for the report again") if os.path.exists(path) else {}
    summary = finite(collect(folder, before.get("command") if command is None else command))
    chart = os.path.join(folder.path, "accuracy.png")
    try:
        drawn = plot_generations.draw([summary], chart)
    except plot_generations.PlotError as error:
        # A chart of the very same numbers is still good.
        drawn = os.path.exists(chart) and {**before, "written": summary["written"]} == summary
        if not quiet:
            sys.stderr.write(f"generations.py: {error}\n")
    write_json(path, summary)
    write_text(os.path.join(folder.path, "report.md"), report_text(summary, "accuracy.png" if drawn else None))
    return summary, chart if drawn else None


def print_outputs(folder, summary, chart):
    header, rows = accuracy_rows(summary)
    header = [name.replace(" %, ", " ").replace(", ", " ").replace(" epoch", "") for name in header]
    rows += [
        [
            f"ensemble of {entry['name']}",
            shown_spread(entry["top1"]),
            shown_spread(entry["topk"]),
            shown_spread(entry["loss"], 1, 4),
            "",
            "",
            str(entry["top1"]["n"] if entry["top1"] else 0),
        ]
        for entry in summary["ensemble_mean"]
    ]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print(
            "  ".join(cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)).rstrip()
        )
    print(f"report: {os.path.join(folder.path, 'report.md')}")
    if chart:
        print(f"chart: {chart}")


# ---------------------------------------------------------------- commands


def command_run(options, command):
    experiment = Experiment(options.experiment, options.set or [])
    darknet = options.darknet if os.sep in options.darknet else shutil.which(options.darknet) or options.darknet
    if not os.path.isfile(darknet) or not os.access(darknet, os.X_OK):
        raise Failure(f"{options.darknet}: no such program; build it with `make`, or name it with --darknet")
    folder = Folder(options.out or os.path.join("runs", experiment.name), experiment)
    folder.prepare()
    driver = Driver(folder, darknet, options.jobs or experiment.jobs, command, options.verbose)
    driver.take_lock()
    folder.check()
    folder.write(shlex.join(command))
    number = driver.run()
    if number is not None:
        write_outputs(folder, command, quiet=True)
        print(STOPPED)
        return 130
    summary, chart = write_outputs(folder, command)
    print_outputs(folder, summary, chart)
    return 0


def open_folder(path):
    ini = os.path.join(path, "experiment.ini")
    if not os.path.isfile(ini):
        raise Failure(f"{path}: not a run's folder: no experiment.ini in it; `generations.py run` makes one")
    return Folder(path, Experiment(ini))


def command_report(options, _command):
    folder = open_folder(options.folder)
    summary, chart = write_outputs(folder, None)
    if summary["missing"]:
        print(f"not complete: {', '.join(summary['missing'])}")
    print_outputs(folder, summary, chart)
    return 0


def command_status(options, _command):
    folder = open_folder(options.folder)
    lock = os.path.join(folder.path, ".lock")
    active = False
    if os.path.exists(lock):
        with open(lock, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                active = True
    epochs = None
    if os.path.exists(folder.network_cfg):
        sections = read_sections(folder.network_cfg, read_text(folder.network_cfg, "network cfg"), "network cfg")
        epochs = epochs_of({key: value for key, value, _ in sections[0][2]}) if sections else None
    print(f"{folder.path}: {'a run is active' if active else 'no run is active'}")
    for generation in folder.generations:
        rows = generation.curve()
        last = rows[max(rows)] if rows else {}
        accuracy = f", top-1 {shown(last.get('valid_top1'))} %" if last.get("valid_top1") is not None else ""
        if generation.is_done():
            state = "done"
        elif generation.traces():
            total = f" of {epochs}" if epochs else ""
            state = f"{'begun' if active else 'cut off'} after {len(rows)}{total} epochs"
        else:
            state, accuracy = "not begun", ""
        print(f"  {generation.title:24} {state}{accuracy}")
    return 0


def main(arguments=None):
    parser = plot_generations.OneLineParser(prog="generations.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="run | report | status", parser_class=plot_generations.OneLineParser
    )
    run = commands.add_parser("run", help="train what is not done yet, evaluate, report")
    run.add_argument("experiment", metavar="EXPERIMENT.ini")
    run.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/ and the experiment's name)")
    run.add_argument(
        "--set",
        action="append",
        metavar="section.key=value",
        help="override a key of the experiment; an empty value takes it out",
    )
    run.add_argument("--darknet", default="./darknet", metavar="FILE", help="the program (default: ./darknet)")
    run.add_argument(
        "--jobs", type=int, metavar="N", help="independent chains side by side (default: jobs= of the file)"
    )
    run.add_argument("-v", "--verbose", action="store_true", help="show every command and its output")
    for name, text in (("report", "write the report anew"), ("status", "say what is done")):
        commands.add_parser(name, help=text).add_argument("folder", metavar="DIR")
    options = parser.parse_args(arguments)
    if options.command == "run" and options.jobs is not None and options.jobs < 1:
        run.error(f"--jobs {options.jobs} is not allowed: a whole number from 1 on")
    command = ["scripts/generations.py", *(sys.argv[1:] if arguments is None else arguments)]
    try:
        return {"run": command_run, "report": command_report, "status": command_status}[options.command](
            options, command
        )
    except Failure as failure:
        sys.stderr.write(f"generations.py: {failure}\n")
        return failure.code
    except KeyboardInterrupt:
        print(STOPPED)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone; nothing more to say to it
        return 1
    except OSError as error:
        sys.stderr.write(f"generations.py: {error.filename or 'system'}: {error.strerror or error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

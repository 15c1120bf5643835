"""A sweep: an experiment file that stands for several, one for every combination of some keys' values.

[sweep] has lines such as `student.lambda=0.3 0.6`. `experiment.base=a.ini b.ini` goes through experiments.
"""

import dataclasses
import itertools
import os
import re

from .errors import Failure
from .experiment import Experiment, Setting, files_of, folder_name

MARK = "sweep.json"  # in a sweep's folder: names the folders of its runs
PATHS = ("base", "data", "network")  # keys of [experiment] whose values are named by their files


@dataclasses.dataclass
class Sweep:
    name: str
    experiments: list


def sweep_settings(path, overrides):
    """{key: Setting} of [sweep], with what the bases say."""
    chain = files_of(path)
    own = next((found["sweep"]["experiment.base"] for found in chain if "experiment.base" in found["sweep"]), None)
    if own and "base" in chain[0]["experiment"]:
        own.refuse(f"{own.key}= and base= of [experiment] exclude each other; keep one of them")
    settings = {}
    for found in reversed(chain):
        settings |= found["sweep"]
    for text in overrides:
        key, equals, value = (piece.strip() for piece in text.removeprefix("sweep.").partition("="))
        if not equals:
            raise Failure(f"--set {text}: not section.key=value", 2)
        if not value and key not in settings:
            raise Failure(f"--set {text}: an empty value takes a key out, but {key}= is not there", 2)
        settings[key] = Setting("sweep", key, value, f"--set {text}", 2)
    return {key: setting for key, setting in settings.items() if setting.value}


def values_of(setting):
    """The settings that a line of [sweep] goes through."""
    section, dot, key = setting.key.partition(".")
    if not dot or not section or not key:
        setting.refuse(f"{setting.key}= is not section.key=, as in student.lambda=0.3 0.6")
    if (section, key) == ("experiment", "name"):
        setting.refuse("experiment.name= cannot be gone through: each run is named by its values")
    values = setting.value.split()
    for value in values:
        if values.count(value) > 1:
            setting.refuse(f"{setting.key}= has {value} twice; keep one of them")
    return [Setting(section, key, value, setting.where, setting.code) for value in values]


def part_of_name(setting):
    """What a value adds to the name of a run's folder."""
    value = setting.value
    if setting.section == "experiment" and setting.key in PATHS:
        return re.sub(r"[^A-Za-z0-9._-]", "_", os.path.splitext(os.path.basename(value))[0])
    return setting.key + re.sub(r"[^A-Za-z0-9._-]", "_", value)


def read_sweep(path, overrides, program):
    """The Sweep of a file, or None where it is a single experiment."""
    own = [text for text in overrides if text.startswith("sweep.")]
    others = [text for text in overrides if not text.startswith("sweep.")]
    settings = sweep_settings(path, own)
    if not settings:
        return None
    for text in others:
        key = text.partition("=")[0].strip()
        if key in settings:
            raise Failure(f"--set {text}: the sweep goes through {key}=; use --set sweep.{key}=", 2)
    experiments = {}
    for chosen in itertools.product(*map(values_of, settings.values())):
        base = next((setting for setting in chosen if setting.key == "base"), None)
        if base and any(found["sweep"] for found in files_of(path, base)[1:]):
            base.refuse(f"{base.value} is a sweep itself; name experiments")
        name = "-".join(map(part_of_name, chosen))
        if name in experiments:
            chosen[0].refuse(f"two combinations would have the folder {name}; give the files different names")
        experiments[name] = Experiment(path, others, program, (name, chosen))
    stem = os.path.splitext(os.path.basename(path))[0]
    named = files_of(path)[0]["experiment"].get("name") or Setting("experiment", "name", stem, path)
    try:
        return Sweep(folder_name(named.value), list(experiments.values()))
    except ValueError:
        named.refuse(f"name={named.value} is not allowed: it names a folder: letters, digits, '.', '_' and '-'")

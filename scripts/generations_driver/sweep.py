"""A sweep: an experiment file that stands for several, one for every combination of some keys' values.

[sweep] has lines such as `student.lambda=0.3 0.6`. `experiment.base=a.ini b.ini` varies the experiment.
"""

import dataclasses
import itertools
import os
import re

from .errors import Failure
from .experiment import Experiment, Setting, files_of, folder_name, parse_set
from .files import read_json, stem

MARK = "sweep.json"  # in a sweep's folder: names the folders of its runs
PATHS = ("base", "data", "network")  # keys of [experiment] whose values are named by their files
BOTH = "experiment.base= and base= of [experiment] exclude each other; keep one of them"


@dataclasses.dataclass
class Sweep:
    name: str
    experiments: list


def read_mark(folder):
    """The mark in a sweep's folder; None in another kind of folder."""
    path = os.path.join(folder, MARK)
    if not os.path.isfile(path):
        return None
    mark = read_json(path, "run the sweep again")
    for key in ("runs", "command"):
        if not isinstance(mark.get(key), list) or not all(isinstance(word, str) for word in mark[key]):
            raise Failure(f'{path}: "{key}" is not a list of strings; run the sweep again')
    return mark


def sweep_settings(path, overrides):
    """{key: Setting} of [sweep], the bases' included."""
    chain = files_of(path)
    for found in chain:
        if "experiment.base" in found["sweep"] and "base" in found["experiment"]:
            found["sweep"]["experiment.base"].refuse(BOTH)
    settings = {}
    for found in reversed(chain):
        settings |= found["sweep"]
    for text in overrides:
        key, value = parse_set(text.removeprefix("sweep."))
        if not value and key not in settings:
            raise Failure(f"--set {text}: an empty value removes a key, but {key}= is not given", 2)
        settings[key] = Setting("sweep", key, value, f"--set {text}", 2)
        if key == "experiment.base" and any("base" in found["experiment"] for found in chain):
            settings[key].refuse(BOTH)
    return {key: setting for key, setting in settings.items() if setting.value}


def values_of(setting):
    """The settings of a line of [sweep]."""
    section, dot, key = setting.key.partition(".")
    if not dot or not section or not key:
        setting.refuse(f"{setting.key}= is not section.key=, as in student.lambda=0.3 0.6")
    if (section, key) == ("experiment", "name"):
        setting.refuse("experiment.name= cannot vary: each run is named by its values")
    values = setting.value.split()
    for value in values:
        if values.count(value) > 1:
            setting.refuse(f"{setting.key}= has {value} twice; keep one of them")
    return [Setting(section, key, value, setting.where, setting.code) for value in values]


def parts_of_names(settings):
    """What each value of a line adds to the names of the runs' folders."""
    if settings[0].section == "experiment" and settings[0].key in PATHS:
        stems = [stem(setting.value) for setting in settings]
        common = os.path.commonprefix(stems).rpartition("-")  # the common beginning tells no runs apart
        parts = [name[len(common[0] + common[1]):] for name in stems] if len(stems) > 1 else stems
    else:
        parts = [setting.key + setting.value for setting in settings]
    return [re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in parts]


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
            raise Failure(f"--set {text}: the sweep varies {key}=; use --set sweep.{key}=", 2)
    lines = [values_of(setting) for setting in settings.values()]
    parts = itertools.product(*map(parts_of_names, lines))
    experiments = {}
    for chosen, names in zip(itertools.product(*lines), parts):
        base = next((setting for setting in chosen if setting.key == "base"), None)
        if base and any(found["sweep"] for found in files_of(path, base)[len(files_of(path)):]):
            base.refuse(f"{base.value} is a sweep itself; name experiments")
        name = "-".join(names)
        if name in experiments:
            chosen[0].refuse(f"two combinations would have the folder {name}; give the files different names")
        experiments[name] = Experiment(path, others, program, (name, chosen))
    named = files_of(path)[0]["experiment"].get("name") or Setting("experiment", "name", stem(path), path)
    try:
        return Sweep(folder_name(named.value), list(experiments.values()))
    except ValueError:
        named.refuse(f"name={named.value} is not allowed: it names a folder: letters, digits, '.', '_' and '-'")

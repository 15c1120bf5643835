"""The experiment file: read strictly, with overrides, its own keys checked."""

import dataclasses
import os
import re
import typing

from .cfg_files import read_sections
from .errors import Failure, nearest, warn
from .files import read_text, stem
from .network import PARTNER

SECTIONS = ("experiment", "network", "patriarch", "student")
FILE_SECTIONS = (*SECTIONS, "sweep")  # sweep.py makes several experiments of a file with the last one
SEEDS_APART = 1000  # a seed's generations have the training seeds from seed * 1000 on


@dataclasses.dataclass(frozen=True)
class Key:
    """A key of the driver's own: how its text is read (ValueError where it is not allowed), and what is allowed."""

    read: typing.Callable
    default: str
    allowed: str


def whole(text, low, high):
    if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
        raise ValueError
    return int(text)


def seed_list(text):
    seeds = [whole(word, 0, 2_000_000) for word in text.replace(",", " ").split()]  # times 1000 still 31 bits
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError
    return seeds


def folder_name(text):
    if not re.fullmatch(r"[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise ValueError
    return text


def count(default, low, high):
    return Key(lambda text: whole(text, low, high), default, f"a whole number from {low} to {high}")


def flag(default):
    return Key(lambda text: bool(whole(text, 0, 1)), default, "0 or 1")


# Without a default: "" where the key is required, None where it is optional.
EXPERIMENT_KEYS = {
    "name": Key(folder_name, None, "it names a folder: letters, digits, '.', '_' and '-'"),
    "data": Key(str, "", "a .data file"),
    "network": Key(str, "", "the cfg of a network"),
    "generations": count("2", 0, SEEDS_APART - 1),
    "seeds": Key(seed_list, "1", "different whole numbers from 0 to 2000000"),
    "ensemble": flag("1"),
    "baseline": flag("1"),
    "reuse": flag("0"),
    "licence": Key(str, None, "a text for the model card"),
    "threads": count(None, 1, 1024),
    "jobs": count("1", 1, 1024),
}
STUDENT_KEYS = {"cached": flag("0")}


@dataclasses.dataclass
class Setting:
    """What a key says, and where: "cfg/a.ini:12" or "--set ..."."""

    section: str
    key: str
    value: str
    where: str
    code: int = 1

    def refuse(self, text):
        raise Failure(f"{self.where}: [{self.section}] {text}", self.code)


def parse_set(text):
    """(key, value) of --set key=value."""
    key, equals, value = (word.strip() for word in text.partition("="))
    if not equals:
        raise Failure(f"--set {text}: not section.key=value", 2)
    return key, value


def know_section(section, where, code=1, sections=FILE_SECTIONS):
    if section not in sections:
        text = f"no section [{section}] in an experiment file; allowed: {', '.join(sections)}"
        raise Failure(f"{where}: {text}{nearest(section, sections)}", code)


def read_file(path):
    """{section: {key: Setting}} of one experiment file."""
    found = {name: {} for name in FILE_SECTIONS}
    first_lines = {}
    for section, line, entries in read_sections(path, read_text(path, "experiment file")):
        where = f"{path}:{line}"
        know_section(section, where)
        first = first_lines.get(section)
        if first:
            raise Failure(f"{where}: [{section}] is given twice, first in line {first}; keep one of them")
        first_lines[section] = line
        for key, value, number in entries:
            found[section][key] = Setting(section, key, value, f"{path}:{number}")
    return found


def files_of(path, last=None):
    """The contents of a file, of the one that its base= names, and so on; `last` is the base= of the last of them."""
    chain, paths = [], []
    while True:
        chain.append(read_file(path))
        paths.append(os.path.abspath(path))
        base = chain[-1]["experiment"].get("base")
        if not base:
            base, last = last, None
        if not base:
            return chain
        path = os.path.join(os.path.dirname(path), base.value)
        if os.path.abspath(path) in paths:
            base.refuse(f"base={base.value} leads back to {path}; an experiment cannot be based on itself")
        if not os.path.isfile(path):
            base.refuse(f"base={base.value}: there is no file {path}; the path is relative to this file")


class Experiment:
    """The checked contents of an experiment file with its overrides.

    `program` knows the keys of [net] and of the costs, and their defaults; ./darknet checks their values. Without it,
    for an experiment that a run has written with all defaults, these keys are not checked. `combination`: the settings
    that a sweep has chosen, and their name.
    """

    def __init__(self, path, overrides=(), program=None, combination=None):
        self.path = path
        self.settings = {name: {} for name in SECTIONS}
        name, chosen = combination or (None, [])
        chain = files_of(path, next((setting for setting in chosen if setting.key == "base"), None))
        for found in reversed(chain):
            self.settings["experiment"].pop("name", None)  # a folder of its own
            for section in SECTIONS:
                self._add(section, {key: value for key, value in found[section].items() if key != "base"})
        for setting in (setting for setting in chosen if setting.key != "base"):
            know_section(setting.section, setting.where, setting.code, SECTIONS)
            self._add(setting.section, {setting.key: setting})
        if combination:
            self.settings["experiment"]["name"] = Setting("experiment", "name", name, path)
            self.settings["experiment"].setdefault("reuse", Setting("experiment", "reuse", "1", path))
        self._override(overrides)
        self._know_keys("experiment", EXPERIMENT_KEYS)
        self.settings["experiment"].setdefault("name", Setting("experiment", "name", stem(path), path))
        # name, data, network, ... and cached
        vars(self).update(self._own("experiment", EXPERIMENT_KEYS) | self._own("student", STUDENT_KEYS))
        for settings in self.settings.values():
            for key, setting in settings.items():
                if PARTNER.get(key) in settings:
                    setting.refuse(f"{key}= and {PARTNER[key]}= exclude each other; keep one of them")
        if program:
            self._know_keys("network", program.net)
            self._complete("patriarch", program.patriarch_costs, {})
            self._complete("student", program.student_costs, STUDENT_KEYS)
        for section in ("patriarch", "student"):
            if "cost" not in self.settings[section]:
                raise Failure(f"{path}: [{section}] has no cost=")
        self.net, self.patriarch, self.student = (self._values(section) for section in SECTIONS[1:])
        self.student.pop("cached", None)

    def _add(self, section, settings):
        """Adds the keys of a file to its base's; another cost has other options."""
        old = self.settings[section]
        if "cost" in settings and "cost" in old and settings["cost"].value != old["cost"].value:
            old = {key: old[key] for key in STUDENT_KEYS if key in old}
        partners = {PARTNER.get(key) for key in settings}
        self.settings[section] = {key: value for key, value in old.items() if key not in partners} | settings

    def _override(self, overrides):
        given = {section: set(settings) for section, settings in self.settings.items()}
        seen = set()
        for text in overrides:
            name, value = parse_set(text)
            section, _, key = name.partition(".")
            if not key:
                raise Failure(f"--set {text}: not section.key=value", 2)
            know_section(section, f"--set {text}", 2, SECTIONS)
            if (section, key) in seen:
                raise Failure(f"--set {text}: {name} is set twice; keep one of them", 2)
            if (section, key) == ("experiment", "base"):
                raise Failure(f"--set {text}: base= cannot be set here; write it into a file, or give that file", 2)
            seen.add((section, key))
            settings = self.settings[section]
            if not value and key not in given[section]:
                advice = nearest(key, settings)
                raise Failure(f"--set {text}: an empty value removes a key, but {key}= is not given{advice}", 2)
            removed = PARTNER.get(key) if value else key
            if (section, removed) not in seen or not value:
                settings.pop(removed, None)
            if value:
                settings[key] = Setting(section, key, value, f"--set {text}", 2)

    def _own(self, section, keys):
        """The values of keys of the driver's own."""
        values = {}
        for key, kind in keys.items():
            setting = self.settings[section].get(key, Setting(section, key, kind.default, self.path))
            if setting.value == "":
                setting.refuse(f"has no {key}=: {kind.allowed}")
            try:
                values[key] = setting.value and kind.read(setting.value)
            except ValueError:
                setting.refuse(f"{key}={setting.value} is not allowed: {kind.allowed}")
        return values

    def _know_keys(self, section, names):
        for key, setting in self.settings[section].items():
            if key not in names:
                allowed = ", ".join(names) if len(names) < 12 else "the keys of a network's [net]"
                setting.refuse(f"has no key {key}=; allowed: {allowed}{nearest(key, names)}")

    def _complete(self, section, costs, own):
        """Checks the names of a section with a cost, and fills in the defaults."""
        settings = self.settings[section]
        only = next(iter(costs)) if len(costs) == 1 else ""
        setting = settings.setdefault("cost", Setting(section, "cost", only, self.path))
        cost = setting.value
        if cost not in costs:
            setting.refuse(f"cost={cost} is not allowed: one of {', '.join(costs)}{nearest(cost, costs)}")
        for key, setting in settings.items():
            owner = next((name for name, options in costs.items() if key in options), cost)
            if owner != cost and key not in costs[cost]:
                advice = f"remove it (on the command line: --set {section}.{key}=)"
                setting.refuse(f"{key}= belongs to cost={owner}, not to cost={cost}; {advice}")
        self._know_keys(section, ["cost", *costs[cost], *own])
        for key, default in costs[cost].items():
            if default is not None:
                settings.setdefault(key, Setting(section, key, default, self.path))

    def check_values(self, program, network, classes):
        """Has the program check the values of the costs' options and the network as the overrides have made it."""
        for section, values in (("patriarch", self.patriarch), ("student", self.student)):
            try:
                program.check_cost(values["cost"], options_of(values), classes)
            except Failure as failure:
                self._refused(section, values["cost"], failure, self.path)
        if "epochs" not in network.net and network.net.get("max_batches", "0") == "0":
            raise Failure(f"{self.network}: no epochs= and no max_batches= in [net]; give one of them")
        try:
            for translation in program.check_network(network.text([], "softmax", {}), self.data):
                warn(f"{self.network}: {translation}")
        except Failure as failure:
            self._refused("network", "net", failure, self.network)

    def _refused(self, section, name, failure, path):
        """Names the line of the experiment, or the --set, that has the refused value; `path` where none has."""
        found = re.match(rf"\[{name}\] (\w+)=", str(failure))
        key = found[1] if found else ""
        setting = self.settings[section].get(key, Setting(section, key, "", path))
        raise Failure(f"{setting.where}: [{section}] is refused: {failure}", setting.code) from failure

    def _values(self, section):
        return {key: setting.value for key, setting in self.settings[section].items()}

    def as_dictionary(self):
        """The experiment with every default filled in, for the summary."""
        own = {key: getattr(self, key) for key in EXPERIMENT_KEYS}
        return {**own, "net": self.net, "patriarch": self.patriarch, "student": {**self.student, "cached": self.cached}}

    def as_text(self, command):
        """An experiment file with the overrides and the costs' defaults in it."""
        lines = [f"# As run by: {command}"]
        for section in SECTIONS:
            if self.settings[section]:
                lines += ["", f"[{section}]", *(f"{key}={value}" for key, value in self._values(section).items())]
        return "\n".join(lines) + "\n"


def options_of(values):
    """The options of a cost, without its name."""
    return {key: value for key, value in values.items() if key != "cost"}

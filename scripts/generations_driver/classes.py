"""Accuracy of each class and the classes' names, from what `classifier valid` writes and the .data file says."""

from .cfg_files import read_sections, values
from .files import read_text

BY_CLASS = ("classes", "confusion")  # of a result of `valid`


def without_classes(result):
    """A result of `valid` less its lists by class, which are long; None where there is none."""
    return result and {key: value for key, value in result.items() if key not in BY_CLASS}


def class_accuracy(result):
    """The fraction of each class's images, by class; None where it has no image, or without a result."""
    return [entry["top1"] for entry in result["classes"]] if result and "classes" in result else None


def class_names(data):
    """[name] of the classes as names= or labels= of the .data file have them; empty where it has neither."""
    keys = values(read_sections(data, read_text(data, ".data file"), "data")[0])
    path = keys.get("names") or keys.get("labels")
    lines = read_text(path, "names of the classes").splitlines() if path else []
    return [line.partition(",")[0].strip().replace("_", " ") for line in lines]

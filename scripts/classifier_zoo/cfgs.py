"""Darknet's cfg files: which are classifiers, and copies that train for a moment."""

from generations_driver.cfg_files import read_network
from generations_driver.errors import Failure

# Sections that decide what a network is.
KINDS = {
    "detectors": {"detection", "region", "yolo", "Gaussian_yolo", "iseg"},
    "recurrent": {"rnn", "gru", "lstm", "crnn", "conv_lstm"},
}
COSTS = ("softmax", "soft", "cost")
OUTPUTS = {"convolutional": "filters", "conv": "filters", "connected": "output", "conn": "output"}


def kind_of(path):
    """'classifiers', or what else the network is."""
    names = [name for name, _, _ in read_network(path)[1]]
    for kind, sections in KINDS.items():
        if sections.intersection(names):
            return kind
    return "classifiers" if {"softmax", "soft"}.intersection(names[-2:]) and names[-1] in COSTS else "no classifiers"


def class_section(sections, classes):
    """The index of the section that has an output for each of so many classes, or None."""
    for index in reversed(range(len(sections))):
        name, _, entries = sections[index]
        keys = {key: value for key, value, _ in entries}
        if "tree" in keys:
            break
        if name in OUTPUTS:
            return index if keys.get(OUTPUTS[name]) == str(classes) else None
    return None


def with_values(path, values, index=0):
    """The text with other values in a section, [net] by default."""
    text, sections = read_network(path)
    lines, (_, line, entries) = text.splitlines(), sections[index]
    for key, value in values.items():
        places = [number for other, _, number in entries if other == key]
        if places:
            lines[places[0] - 1] = f"{key}={value}"
        else:
            lines[line - 1] += f"\n{key}={value}"
    return "\n".join(lines) + "\n"


def with_classes(path, classes, present):
    """(the text for so many classes instead of those present, the classes it has then)."""
    text, sections = read_network(path)
    index = class_section(sections, present)
    if index is None:
        return text, present  # they follow from other sizes, or from a tree
    return with_values(path, {OUTPUTS[sections[index][0]]: classes}, index), classes


def shape_of(path):
    """(channels, height, width) of its input."""
    keys = {key: value for key, value, _ in read_network(path)[1][0][2]}
    try:
        return tuple(int(keys[key]) for key in ("channels", "height", "width"))
    except (KeyError, ValueError) as error:
        raise Failure(f"{path}: [net] lacks channels=, height= or width= ({error})") from error

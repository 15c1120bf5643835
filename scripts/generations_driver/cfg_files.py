"""Darknet's text files: sections of key=value lines, and .data files."""

import re

from .errors import Failure
from .files import read_text, whole_or_none


def read_sections(path, text, first=None, as_darknet=False):
    """[(section, its line, [(key, value, line)])]; `first` is the section of lines without one above them.

    `as_darknet`: a value may have a comment behind it, keys without a value are ignored, and of a key given twice the
    first counts.
    """
    sections = [(first, 1, [])] if first else []
    for number, line in enumerate(text.splitlines(), 1):
        line, where = line.strip(), f"{path}:{number}"
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if line[-1] != "]" or not line[1:-1].strip():
                raise Failure(f"{where}: '{line}' is not a section; write [name]")
            sections.append((line[1:-1].strip(), number, []))
            continue
        key, equals, value = (word.strip() for word in line.partition("="))
        if not equals or not key:
            raise Failure(f"{where}: '{line}' is neither [section] nor key=value; comments start their line with #")
        if not sections:
            raise Failure(f"{where}: {key}= stands before the first [section]")
        section, _, entries = sections[-1]
        if as_darknet:
            value = re.split(r"(?:^|\s)[#;]", value)[0].strip()
            if value and all(other != key for other, _, _ in entries):
                entries.append((key, value, number))
            continue
        if not value:
            raise Failure(f"{where}: [{section}] {key}= has no value; give one or take the line out")
        for line in (line for other, _, line in entries if other == key):
            raise Failure(f"{where}: [{section}] {key}= is given twice, first in line {line}; keep one of them")
        entries.append((key, value, number))
    return sections


def values(section):
    """{key: value} of a section."""
    return {key: value for key, value, _ in section[2]}


def read_network(path):
    """(text, sections) of a network's cfg: [net] and at least one layer."""
    text = read_text(path, "network cfg")
    sections = read_sections(path, text, as_darknet=True)
    if len(sections) < 2 or sections[0][0] not in ("net", "network"):
        raise Failure(f"{path}: not a network cfg: the first section is [net], and layers follow")
    return text, sections


def read_data(path):
    """The keys of a .data file, in order; ./darknet checks their values."""
    data, *more = read_sections(path, read_text(path, ".data file"), "data")
    if more:
        raise Failure(f"{path}:{more[0][1]}: [{more[0][0]}]: a .data file has no sections; take the line out")
    keys = values(data)
    for key in ("classes", "train", "valid"):
        if key not in keys and (key, "held_out_per_class" in keys) != ("valid", True):
            needed = "an experiment needs classes=, train=, and valid= or held_out_per_class="
            raise Failure(f"{path}: no {key}=; {needed}")
    if (whole_or_none(keys["classes"]) or 0) < 2:
        raise Failure(f"{path}: classes={keys['classes']} is not allowed: a whole number from 2 on")
    return keys

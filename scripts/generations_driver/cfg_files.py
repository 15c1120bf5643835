"""Darknet's text files, read strictly: sections of key=value lines, and .data files."""

from .errors import Failure
from .files import read_text


def read_entries(path, text):
    """Each line that says something, as (number, section, key, value); key and value are None where [section] stands."""
    section = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = line[1:-1].strip()
            if line[-1] != "]" or not section:
                raise Failure(f"{path}:{number}: '{line}' is not a section; write [name]")
            yield number, section, None, None
            continue
        key, equals, value = (piece.strip() for piece in line.partition("="))
        if not equals or not key:
            raise Failure(
                f"{path}:{number}: '{line}' is neither [section] nor key=value; comments start their line with #"
            )
        if not value:
            raise Failure(f"{path}:{number}: {key}= has no value; give one or take the line out")
        yield number, section, key, value


def refuse_twice(path, number, key, entries):
    for other, _, first in entries:
        if other == key:
            raise Failure(f"{path}:{number}: {key}= is given twice, first in line {first}; keep one of them")


def read_sections(path, text):
    """[(section, its line, [(key, value, line)])] of a cfg or an experiment file."""
    sections = []
    for number, section, key, value in read_entries(path, text):
        if key is None:
            sections.append((section, number, []))
            continue
        if not sections:
            raise Failure(f"{path}:{number}: {key}= stands before the first [section]")
        refuse_twice(path, number, key, sections[-1][2])
        sections[-1][2].append((key, value, number))
    return sections


def read_data(path):
    """The keys of a .data file, in order; ./darknet checks their values."""
    entries = []
    for number, section, key, value in read_entries(path, read_text(path, ".data file")):
        if section is not None:
            raise Failure(f"{path}:{number}: a .data file has no sections")
        refuse_twice(path, number, key, entries)
        entries.append((key, value, number))
    keys = {key: value for key, value, _ in entries}
    for key in ("classes", "train", "valid"):
        if key not in keys:
            raise Failure(f"{path}: no {key}=; an experiment needs classes=, train= and valid=")
    if not keys["classes"].isdigit():
        raise Failure(f"{path}: classes={keys['classes']} is not a whole number")
    return keys

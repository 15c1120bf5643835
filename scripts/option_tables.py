#!/usr/bin/env python3
"""The option tables of docs/options.md and layers/README.md: what `darknet options` prints.

    scripts/option_tables.py [--darknet FILE]          checks them; exit code 1 and what is wrong
    scripts/option_tables.py --write [--darknet FILE]  writes them

A table follows a line `<!-- darknet options: SECTION -->`; that of "layer" has what all layers share. An option of one
host alone is marked by hand, for instance `alpha` (packaged Darknet); rows of the other host stay as they are.
"""

import argparse
import itertools
import json
import pathlib
import re
import subprocess
import sys

from generations_driver.errors import Failure

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ("docs/options.md", "layers/README.md")
HOSTS = {"packaged": "packaged Darknet", "alexeyab": "AlexeyAB's fork"}
MARKER = re.compile(r"<!-- darknet options: (\w+) -->")
ROW = re.compile(r"\| `(\w+)`(?: \((.+?)\))? \|")
HEADER = ["| option | default | allowed | meaning |", "|---|---|---|---|"]


def sections_of(tables):
    """Section -> its options; "layer": those that all layers have, left out of the layers' own."""
    layers = tables["layers"].values()
    shared = [option for option in next(iter(layers)) if all(option in options for options in layers)]
    own = {name: [option for option in options if option not in shared] for name, options in tables["layers"].items()}
    return {"net": tables["net"], "layer": shared, **own, **tables["costs"]}


def row_of(option, mark):
    """A line of a table. A meaning that ends with "(default: ...)" says what stands in for a default."""
    meaning, _, words = option["meaning"].partition(" (default: ")
    default = option["default"] or words.removesuffix(")") or "none"
    # The hosts have different ones; the text above the tables lists them.
    allowed = "an activation, see above" if option["name"] == "activation" else option["allowed"]
    name = f"`{option['name']}`" + (f" ({mark})" if mark else "")
    return f"| {name} | {default} | {allowed} | {meaning} |"


def table_of(options, old, host):
    """The lines of a table, given those that are there."""
    marks = dict(ROW.match(line).groups() for line in old)
    rows = {option["name"]: row_of(option, marks.get(option["name"])) for option in options}
    others = {name: line for line, (name, mark) in zip(old, marks.items()) if mark not in (None, host)}
    order = list(rows)
    for name in others:  # behind the row that it stands behind now
        names = list(marks)
        before = names[names.index(name) - 1]
        order.insert(order.index(before) + 1 if before in order else 0, name)
    return HEADER + [{**rows, **others}[name] for name in order]


def with_tables(text, sections, host):
    """The text with its tables written anew, and the sections that it has."""
    lines, found, number = [], [], 0
    old = text.splitlines()
    while number < len(old):
        lines.append(old[number])
        marker = MARKER.fullmatch(old[number])
        number += 1
        if marker:
            name = marker.group(1)
            if name not in sections:
                raise Failure(f"[{name}] has a table, but there is no such section; there are: {', '.join(sections)}")
            found.append(name)
            end = number
            while end < len(old) and old[end].startswith("|"):
                end += 1
            lines += table_of(sections[name], [line for line in old[number:end] if ROW.match(line)], host)
            number = end
    return "\n".join(lines) + "\n", found


def check_headings(text, tables):
    """Every section has a heading that the program knows, and names its aliases."""
    parts = dict(part.split("]", 1) for part in text.split("\n## [")[1:])
    known = {**tables["layers"], **tables["costs"]}
    for name in [*known, *parts]:
        if name not in parts or name not in known:
            raise Failure(f"[{name}] is {'no section of the program' if name in parts else 'without a heading'}")
    for alias, name in tables["aliases"].items():
        if f"`[{alias}]`" not in parts[name]:
            raise Failure(f"[{name}] does not name its alias `[{alias}]`")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables")
    parser.add_argument("--darknet", default=str(ROOT / "darknet"), help="the program (default: ./darknet)")
    parser.add_argument("--root", default=ROOT, type=pathlib.Path, help="the folder of the documents")
    arguments = parser.parse_args()
    try:
        tables = json.loads(subprocess.check_output([arguments.darknet, "options"], text=True))
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise Failure(f"{arguments.darknet} options: {error}; build ./darknet anew with `make`") from error
    sections = sections_of(tables)
    missing = {name for name, options in sections.items() if options}
    for name in FILES:
        path = arguments.root / name
        text = path.read_text()
        try:
            new, found = with_tables(text, sections, HOSTS[tables["host"]])
            if name.startswith("layers"):
                check_headings(text, tables)
        except Failure as error:
            raise Failure(f"{path}: {error}") from error
        missing -= set(found)
        if arguments.write:
            path.write_text(new)
            continue
        for number, (line, wanted) in enumerate(itertools.zip_longest(text.splitlines(), new.splitlines()), 1):
            if line != wanted:
                raise Failure(f"{path}:{number}: found {line!r}, the program has {wanted!r}; "
                              "run scripts/option_tables.py --write")
    if missing:
        raise Failure(f"no table for {', '.join(sorted(missing))}: add a line <!-- darknet options: SECTION --> to "
                      "layers/README.md")


if __name__ == "__main__":
    try:
        main()
    except Failure as error:
        sys.exit(f"option_tables.py: {error}")

#!/usr/bin/env python3
"""Superclasses of ILSVRC2012: a cut through WordNet's hierarchy of hypernyms. Also the synsets and their names.

    scripts/make_superclasses.py [SOURCE] [--out DIR] [--check]

SOURCE is WordNet 3.0's data.noun (Debian's wordnet-base), or a table of synset, parents, ..., names with tabs between.

A class belongs to its lowest ancestor that covers at least 10 of the 1000 classes; where a synset has several parents,
the first counts, which is WordNet's main one. A superclass that fewer than 5 classes belong to joins the next one
above, from the lowest to the highest. That makes 69 superclasses. One that lies above others ("device") holds what
none of those below covers ("clock" does not count among "musical instrument").

Written to DIR (default: data): ilsvrc2012.superclasses, one index a line in class order; ilsvrc2012.superclass_names;
ilsvrc2012.names, the classes' names. The classes are the lines of ilsvrc2012.labels, which is only read.
"""

import argparse
import collections
import os
import sys

from generations_driver.errors import Failure, OneLineParser
from generations_driver.files import read_text, write_or_check

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
WORDNET = "/usr/share/wordnet/data.noun"
SMALLEST_SUBTREE = 10
SMALLEST_SUPERCLASS = 5


def read_data_noun(text):
    """{synset: (parents, names)} of WordNet's own file, see its manual page wndb(5)."""
    synsets = {}
    for line in text.splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.split("|")[0].split()
        words = int(fields[3], 16)
        names = [word.replace("_", " ") for word in fields[4:4 + 2 * words:2]]
        pointers = fields[5 + 2 * words:]
        parents = [f"n{pointers[i + 1]}" for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]
        synsets[f"n{fields[0]}"] = (parents, ", ".join(names))
    return synsets


def read_table(text):
    rows = [line.split("\t") for line in text.splitlines()]
    return {row[0]: ([parent for parent in row[1].split(",") if parent], row[-1]) for row in rows}


def read_hierarchy(path):
    text = read_text(path, "WordNet's nouns (package wordnet-base)")
    try:
        return read_data_noun(text) if text.startswith("  ") else read_table(text)
    except (IndexError, ValueError) as error:
        raise Failure(f"{path}: is neither WordNet's data.noun nor a table of synsets") from error


def ancestors(synset, hierarchy):
    """The synset and what stands above it, main parents only."""
    line = [synset]
    while hierarchy[line[-1]][0]:
        line.append(hierarchy[line[-1]][0][0])
    return line


def cut(classes, hierarchy):
    """The superclass (a synset) of every class."""
    lines = [ancestors(synset, hierarchy) for synset in classes]
    covered = collections.Counter(synset for line in lines for synset in line)
    owner = [next(synset for synset in line if covered[synset] >= SMALLEST_SUBTREE) for line in lines]
    depth = {synset: len(line) - i for line in lines for i, synset in enumerate(line)}
    for small in sorted(set(owner), key=lambda synset: (-depth[synset], synset)):
        above = [synset for synset in ancestors(small, hierarchy)[1:] if synset in owner]
        if above and owner.count(small) < SMALLEST_SUPERCLASS:
            owner = [above[0] if synset == small else synset for synset in owner]
    return owner


def contents(classes, hierarchy):
    """{file name: content}."""
    owner = cut(classes, hierarchy)
    superclasses = sorted(set(owner))
    return {
        "ilsvrc2012.superclasses": "".join(f"{superclasses.index(synset)}\n" for synset in owner),
        "ilsvrc2012.superclass_names": "".join(f"{hierarchy[synset][1]}\n" for synset in superclasses),
        "ilsvrc2012.names": "".join(f"{hierarchy[synset][1]}\n" for synset in classes),
    }


def write(options):
    labels = os.path.join(FOLDER, "ilsvrc2012.labels")
    classes = read_text(labels, "list of synsets").split()
    hierarchy = read_hierarchy(options.source)
    for synset in classes:
        if synset not in hierarchy:
            raise Failure(f"{options.source}: has no synset {synset} of {labels}; give WordNet 3.0")
    for name, text in contents(classes, hierarchy).items():
        write_or_check(os.path.join(options.out, name), text, options.check, f"make_superclasses.py {options.source}")


def main(arguments=None):
    parser = OneLineParser(prog="make_superclasses.py", description=__doc__,
                           formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", nargs="?", default=WORDNET, metavar="SOURCE", help=f"default: {WORDNET}")
    parser.add_argument("--out", default=FOLDER, metavar="DIR", help="the folder (default: the project's data/)")
    parser.add_argument("--check", action="store_true", help="only compare")
    return parser.run(write, arguments)


if __name__ == "__main__":
    sys.exit(main())

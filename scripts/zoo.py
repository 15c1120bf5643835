#!/usr/bin/env python3
"""Every classifier cfg of a Darknet's tree: does this program accept and train it, and does Darknet's own agree?

    scripts/zoo.py [--darknet PROGRAM] [--stock PROGRAM] [--data FILE.data] [--json FILE] TREE [CFG...]

TREE has cfg/*.cfg (/usr/share/darknet of the package darknet, or AlexeyAB's); CFG names some of them. Of each, an
edited copy (classes, batch=2, subdivisions=1, max_batches=3) is trained for three updates on six photographs, each a
class of its own: those of TREE/data, or the first of --data's training list. Then it is evaluated, and `classifier
predict` of this program and of Darknet's own (--stock) are compared on the same weights and images. The table is
Markdown.
"""

import glob
import os
import shutil
import sys
import tempfile

from classifier_zoo import photographs
from classifier_zoo.cfgs import kind_of
from classifier_zoo.trial import Trial
from generations_driver.document import Table, markdown_table
from generations_driver.errors import Failure, OneLineParser
from generations_driver.files import write_json
from generations_driver.place import default_program
from generations_driver.program import Program
from generations_driver.progress import Display, clock

HEADER = ["cfg", "accepted", "translated", "refused", "trained (losses)", "agrees (largest difference; between images)"]


def translated_cell(row):
    """Each key or section once, with how often."""
    places = [where.partition(": ")[2] for where, _ in row["translated"]]
    return "<br>".join(f"{place} ({places.count(place)} times)" if places.count(place) > 1 else place
                       for place in dict.fromkeys(places))


def agrees_cell(row):
    word = {None: "", True: "yes", False: "**no**"}[row["agrees"]]
    figure = "" if row["agrees"] is None else f" ({row['largest_difference']:.2f}; {row['between_images']:.1f})"
    return "<br>".join(filter(None, [word + figure, *row["notes"]]))


def cells(row):
    losses = ", ".join("-" if loss is None else f"{loss:.2f}" for loss in row["losses"])
    trained = row.get("failed") or (f"yes ({losses})" if row["trained"] else f"**no** ({losses})" if losses else "")
    return [row["cfg"].removesuffix(".cfg"), "yes" if row["accepted"] else "no", translated_cell(row),
            row["refused"] or "", trained, agrees_cell(row)]


def choose(options):
    """{kind: [path]}."""
    paths = sorted(glob.glob(os.path.join(options.tree, "cfg", "*.cfg")))
    if not paths:
        raise Failure(f"{options.tree}: no cfg/*.cfg there; name a Darknet's tree, or /usr/share/darknet", 2)
    names = {os.path.basename(path).removesuffix(".cfg"): path for path in paths}
    wanted = [os.path.basename(name).removesuffix(".cfg") for name in options.cfgs]
    for name in (name for name in wanted if name not in names):
        raise Failure(f"{options.tree}/cfg: no {name}.cfg", 2)
    kinds = {}
    for name in wanted or names:
        try:
            kind = kind_of(names[name])
        except Failure as failure:
            kind = f"unreadable ({str(failure).removeprefix(names[name] + ': ')})"
        kinds.setdefault(kind, []).append(names[name])
    return kinds


def choose_stock(options, host):
    """The host's own program; without one nothing is compared."""
    path = options.stock or (shutil.which("darknet") if host == "packaged" else os.path.join(options.tree, "darknet"))
    if path and os.path.isfile(path) and os.access(path, os.X_OK):
        return os.path.abspath(path)
    if options.stock:
        raise Failure(f"{path}: no such program; --stock names Darknet's own", 2)
    sys.stderr.write("zoo.py: Darknet's own program is missing, so nothing is compared; name it with --stock\n")
    return None


def run(options):
    photographs.require_library()
    program = Program(options.darknet)
    kinds = choose(options)
    images = photographs.of_data(options.data) if options.data else photographs.of_tree(options.tree)
    stock = choose_stock(options, program.host)
    display, rows = Display(sys.stderr), []
    paths = kinds.pop("classifiers", [])
    for number, path in enumerate(paths, 1):
        display.update(f"{number}/{len(paths)} {path}")
        with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
            row = Trial(path, os.path.abspath(program.path), stock, images, folder).run()
        rows.append(row)
        display.line(f"{number}/{len(paths)} {row['cfg']}: {summary(row)}, {clock(row['seconds'])}")
        if options.json:
            write_json(options.json, {"host": program.host, "rows": rows})  # an interrupted run keeps what it has
    print(markdown_table(Table("zoo", HEADER, [cells(row) for row in rows])))
    print()
    for kind, others in kinds.items():
        print(f"{kind}: {', '.join(os.path.basename(path).removesuffix('.cfg') for path in others)}")


def summary(row):
    if not row["accepted"]:
        return f"refused: {row['refused']}"
    if not row["trained"]:
        return f"not trained: {row.get('failed') or row['losses']}"
    return "trained, " + (agrees_cell(row).replace("<br>", "; ") or "not compared")


def main(arguments=None):
    parser = OneLineParser(prog="zoo.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("tree", metavar="TREE", help="a folder with cfg/*.cfg")
    parser.add_argument("cfgs", metavar="CFG", nargs="*", help="only these of its cfgs, by name")
    parser.add_argument("--darknet", default=default_program(), metavar="PROGRAM", help="this program")
    parser.add_argument("--stock", metavar="PROGRAM",
                        help="Darknet's own program (default: darknet of the package, or TREE/darknet)")
    parser.add_argument("--data", metavar="FILE.data", help="image lists (default: the photographs of TREE/data)")
    parser.add_argument("--json", metavar="FILE", help="the results as JSON")
    return parser.run(run, arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Accuracy of each class and the most frequent confusions, as part of a report."""

import os

from .classes import class_names
from .document import Cell, Heading, Picture, Table, Text, number_cell, spread_cell
from .errors import Failure
from .files import read_json
from .summary import baseline_name, groups, last_student, spread
from .tables import label_of

MANY = 20  # with more classes only those that change most are shown; the CSV has all
SHOWN = 10
DRAWN = 100  # more classes are not to be seen in a figure


def names_of(summary, count):
    try:
        names = class_names(summary["configuration"]["data"])
    except Failure:  # the file may be gone by the time of a later report
        names = []
    return [names[i] if i < len(names) else f"class {i}" for i in range(count)]


def class_spreads(summary):
    """{generation: [spread of a class's accuracy over the seeds]}"""
    found = {}
    for keys, same in groups(summary["runs"], "generation"):
        lists = [run["class_accuracy"] for run in same if run.get("class_accuracy")]
        if lists:
            found[keys["generation"]] = [spread(column) for column in zip(*lists)]
    return found


def confusions(summary, generation):
    """{(label, chosen): mean count over the seeds}; empty without any."""
    paths = [run["confusion"] for run in summary["runs"] if run["generation"] == generation and run.get("confusion")]
    counts = {}
    for path in filter(os.path.exists, paths):
        for label, chosen, count in read_json(path, "remove it and run again")["result"]["confusion"]:
            counts[label, chosen] = counts.get((label, chosen), 0) + count / len(paths)
    return counts


def last_of(summary, found):
    """The last generation that has results."""
    return next((name for name in (last_student(summary), "patriarch") if name in found), None)


def class_table(summary, spreads, names):
    """A row for each class."""
    rows = [[name, *(spread_cell(of[i]) for of in spreads.values())] for i, name in enumerate(names)]
    return Table("classes", ["class", *map(label_of, spreads)], rows)


def changed_most(summary, spreads, last, names):
    """The classes whose accuracy in the last generation differs most from the baseline's."""
    reference = spreads[baseline_name(summary)]
    changes = sorted(((100 * (one["mean"] - other["mean"]), i) for i, (one, other) in
                      enumerate(zip(spreads[last], reference)) if one and other), reverse=True)
    picked = changes if len(changes) <= 2 * SHOWN else changes[:SHOWN // 2] + changes[-SHOWN // 2:]
    rows = [[names[i], spread_cell(reference[i]), spread_cell(spreads[last][i]), Cell(f"{change:+.2f}", {"": change})]
            for change, i in picked]
    return Table("classes-changed", ["class", "baseline", label_of(last), "difference"], rows)


def confusion_table(summary, last, names):
    """The pairs that the last generation confuses most, and how often the baseline does."""
    counts, reference = confusions(summary, last), confusions(summary, baseline_name(summary))
    pairs = sorted((pair for pair in counts if pair[0] != pair[1]), key=lambda pair: (-counts[pair], pair))[:SHOWN]
    rows = [[names[label], names[chosen], number_cell(counts[label, chosen], 1, 1),
             *([number_cell(reference.get((label, chosen), 0.0), 1, 1)] if reference else [])]
            for label, chosen in pairs]
    return Table("confusions", ["label", "taken for", label_of(last), *(["baseline"] if reference else [])], rows)


def class_section(summary, drawn):
    """(blocks, tables that are only written as files)."""
    spreads = class_spreads(summary)
    last = last_of(summary, spreads)
    if last is None:
        return [], []
    names = names_of(summary, len(spreads[last]))
    whole = class_table(summary, spreads, names)
    blocks = [Heading(2, "Classes"), Text(
        "Top-1 accuracy in % of each class, validation images, last epoch, mean over the seeds.")]
    if len(names) <= MANY:
        blocks, hidden = [*blocks, whole], []
    else:
        hidden = [whole]
        if baseline_name(summary) in spreads and last != baseline_name(summary):
            blocks += [Text(f"The classes with the largest differences between {label_of(last)} and the baseline, of "
                            f"{len(names)}; `tables/classes.csv` has all."),
                       changed_most(summary, spreads, last, names)]
    if "confusion" in drawn:
        blocks.append(Picture("confusion", "confusion matrix of the last generation"))
    blocks += [Text("The most frequent confusions, images a seed:"), confusion_table(summary, last, names)]
    return blocks, hidden


def confusion_matrix(summary):
    """(title, names, [[share of the label's images in %]]) of the last generation; None where there is none to draw."""
    spreads = class_spreads(summary)
    last = last_of(summary, spreads)
    if last is None or len(spreads[last]) > DRAWN:
        return None
    counts, size = confusions(summary, last), len(spreads[last])
    rows = [[counts.get((label, chosen), 0) for chosen in range(size)] for label in range(size)]
    shares = [[100 * count / max(1, sum(row)) for count in row] for row in rows]
    return f"{label_of(last)}, last epoch", names_of(summary, size), shares

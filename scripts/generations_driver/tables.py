"""The tables of the reports: markdown, and the cells of their figures."""

import re

from .measures import INSPECTIONS, MEASURES
from .summary import shown_spread

PERCENT = ("top1", "topk", "teacher_agreement")  # measures that are shown in %


def label_of(name):
    return re.sub(r"^student(\d+)$", r"student \1", name)


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def k_of(summary):
    results = (run[kind] for run in summary["runs"] for kind in ("last", "best") if run.get(kind))
    return next((int(result["k"]) for result in results if result.get("k")), 5)


def table(header, rows):
    ruler = ["---" if i == 0 else "---:" for i in range(len(header))]
    return [f"| {' | '.join(row)} |" for row in (header, ruler, *rows)] + [""]


def accuracy_cells(entry):
    """The cells of a mean over seeds: top-1, top-k, loss."""
    return [shown_spread(entry["top1"]), shown_spread(entry["topk"]), shown_spread(entry["loss"], 1, 4)]


def count_of(entry):
    return str(entry["top1"]["n"] if entry["top1"] else 0)


def measure_cell(key, spread):
    """100 and 2 digits for what is a share of images, else 4 digits."""
    return shown_spread(spread, *((100, 2) if key in PERCENT else (1, 4)))


def measure_name(key):
    return MEASURES[key] + (" (%)" if key in PERCENT else "")


def picture(drawn, subject, text):
    """A figure, where it was drawn."""
    return [f"![{text}]({subject}.png)", ""] if subject in drawn else []


def section(drawn, subject, intro, text):
    """A section of a report about a figure, where it was drawn."""
    return [f"## {subject.capitalize()}", "", intro, "", *picture(drawn, subject, text)] if subject in drawn else []


def confidence_section(drawn, images):
    intro = f"How many {images} have each confidence of the primary class, mean over the seeds."
    return section(drawn, "confidence", intro, "histograms of the primary class's confidence")


def examples_section(drawn, networks):
    intro = "Validation images, chosen by their position in the set only, with the most probable classes in %: "
    intro += f"{networks}. The label's class is green and bold."
    return section(drawn, "examples", intro, "images with the most probable classes")


def distance_text(summaries):
    """How the distances are computed, where the tables have any."""
    entries = [entry.get(kind) or {} for summary in summaries for entry in summary["mean"] for kind in INSPECTIONS]
    if not any("dist_between" in entry for entry in entries):
        return []
    return ["The distances replace the paper's Dist^C and Dist^S, whose formulas are not public: Euclidean, between "
            "the mean outputs of two classes.", ""]

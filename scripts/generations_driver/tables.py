"""What the tables of the reports share: labels, cells, and sections about a figure."""

import re

from .document import Heading, Picture, Text, spread_cell
from .measures import INSPECTIONS, MEASURES
from .summary import shown_spread

PERCENT = ("top1", "topk", "teacher_agreement")  # measures that are shown in %


def label_of(name):
    return re.sub(r"^student(\d+)$", r"student \1", name)


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def assignments(values):
    return " ".join(f"{key}={value}" for key, value in values.items() if key != "cost")


def cost_text(values):
    return f"[{values['cost']}] {assignments(values)}".rstrip()


def k_of(summary):
    results = (run[kind] for run in summary["runs"] for kind in ("last", "best") if run.get(kind))
    return next((int(result["k"]) for result in results if result.get("k")), 5)


def accuracy_cells(entry):
    """The cells of a mean over seeds: top-1, top-k, loss."""
    return [spread_cell(entry["top1"]), spread_cell(entry["topk"]), spread_cell(entry["loss"], 1, 4)]


def count_of(entry):
    return str(entry["top1"]["n"] if entry["top1"] else 0)


def form_of(key):
    """100 and 2 digits for what is a share of images, else 4 digits."""
    return (100, 2) if key in PERCENT else (1, 4)


def measure_cell(key, spread):
    return spread_cell(spread, *form_of(key))


def measure_text(key, spread):
    return shown_spread(spread, *form_of(key))


def measure_name(key):
    return MEASURES[key] + (" (%)" if key in PERCENT else "")


def picture(drawn, subject, text):
    """A figure, where it was drawn."""
    return [Picture(subject, text)] if subject in drawn else []


def section(drawn, subject, title, intro, text):
    """A section about a figure, where it was drawn."""
    return [Heading(2, title), Text(intro), Picture(subject, text)] if subject in drawn else []


def confidence_section(drawn, images):
    intro = f"How many {images} have each confidence of the primary class, mean over the seeds."
    return section(drawn, "confidence", "Confidence", intro, "histograms of the primary class's confidence")


def calibration_section(drawn):
    intro = ("Of validation images with about the same confidence of the primary class, how many are classified "
             "correctly; on the dashed diagonal the network is as often right as it is sure. All seeds together; bins "
             "with few images are left out. *error*: the expected calibration error, in the order of the legend.")
    return section(drawn, "calibration", "Calibration", intro, "calibration curves")


def examples_section(drawn, networks):
    intro = "Validation images, chosen by their position in the set only, with the most probable classes in %: "
    intro += f"{networks}. The label's class is green and bold."
    return section(drawn, "examples", "Examples", intro, "images with the most probable classes")


def distance_text(summaries):
    """How the distances are computed, where the tables have any."""
    entries = [entry.get(kind) or {} for summary in summaries for entry in summary["mean"] for kind in INSPECTIONS]
    if not any("dist_between" in entry for entry in entries):
        return []
    return [Text("The distances replace the paper's Dist^C and Dist^S, whose formulas are not public: Euclidean, "
                 "between the mean outputs of two classes.")]

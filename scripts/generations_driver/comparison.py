"""A report that compares runs: a row for each D(eta, lambda)."""

import os

from .differences import decided, difference_section, differences, softness_section
from .document import Heading, Table, Text, spread_cell
from .errors import Failure
from .figures import (
    calibration, comparison, confidence, examples, heat, intervals, measures, options, softness, tradeoff,
)
from .files import finite, stem
from .measures import INSPECTIONS, MEASURES
from .methods import labels_of, option_title, patriarch_of, varied_in
from .provenance_report import provenance_section
from .report import draw_all, example_networks, write_report, written
from .summary import baseline_name, collect, groups, last_student, shown_spread
from .tables import (
    calibration_section, confidence_section, counted, distance_text, examples_section, k_of, label_of, measure_cell,
    measure_name, picture, section,
)


def cell(entry, seeds):
    """A mean over seeds, and over how many where that is not all."""
    return spread_cell(entry, text=f"{shown_spread(entry)} (n={entry['n']})" if entry and entry["n"] < seeds else None)


def columns_of(summaries, name):
    """The generations of all runs together, in order."""
    found = {}
    for entry in (entry for summary in summaries for entry in summary[name]):
        key = entry["generation"] if name == "mean" else entry["name"]
        found.setdefault(key, (-1 if entry["index"] is None else entry["index"], len(found)))
    return sorted(found, key=found.get)


def mean_of_generation(summary, name):
    """The means of a generation; a plain patriarch is the baseline, too."""
    name = baseline_name(summary) if name == "baseline" else name
    return next((entry for entry in summary["mean"] if entry["generation"] == name), None)


def table_of(name, summaries, labels, names, mean_of):
    """A row for each run, with mean_of(summary, generation or ensemble)."""
    rows = [[label, *(cell(mean_of(summary, name), len(summary["configuration"]["seeds"])) for name in names)]
            for summary, label in zip(summaries, labels)]
    return Table(name, ["run", *map(label_of, names)], rows)


def ensemble_mean(summary, name):
    return next((entry["top1"] for entry in summary["ensemble_mean"] if entry["name"] == name), None)


def measure_tables(summaries, labels):
    """For the patriarchs and for the last students, on both sets; the runs are columns where these are few."""
    blocks = []
    for what, choose in (("The patriarchs", lambda _: "patriarch"), ("The last students", last_student)):
        for kind, images in INSPECTIONS.items():
            entries = [mean_of_generation(summary, choose(summary)) for summary in summaries]
            found = [(entry or {}).get(kind) or {} for entry in entries]
            keys = [key for key in MEASURES if any(found_one.get(key) for found_one in found)]
            if not keys:
                continue
            rows = [["run", *map(measure_name, keys)]]
            rows += [[label, *(measure_cell(key, one.get(key)) for key in keys)] for label, one in zip(labels, found)]
            if len(labels) <= COLUMNS:
                rows = [["measure", *rows[0][1:]], *rows[1:]]
                rows = list(map(list, zip(*rows)))
            word = {"valid": "validation", "train": "training"}[images]
            name = f"measures-{what.split()[-1]}-{word}"
            blocks += [Text(f"{what}, {word} images:"), Table(name, rows[0], rows[1:])]
    return blocks


COLUMNS = 5  # of runs that a table has room for
CONFIDENCE_LAYERS = ("patriarch", "last student", "baseline")


def confidence_panels(summaries, labels):
    """(label, results on validation images of the patriarch, the last student and the baseline) for each run."""
    for summary, label in zip(summaries, labels):
        found = {keys["generation"]: [run.get("inspect") for run in same]
                 for keys, same in groups(summary["runs"], "generation")}
        names = ("patriarch", last_student(summary), "baseline")
        yield broken(label), *(found.get(name, []) for name in names)


def calibration_panels(summaries, labels):
    """(label, results on validation images of patriarch and last student) for each run, the baselines first."""
    patriarchs, baselines = [], {}
    for summary, label in zip(summaries, labels):
        found = {keys["generation"]: [run.get("inspect") for run in same]
                 for keys, same in groups(summary["runs"], "generation")}
        baselines |= {(run["seed"], run["generation"], str(run["inspect"])): run["inspect"] for run in summary["runs"]
                      if run["generation"] == baseline_name(summary) and run["inspect"]}
        patriarchs.append((broken(label), *(found.get(name, []) for name in (last_student(summary), "patriarch"))))
    return ([("baseline", list(baselines.values()), [])] if baselines else []) + patriarchs


def broken(label):
    """A long label in two lines."""
    return label.replace(", lambda", ",\nlambda")


def networks_of(summaries):
    """Baseline and the first patriarchs that differ, for the picture grid."""
    found, varied = {}, varied_in([summary["configuration"] for summary in summaries])
    for summary in summaries:
        for title, path in example_networks(summary):
            if title not in ("baseline", "patriarch"):
                continue
            plain = title == "baseline" or summary["patriarch_is_baseline"]
            found.setdefault("baseline" if plain else patriarch_of(summary["configuration"]["patriarch"], varied), path)
    return sorted(found.items(), key=lambda item: item[0] != "baseline")[: examples.MOST]


def opening(summaries):
    configurations = [summary["configuration"] for summary in summaries]
    parts = []
    for key in ("network", "data"):
        values = list(dict.fromkeys(configuration[key] for configuration in configurations))
        parts.append(f"{key} {', '.join(f'`{value}`' for value in values)}")
    epochs = list(dict.fromkeys(summary["epochs"] for summary in summaries))
    if None not in epochs:
        parts.append(f"{', '.join(map(str, epochs))} epochs a generation")
    seeds = list(dict.fromkeys(" ".join(map(str, configuration["seeds"])) for configuration in configurations))
    parts.append(f"seeds {'; '.join(seeds)}")
    text = f"{counted(len(summaries), 'run')}: {'; '.join(parts)}."
    deviation = "Every number is the mean over the seeds, ± the sample deviation where there are several."
    reading = (
        "In D(eta, lambda), *confidence* means that the first number is the confidence wanted on the primary class, "
        "*eta* that it is the weight of the cross entropy. The *best epoch* is chosen on the validation images that it "
        "is reported on, so it is optimistic."
    )
    return [Text(text[0].upper() + text[1:] + f" {deviation}"), Text(reading)]


def accuracy_section(summaries, labels, drawn):
    names = columns_of(summaries, "mean")
    if any(summary["patriarch_is_baseline"] for summary in summaries) and "baseline" not in names:
        names.insert(0, "baseline")
    blocks = [Heading(2, "Accuracy over generations"),
              *picture(drawn, "accuracy", "top-1 accuracy over generations, a line for each run")]
    if "heat" in drawn:
        blocks.append(Text("The last student's difference to the baseline in points of top-1, mean over the seeds, for "
                           "each combination of options:"))
    blocks += picture(drawn, "heat", "difference to the baseline for each combination of options")
    if "options" in drawn:
        blocks.append(Text("The effect of each option: a faint point is a run, a large one the mean of the runs with "
                           "that value."))
    blocks += picture(drawn, "options", "top-1 accuracy over the values of the options in which the runs differ")
    k = k_of(summaries[0])
    for kind, key, text in (
        ("last", "top1", "Top-1 accuracy in %, last epoch"), ("last", "topk", f"Top-{k} accuracy in %, last epoch"),
        ("best", "top1", "Top-1 accuracy in %, best epoch"),
    ):
        def mean_of(summary, name, kind=kind, key=key):
            return (mean_of_generation(summary, name) or {}).get(kind, {}).get(key)
        blocks += [Text(f"{text}:"), table_of(f"accuracy-{key}-{kind}", summaries, labels, names, mean_of)]
    return blocks


TRADEOFF = ("Each run is a line from the patriarch (hollow) over its students to the last one (filled), the mean over "
            "the seeds at the last epoch; up and to the left is better.")


def run_rows(summaries, folders, labels, out):
    for summary, folder, label in zip(summaries, folders, labels):
        path = os.path.relpath(os.path.join(folder.path, "report.md"), out)
        taken = sum(bool(run["taken_from"]) for run in summary["runs"])
        yield [label, f"[{summary['name']}]({path})", f"`{stem(summary['configuration']['network'])}`",
               str(len(summary["configuration"]["seeds"])), f"{taken} of {len(summary['runs'])}"]


def report_blocks(summaries, folders, labels, found, drawn, out, command):
    blocks = [Heading(1, f"Comparison of {counted(len(summaries), 'run')}"), *opening(summaries)]
    for summary, label in zip(summaries, labels):
        if summary["missing"]:
            blocks.append(Text(f"**Not complete:** {label} lacks {', '.join(summary['missing'])}."))
    blocks += accuracy_section(summaries, labels, drawn)
    blocks += difference_section(summaries, labels, found, drawn)
    blocks += section(drawn, "tradeoff", "Accuracy against cross entropy", TRADEOFF, "accuracy against cross entropy")
    blocks += calibration_section(drawn) + softness_section(summaries, drawn)
    ensembles = columns_of(summaries, "ensemble_mean")
    if ensembles:
        blocks += [Heading(2, "Ensembles"),
                   Text("Top-1 accuracy in % of the mean of the members' probabilities, last epoch:"),
                   table_of("ensembles", summaries, labels, ensembles, ensemble_mean)]
    blocks += [Heading(2, "Secondary information"),
               *picture(drawn, "measures", "measures over generations, a line for each run")]
    blocks += measure_tables(summaries, labels) + distance_text(summaries)
    blocks += confidence_section(drawn, "validation images")
    networks = ", ".join(name for name, _ in networks_of(summaries))
    blocks += examples_section(drawn, f"{networks}; the first seed of each")
    header = ["run", "report", "network", "seeds", "trainings reused"]
    blocks += [Heading(2, "Runs"), Table("runs", header, list(run_rows(summaries, folders, labels, out)))]
    return blocks + provenance_section(summaries, command)


def write_comparison(folders, out, command, figures=True):
    """Writes the report, its tables and, with `figures`, its figures into `out`; returns lines that say so."""
    if not folders:
        raise Failure("no run to compare: none is begun")
    if os.path.isfile(os.path.join(out, "experiment.ini")):
        raise Failure(f"{out}: a run's own report is in that folder; choose another --out", 2)
    summaries = [finite(collect(folder, None)) for folder in folders]
    labels = labels_of(summaries)
    found = differences(summaries, labels)
    os.makedirs(out, exist_ok=True)
    drawn = draw_all(out, {
        "accuracy": lambda *paths: comparison.draw(summaries, labels, *paths),
        "heat": lambda *paths: heat.draw(summaries, option_title, *paths),
        "options": lambda *paths: options.draw(summaries, option_title, last_student, *paths),
        "differences": lambda *paths: intervals.draw(found, *paths),
        "tradeoff": lambda *paths: tradeoff.draw(summaries, labels, *paths),
        "calibration": lambda *paths: calibration.draw(
            calibration_panels(summaries, labels), *paths, layers=("last student", "patriarch")),
        "softness": lambda *paths: softness.draw(summaries, *paths),
        "measures": lambda *paths: measures.draw(summaries, labels, *paths),
        "confidence": lambda *paths: confidence.draw(confidence_panels(summaries, labels), CONFIDENCE_LAYERS, *paths,
                                                     images="validation"),
        "examples": lambda *paths: examples.draw(networks_of(summaries), *paths),
    }, figures)
    write_report(out, report_blocks(summaries, folders, labels, found, drawn, out, command), [])
    return [*([decided(found)] if any(one.corrected is not None for one in found) else []), *written(out, drawn)]

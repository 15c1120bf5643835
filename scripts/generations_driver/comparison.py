"""A report that compares runs: a row for each D(eta, lambda)."""

import os
import shlex

from .errors import Failure
from .figures import comparison, confidence, examples, measures, options
from .files import finite, stem, write_text
from .measures import INSPECTIONS, MEASURES
from .methods import labels_of, option_title, patriarch_of
from .report import draw_all, example_networks
from .summary import baseline_name, collect, gains, groups, shown_spread, spread, top1
from .tables import (
    confidence_section, counted, distance_text, examples_section, k_of, label_of, measure_cell, measure_name, picture,
    table,
)


def cell(entry, seeds, *form):
    """A mean over seeds, and over how many where that is not all."""
    text = shown_spread(entry, *form)
    return f"{text} (n={entry['n']})" if entry and entry["n"] < seeds else text


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


def table_of(summaries, labels, names, mean_of):
    """A row for each run, with mean_of(summary, name)."""
    rows = [[label, *(cell(mean_of(summary, name), len(summary["configuration"]["seeds"])) for name in names)]
            for summary, label in zip(summaries, labels)]
    return table(["", *map(label_of, names)], rows)


def ensemble_mean(summary, name):
    return next((entry["top1"] for entry in summary["ensemble_mean"] if entry["name"] == name), None)


def last_student(summary):
    count = summary["configuration"]["generations"]
    return f"student{count}" if count else None


def gain_rows(summaries, labels):
    """What the patriarch, the last student and the ensemble of all students gain on the baseline of the same seed."""
    for summary, label in zip(summaries, labels):
        ensembles = {
            entry["seed"]: top1(entry["result"]) for entry in summary["ensembles"]
            if entry["kind"] == "cumulative" and entry["index"] == summary["configuration"]["generations"]
        }
        last, found = last_student(summary), []
        for pick in (
            lambda values, _: values.get("patriarch"),
            lambda values, _, last=last: values.get(last),
            lambda _, seed, ensembles=ensembles: ensembles.get(seed),
        ):
            found.append(gains(summary, pick, baseline_name(summary)))
        spreads = [spread(pairs) for pairs in found]
        row = [f"{'+' if entry and entry['mean'] >= 0 else ''}{shown_spread(entry)}" for entry in spreads]
        pairs = found[1]
        yield [label, *row, f"{sum(pair > 0 for pair in pairs)} of {len(pairs)}" if pairs else "-"]


def measure_tables(summaries, labels):
    """For the patriarchs and for the last students, on both sets."""
    lines = []
    for what, choose in (("The patriarchs", lambda _: "patriarch"), ("The last students", last_student)):
        for kind, images in INSPECTIONS.items():
            entries = [mean_of_generation(summary, choose(summary)) for summary in summaries]
            found = [(entry or {}).get(kind) or {} for entry in entries]
            keys = [key for key in MEASURES if any(found_one.get(key) for found_one in found)]
            if keys:
                cells = [[measure_cell(key, one.get(key)) for key in keys] for one in found]
                rows = [[label, *row] for label, row in zip(labels, cells)]
                word = {"valid": "validation", "train": "training"}[images]
                lines += [f"{what}, {word} images:", "", *table(["", *map(measure_name, keys)], rows)]
    return lines


CONFIDENCE_LAYERS = ("patriarch", "last student", "baseline")


def confidence_panels(summaries, labels):
    """(label, results on validation images of the patriarch, the last student and the baseline) for each run."""
    for summary, label in zip(summaries, labels):
        found = {keys["generation"]: [run.get("inspect") for run in same]
                 for keys, same in groups(summary["runs"], "generation")}
        names = ("patriarch", last_student(summary), "baseline")
        yield label.replace(", lambda", ",\nlambda"), *(found.get(name, []) for name in names)


def networks_of(summaries):
    """Baseline and the first patriarchs that differ, for the picture grid."""
    found = {}
    for summary in summaries:
        for title, path in example_networks(summary):
            if title not in ("baseline", "patriarch"):
                continue
            plain = title == "baseline" or summary["patriarch_is_baseline"]
            found.setdefault("baseline" if plain else patriarch_of(summary["configuration"]["patriarch"]), path)
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
    return [text[0].upper() + text[1:] + f" {deviation}", "", reading, ""]


def report_text(summaries, folders, labels, drawn, out, command):
    names = columns_of(summaries, "mean")
    if any(summary["patriarch_is_baseline"] for summary in summaries) and "baseline" not in names:
        names.insert(0, "baseline")
    k = k_of(summaries[0])
    lines = [f"# Comparison of {counted(len(summaries), 'run')}", "", *opening(summaries)]
    for summary, label in zip(summaries, labels):
        if summary["missing"]:
            lines += [f"**Not complete:** {label} lacks {', '.join(summary['missing'])}.", ""]
    lines += ["## Accuracy over generations", ""]
    lines += picture(drawn, "accuracy", "top-1 accuracy over generations, a line for each run")
    if "options" in drawn:
        text = "The effect of each option: a faint point is a run, a large one the mean of the runs with that value."
        lines += [text, ""]
    lines += picture(drawn, "options", "top-1 accuracy over the values of the options in which the runs differ")
    for kind, key, text in (
        ("last", "top1", "Top-1 accuracy in %, last epoch"), ("last", "topk", f"Top-{k} accuracy in %, last epoch"),
        ("best", "top1", "Top-1 accuracy in %, best epoch"),
    ):
        def mean_of(summary, name, kind=kind, key=key):
            return (mean_of_generation(summary, name) or {}).get(kind, {}).get(key)
        lines += [f"{text}:", "", *table_of(summaries, labels, names, mean_of)]
    lines += ["## Against the baseline of the same seed", ""]
    head = ["points of top-1, last epoch", "patriarch", "last student", "ensemble of all students"]
    head.append("seeds with the last student above")
    lines += table(head, list(gain_rows(summaries, labels)))
    ensembles = columns_of(summaries, "ensemble_mean")
    if ensembles:
        lines += ["## Ensembles", "", "Top-1 accuracy in % of the mean of the members' probabilities, last epoch:", ""]
        lines += table_of(summaries, labels, ensembles, ensemble_mean)
    lines += ["## Secondary information", ""]
    lines += picture(drawn, "measures", "measures over generations, a line for each run")
    lines += measure_tables(summaries, labels) + distance_text(summaries)
    lines += confidence_section(drawn, "validation images")
    networks = ", ".join(name for name, _ in networks_of(summaries))
    lines += examples_section(drawn, f"{networks}; the first seed of each")
    lines += ["## Runs", ""]
    rows = []
    for summary, folder, label in zip(summaries, folders, labels):
        path = os.path.relpath(os.path.join(folder.path, "report.md"), out)
        taken = sum(bool(run["taken_from"]) for run in summary["runs"])
        rows.append([label, f"[{summary['name']}]({path})", f"`{stem(summary['configuration']['network'])}`",
                     str(len(summary["configuration"]["seeds"])), f"{taken} of {len(summary['runs'])}"])
    lines += table(["", "report", "network", "seeds", "trainings reused"], rows)
    lines += [f"Command: `{shlex.join(command)}`", ""]
    return "\n".join(lines)


def write_comparison(folders, out, command):
    """Writes report.md and the figures into `out`; returns the paths."""
    if not folders:
        raise Failure("no run to compare: none is begun")
    if os.path.isfile(os.path.join(out, "experiment.ini")):
        raise Failure(f"{out}: a run's own report is in that folder; choose another --out", 2)
    summaries = [finite(collect(folder, None)) for folder in folders]
    labels = labels_of(summaries)
    os.makedirs(out, exist_ok=True)
    drawn = draw_all(out, {
        "accuracy": lambda *paths: comparison.draw(summaries, labels, *paths),
        "options": lambda *paths: options.draw(summaries, option_title, last_student, *paths),
        "measures": lambda *paths: measures.draw(summaries, labels, *paths),
        "confidence": lambda *paths: confidence.draw(confidence_panels(summaries, labels), CONFIDENCE_LAYERS, *paths,
                                                     images="validation"),
        "examples": lambda *paths: examples.draw(networks_of(summaries), *paths),
    })
    path = os.path.join(out, "report.md")
    write_text(path, report_text(summaries, folders, labels, drawn, out, command))
    return [path, *drawn.values()]

"""A report that compares runs: a row for each D(eta, lambda)."""

import os
import shlex

from .errors import Failure
from .figures import comparison, confidence, examples, measures, options
from .files import finite, write_text
from .measures import INSPECTIONS, MEASURES
from .methods import labels_of, option_title, patriarch_of, stem
from .report import draw_all, example_networks
from .summary import collect, groups, shown_spread, spread, top1
from .tables import counted, distance_text, k_of, label_of, measure_cell, measure_name, picture, table


def cell(entry, seeds, *form):
    """A mean over seeds, and over how many where that is not all."""
    text = shown_spread(entry, *form)
    return f"{text} (n={entry['n']})" if entry and entry["n"] < seeds else text


def columns_of(summaries, name):
    """The generations of all runs together, in order."""
    found = {}
    for summary in summaries:
        for entry in summary[name]:
            key = entry["generation"] if name == "mean" else entry["name"]
            index = entry["index"]
            found.setdefault(key, (-1 if index is None else index, len(found)))
    return sorted(found, key=found.get)


def mean_of_generation(summary, name):
    """The means of a generation; a plain patriarch is the baseline, too."""
    if name == "baseline" and summary["patriarch_is_baseline"]:
        name = "patriarch"
    return next((entry for entry in summary["mean"] if entry["generation"] == name), None)


def accuracy_rows(summaries, labels, names, kind, key):
    for summary, label in zip(summaries, labels):
        seeds = len(summary["configuration"]["seeds"])
        entries = [mean_of_generation(summary, name) for name in names]
        yield [label, *(cell(entry and entry[kind][key], seeds) for entry in entries)]


def ensemble_rows(summaries, labels, names):
    for summary, label in zip(summaries, labels):
        entries = {entry["name"]: entry["top1"] for entry in summary["ensemble_mean"]}
        yield [label, *(cell(entries.get(name), len(summary["configuration"]["seeds"])) for name in names)]


def last_student(summary):
    count = summary["configuration"]["generations"]
    return f"student{count}" if count else None


def gains(summary, pick):
    """By how much what `pick` chooses differs from the baseline, seed by seed, in fractions."""
    found = []
    for seed in summary["configuration"]["seeds"]:
        values = {run["generation"]: top1(run["last"]) for run in summary["runs"] if run["seed"] == seed}
        reference = values.get("patriarch" if summary["patriarch_is_baseline"] else "baseline")
        value = pick(values, seed)
        if None not in (reference, value):
            found.append(value - reference)
    return found


def gain_rows(summaries, labels):
    """What the patriarch, the last student and the ensemble of all students gain on the baseline of the same seed."""
    for summary, label in zip(summaries, labels):
        ensembles = {
            entry["seed"]: top1(entry["result"]) for entry in summary["ensembles"]
            if entry["kind"] == "cumulative" and entry["index"] == summary["configuration"]["generations"]
        }
        last = last_student(summary)
        row = [label]
        for pick in (
            lambda values, _: values.get("patriarch"),
            lambda values, _, last=last: values.get(last),
            lambda _, seed, ensembles=ensembles: ensembles.get(seed),
        ):
            entry = spread(gains(summary, pick))
            row.append(f"{'+' if entry and entry['mean'] >= 0 else ''}{shown_spread(entry)}")
        pairs = gains(summary, lambda values, _, last=last: values.get(last))
        row.append(f"{sum(pair > 0 for pair in pairs)} of {len(pairs)}" if pairs else "-")
        yield row


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
        "*eta* that it weighs the cross entropy literally. The *best epoch* is chosen on the validation images that it "
        "is reported on, so it is optimistic."
    )
    return [text[0].upper() + text[1:] + f" {deviation}", "", reading, ""]


def report_text(summaries, folders, labels, drawn, out, command):
    names = columns_of(summaries, "mean")
    if any(summary["patriarch_is_baseline"] for summary in summaries) and "baseline" not in names:
        names.insert(0, "baseline")
    k, header = k_of(summaries[0]), ["", *map(label_of, names)]
    lines = [f"# Comparison of {counted(len(summaries), 'run')}", "", *opening(summaries)]
    for summary, label in zip(summaries, labels):
        if summary["missing"]:
            lines += [f"**Not complete:** {label} lacks {', '.join(summary['missing'])}.", ""]
    lines += ["## Accuracy over generations", ""]
    if "accuracy" in drawn:
        lines += picture("accuracy.png", "top-1 accuracy over generations, a line for each run")
    if "options" in drawn:
        lines += ["What each option does: a faint point is a run, a large one the mean of the runs with that value.",
                  ""]
        lines += picture("options.png", "top-1 accuracy over the values of the options in which the runs differ")
    for kind, key, text in (
        ("last", "top1", "Top-1 accuracy in %, last epoch"), ("last", "topk", f"Top-{k} accuracy in %, last epoch"),
        ("best", "top1", "Top-1 accuracy in %, best epoch"),
    ):
        lines += [f"{text}:", "", *table(header, list(accuracy_rows(summaries, labels, names, kind, key)))]
    lines += ["## Against the baseline of the same seed", ""]
    head = ["points of top-1, last epoch", "patriarch", "last student", "ensemble of all students"]
    head.append("seeds with the last student above")
    lines += table(head, list(gain_rows(summaries, labels)))
    ensembles = columns_of(summaries, "ensemble_mean")
    if ensembles:
        lines += ["## Ensembles", "", "Top-1 accuracy in % of the mean of the members' probabilities, last epoch:", ""]
        lines += table(["", *ensembles], list(ensemble_rows(summaries, labels, ensembles)))
    lines += ["## Secondary information", ""]
    if "measures" in drawn:
        lines += picture("measures.png", "measures over generations, a line for each run")
    lines += measure_tables(summaries, labels) + distance_text(summaries)
    if "confidence" in drawn:
        text = "How many validation images each network is how sure of, last epoch, mean over the seeds."
        lines += ["## Confidence", "", text, ""]
        lines += picture("confidence.png", "histograms of the primary class's confidence")
    if "examples" in drawn:
        text = "Validation images, chosen by their place in the set alone, with the most probable classes in %: "
        text += f"{', '.join(name for name, _ in networks_of(summaries))}; the first seed of each. The label's class "
        text += "is green and bold."
        lines += ["## Examples", "", text, ""]
        lines += picture("examples.png", "images with the most probable classes")
    lines += ["## Runs", ""]
    rows = []
    for summary, folder, label in zip(summaries, folders, labels):
        path = os.path.relpath(os.path.join(folder.path, "report.md"), out)
        taken = sum(bool(run["taken_from"]) for run in summary["runs"])
        rows.append([label, f"[{summary['name']}]({path})", f"`{stem(summary['configuration']['network'])}`",
                     str(len(summary["configuration"]["seeds"])), f"{taken} of {len(summary['runs'])}"])
    lines += table(["", "report", "network", "seeds", "trainings taken over"], rows)
    lines += [f"Command: `{shlex.join(command)}`", ""]
    return "\n".join(lines)


def write_comparison(folders, out, command):
    """Writes report.md and the figures into `out`; returns the paths."""
    if not folders:
        raise Failure("nothing to compare: no run is begun")
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

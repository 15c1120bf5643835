"""The report of a run: its blocks, its files, its figures, and the table that a run ends with."""

import os
import shutil

from .class_report import class_section, confusion_matrix
from .differences import difference_section, differences
from .document import Heading, Table, Text, markdown
from .figures import accuracy, calibration, confidence, confusion, examples, intervals, learning, measures
from .figures.style import KINDS
from .files import finite, read_json, write_json, write_text
from .html_page import html_page
from .measures import INSPECTIONS, MEASURES
from .model_card import write_cards
from .progress import clock
from .provenance_report import provenance_section
from .summary import collect, gains, groups, shown, shown_spread, top1
from .table_files import write_tables
from .tables import (
    accuracy_cells, assignments, calibration_section, confidence_section, cost_text, count_of, counted, distance_text,
    examples_section, k_of, label_of, measure_cell, measure_name, measure_text, picture, section,
)


def differ(value, reference):
    """'0.52 points above' and the like, from two fractions."""
    points = 100 * (value - reference)
    return "the same as" if abs(points) < 0.005 else f"{abs(points):.2f} points {'above' if points > 0 else 'below'}"


def facts(summary):
    """Sentences about the results; only means over the same seeds are compared."""
    means = {entry["generation"]: entry["last"]["top1"] for entry in summary["mean"] if entry["last"]["top1"]}
    if not means:
        return ["No generation is finished yet."]
    seeds = max(entry["n"] for entry in means.values())
    means = {name: entry for name, entry in means.items() if entry["n"] == seeds}
    text = []
    baseline, patriarch = means.get("baseline"), means.get("patriarch")
    if baseline:
        text.append(f"The baseline reaches {shown_spread(baseline)} % top-1.")
    if patriarch:
        against = f", {differ(patriarch['mean'], baseline['mean'])} the baseline" if baseline else ""
        text.append(f"The patriarch reaches {shown_spread(patriarch)} %{against}.")
        if summary["patriarch_is_baseline"]:
            text.append("Its cost is plain softmax, so it is the baseline at the same time.")
    chain = [name for name in means if name != "baseline"]
    students = [name for name in chain if name != "patriarch"]
    if students:
        text += student_facts(summary, means, chain, students)
    for entry in summary["ensemble_mean"]:
        whole = entry["top1"] and entry["top1"]["n"] == seeds
        if whole and entry["index"] == summary["configuration"]["generations"] and students:
            against = differ(entry["top1"]["mean"], means[students[-1]]["mean"])
            text.append(f"The ensemble of {entry['name']} reaches {shown_spread(entry['top1'])} %, {against} "
                        f"{label_of(students[-1])} alone.")
    return text


def student_facts(summary, means, chain, students):
    text = []
    reference = "baseline" if "baseline" in means else "patriarch"
    highest = max(students, key=lambda name: means[name]["mean"])
    which = "The student" if len(students) == 1 else f"Among the students, {label_of(highest)} is highest: it"
    against = differ(means[highest]["mean"], means[reference]["mean"]) if reference in means else None
    against = f", {against} the {reference}" if against else ""
    text.append(f"{which} reaches {shown_spread(means[highest])} %{against}.")
    steps = [f"{100 * (means[b]['mean'] - means[a]['mean']):+.2f} ({label_of(a)} to {label_of(b)})"
             for a, b in zip(chain, chain[1:])]
    text.append(f"From generation to generation the top-1 accuracy changes by {', '.join(steps)} points.")
    pairs = gains(summary, lambda values, _: values.get(students[-1]), reference)
    if len(pairs) > 1:
        text.append(f"Seed by seed, {label_of(students[-1])} differs from the {reference} by "
                    f"{', '.join(f'{100 * pair:+.2f}' for pair in pairs)} points: above it in "
                    f"{sum(pair > 0 for pair in pairs)} of {len(pairs)} seeds.")
    return text


def accuracy_rows(summary):
    return [[label_of(entry["generation"]), *accuracy_cells(entry["last"]), *accuracy_cells(entry["best"])[:2],
             count_of(entry["last"])] for entry in summary["mean"]]


def opening(summary):
    """What was run, in words."""
    configuration, epochs = summary["configuration"], summary["epochs"]
    student = dict(configuration["student"])
    cached = ", from cached teacher outputs" if student.pop("cached") else ""
    changed = {key: value for key, value in configuration["net"].items() if key != "epochs" or not epochs}
    setting = [f"Network `{configuration['network']}`", f"data `{configuration['data']}`",
               *([counted(epochs, "epoch")] if epochs else []),
               *([f"with `{assignments(changed)}` in `[net]`"] if changed else [])]
    seeds = configuration["seeds"]
    seed_text = f"One seed ({seeds[0]}): a single run each, so no deviation can be given."
    if len(seeds) > 1:
        seed_text = (f"{len(seeds)} seeds ({', '.join(map(str, seeds))}); every figure is the mean over the n seeds "
                     "that are finished, ± the sample deviation.")
    costs = (f"Patriarch: `{cost_text(configuration['patriarch'])}`. "
             f"{counted(configuration['generations'], 'student generation')}: `{cost_text(student)}`{cached}.")
    epochs_text = ("The *last epoch* is the weights at the end of training. The *best epoch* is chosen by accuracy on "
                   "the same validation images that it is reported on, so it is optimistic.")
    return [Text(f"{', '.join(setting)}. {costs}"), Text(f"{seed_text} {epochs_text}")]


def measure_table(summary, kind):
    """A row per measure, a column per generation; None where there is none."""
    columns = [entry for entry in summary["mean"] if entry.get(kind)]
    keys = [key for key in MEASURES if any(entry[kind].get(key) for entry in columns)]
    rows = [[measure_name(key), *(measure_cell(key, entry[kind].get(key)) for entry in columns)] for key in keys]
    head = ["measure", *(label_of(entry["generation"]) for entry in columns)]
    return Table(f"measures-{INSPECTIONS[kind]}", head, rows) if rows else None


def mildness(summary):
    """Whether the patriarch is milder than the baseline, in one sentence."""
    means = {entry["generation"]: entry.get("inspect_train") or {} for entry in summary["mean"]}
    baseline, patriarch = (means.get(name, {}).get("mean_primary") for name in ("baseline", "patriarch"))
    if not baseline or not patriarch:
        return []
    text = f"the mean confidence of the primary class is {measure_text('mean_primary', patriarch)} for the patriarch"
    return [Text(f"On training images, {text} and {measure_text('mean_primary', baseline)} for the baseline.")]


def inspect_section(summary, drawn):
    tables = [(text, measure_table(summary, kind)) for text, kind in zip(("Validation", "Training"), INSPECTIONS)]
    if not any(table for _, table in tables):
        return []
    blocks = [Heading(2, "Secondary information"), *mildness(summary),
              *picture(drawn, "measures", "measures over generations")]
    for text, table in tables:
        blocks += [Text(f"{text} images, last epoch; the teacher is the generation before:"), table] if table else []
    blocks += distance_text([summary]) + calibration_section(drawn) + confidence_section(drawn, "images")
    networks = " and ".join(label for label, _ in example_networks(summary))
    return blocks + examples_section(drawn, f"{networks}, seed {example_seed(summary)}")


def taken_text(summary):
    """Which trainings are another run's, whose time is not this run's."""
    names = [f"seed {run['seed']} {label_of(run['generation'])} from `{run['taken_from']}`"
             for run in summary["runs"] if run["taken_from"]]
    text = "Reused, because another run had trained with the same cfg, data, seed and teacher"
    return [Text(f"{text}: {', '.join(names)}.")] if names else []


def run_rows(summary):
    for run in summary["runs"]:
        epoch = f" ({run['best_epoch']})" if run["best"] and run["best_epoch"] is not None else ""
        time = "reused" if run["taken_from"] else "-" if run["wall_seconds"] is None else clock(run["wall_seconds"])
        yield [str(run["seed"]), label_of(run["generation"]), str(run["training_seed"]), str(run["epochs"]),
               shown(top1(run["last"])), shown((run["last"] or {}).get("topk")), shown(top1(run["best"])) + epoch, time]


LEARNING = ("Every training of every seed is a faint line, their mean a strong one. The training accuracy is that on "
            "augmented images while the weights move; the training cost is each generation's own, so that only the "
            "validation curves compare.")


def report_blocks(summary, drawn):
    """(blocks, tables that are only written as files)"""
    k = k_of(summary)
    blocks = [Heading(1, summary["name"]), *opening(summary)]
    if summary["missing"]:
        blocks.append(Text(f"**Not complete.** Still missing: {', '.join(summary['missing'])}."))
    blocks += [Heading(2, "Accuracy over generations"), *picture(drawn, "accuracy", "top-1 accuracy over generations")]
    header = ["generation", "top-1 %, last epoch", f"top-{k} %, last epoch", "loss, last epoch", "top-1 %, best epoch",
              f"top-{k} %, best epoch", "n"]
    blocks += [Table("accuracy", header, accuracy_rows(summary)),
               Text("At the last epoch: " + " ".join(facts(summary)))]
    blocks += difference_section([summary], [summary["name"]], differences([summary], [summary["name"]]), drawn)
    if summary["ensemble_mean"]:
        rows = [[entry["name"], *accuracy_cells(entry), count_of(entry)] for entry in summary["ensemble_mean"]]
        blocks += [Heading(2, "Ensembles"), Text("Mean of the members' probabilities, last epoch."),
                   Table("ensembles", ["ensemble", "top-1 %", f"top-{k} %", "loss", "n"], rows)]
    blocks += section(drawn, "learning", "Learning curves", LEARNING, "accuracy and loss over the epochs")
    blocks += inspect_section(summary, drawn)
    classes, hidden = class_section(summary, drawn)
    header = ["seed", "generation", "-seed", "epochs", "top-1 %, last", f"top-{k} %, last", "top-1 %, best (epoch)",
              "wall time"]
    blocks += [*classes, Heading(2, "Every run"), Table("runs", header, list(run_rows(summary))), *taken_text(summary)]
    return blocks + provenance_section([summary], summary["command"]), hidden


def example_seed(summary):
    return next((run["seed"] for run in summary["runs"] if run.get("examples")), None)


def example_networks(summary):
    """[(label, examples.json)] of the patriarch and what to compare it with, from the first seed that has them."""
    seed = example_seed(summary)
    found = {run["generation"]: run["examples"] for run in summary["runs"] if run["seed"] == seed and run["examples"]}
    others = [name for name in found if name not in ("baseline", "patriarch")]
    names = ["patriarch", "baseline"] if "baseline" in found else ["patriarch", *others[-1:]]
    return [(label_of(name), found[name]) for name in names if name in found]


CONFIDENCE_LAYERS = ("validation images", "training images")


def confidence_panels(summary):
    return [(label_of(keys["generation"]), *([run.get(kind) for run in same] for kind in INSPECTIONS))
            for keys, same in groups(summary["runs"], "generation")]


def calibration_panels(summary):
    return [(label_of(keys["generation"]), [run.get("inspect") for run in same])
            for keys, same in groups(summary["runs"], "generation")]


def write_outputs(folder, command, quiet=False, figures=True):
    """Writes summary.json, the report, its tables and, with `figures`, its figures; returns summary and figures' paths.

    `quiet`: between two generations, what takes a moment only.
    """
    path = os.path.join(folder.path, "summary.json")
    before = read_json(path, "remove it and write the report again") if os.path.exists(path) else {}
    summary = finite(collect(folder, before.get("command") if command is None else command))
    subjects = {
        "accuracy": lambda *paths: accuracy.draw(summary, *paths),
        "differences": lambda *paths: intervals.draw(differences([summary], [""]), *paths),
        "learning": lambda *paths: learning.draw(summary, *paths),
        "measures": lambda *paths: measures.draw([summary], [summary["name"]], *paths),
        "calibration": lambda *paths: calibration.draw(calibration_panels(summary), *paths),
        "confidence": lambda *paths: confidence.draw(confidence_panels(summary), CONFIDENCE_LAYERS, *paths),
        "examples": lambda *paths: examples.draw(example_networks(summary), *paths),
        "confusion": lambda *paths: confusion.draw(confusion_matrix(summary), *paths),
    }
    same = {**before, "written": summary["written"]} == summary  # figures of the same results are up to date
    if quiet:
        subjects = {"accuracy": subjects["accuracy"]}
    drawn = draw_all(folder.path, subjects, figures, same)
    write_json(path, summary)
    write_report(folder.path, *report_blocks(summary, drawn), quiet)
    if not quiet:
        write_cards(folder.path, summary)
    return summary, drawn


def write_report(folder, blocks, hidden, quiet=False):
    """report.md, and unless `quiet` the same as HTML, with the tables as files."""
    write_text(os.path.join(folder, "report.md"), markdown(blocks))
    if not quiet:
        write_text(os.path.join(folder, "report.html"), html_page(blocks, folder))
        write_tables(folder, [*blocks, *hidden])


def draw_all(folder, subjects, figures, same=False):
    """Draws {subject: function of the paths} as PNG and SVG; returns {subject: path of the PNG} of those that exist.

    Without `figures` those of the same results stay.
    """
    drawn = {}
    for subject, draw in subjects.items():
        paths = [os.path.join(folder, f"{subject}.{kind}") for kind in KINDS]
        if draw(*paths) if figures else same and all(map(os.path.exists, paths)):
            drawn[subject] = paths[0]
    return drawn


def print_outputs(folder, summary, drawn):
    lines = [*closing_table(summary, shutil.get_terminal_size().columns), *written(folder.path, drawn)]
    print("\n".join(lines))


def written(folder, drawn):
    """Lines that name the files of a report."""
    return [f"report: {os.path.join(folder, 'report.html')}, report.md, tables/",
            *([f"figures: {', '.join(drawn)}"] if drawn else [])]


def closing_table(summary, width):
    """Lines of the results with as many columns as the width has room for; the last ones are left out first."""
    k, seeds = k_of(summary), len(summary["configuration"]["seeds"])
    rows = [[f"last epoch, {counted(seeds, 'seed')}", "top-1 %", f"top-{k} %", "loss", "top-1 %, best epoch",
             f"top-{k} %, best epoch"]]
    for name, *cells, count in accuracy_rows(summary):
        rows.append([name if count == str(seeds) else f"{name} (n={count})", *map(str, cells)])
    for entry in summary["ensemble_mean"]:
        name = entry["name"].replace("students ", "").replace("student ", "").replace(" to ", "-").replace(" and", ",")
        kind = "students " if entry["kind"] == "cumulative" else ""
        rows.append([f"ensemble: {kind}{name}", *map(str, accuracy_cells(entry)), "", ""])
    widths = [max(map(len, column)) for column in zip(*rows)]
    while len(widths) > 2 and sum(widths) + 2 * (len(widths) - 1) > width:
        widths.pop()
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
        yield "  ".join(cells).rstrip()

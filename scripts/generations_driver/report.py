"""The summary as text: report.md, and the table that a run ends with. Writes both, and the figures."""

import os
import shlex

from .errors import Failure, warn
from .figures import accuracy, confidence, examples, measures
from .figures.style import KINDS
from .files import finite, read_json, write_json, write_text
from .measures import INSPECTIONS, MEASURES
from .progress import clock
from .summary import collect, gains, groups, shown, shown_spread, top1
from .tables import (
    accuracy_cells, confidence_section, count_of, counted, distance_text, examples_section, k_of, label_of,
    measure_cell, measure_name, picture, table,
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


def assignments(values):
    return " ".join(f"{key}={value}" for key, value in values.items() if key != "cost")


def cost_text(values):
    return f"[{values['cost']}] {assignments(values)}".rstrip()


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
    return [f"{', '.join(setting)}. {costs}", "", seed_text, epochs_text, ""]


def measure_table(summary, kind):
    """A row per measure, a column per generation; empty where there is none."""
    columns = [entry for entry in summary["mean"] if entry.get(kind)]
    keys = [key for key in MEASURES if any(entry[kind].get(key) for entry in columns)]
    rows = [[measure_name(key), *(measure_cell(key, entry[kind].get(key)) for entry in columns)] for key in keys]
    return table(["", *(label_of(entry["generation"]) for entry in columns)], rows) if rows else []


def mildness(summary):
    """Whether the patriarch is milder than the baseline, in one sentence."""
    means = {entry["generation"]: entry.get("inspect_train") or {} for entry in summary["mean"]}
    baseline, patriarch = (means.get(name, {}).get("mean_primary") for name in ("baseline", "patriarch"))
    if not baseline or not patriarch:
        return []
    text = f"the mean confidence of the primary class is {measure_cell('mean_primary', patriarch)} for the patriarch"
    return [f"On training images, {text} and {measure_cell('mean_primary', baseline)} for the baseline.", ""]


def inspect_section(summary, drawn):
    tables = [(text, measure_table(summary, kind)) for text, kind in zip(("Validation", "Training"), INSPECTIONS)]
    if not any(rows for _, rows in tables):
        return []
    lines = ["## Secondary information", "", *mildness(summary)]
    lines += picture(drawn, "measures", "measures over generations")
    for text, rows in tables:
        lines += [f"{text} images, last epoch; the teacher is the generation before:", "", *rows] if rows else []
    lines += distance_text([summary]) + confidence_section(drawn, "images")
    networks = " and ".join(label for label, _ in example_networks(summary))
    return lines + examples_section(drawn, f"{networks}, seed {example_seed(summary)}")


def taken_text(summary):
    """Which trainings are another run's, whose time is not this run's."""
    names = [f"seed {run['seed']} {label_of(run['generation'])} from `{run['taken_from']}`"
             for run in summary["runs"] if run["taken_from"]]
    text = "Reused, because another run had trained with the same cfg, data, seed and teacher"
    return [f"{text}: {', '.join(names)}.", ""] if names else []


def run_rows(summary):
    for run in summary["runs"]:
        epoch = f" ({run['best_epoch']})" if run["best"] and run["best_epoch"] is not None else ""
        time = "reused" if run["taken_from"] else "-" if run["wall_seconds"] is None else clock(run["wall_seconds"])
        yield [str(run["seed"]), label_of(run["generation"]), str(run["training_seed"]), str(run["epochs"]),
               shown(top1(run["last"])), shown((run["last"] or {}).get("topk")), shown(top1(run["best"])) + epoch, time]


def report_text(summary, drawn):
    k = k_of(summary)
    lines = [f"# {summary['name']}", "", *opening(summary)]
    if summary["missing"]:
        lines += [f"**Not complete.** Still missing: {', '.join(summary['missing'])}.", ""]
    lines += ["## Accuracy over generations", "", *picture(drawn, "accuracy", "top-1 accuracy over generations")]
    header = ["generation", "top-1 %, last epoch", f"top-{k} %, last epoch", "loss, last epoch", "top-1 %, best epoch",
              f"top-{k} %, best epoch", "n"]
    lines += table(header, accuracy_rows(summary)) + ["At the last epoch: " + " ".join(facts(summary)), ""]
    if summary["ensemble_mean"]:
        rows = [[entry["name"], *accuracy_cells(entry), count_of(entry)] for entry in summary["ensemble_mean"]]
        lines += ["## Ensembles", "", "Mean of the members' probabilities, last epoch.", ""]
        lines += table(["ensemble", "top-1 %", f"top-{k} %", "loss", "n"], rows)
    lines += [*inspect_section(summary, drawn), "## Every run", ""]
    header = ["seed", "generation", "-seed", "epochs", "top-1 %, last", f"top-{k} %, last", "top-1 %, best (epoch)",
              "wall time"]
    lines += table(header, run_rows(summary)) + taken_text(summary)
    if summary["command"]:
        lines += [f"Command: `{shlex.join(summary['command'])}`", ""]
    return "\n".join(lines)


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


def write_outputs(folder, command, quiet=False):
    """Writes summary.json, report.md and, with matplotlib, the figures; returns the summary and the figures' paths."""
    path = os.path.join(folder.path, "summary.json")
    before = read_json(path, "remove it and write the report again") if os.path.exists(path) else {}
    summary = finite(collect(folder, before.get("command") if command is None else command))
    subjects = {
        "accuracy": lambda *paths: accuracy.draw(summary, *paths),
        "measures": lambda *paths: measures.draw([summary], [summary["name"]], *paths),
        "confidence": lambda *paths: confidence.draw(confidence_panels(summary), CONFIDENCE_LAYERS, *paths),
        "examples": lambda *paths: examples.draw(example_networks(summary), *paths),
    }
    same = {**before, "written": summary["written"]} == summary  # figures of the same results are up to date
    if quiet:  # between two generations: what takes a moment only
        subjects = {"accuracy": subjects["accuracy"]}
    drawn = draw_all(folder.path, subjects, same, quiet)
    write_json(path, summary)
    write_text(os.path.join(folder.path, "report.md"), report_text(summary, drawn))
    return summary, drawn


def draw_all(folder, subjects, same=False, quiet=False):
    """Draws {subject: function of the paths} as PNG and SVG; returns {subject: path of the PNG} of those that exist."""
    drawn = {}
    for subject, draw in subjects.items():
        paths = [os.path.join(folder, f"{subject}.{kind}") for kind in KINDS]
        try:
            exists = draw(*paths)
        except Failure as failure:
            exists = same and all(map(os.path.exists, paths))
            if not quiet:
                warn(failure)
            quiet = True  # one line is enough
        if exists:
            drawn[subject] = paths[0]
    return drawn


def print_outputs(folder, summary, drawn):
    k = k_of(summary)
    rows = [["generation", "top-1 last", f"top-{k} last", "loss last", "top-1 best", f"top-{k} best", "n"]]
    rows += accuracy_rows(summary)
    for entry in summary["ensemble_mean"]:
        rows.append([f"ensemble of {entry['name']}", *accuracy_cells(entry), "", "", count_of(entry)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
        print("  ".join(cells))
    print(f"report: {os.path.join(folder.path, 'report.md')}")
    if drawn:
        print(f"figures: {', '.join(drawn.values())}")

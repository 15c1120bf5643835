"""The summary as words: report.md, the table that a run ends with; and the files of both, with the chart."""

import os
import re
import shlex

import plot_generations

from .errors import Failure, warn
from .experiment import options_of
from .files import finite, read_json, write_json, write_text
from .progress import clock
from .summary import collect, shown, shown_spread, spread, top1, top_k

INSPECT_LABELS = {
    "mean_primary": "mean confidence of the primary class",
    "mean_rank_2_k": "mean probability of ranks 2 to k",
    "inside_superclass": "share of the other probability inside the superclass",
    "dist_between": "distance between classes of different superclasses",
    "dist_within": "distance between classes of the same superclass",
    "dist_all": "distance between classes",
    "entropy": "mean entropy (nats)",
    "ece": "expected calibration error",
}


def label_of(name):
    return re.sub(r"^student(\d+)$", r"student \1", name)


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def differ(value, reference):
    """'0.52 points above' and the like, from two fractions."""
    points = 100 * (value - reference)
    return "the same as" if abs(points) < 0.005 else f"{abs(points):.2f} points {'above' if points > 0 else 'below'}"


def k_of(summary):
    results = (run[kind] for run in summary["runs"] for kind in ("last", "best") if run.get(kind))
    return next((int(result["k"]) for result in results if result.get("k")), 5)


def facts(summary):
    """Sentences that say what the numbers say, and nothing else."""
    means = {entry["generation"]: entry["last"]["top1"] for entry in summary["mean"] if entry["last"]["top1"]}
    if not means:
        return ["No generation is finished yet."]
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
        if entry["top1"] and entry["index"] == summary["configuration"]["generations"] and students:
            against = differ(entry["top1"]["mean"], means[students[-1]]["mean"])
            text.append(
                f"The ensemble of {entry['name']} reaches {shown_spread(entry['top1'])} %, {against} "
                f"{label_of(students[-1])} alone."
            )
    return text


def student_facts(summary, means, chain, students):
    text = []
    reference = "baseline" if "baseline" in means else "patriarch"
    highest = max(students, key=lambda name: means[name]["mean"])
    which = "The student" if len(students) == 1 else f"Among the students, {label_of(highest)} is highest: it"
    against = differ(means[highest]["mean"], means[reference]["mean"]) if reference in means else None
    against = f", {against} the {reference}" if against else ""
    text.append(f"{which} reaches {shown_spread(means[highest])} %{against}.")
    steps = [
        f"{100 * (means[b]['mean'] - means[a]['mean']):+.2f} ({label_of(a)} to {label_of(b)})"
        for a, b in zip(chain, chain[1:])
    ]
    text.append(f"From generation to generation the top-1 accuracy changes by {', '.join(steps)} points.")
    pairs = []
    for seed in summary["configuration"]["seeds"]:
        values = {run["generation"]: top1(run["last"]) for run in summary["runs"] if run["seed"] == seed}
        if values.get(students[-1]) is not None and values.get(reference) is not None:
            pairs.append(values[students[-1]] - values[reference])
    if len(pairs) > 1:
        text.append(
            f"Seed by seed, {label_of(students[-1])} differs from the {reference} by "
            f"{', '.join(f'{100 * pair:+.2f}' for pair in pairs)} points: above it in "
            f"{sum(pair > 0 for pair in pairs)} of {len(pairs)} seeds."
        )
    return text


def table(header, rows):
    ruler = ["---" if i == 0 else "---:" for i in range(len(header))]
    return [f"| {' | '.join(row)} |" for row in (header, ruler, *rows)] + [""]


def figures(entry):
    """The cells of a mean over seeds: top-1, top-k, loss."""
    return [shown_spread(entry["top1"]), shown_spread(entry["topk"]), shown_spread(entry["loss"], 1, 4)]


def count_of(entry):
    return str(entry["top1"]["n"] if entry["top1"] else 0)


def accuracy_rows(summary):
    return [
        [label_of(entry["generation"]), *figures(entry["last"]), *figures(entry["best"])[:2], count_of(entry["last"])]
        for entry in summary["mean"]
    ]


def assignments(values):
    return " ".join(f"{key}={value}" for key, value in values.items())


def cost_text(values):
    return f"[{values['cost']}] {assignments(options_of(values))}".rstrip()


def opening(summary):
    """What was run, in words."""
    configuration, epochs = summary["configuration"], summary["epochs"]
    student = dict(configuration["student"])
    cached = ", from cached teacher outputs" if student.pop("cached") else ""
    setting = [f"Network `{configuration['network']}`", f"data `{configuration['data']}`"]
    if epochs:
        setting.append(counted(epochs, "epoch"))
    changed = {key: value for key, value in configuration["net"].items() if key != "epochs" or not epochs}
    if changed:
        setting.append(f"with `{assignments(changed)}` in `[net]`")
    seeds = configuration["seeds"]
    seed_text = f"One seed ({seeds[0]}): a single run each, so no deviation can be given."
    if len(seeds) > 1:
        seed_text = (
            f"{len(seeds)} seeds ({', '.join(map(str, seeds))}); every figure is the mean over the n seeds that are "
            "finished, ± the sample deviation."
        )
    return [
        f"{', '.join(setting)}. Patriarch: `{cost_text(configuration['patriarch'])}`. "
        f"{counted(configuration['generations'], 'student generation')}: `{cost_text(student)}`{cached}.",
        "",
        seed_text,
        "The *last epoch* is the weights at the end of training. The *best epoch* is chosen by accuracy on the same "
        "validation images that it is reported on, so it is optimistic.",
        "",
    ]


def inspect_section(summary):
    inspected = {}
    for run in summary["runs"]:
        if run["inspect"]:
            inspected.setdefault(run["generation"], []).append(run["inspect"])
    rows = []
    for key, label in INSPECT_LABELS.items():
        spreads = [spread([result.get(key) for result in results]) for results in inspected.values()]
        if any(spreads):
            rows.append([label, *(shown_spread(entry, 1, 4) for entry in spreads)])
    if not rows:
        return []
    head = "Last epoch, validation images; `classifier inspect` says how each is measured."
    return ["## Secondary information", "", head, "", *table(["", *map(label_of, inspected)], rows)]


def time_text(run):
    if run.get("taken_from"):
        return "taken over"
    return "-" if run["wall_seconds"] is None else clock(run["wall_seconds"])


def taken_text(summary):
    """Which trainings are another run's, whose time is not this run's."""
    taken = [run for run in summary["runs"] if run.get("taken_from")]
    if not taken:
        return []
    names = (f"seed {run['seed']} {label_of(run['generation'])} from `{run['taken_from']}`" for run in taken)
    text = "Taken over, because another run had trained with the same cfg, data, seed and teacher: "
    return [f"{text}{', '.join(names)}.", ""]


def run_rows(summary):
    for run in summary["runs"]:
        epoch = f" ({run['best_epoch']})" if run["best"] and run["best_epoch"] is not None else ""
        yield [
            str(run["seed"]), label_of(run["generation"]), str(run["training_seed"]), str(run["epochs"]),
            shown(top1(run["last"])), shown(top_k(run["last"])), shown(top1(run["best"])) + epoch,
            time_text(run),
        ]


def report_text(summary, chart):
    k = k_of(summary)
    lines = [f"# {summary['name']}", "", *opening(summary)]
    if summary["missing"]:
        lines += [f"**Not complete.** Still missing: {', '.join(summary['missing'])}.", ""]
    lines += ["## Accuracy over generations", ""]
    if chart:
        lines += [f"![top-1 accuracy over generations]({chart})", ""]
    header = [
        "generation", "top-1 %, last epoch", f"top-{k} %, last epoch", "loss, last epoch", "top-1 %, best epoch",
        f"top-{k} %, best epoch", "n",
    ]
    lines += table(header, accuracy_rows(summary)) + ["At the last epoch: " + " ".join(facts(summary)), ""]
    if summary["ensemble_mean"]:
        rows = [[entry["name"], *figures(entry), count_of(entry)] for entry in summary["ensemble_mean"]]
        lines += ["## Ensembles", "", "Mean of the members' probabilities, last epoch.", ""]
        lines += table(["ensemble", "top-1 %", f"top-{k} %", "loss", "n"], rows)
    lines += [*inspect_section(summary), "## Every run", ""]
    header = [
        "seed", "generation", "-seed", "epochs", "top-1 %, last", f"top-{k} %, last", "top-1 %, best (epoch)",
        "wall time",
    ]
    lines += table(header, run_rows(summary)) + taken_text(summary)
    if summary["command"]:
        lines += [f"Command: `{shlex.join(summary['command'])}`", ""]
    return "\n".join(lines)


def write_outputs(folder, command, quiet=False):
    """Writes summary.json, report.md and, with matplotlib, accuracy.png; returns the summary, and the chart or None."""
    path, chart = (os.path.join(folder.path, name) for name in ("summary.json", "accuracy.png"))
    before = read_json(path, "remove it and ask for the report again") if os.path.exists(path) else {}
    summary = finite(collect(folder, before.get("command") if command is None else command))
    try:
        drawn = plot_generations.draw([summary], chart)
    except Failure as failure:
        # A chart of the very same numbers is still good.
        drawn = os.path.exists(chart) and {**before, "written": summary["written"]} == summary
        if not quiet:
            warn(failure)
    write_json(path, summary)
    write_text(os.path.join(folder.path, "report.md"), report_text(summary, os.path.basename(chart) if drawn else None))
    return summary, chart if drawn else None


def print_outputs(folder, summary, chart):
    k = k_of(summary)
    rows = [["generation", "top-1 last", f"top-{k} last", "loss last", "top-1 best", f"top-{k} best", "n"]]
    rows += accuracy_rows(summary)
    for entry in summary["ensemble_mean"]:
        rows.append([f"ensemble of {entry['name']}", *figures(entry), "", "", count_of(entry)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
        print("  ".join(cells))
    print(f"report: {os.path.join(folder.path, 'report.md')}")
    if chart:
        print(f"chart: {chart}")

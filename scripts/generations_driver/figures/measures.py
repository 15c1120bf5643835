"""The measures of `classifier inspect` and the accuracy over the generations."""

import textwrap

from ..measures import MEASURES
from ..summary import baseline_name, last_student
from .cells import column_colours, draw_cells
from .style import MOST_LINES, draw_baseline, draw_means, legend_of, line_of, panels_of, save, shift_of

# The panels beside the accuracy.
PANELS = ("loss", "mean_primary", "mean_rank_2_k", "inside_superclass", "dist_between", "dist_within", "dist_all",
          "entropy", "ece", "teacher_agreement")
COLUMNS = 3
SETS = (("inspect", "validation", "-"), ("inspect_train", "training", ":"))
BASELINE_STYLES = {"inspect": (0, (5, 3)), "inspect_train": (0, (1, 2))}


def accuracy_of(entry, _kind):
    value = entry["last"]["top1"]
    return value and {**value, **{key: value[key] and 100 * value[key] for key in ("mean", "deviation")}}


def reader(key):
    """What reads a measure of a generation's means; the accuracy where there is no key."""
    return (lambda entry, kind: (entry.get(kind) or {}).get(key)) if key else accuracy_of


def points_of(means, read, kind):
    """[(generation, mean, deviation or 0)]"""
    found = [(entry["index"], read(entry, kind)) for entry in means if entry["index"] is not None]
    return sorted((x, value["mean"], value["deviation"] or 0) for x, value in found if value)


def mean_in(summary, name, read, kind):
    """A mean of the named generation; None where it is missing."""
    values = [read(entry, kind) for entry in summary["mean"] if entry["generation"] == name]
    return values[0]["mean"] if values and values[0] else None


def baseline_mean(summary, read, kind):
    return mean_in(summary, baseline_name(summary), read, kind)


def draw_panel(axes, summaries, labels, key):
    """A measure, or the accuracy where there is no key; with one run on both sets of images."""
    single, read = len(summaries) == 1, reader(key)
    several = any(len(summary["configuration"]["seeds"]) > 1 for summary in summaries)
    for kind, images, style in SETS if single and key else SETS[:1]:
        for number, (summary, label) in enumerate(zip(summaries, labels)):
            points = points_of(summary["mean"], read, kind)
            if points:
                draw_means(axes, points, number, shift_of(number, len(summaries)) if several else 0, markersize=5,
                           linewidth=1.6, capsize=2.5, linestyle=style if single else line_of(number),
                           label=f"{images} images" if single else label,
                           markerfacecolor=None if kind == "inspect" else "white")
        name = f"baseline, {images} images" if single else "baseline"
        for value in dict.fromkeys(baseline_mean(summary, read, kind) for summary in summaries):
            if value is not None:
                draw_baseline(axes, value, name, BASELINE_STYLES[kind])
                name = None  # once in the legend


def draw(summaries, labels, *paths):
    """One run: validation and training images; several: a colour each, validation images. False without measures."""
    entries = [entry for summary in summaries for entry in summary["mean"]]
    found = {key for entry in entries for kind, _, _ in SETS for key in entry.get(kind) or {}}
    keys = [key for key in PANELS if key in found and not (key == "dist_all" and "dist_between" in found)]
    if not keys:
        return False
    if len(summaries) > MOST_LINES:
        draw_colours(summaries, labels, keys, paths)
        return True
    with panels_of(1 + len(keys), COLUMNS, 9.6, 2.25, 0.9) as (figure, panels):
        from matplotlib.ticker import MaxNLocator

        last = max([1, *(entry["index"] or 0 for entry in entries)])
        for axes, key in zip(panels, [None, *keys]):
            draw_panel(axes, summaries, labels, key)
            title = textwrap.fill(MEASURES[key], 36) if key else "top-1 accuracy (%)"
            axes.set_title(title, fontsize=10.5, loc="left")
            axes.set_xlim(-0.3, last + 0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.margins(y=0.15)
        figure.supxlabel("generation (0: the patriarch)", fontsize=11)
        legend_of(figure, panels[1:2], 2 if len(summaries) == 1 else 3)
        save(figure, *paths)
    return True


def draw_colours(summaries, labels, keys, paths):
    """Rows for the runs, columns for the measures: lines of so many runs cannot be told apart."""
    columns = [None, *keys]
    means = {what: [[mean_in(summary, name_of(summary), reader(key), "inspect") for key in columns]
                    for summary in summaries] for what, name_of in (("patriarch", lambda _: "patriarch"),
                                                                    ("last student", last_student))}
    means = {what: cells for what, cells in means.items() if any(value is not None for row in cells for value in row)}
    titles = [textwrap.fill(MEASURES[key] if key else "top-1 accuracy (%)", 16) for key in columns]
    height = 0.27 * len(summaries)
    with panels_of(len(means), 1, 2.6 + 1.05 * len(columns), height + 1.0, 0.2) as (figure, panels):
        for axes, (what, cells) in zip(panels, means.items()):
            draw_cells(axes, cells, column_colours(cells),
                       lambda value, column: f"{value:.2f}" if column == 0 else f"{value:.3f}", 8.5)
            axes.set_xticks(range(len(columns)), titles, fontsize=8)
            axes.xaxis.tick_top()
            axes.set_yticks(range(len(labels)), labels, fontsize=8.5)
            axes.set_title(f"{what}, validation images", fontsize=11, loc="left", fontweight="bold")
        save(figure, *paths)

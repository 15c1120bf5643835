"""Top-1 accuracy over the generations of a run: a line for each seed, their mean, and the ensembles."""

import math

from ..summary import top1
from .measures import accuracy_of, baseline_mean, points_of
from .style import BASELINE, MARKERS, PALETTE, draw_baseline, figure_of, legend_below, save, set_accuracy_range


def curves(summary):
    """{seed: [(generation's number, top-1 %)]} of the last epoch's weights."""
    result = {}
    for run in summary["runs"]:
        if run["index"] is not None and top1(run["last"]) is not None:
            result.setdefault(run["seed"], []).append((run["index"], 100 * top1(run["last"])))
    return {seed: sorted(points) for seed, points in sorted(result.items())}


def draw_seeds(axes, summary, seeds):
    """The mean comes first in the legend; it has the generations that every seed has."""
    if len(seeds) == 1:
        (seed, points), = seeds.items()
        axes.plot(*zip(*points), color=PALETTE[0], linewidth=2.4, marker="o", markersize=6, zorder=4,
                  label=f"seed {seed}")
        return
    shared = [entry for entry in summary["mean"] if entry["last"]["top1"] and entry["last"]["top1"]["n"] == len(seeds)]
    mean = [(x, y) for x, y, _ in points_of(shared, accuracy_of, None)]
    if mean:
        axes.plot(*zip(*mean), color=PALETTE[0], linewidth=3, marker="o", markersize=6.5, zorder=5,
                  label=f"mean of {len(seeds)} seeds")
    for place, (seed, points) in enumerate(seeds.items()):
        colour, sign = PALETTE[1 + place % (len(PALETTE) - 1)], MARKERS[1 + place % (len(MARKERS) - 1)]
        axes.plot(*zip(*points), color=colour, linewidth=1.2, marker=sign, markersize=4.5, zorder=3,
                  label=f"seed {seed}")


def draw_ensembles(axes, summary, last, suffix):
    """Stars, and diamonds that stand a little beside them so that they do not cover them."""
    for kind, marker, size, shift, what in (
        ("cumulative", "*", 13, 0, "students 1 to x"),
        ("patriarch", "D", 7, 0.03 * (last + 0.6), "patriarch + students 1 to x"),
    ):
        points = sorted((entry["index"] + shift, 100 * entry["top1"]["mean"]) for entry in summary["ensemble_mean"]
                        if entry["kind"] == kind and entry["top1"])
        if points:
            axes.plot(*zip(*points), linestyle="none", marker=marker, markersize=size, zorder=6, color="black",
                      markerfacecolor="white", markeredgewidth=1.4, label=f"ensemble: {what}{suffix}")


def scale_axes(axes, last):
    """Ticks, limits and labels, once everything is drawn."""
    margin = max(0.3, 0.05 * last)
    axes.set_xlim(-margin, last + margin)
    ticks = range(0, last + 1, max(1, math.ceil((last + 1) / 8)))
    named = last < 6
    axes.set_xticks(ticks, ["patriarch" if x == 0 else f"student {x}" if named else str(x) for x in ticks])
    axes.set_xlabel("generation" if named else "generation (number of the student)")
    axes.set_ylabel("top-1 accuracy, last epoch (%)")
    axes.margins(y=0.12)
    axes.autoscale(axis="y")
    set_accuracy_range(axes, 7)


def draw(summary, *paths):
    """Writes the chart; False without any accuracy."""
    seeds, baseline = curves(summary), baseline_mean(summary, accuracy_of, None)
    if not seeds and baseline is None:
        return False
    last = max([1, *(run["index"] or 0 for run in summary["runs"])])
    suffix = " (mean)" if len(seeds) > 1 else ""
    with figure_of(figsize=(7.2, 4.8)) as (figure, axes):
        draw_seeds(axes, summary, seeds)
        draw_ensembles(axes, summary, last, suffix)
        if baseline is not None:
            draw_baseline(axes, baseline, None)
        scale_axes(axes, last)
        if baseline is not None:  # beside the axes, so that it covers no line
            axes.annotate(f"baseline{suffix}\n{baseline:.2f} %", xy=(1.01, baseline), va="center", ha="left",
                          xycoords=("axes fraction", "data"), color=BASELINE, fontsize=10, annotation_clip=False)
        axes.set_title(summary["name"], loc="left")
        legend_below(axes)
        save(figure, *paths)
    return True

"""Top-1 accuracy over the generations of a run, or of several."""

import math
import statistics

from ..summary import top1
from .style import BASELINE, MARKERS, PALETTE, colour_of, figure_of, legend_below, marker_of, save

LEAST_GAP = 0.05  # of the height of the axes, between two labels in the right margin
LEAST_RANGE = 0.5  # points of accuracy that the axis spans at least, so that noise does not look like a mountain


def percent(result):
    """Top-1 in percent, or None."""
    return None if top1(result) is None else 100 * top1(result)


def mean_of(values):
    values = [value for value in values if value is not None]
    return statistics.mean(values) if values else None


def curves(summary):
    """{seed: [(generation's number, top-1 %)]} of the last epoch's weights."""
    result = {}
    for run in summary["runs"]:
        value = percent(run.get("last"))
        if run.get("index") is not None and value is not None:
            result.setdefault(run["seed"], []).append((run["index"], value))
    return {seed: sorted(points) for seed, points in sorted(result.items())}


def mean_curve(seeds):
    """The mean over the seeds, for the generations that every seed has."""
    tables = [dict(points) for points in seeds.values()]
    shared = set.intersection(*(set(table) for table in tables)) if tables else set()
    return [(x, mean_of([table[x] for table in tables])) for x in sorted(shared)]


def baseline_of(summary):
    """Mean top-1 % of the network trained as it is; a patriarch with plain softmax is just that."""
    name = "patriarch" if summary.get("patriarch_is_baseline") else "baseline"
    return mean_of([percent(run.get("last")) for run in summary["runs"] if run.get("generation") == name])


def ensemble_points(summary, kind):
    """[(x, mean top-1 % over the seeds)] of one kind of ensemble."""
    found = {}
    for ensemble in summary.get("ensembles", []):
        value = percent(ensemble.get("result"))
        if ensemble.get("kind") == kind and value is not None:
            found.setdefault(ensemble["index"], []).append(value)
    return sorted((x, mean_of(values)) for x, values in found.items())


def move_apart(heights, gap):
    """Moves labels apart so that neighbours keep the gap, around their common middle; the order stays."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    moved = list(heights)
    for before, after in zip(order, order[1:]):
        moved[after] = max(moved[after], moved[before] + gap)
    shift = mean_of(moved) - mean_of(heights) if heights else 0
    return [height - shift for height in moved]


def last_generation(summaries):
    numbers = [run["index"] for summary in summaries for run in summary["runs"] if run.get("index") is not None]
    return max([1, *numbers])


def draw_seeds(axes, seeds, name, colour, marker):
    """The lines of one run; `name` is None where it is the only run. The mean comes first in the legend."""
    several = len(seeds) > 1
    mean = mean_curve(seeds)
    if several and mean:
        label = f"mean of {len(seeds)} seeds" if name is None else f"{name}, mean of {len(seeds)} seeds"
        axes.plot(*zip(*mean), color=colour, linewidth=3, marker=marker, markersize=6.5, zorder=5, label=label)
    for place, (seed, points) in enumerate(seeds.items()):
        if not several:
            label = f"seed {seed}" if name is None else f"{name}, seed {seed}"
            axes.plot(*zip(*points), color=colour, linewidth=2.4, marker=marker, markersize=6, zorder=4, label=label)
        elif name is None:
            tone, sign = PALETTE[1 + place % (len(PALETTE) - 1)], MARKERS[1 + place % (len(MARKERS) - 1)]
            axes.plot(*zip(*points), color=tone, linewidth=1.2, marker=sign, markersize=4.5, zorder=3,
                      label=f"seed {seed}")
        else:
            axes.plot(*zip(*points), color=colour, linewidth=1.1, alpha=0.4, zorder=3)


def draw_ensembles(axes, summary, name, colour, several):
    """Stars, and diamonds that stand a little beside them, lest they cover them."""
    suffix = (" (mean)" if several else "") if name is None else f", {name}"
    beside = 0.03 * (last_generation([summary]) + 0.6)
    for kind, marker, size, shift, what in (
        ("cumulative", "*", 13, 0, "students 1 to x"),
        ("patriarch", "D", 7, beside, "patriarch + students 1 to x"),
    ):
        points = [(x + shift, y) for x, y in ensemble_points(summary, kind)]
        if points:
            axes.plot(*zip(*points), linestyle="none", marker=marker, markersize=size, zorder=6, markeredgecolor=colour,
                      markerfacecolor="white", markeredgewidth=1.4, label=f"ensemble: {what}{suffix}")


def scale_axes(axes, summaries, locator):
    """Ticks, limits and labels, once everything is drawn."""
    last = last_generation(summaries)
    room = max(0.3, 0.05 * last)
    axes.set_xlim(-room, last + room)
    ticks = list(range(0, last + 1, max(1, math.ceil((last + 1) / 8))))
    axes.set_xticks(ticks)
    named = last < 6
    axes.set_xticklabels(["patriarch" if x == 0 else f"student {x}" if named else str(x) for x in ticks])
    axes.set_xlabel("generation" if named else "generation (number of the student)")
    axes.set_ylabel("top-1 accuracy, last epoch (%)")
    axes.margins(y=0.12)
    axes.autoscale(axis="y")
    low, high = axes.get_ylim()
    if high - low < LEAST_RANGE:
        low, high = (low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2
    axes.set_ylim(max(low, -0.5), min(high, 100.5))
    axes.yaxis.set_major_locator(locator(nbins=7, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)


def label_baselines(axes, baselines, single):
    """Beside the axes, where they cover nothing."""
    low, high = axes.get_ylim()
    heights = move_apart([value for value, _, _ in baselines], LEAST_GAP * (high - low))
    for (value, colour, several), height in zip(baselines, heights):
        mean = " (mean)" if several else ""
        text = f"baseline{mean}\n{value:.2f} %" if single else f"baseline {value:.2f} %"
        axes.annotate(text, xy=(1.01, height), xycoords=("axes fraction", "data"), va="center", ha="left", color=colour,
                      fontsize=10, annotation_clip=False)


def draw(summaries, *paths):
    """Writes the chart of one or several summaries; False without any accuracy."""
    runs = [(summary, curves(summary)) for summary in summaries]
    if not any(seeds for _, seeds in runs) and all(baseline_of(summary) is None for summary in summaries):
        return False
    single = len(runs) == 1
    with figure_of(figsize=(7.2, 4.8)) as (figure, axes):
        from matplotlib.ticker import MaxNLocator

        baselines = []
        for number, (summary, seeds) in enumerate(runs):
            colour = colour_of(number)
            name = None if single else str(summary.get("name", f"run {number + 1}"))
            draw_seeds(axes, seeds, name, colour, marker_of(number))
            draw_ensembles(axes, summary, name, "black" if single else colour, len(seeds) > 1)
            baseline = baseline_of(summary)
            if baseline is not None:
                line = BASELINE if single else colour
                axes.axhline(baseline, color=line, linestyle=(0, (5, 3)), linewidth=1.5, zorder=2)
                baselines.append((baseline, line, len(seeds) > 1))
        scale_axes(axes, summaries, MaxNLocator)
        label_baselines(axes, baselines, single)
        if single:
            axes.set_title(str(summaries[0].get("name", "")), loc="left")
        legend_below(axes)
        save(figure, *paths)
    return True

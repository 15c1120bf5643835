"""Top-1 accuracy over the generations of several runs, a line for each D(eta, lambda), as in the paper."""

import math

from .measures import accuracy_of, baseline_mean, points_of
from .style import (
    MOST_LINES, PALETTE, draw_baseline, draw_means, figure_of, legend_below, line_of, panels_of, save,
    set_accuracy_range, shift_of,
)

COLUMNS = 4
FAINT = "#CFCFCF"


def baselines_of(summaries):
    """{(mean, seeds)}: runs of the same seeds share a baseline."""
    return {(round(value, 4), tuple(summary["configuration"]["seeds"])) for summary in summaries
            if (value := baseline_mean(summary, accuracy_of, None)) is not None}


def draw(summaries, labels, *paths):
    """False where there is no accuracy."""
    curves = [points_of(summary["mean"], accuracy_of, None) for summary in summaries]
    baselines = baselines_of(summaries)
    if not any(curves) and not baselines:
        return False
    last = max([1, *(x for points in curves for x, _, _ in points)])
    if sum(map(bool, curves)) > MOST_LINES:
        draw_facets(summaries, [(label, points) for label, points in zip(labels, curves) if points], last, paths)
    else:
        draw_together(curves, labels, baselines, last, paths)
    return True


def draw_together(curves, labels, baselines, last, paths):
    with figure_of(figsize=(7.6, 5.2)) as (figure, axes):
        for number, (points, label) in enumerate(zip(curves, labels)):
            if points:
                shift = shift_of(number, len(curves)) if any(error for _, _, error in points) else 0
                draw_means(axes, points, number, shift, markersize=6, linewidth=1.9, capsize=3,
                           linestyle=line_of(number), label=label)
        for value, seeds in sorted(baselines):
            of = "" if len(baselines) == 1 else f", seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"
            draw_baseline(axes, value, f"baseline D(1.0, 0.0), {value:.2f} %{of}")
        axes.set_xlim(-0.3, last + 0.3)
        axes.set_xticks(range(last + 1), ["patriarch", *map(str, range(1, last + 1))])
        axes.set_xlabel("generation")
        axes.set_ylabel("top-1 accuracy, last epoch (%)")
        set_accuracy_range(axes, 8)
        legend_below(axes)
        save(figure, *paths)


def draw_facets(summaries, curves, last, paths):
    """A panel for each run, with the others in grey: more lines in one panel cannot be told apart."""
    columns = math.ceil(len(curves) / math.ceil(len(curves) / COLUMNS))
    baselines = baselines_of(summaries)
    with panels_of(len(curves), columns, 1.0 + 2.2 * columns, 1.95, 0.6, sharex=True, sharey=True) as (figure, panels):
        for number, (axes, (label, points)) in enumerate(zip(panels, curves)):
            for other, (_, faint) in enumerate(curves):
                if other != number:
                    axes.plot([x for x, _, _ in faint], [y for _, y, _ in faint], color=FAINT, linewidth=0.8, zorder=1)
            for value, _ in baselines:
                draw_baseline(axes, value, None)
            draw_means(axes, points, 0, 0, markersize=4.5, linewidth=1.7, capsize=2.5)
            axes.text(0.03, 0.05, f"{points[-1][1]:.2f} %", transform=axes.transAxes, fontsize=8.5, color=PALETTE[0],
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8}, zorder=6)
            axes.set_title(label.replace(", lambda", ",\nlambda"), fontsize=9, loc="left")
            axes.set_xlim(-0.3, last + 0.3)
            axes.set_xticks(range(last + 1), ["P", *map(str, range(1, last + 1))])
        set_accuracy_range(panels[0], 5)
        figure.supxlabel("generation (P: the patriarch); dashed: the baseline; number: the last one", fontsize=11)
        figure.supylabel("top-1 accuracy, last epoch (%)", fontsize=11)
        save(figure, *paths)

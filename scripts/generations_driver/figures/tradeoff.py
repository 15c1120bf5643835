"""Top-1 accuracy against cross entropy, each run from its patriarch to its last student."""

import math

from ..summary import baseline_name
from .style import MOST_LINES, PALETTE, colour_of, legend_of, line_of, marker_of, panels_of, save

COLUMNS = 4
FAINT = "#CCCCCC"


def points_of(summary):
    """[(cross entropy, accuracy in %)] of the patriarch and the students."""
    means = sorted((entry for entry in summary["mean"] if entry["index"] is not None), key=lambda entry: entry["index"])
    return [(entry["last"]["loss"]["mean"], 100 * entry["last"]["top1"]["mean"]) for entry in means
            if entry["last"]["top1"] and entry["last"]["loss"]]


def baselines_of(summaries):
    found = []
    for summary in summaries:
        for entry in summary["mean"]:
            if entry["generation"] == baseline_name(summary) and entry["last"]["top1"] and entry["last"]["loss"]:
                found.append((entry["last"]["loss"]["mean"], 100 * entry["last"]["top1"]["mean"]))
    return sorted(set(found))


def draw_run(axes, points, colour, marker, line, label):
    axes.plot(*zip(*points), color=colour, linewidth=1.4, linestyle=line, zorder=2)
    axes.plot(*zip(*points[:-1]), color=colour, marker=marker, markersize=4, linestyle="none", markerfacecolor="white",
              zorder=3) if len(points) > 1 else None
    axes.plot(*points[-1], color=colour, marker=marker, markersize=7, linestyle="none", label=label, zorder=4)


def draw(summaries, labels, *paths):
    """One panel, or one a run where these are many; False without accuracies."""
    curves = [points_of(summary) for summary in summaries]
    baselines = baselines_of(summaries)
    if not any(curves):
        return False
    many = len(summaries) > MOST_LINES
    count = sum(map(bool, curves)) if many else 1
    columns = math.ceil(count / math.ceil(count / COLUMNS))
    size = (1.0 + 2.3 * columns, 2.1, 0.7) if many else (7.2, 4.6, 0.0)
    with panels_of(count, columns, *size, sharex=True, sharey=True) as (figure, panels):
        shown = [number for number, points in enumerate(curves) if points]
        for axes, own in zip(panels, [[number] for number in shown] if many else [shown]):
            for points in curves if many else ():
                if points:
                    axes.plot(*zip(*points), color=FAINT, linewidth=0.7, zorder=1)
            for number in own:
                look = (PALETTE[0], "o", "-") if many else (colour_of(number), marker_of(number), line_of(number))
                draw_run(axes, curves[number], *look, None if many else labels[number])
            if baselines:
                axes.plot(*zip(*baselines), color="black", marker="*", markersize=9, linestyle="none", zorder=5,
                          label="baseline")
            if many:
                axes.set_title(labels[own[0]].replace(", lambda", ",\nlambda"), fontsize=9, loc="left")
            axes.grid(True, axis="both")
            axes.margins(0.08)
        figure.supxlabel("cross entropy with the labels (nats), validation images", fontsize=11)
        figure.supylabel("top-1 accuracy (%)", fontsize=11)
        if not many:
            legend_of(figure, panels, 2)
        save(figure, *paths)
    return True

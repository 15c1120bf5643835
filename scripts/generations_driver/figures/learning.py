"""Learning curves: accuracy and loss over the epochs, a colour for each generation."""

import statistics

from ..files import read_csv
from ..summary import groups
from ..tables import label_of
from .style import BASELINE, legend_of, ordered_colours, panels_of, save

PANELS = (("valid_top1", "validation top-1 accuracy (%)", 100), ("train_top1", "training top-1 accuracy (%)", 100),
          ("valid_loss", "validation cross entropy (nats)", 1), ("train_loss", "training cost (nats)", 1))


def limits_of(values):
    """Limits that a few outliers do not stretch: beyond three quartile ranges from the middle half they are cut off."""
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]
    reach = 3 * (high - low)
    inside = [value for value in ordered if low - reach <= value <= high + reach]
    margin = 0.06 * (inside[-1] - inside[0]) or 0.05 * abs(inside[0]) or 0.5
    return inside[0] - margin, inside[-1] + margin


def set_limits(axes, values):
    """The limits, and how many values are beyond them."""
    low, high = limits_of(values)
    axes.set_ylim(low, high)
    beyond = sum(not low <= value <= high for value in values)
    if beyond:
        axes.text(1.0, 1.02, f"{beyond} beyond the axis", transform=axes.transAxes, ha="right", va="bottom",
                  fontsize=8, color="#666666")


def curves_of(summary):
    """[(generation, index, [curve of a seed])]"""
    found = []
    for keys, same in groups(summary["runs"], "generation", "index"):
        curves = [read_csv(run["curve"]) for run in same if run.get("curve")]
        if any(curves):
            found.append((keys["generation"], keys["index"], [curve for curve in curves if curve]))
    return found


def points_of(curve, key, factor):
    return [(epoch, factor * row[key]) for epoch, row in sorted(curve.items()) if row.get(key) is not None]


def mean_of(curves):
    """The mean over the seeds, of the epochs that all of them have."""
    tables = [dict(points) for points in curves]
    shared = sorted(set.intersection(*map(set, tables)))
    return [(epoch, statistics.fmean(table[epoch] for table in tables)) for epoch in shared]


def draw(summary, *paths):
    """False without any curve."""
    found = curves_of(summary)
    if not found:
        return False
    numbered = iter(ordered_colours(sum(index is not None for _, index, _ in found)))
    colours = [BASELINE if index is None else next(numbered) for _, index, _ in found]
    with panels_of(len(PANELS), 2, 9.6, 3.1, 0.7) as (figure, panels):
        for axes, (key, title, factor) in zip(panels, PANELS):
            values = []
            for (name, index, curves), colour in zip(found, colours):
                lines = [points for points in (points_of(curve, key, factor) for curve in curves) if points]
                style = (0, (5, 2)) if index is None else "-"
                for points in lines if len(lines) > 1 else ():
                    axes.plot(*zip(*points), color=colour, linewidth=0.7, alpha=0.3, linestyle=style)
                mean = mean_of(lines) if lines else []
                if mean:
                    axes.plot(*zip(*mean), color=colour, linewidth=1.8, linestyle=style, label=label_of(name),
                              marker="o" if len(mean) == 1 else None)
                values += [value for points in lines for _, value in points]
            axes.set_title(title, fontsize=10.5, loc="left")
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.margins(x=0.02)
            if values:
                set_limits(axes, values)
        figure.supxlabel("epoch", fontsize=11)
        legend_of(figure, panels, 6)
        save(figure, *paths)
    return True

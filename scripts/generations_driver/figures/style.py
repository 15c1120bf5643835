"""What the figures share: colours, panels, legends, and writing PNG and SVG whole or not at all."""

import contextlib
import os
import sys

from ..errors import Failure
from ..files import replacing

# Okabe and Ito's palette: told apart with every common kind of colour blindness. In grey the markers tell.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))  # the next one once the colours are used up
BASELINE = "#555555"
STYLE = {
    "font.size": 11, "axes.labelsize": 12, "axes.titlesize": 13, "legend.fontsize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#DDDDDD", "grid.linewidth": 0.8,
    "svg.hashsalt": "darknet-generations",  # the same figure is the same file
}
FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "IPAGothic", "Noto Sans")
DPI = 160  # of the PNGs
KINDS = ("png", "svg")
MOST_LINES = len(PALETTE)  # of runs in one panel; more are told apart in panels of their own, or in a heat map
ORDERED = "viridis"  # colours of what has an order: generations
DIFFERENCES = "RdBu"  # below and above zero
SHARES = "Blues"
LEAST_RANGE = 0.5  # points of accuracy that an axis spans at least, so that noise does not look like a mountain


def load_matplotlib(way_out=""):
    """Returns pyplot; raises Failure where there is no matplotlib, with `way_out` at its end."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        advice = "install it (Debian: python3-matplotlib, and run /usr/bin/python3; conda and pip: matplotlib)"
        raise Failure(f"{sys.executable} cannot import matplotlib ({error}); {advice}{way_out}") from error
    return pyplot


def fonts():
    """The common font, and of the others that have more scripts those that are installed, for names in a chart."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in FONTS if name in installed]


def colour_of(number):
    return PALETTE[number % len(PALETTE)]


def marker_of(number):
    return MARKERS[number % len(MARKERS)]


def line_of(number):
    return LINES[number // len(PALETTE) % len(LINES)]


def shift_of(number, count):
    """How far a run's points move aside, in generations, so that error bars of several runs do not cover each other."""
    return min(0.035, 0.4 / count) * (number - (count - 1) / 2)


@contextlib.contextmanager
def figure_of(rows=1, columns=1, **more):
    """(figure, axes) in the common style; closed at the end."""
    pyplot = load_matplotlib()
    with pyplot.rc_context(STYLE | {"font.family": fonts()}):
        figure, axes = pyplot.subplots(rows, columns, dpi=DPI, **more)
        try:
            yield figure, axes
        finally:
            pyplot.close(figure)


@contextlib.contextmanager
def panels_of(count, columns, width, height, extra, **more):
    """(figure, the axes of `count` panels) in rows of that height, with so many columns."""
    rows = -(-count // columns)
    size = (width, extra + height * rows)
    with figure_of(rows, columns, figsize=size, squeeze=False, layout="constrained", **more) as (figure, grid):
        panels = list(grid.flat)
        for axes in panels[count:]:
            axes.set_axis_off()
        yield figure, panels[:count]


def draw_means(axes, points, number, shift, **more):
    """A run's line through [(generation, mean, deviation)], with error bars where there are deviations."""
    x, y, deviation = zip(*points)
    axes.errorbar([place + shift for place in x], y, yerr=deviation if any(deviation) else None, elinewidth=1,
                  color=colour_of(number), marker=marker_of(number), **more)


def ordered_colours(count):
    """So many colours from dark to light, none of them too light for a line."""
    import matplotlib

    colours = matplotlib.colormaps[ORDERED]
    return [colours(0.05 + 0.8 * i / max(1, count - 1)) for i in range(count)]


def text_colour(colour):
    """Black or white, whichever is read better on it."""
    red, green, blue = colour[:3]
    return "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.55 else "white"


def draw_baseline(axes, value, label, style=(0, (5, 3))):
    axes.axhline(value, color=BASELINE, linestyle=style, linewidth=1.4, zorder=1, label=label)


def set_accuracy_range(axes, ticks):
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_ylim()
    if high - low < LEAST_RANGE:
        low, high = (low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2
    axes.set_ylim(max(low, -0.5), min(high, 100.5))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 5, 10]))


def save(figure, *paths):
    """Each in the format that its name ends with, complete or not at all."""
    for path in paths:
        kind = os.path.splitext(path)[1][1:].lower() or "png"
        if kind not in KINDS:
            raise Failure(f"{path}: a figure is one of {', '.join(KINDS)}, by the end of its name", 2)
        with replacing(path) as temporary:
            more = {"metadata": {"Date": None}} if kind == "svg" else {}
            figure.savefig(temporary, bbox_inches="tight", pad_inches=0.12, format=kind, **more)


def legend_of(figure, panels, columns, order=None):
    """A legend below all panels, in the order given."""
    found = {}
    for axes in panels:
        handles, names = axes.get_legend_handles_labels()
        found |= dict(zip(names, handles))
    names = [name for name in order or found if name in found]
    figure.legend([found[name] for name in names], names, loc="upper center", bbox_to_anchor=(0.5, 0),
                  ncol=min(columns, len(names)), frameon=False)


def legend_below(axes, height=-0.15):
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = 2 if max(map(len, labels)) <= 38 else 1
        axes.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, height), ncol=min(columns, len(labels)),
                    frameon=False, handlelength=2.4, columnspacing=2.5)

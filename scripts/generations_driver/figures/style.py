"""What the figures have in common: colours, matplotlib, and writing PNG and SVG whole or not at all."""

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
    "font.family": "DejaVu Sans", "font.size": 11, "axes.labelsize": 12, "axes.titlesize": 13, "legend.fontsize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "svg.hashsalt": "darknet-generations",  # the same figure is the same file
}
KINDS = ("png", "svg")


def load_matplotlib():
    """Returns pyplot; raises Failure where there is no matplotlib."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        advice = "install it (Debian: python3-matplotlib, then /usr/bin/python3) and ask for the report again"
        raise Failure(f"no chart: {sys.executable} cannot import matplotlib ({error}); {advice}") from error
    return pyplot


def colour_of(number):
    return PALETTE[number % len(PALETTE)]


def marker_of(number):
    return MARKERS[number % len(MARKERS)]


def line_of(number):
    return LINES[number // len(PALETTE) % len(LINES)]


def shift_of(number, count):
    """How far a run's points move aside, in generations, lest the error bars of several runs cover each other."""
    return min(0.035, 0.4 / count) * (number - (count - 1) / 2)


@contextlib.contextmanager
def figure_of(rows=1, columns=1, **more):
    """(figure, axes) in the common style; closed at the end."""
    pyplot = load_matplotlib()
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(rows, columns, dpi=160, **more)
        try:
            yield figure, axes
        finally:
            pyplot.close(figure)


def save(figure, *paths):
    """Each in the format that its name ends with, all of it or nothing."""
    for path in paths:
        kind = os.path.splitext(path)[1][1:].lower() or "png"
        if kind not in KINDS:
            raise Failure(f"{path}: a figure is one of {', '.join(KINDS)}, by the end of its name", 2)
        with replacing(path) as temporary:
            more = {"metadata": {"Date": None}} if kind == "svg" else {}
            figure.savefig(temporary, bbox_inches="tight", pad_inches=0.12, format=kind, **more)


def legend_below(axes, height=-0.15):
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = 2 if max(map(len, labels)) <= 38 else 1
        axes.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, height), ncol=min(columns, len(labels)),
                    frameon=False, handlelength=2.4, columnspacing=2.5)

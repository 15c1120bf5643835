"""Histograms of the primary class's confidence: how many images the network is how sure of."""

import math

from .style import PALETTE, legend_of, panels_of, save

COLUMNS = 4
BARS = PALETTE[5]
OUTLINES = ((PALETTE[1], "-"), ("#333333", (0, (3, 1.5))))


def shares(results):
    """(edges, mean share of the images per bin in %) over the results, or None where there is none."""
    bins = [result["calibration_bins"] for result in results if result and result.get("calibration_bins")]
    if not bins:
        return None
    number = len(bins[0])
    parts = [[entry["images"] / sum(one["images"] for one in row) for entry in row] for row in bins]
    means = [100 * sum(part[i] for part in parts) / len(parts) for i in range(number)]
    return [i / number for i in range(number + 1)], means


def draw_panel(axes, title, layers, found):
    """The first layer as bars, the others as outlines."""
    for number, (label, histogram) in enumerate(zip(layers, found)):
        if not histogram:
            continue
        edges, heights = histogram
        if number == 0:
            axes.bar(edges[:-1], heights, width=edges[1], align="edge", color=BARS, edgecolor="white", linewidth=0.5,
                     label=label)
        else:
            colour, style = OUTLINES[number - 1]
            axes.stairs(heights, edges, color=colour, linestyle=style, linewidth=1.6, label=label)
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])


def draw(panels, layers, *paths, images=""):
    """`panels`: [(title, the results of each layer)]; `layers`: their names; `images`: which, where all are of one set.
    False without any result.
    """
    found = [(title, [shares(results) for results in layered]) for title, *layered in panels]
    found = [(title, layered) for title, layered in found if any(layered)]
    if not found:
        return False
    columns = math.ceil(len(found) / math.ceil(len(found) / COLUMNS))  # as even as can be
    with panels_of(len(found), columns, 1.2 + 1.9 * columns, 1.9, 0.8, sharey=True) as (figure, panels):
        for axes, (title, layered) in zip(panels, found):
            draw_panel(axes, title, layers, layered)
        figure.supylabel("share of the images (%)", fontsize=11)
        figure.supxlabel(f"confidence of the primary class{images and f', {images} images'}", fontsize=11)
        legend_of(figure, panels, len(layers), layers)
        save(figure, *paths)
    return True

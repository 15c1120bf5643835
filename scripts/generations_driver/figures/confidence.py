"""Histograms of the primary class's confidence: how many images the network is how sure of."""

import math

from .style import PALETTE, figure_of, save

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
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)


def draw(panels, layers, *paths, images=""):
    """`panels`: [(title, the results of each layer)]; `layers`: their names; `images`: which, where all are of one set.
    False where there is nothing.
    """
    found = [(title, [shares(results) for results in layered]) for title, *layered in panels]
    found = [(title, layered) for title, layered in found if any(layered)]
    if not found:
        return False
    rows = math.ceil(len(found) / COLUMNS)
    columns = math.ceil(len(found) / rows)  # as even as can be
    size = (1.2 + 1.9 * columns, 0.8 + 1.9 * rows)
    with figure_of(rows, columns, figsize=size, squeeze=False, sharey=True, layout="constrained") as (figure, grid):
        flat = list(grid.flat)
        for axes, (title, layered) in zip(flat, found):
            draw_panel(axes, title, layers, layered)
        for axes in flat[len(found):]:
            axes.set_axis_off()
        figure.supylabel("share of the images (%)", fontsize=11)
        figure.supxlabel(f"confidence of the primary class{images and f', {images} images'}", fontsize=11)
        legend = {}  # a layer may be missing in some panels
        for axes in flat:
            legend |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
        names = [name for name in layers if name in legend]
        figure.legend([legend[name] for name in names], names, loc="upper center", bbox_to_anchor=(0.5, 0),
                      ncol=len(names), frameon=False)
        save(figure, *paths)
    return True

"""Histograms of the primary class's confidence: how many images the network is how sure of."""

import math

from .style import PALETTE, figure_of, save

COLUMNS = 4


def shares(results):
    """(edges, mean share of the images per bin in %) over the results, or None where there is none."""
    bins = [result["calibration_bins"] for result in results if result and result.get("calibration_bins")]
    if not bins:
        return None
    number = len(bins[0])
    parts = [[entry["images"] / sum(one["images"] for one in row) for entry in row] for row in bins]
    means = [100 * sum(part[i] for part in parts) / len(parts) for i in range(number)]
    return [i / number for i in range(number + 1)], means


def draw_panel(axes, title, valid, train):
    if valid:
        edges, heights = valid
        axes.bar(edges[:-1], heights, width=edges[1], align="edge", color=PALETTE[5], edgecolor="white", linewidth=0.5,
                 label="validation images")
    if train:
        edges, heights = train
        axes.stairs(heights, edges, color=PALETTE[1], linewidth=1.6, label="training images")
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)


def draw(panels, *paths):
    """`panels`: [(title, results on validation images, results on training images)]; False where there is nothing."""
    found = [(title, shares(valid), shares(train)) for title, valid, train in panels]
    found = [panel for panel in found if panel[1] or panel[2]]
    if not found:
        return False
    columns = min(COLUMNS, len(found))
    rows = math.ceil(len(found) / columns)
    size = (1.2 + 1.9 * columns, 0.8 + 1.9 * rows)
    with figure_of(rows, columns, figsize=size, squeeze=False, sharey=True, layout="constrained") as (figure, grid):
        flat = list(grid.flat)
        for axes, panel in zip(flat, found):
            draw_panel(axes, *panel)
        for axes in flat[len(found):]:
            axes.set_axis_off()
        figure.supylabel("share of the images (%)", fontsize=11)
        figure.supxlabel("confidence of the primary class", fontsize=11)
        handles, labels = flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0), ncol=2, frameon=False)
        save(figure, *paths)
    return True

"""Calibration curves: accuracy over the confidence of the primary class."""

import math

from .style import BASELINE, PALETTE, legend_of, panels_of, save

COLUMNS = 4
LEAST = 0.002  # share of the images that a bin has at least to be drawn
LOOKS = ((PALETTE[0], "o", "-"), (PALETTE[1], "s", (0, (4, 1.5))))


def curve_of(results):
    """[(mean confidence, accuracy in %)] of the bins, all results together; and the calibration error."""
    bins = [result["calibration_bins"] for result in results if result and result.get("calibration_bins")]
    points, error = [], 0.0
    whole = sum(entry["images"] for row in bins for entry in row)
    for column in zip(*bins):
        images = sum(entry["images"] for entry in column)
        if images:
            confidence, accuracy = (sum(entry["images"] * entry[key] for entry in column) / images
                                    for key in ("confidence", "accuracy"))
            error += images / whole * abs(confidence - accuracy)
            if images >= LEAST * whole:
                points.append((confidence, accuracy))
    return points, error


def draw(panels, *paths, layers=("",)):
    """`panels`: [(title, the results of each layer)]. False without any result."""
    found = [(title, [curve_of(results) for results in layered]) for title, *layered in panels]
    found = [(title, curves) for title, curves in found if any(points for points, _ in curves)]
    if not found:
        return False
    columns = math.ceil(len(found) / math.ceil(len(found) / COLUMNS))  # as even as can be
    size = {"sharey": True, "sharex": True}
    with panels_of(len(found), columns, 1.0 + 2.15 * columns, 2.3, 0.7, **size) as (figure, grid):
        for axes, (title, curves) in zip(grid, found):
            axes.plot([0, 1], [0, 1], color=BASELINE, linestyle=(0, (4, 3)), linewidth=1)
            for (points, _), (colour, marker, line), layer in zip(curves, LOOKS, layers):
                if points:
                    axes.plot(*zip(*points), color=colour, marker=marker, markersize=3.5, linewidth=1.4,
                              linestyle=line, clip_on=False, label=layer or None)
            errors = " / ".join(f"{error:.3f}" for points, error in curves if points)
            axes.text(0.97, 0.04, f"error {errors}", transform=axes.transAxes, ha="right", va="bottom", fontsize=8,
                      color="#444444")
            axes.set_title(title, fontsize=10, loc="left")
            axes.set_aspect("equal")
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        figure.supxlabel("confidence of the primary class, validation images", fontsize=11)
        figure.supylabel("accuracy", fontsize=11)
        if any(layers):
            legend_of(figure, grid, len(layers))
        save(figure, *paths)
    return True

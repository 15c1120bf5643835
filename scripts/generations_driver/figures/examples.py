"""Images with the top classes of one or several networks: what a network knows besides the label."""

import os

from ..files import read_json
from .style import PALETTE, figure_of, save

TRUE, OTHER = PALETTE[2], "#8DBBD9"  # the label's class; the others
BAR = 0.4  # length of a bar of 100 %, in widths of a panel
MOST, ROWS = 4, 8  # networks side by side; images below each other
GAP = 0.2  # between two blocks; a panel of bars is 1.5


def images_of(networks):
    """[(image, [its entry in each network's examples])] of the images that all of them have."""
    tables = []
    for _, path in networks:
        found = read_json(path, "remove the folder and run again").get("images", [])
        tables.append({entry["index"]: {**entry, "folder": os.path.dirname(path)} for entry in found})
    return [[table[index] for table in tables] for index in tables[0] if all(index in table for table in tables)]


def short(name, most):
    """The first of a class's names, as ILSVRC2012 has several, so that it fits."""
    name = name.partition(",")[0].replace("_", " ")
    return name if len(name) <= most else name[: most - 1] + "\u2026"


def draw_image(axes, entry, imread):
    pixels = imread(os.path.join(entry["folder"], entry["file"]))
    axes.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(short(entry["label_name"], 14), fontsize=8.5, pad=3, fontweight="bold")


def draw_bars(axes, entry, title):
    for place, one in enumerate(entry["top"]):
        true = one["class"] == entry["label"]
        # Names and numbers have columns of their own: in a bar, or across its end, they would be hard to read.
        axes.barh(place, BAR * one["probability"], left=-BAR, height=0.72, color=TRUE if true else OTHER)
        axes.barh(place, BAR, left=-BAR, height=0.72, color="none", edgecolor="#E3E3E3", linewidth=0.5, zorder=0)
        axes.text(-BAR - 0.02, place, f"{100 * one['probability']:.1f}", va="center", ha="right", fontsize=7,
                  color="#333333")
        axes.text(0.03, place, short(one["name"], 15), va="center", ha="left", fontsize=7.5,
                  fontweight="bold" if true else "normal")
    axes.set_xlim(-BAR - 0.18, 0.5)
    axes.set_ylim(len(entry["top"]) - 0.45, -0.55)
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=9.5, loc="left", pad=8)


def draw(networks, *paths):
    """`networks`: [(title, its examples.json)]; False where there is none."""
    networks = [(title, path) for title, path in networks if path and os.path.exists(path)][:MOST]
    images = images_of(networks) if networks else []
    if not images:
        return False
    blocks = 2 if len(networks) <= 2 else 1
    images = images[:: -(-len(images) // (blocks * ROWS))]
    rows = -(-len(images) // blocks)
    block = [0.62, *[1.5] * len(networks)]
    widths = block if blocks == 1 else [*block, GAP, *block]
    size = (9.6 if blocks == 2 else 1.2 + 2.1 * len(networks), 0.5 + 1.02 * rows)
    with figure_of(rows, len(widths), figsize=size, squeeze=False, layout="constrained", width_ratios=widths) as (
        figure, grid,
    ):
        from matplotlib.image import imread

        for axes in grid.flat:
            axes.set_axis_off()
        for number, entries in enumerate(images):
            row, first = number % rows, number // rows * (len(block) + 1)
            draw_image(grid[row][first], entries[0], imread)
            for column, ((title, _), entry) in enumerate(zip(networks, entries), first + 1):
                draw_bars(grid[row][column], entry, title if row == 0 else None)
        save(figure, *paths)
    return True

"""A confusion matrix: of each class's images, the share that goes to each class."""

from .cells import draw_cells
from .style import SHARES, figure_of, save

NAMED = 25  # with more classes there are no names and numbers


def draw(matrix, *paths):
    """`matrix`: (title, names, rows of shares in %), or None; False without one."""
    if matrix is None:
        return False
    title, names, rows = matrix
    import matplotlib

    colours = matplotlib.colormaps[SHARES]
    named = len(names) <= NAMED
    side = max(4.0, 1.6 + 0.48 * len(names)) if named else 6.4
    with figure_of(figsize=(side, side), layout="constrained") as (figure, axes):
        if named:
            # The root makes rare confusions visible.
            draw_cells(axes, rows, lambda value, _: colours((value / 100) ** 0.5 * 0.85),
                       lambda value, _: f"{value:.0f}" if value >= 0.5 else "", 8)
            axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
            axes.set_yticks(range(len(names)), names, fontsize=9)
        else:
            image = axes.imshow(rows, cmap=SHARES, norm=matplotlib.colors.PowerNorm(0.5, 0, 100))
            axes.grid(visible=False)
            bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[0, 1, 5, 20, 50, 100])
            bar.set_label("share of the label's images (%)")
        axes.set_aspect("equal")
        axes.set_xlabel("class with the largest output" + ("" if named else ", by number"))
        axes.set_ylabel("label" + (" (each row: % of its images)" if named else ", by number"))
        axes.set_title(title, fontsize=11, loc="left")
        save(figure, *paths)
    return True

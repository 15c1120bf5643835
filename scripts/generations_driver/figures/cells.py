"""Tables of coloured cells with their numbers."""

import itertools

from .style import DIFFERENCES, SHARES, text_colour


def draw_cells(axes, cells, colour_at, text_of, size=9):
    """Each cell in its colour with its number; None is left empty."""
    for row, line in enumerate(cells):
        for column, value in enumerate(line):
            if value is None:
                continue
            colour = colour_at(value, column)
            axes.add_patch(axes_rectangle(column, row, colour))
            axes.text(column, row, text_of(value, column), ha="center", va="center", fontsize=size,
                      color=text_colour(colour))
    axes.set_xlim(-0.5, len(cells[0]) - 0.5)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def axes_rectangle(column, row, colour):
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, edgecolor="none")


def around_zero(values):
    """A colour for a difference, white at zero."""
    import matplotlib

    reach = max(map(abs, values)) or 1.0
    colours = matplotlib.colormaps[DIFFERENCES]
    return lambda value, _column: colours(0.5 + 0.42 * value / reach)


def column_colours(cells):
    """Each column from its least to its greatest value, as columns have different units."""
    import matplotlib

    colours = matplotlib.colormaps[SHARES]
    ranges = [[value for value in column if value is not None] for column in itertools.zip_longest(*cells)]

    def colour_at(value, column):
        low, high = min(ranges[column]), max(ranges[column])
        return colours(0.08 + 0.62 * (value - low) / (high - low) if high > low else 0.08)

    return colour_at

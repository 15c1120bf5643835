"""Heat maps: the last student's difference to the baseline for each combination of options."""

import math

from ..differences import mean_gain
from ..summary import last_student
from .cells import around_zero, draw_cells
from .options import varied_options
from .style import panels_of, save

LEAST_RUNS = 4
COLUMNS = 3


def grid_of(summaries):
    """(options, {their values: mean difference}) where runs differ in two or three numbers and fill the grid."""
    options = varied_options(summaries)
    if not 2 <= len(options) <= 3 or len(summaries) < LEAST_RUNS:
        return None
    gains = {}
    for values, summary in zip(zip(*options.values()), summaries):
        gain = last_student(summary) and mean_gain(summary, last_student(summary))
        if gain is not None:
            gains[values] = gain
    whole = math.prod(len(set(values)) for values in options.values())
    return (options, gains) if gains and whole == len(summaries) else None


def draw(summaries, title_of, *paths):
    """A panel for each value of the first option where three vary; False where the runs are no grid of numbers."""
    grid = grid_of(summaries)
    if grid is None:
        return False
    options, gains = grid
    names = [title_of(*key) for key in options]
    places = [sorted(set(values)) for values in options.values()]
    facets = [(value,) for value in places[0]] if len(places) == 3 else [()]
    rows, columns = places[-2:]
    across = min(COLUMNS, len(facets))
    width = max(3.6, 1.1 + 0.75 * len(columns)) * across
    with panels_of(len(facets), across, width, 1.0 + 0.45 * len(rows), 0.5, sharey=True) as (figure, panels):
        colour_at = around_zero(gains.values())
        for number, (axes, facet) in enumerate(zip(panels, facets)):
            cells = [[gains.get((*facet, row, column)) for column in columns] for row in rows]
            draw_cells(axes, cells, colour_at, lambda value, _: f"{value:+.2f}", 10)
            axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
            axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
            axes.set_xlabel(names[-1])
            if number % across == 0:
                axes.set_ylabel(names[-2])
            if facet:
                axes.set_title(f"{names[0]}: {facet[0]:g}", fontsize=11, loc="left")
        save(figure, *paths)
    return True

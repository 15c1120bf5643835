"""The students' difference to the baseline over the softness of their patriarch, a point for each run."""

from ..differences import LEAST_RUNS, SOFTNESS, STUDENTS, softness_points
from .style import BASELINE, colour_of, legend_of, marker_of, panels_of, save


def draw(summaries, *paths):
    """False with fewer runs than a rank correlation needs."""
    found = {(key, name): softness_points(summaries, key, choose) for key in SOFTNESS
             for name, choose in STUDENTS.items()}
    keys = [key for key in SOFTNESS if any(len(found[key, name]) >= LEAST_RUNS for name in STUDENTS)]
    if not keys:
        return False
    with panels_of(len(keys), len(keys), 4.0 * len(keys), 3.2, 0.3, sharey=True) as (figure, panels):
        for axes, key in zip(panels, keys):
            axes.axhline(0, color=BASELINE, linestyle=(0, (5, 3)), linewidth=1.2, zorder=1)
            for number, name in enumerate(STUDENTS):
                if found[key, name]:
                    axes.plot(*zip(*found[key, name]), linestyle="none", color=colour_of(number),
                              marker=marker_of(number), markersize=6, alpha=0.75, label=name)
            axes.set_xlabel(f"patriarch, training images: {SOFTNESS[key][0]}", fontsize=10)
            axes.margins(0.08)
        panels[0].set_ylabel("points above the baseline", fontsize=10)
        legend_of(figure, panels, 2)
        save(figure, *paths)
    return True

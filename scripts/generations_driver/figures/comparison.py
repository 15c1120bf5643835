"""Top-1 accuracy over the generations of several runs, a line for each D(eta, lambda), as in the paper."""

from .accuracy import LEAST_RANGE
from .measures import accuracy_of, baseline_mean, points_of
from .style import BASELINE, colour_of, figure_of, legend_below, line_of, marker_of, save, shift_of


def draw(summaries, labels, *paths):
    """False where there is no accuracy."""
    curves = [points_of(summary["mean"], accuracy_of, None) for summary in summaries]
    # Runs of the same seeds share a baseline; {(mean, seeds)}
    baselines = {(round(value, 4), tuple(summary["configuration"]["seeds"])) for summary in summaries
                 if (value := baseline_mean(summary, accuracy_of, None)) is not None}
    if not any(curves) and not baselines:
        return False
    last = max([1, *(x for points in curves for x, _, _ in points)])
    with figure_of(figsize=(7.6, 5.2)) as (figure, axes):
        from matplotlib.ticker import MaxNLocator

        for number, (points, label) in enumerate(zip(curves, labels)):
            if not points:
                continue
            shift = shift_of(number, len(curves)) if any(error for _, _, error in points) else 0
            x, y, deviation = zip(*points)
            axes.errorbar(
                [place + shift for place in x], y, yerr=deviation if any(deviation) else None, color=colour_of(number),
                marker=marker_of(number), markersize=6, linewidth=1.9, capsize=3, elinewidth=1,
                linestyle=line_of(number), label=label,
            )
        for value, seeds in sorted(baselines):
            of = "" if len(baselines) == 1 else f", seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"
            name = f"baseline D(1.0, 0.0), {value:.2f} %{of}"
            axes.axhline(value, color=BASELINE, linestyle=(0, (5, 3)), linewidth=1.5, zorder=1, label=name)
        axes.set_xlim(-0.3, last + 0.3)
        axes.set_xticks(range(last + 1), ["patriarch", *map(str, range(1, last + 1))])
        axes.set_xlabel("generation")
        axes.set_ylabel("top-1 accuracy, last epoch (%)")
        low, high = axes.get_ylim()
        if high - low < LEAST_RANGE:
            axes.set_ylim((low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
        legend_below(axes)
        save(figure, *paths)
    return True

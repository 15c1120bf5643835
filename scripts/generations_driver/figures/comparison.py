"""Top-1 accuracy over the generations of several runs, a line for each D(eta, lambda), as in the paper."""

from .measures import accuracy_of, baseline_mean, points_of
from .style import draw_baseline, draw_means, figure_of, legend_below, line_of, save, set_accuracy_range, shift_of


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
        for number, (points, label) in enumerate(zip(curves, labels)):
            if points:
                shift = shift_of(number, len(curves)) if any(error for _, _, error in points) else 0
                draw_means(axes, points, number, shift, markersize=6, linewidth=1.9, capsize=3,
                           linestyle=line_of(number), label=label)
        for value, seeds in sorted(baselines):
            of = "" if len(baselines) == 1 else f", seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"
            draw_baseline(axes, value, f"baseline D(1.0, 0.0), {value:.2f} %{of}")
        axes.set_xlim(-0.3, last + 0.3)
        axes.set_xticks(range(last + 1), ["patriarch", *map(str, range(1, last + 1))])
        axes.set_xlabel("generation")
        axes.set_ylabel("top-1 accuracy, last epoch (%)")
        set_accuracy_range(axes, 8)
        legend_below(axes)
        save(figure, *paths)
    return True

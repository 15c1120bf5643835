"""Accuracy over the values of the options in which runs differ: what a sweep over numbers shows."""

from ..files import number_or_none
from .measures import accuracy_of, baseline_mean, mean_in
from .style import colour_of, draw_baseline, legend_of, marker_of, panels_of, save

LEAST_RUNS = 3
COLUMNS = 3
WIDE = 10  # from this ratio of the largest to the smallest value on, the axis is logarithmic


def varied_options(summaries):
    """{(section, key): value of each run} of the options in which runs differ; none where one of them is no number.

    Runs that differ in more than numbers are not points on one axis.
    """
    flat = []
    for summary in summaries:
        configuration = summary["configuration"]
        flat.append({(section, key): value for section in ("net", "patriarch", "student")
                     for key, value in configuration[section].items()})
        flat[-1].update({("experiment", key): configuration[key] for key in ("data", "network")})
        flat[-1]["experiment", "generations"] = f"{configuration['generations']} generations"  # not to be compared
    found = {}
    for key in dict.fromkeys(key for options in flat for key in options):
        strings = [options.get(key) for options in flat]
        if len(set(strings)) > 1:
            values = [None if string is None else number_or_none(str(string)) for string in strings]
            if None in values:
                return {}
            if len(set(values)) > 1:  # 0.6 and 0.60 are one
                found[key] = values
    return found


def accuracies(summaries, name_of):
    """Each run's mean accuracy of a generation in %, None where it has none yet."""
    return [mean_in(summary, name_of(summary), accuracy_of, None) for summary in summaries]


def draw_points(axes, values, y, number, label):
    """Each run is a faint point; a line has the mean of those with the same value."""
    points = [(x, accuracy) for x, accuracy in zip(values, y) if accuracy is not None]
    if not points:
        return
    axes.plot(*zip(*points), linestyle="none", marker=marker_of(number), markersize=4, color=colour_of(number),
              alpha=0.35)
    means = {}
    for x, accuracy in points:
        means.setdefault(x, []).append(accuracy)
    x = sorted(means)
    axes.plot(x, [sum(means[at]) / len(means[at]) for at in x], marker=marker_of(number), markersize=7, linewidth=1.9,
              color=colour_of(number), label=label)


def draw(summaries, title_of, last_student, *paths):
    """A panel for each option, named by title_of(section, key). False where the runs do not differ in numbers alone."""
    options = varied_options(summaries)
    if len(summaries) < LEAST_RUNS or not options:
        return False
    series = [(accuracies(summaries, lambda _: "patriarch"), "patriarch"),
              (accuracies(summaries, last_student), "last student")]
    if not any(value is not None for values, _ in series for value in values):
        return False
    baselines = {round(value, 4) for summary in summaries
                 if (value := baseline_mean(summary, accuracy_of, None)) is not None}
    columns = min(COLUMNS, len(options))
    with panels_of(len(options), columns, max(5.0, 3.3 * columns), 3.1, 0.9, sharey=True) as (figure, panels):
        for axes, (key, values) in zip(panels, options.items()):
            places = sorted(set(values))
            if places[0] > 0 and places[-1] / places[0] >= WIDE:
                axes.set_xscale("log")
            for number, (y, label) in enumerate(series):
                draw_points(axes, values, y, number, label)
            for value in baselines:
                draw_baseline(axes, value, "baseline" if value == min(baselines) else None)
            axes.set_xticks(places, [f"{place:g}" for place in places])
            axes.set_xticks([], minor=True)
            axes.margins(x=0.12, y=0.1)
            axes.set_xlabel(title_of(*key))
        figure.supylabel("top-1 accuracy, last epoch (%)", fontsize=12)
        legend_of(figure, panels[:1], 3)
        save(figure, *paths)
    return True

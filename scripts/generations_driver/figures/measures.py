"""How the measures of `classifier inspect` move beside the accuracy, over the generations."""

from .style import BASELINE, colour_of, figure_of, line_of, marker_of, save, shift_of

# The panels beside the accuracy, with titles that fit.
PANELS = {
    "loss": "negative log-likelihood (nats)",
    "mean_primary": "confidence of the primary class",
    "mean_rank_2_k": "probability of ranks 2 to k, mean",
    "inside_superclass": "other probability inside\nthe superclass, share",
    "dist_between": "distance between superclasses",
    "dist_within": "distance within superclasses",
    "dist_all": "distance between classes",
    "entropy": "entropy (nats)",
    "ece": "calibration error",
    "teacher_agreement": "agreement with the teacher",
}
COLUMNS = 3
SETS = (("inspect", "validation", "-"), ("inspect_train", "training", ":"))
BASELINE_STYLES = {"inspect": (0, (5, 3)), "inspect_train": (0, (1, 2))}


def accuracy_of(entry, _kind):
    value = entry["last"]["top1"]
    return value and {**value, **{key: value[key] and 100 * value[key] for key in ("mean", "deviation")}}


def reader(key):
    """What reads a measure of a generation's means; the accuracy where there is no key."""
    return (lambda entry, kind: (entry.get(kind) or {}).get(key)) if key else accuracy_of


def points_of(means, read, kind):
    """[(generation, mean, deviation or 0)]"""
    found = [(entry["index"], read(entry, kind)) for entry in means if entry["index"] is not None]
    return sorted((x, value["mean"], value["deviation"] or 0) for x, value in found if value)


def baseline_mean(summary, read, kind):
    name = "patriarch" if summary.get("patriarch_is_baseline") else "baseline"
    values = [read(entry, kind) for entry in summary["mean"] if entry["generation"] == name]
    return values[0]["mean"] if values and values[0] else None


def draw_run(axes, summary, read, kind, number, style, label, filled, shift):
    points = points_of(summary["mean"], read, kind)
    if not points:
        return
    x, y, deviation = zip(*points)
    x = [place + shift for place in x]
    axes.errorbar(
        x, y, yerr=deviation if any(deviation) else None, color=colour_of(number), marker=marker_of(number),
        markersize=5, linestyle=style, linewidth=1.6, capsize=2.5, elinewidth=1, label=label,
        markerfacecolor=None if filled else "white",
    )


def draw_panel(axes, summaries, labels, key):
    """A measure, or the accuracy where there is no key; with one run on both sets of images."""
    single, read = len(summaries) == 1, reader(key)
    several = any(len(summary["configuration"]["seeds"]) > 1 for summary in summaries)
    for kind, images, style in SETS if single and key else SETS[:1]:
        for number, (summary, label) in enumerate(zip(summaries, labels)):
            shift = shift_of(number, len(summaries)) if several else 0
            name = f"{images} images" if single else label
            line = style if single else line_of(number)
            draw_run(axes, summary, read, kind, number, line, name, kind == "inspect", shift)
        name = f"baseline, {images} images" if single else "baseline"
        for value in dict.fromkeys(baseline_mean(summary, read, kind) for summary in summaries):
            if value is not None:
                style = BASELINE_STYLES[kind]
                axes.axhline(value, color=BASELINE, linestyle=style, linewidth=1.2, zorder=1, label=name)
                name = None  # once in the legend


def draw(summaries, labels, *paths):
    """One run: validation and training images; several: a colour each, validation images. False without measures."""
    single = len(summaries) == 1
    entries = [entry for summary in summaries for entry in summary["mean"]]
    there = {key for entry in entries for kind, _, _ in SETS for key in entry.get(kind) or {}}
    keys = [key for key in PANELS if key in there and not (key == "dist_all" and "dist_between" in there)]
    if not keys:
        return False
    rows = (len(keys) + COLUMNS) // COLUMNS
    size = (9.6, 0.9 + 2.25 * rows)
    with figure_of(rows, COLUMNS, figsize=size, squeeze=False, layout="constrained") as (figure, grid):
        from matplotlib.ticker import MaxNLocator

        flat = list(grid.flat)
        last = max([1, *(entry["index"] or 0 for entry in entries)])
        for axes, key in zip(flat, [None, *keys]):
            draw_panel(axes, summaries, labels, key)
            axes.set_title("top-1 accuracy (%)" if key is None else PANELS[key], fontsize=10.5, loc="left")
            axes.set_xlim(-0.3, last + 0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.margins(y=0.15)
            axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
        for axes in flat[len(keys) + 1:]:
            axes.set_axis_off()
        figure.supxlabel("generation (0: the patriarch)", fontsize=11)
        handles, names = flat[1].get_legend_handles_labels()
        columns = min(2 if single else 3, len(names))
        figure.legend(handles, names, loc="upper center", bbox_to_anchor=(0.5, 0), ncol=columns, frameon=False)
        save(figure, *paths)
    return True



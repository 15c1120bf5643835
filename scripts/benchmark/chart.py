"""The chart of one or several results: training images/s of the program and its references."""

from generations_driver.figures.style import figure_of, save
from generations_driver.tables import counted

from .roofline import PRECISIONS
from .tables import caption, rate

# What a row may have: marker, colour, name.
POINTS = {"program": ("o", "#0072B2", "darknet-generations"), "baseline": ("s", "#E69F00", "primitive baseline"),
          "roofline": ("D", "#000000", "roofline"), "eager": ("^", "#D55E00", "PyTorch eager"),
          "compile": ("v", "#CC79A7", "PyTorch compiled")}
ROW, HEAD = 0.42, 1.15  # inches


def training_rows(report):
    """One row for each network: the largest number of threads, or the lowest precision."""
    rows = {}
    for row in report["rows"]:
        rank = (row["threads"] or 0, PRECISIONS.index(row["precision"]) if "precision" in row else 0)
        if row["work"] == "train" and rank >= rows.get(row["network"], ((0, 0), None))[0]:
            rows[row["network"]] = rank, row
    return [row for _, row in rows.values()]


def rates_of(row):
    found = dict(row["images_per_second"])
    if "roofline_seconds" in row:
        found["roofline"] = row["batch"] / row["roofline_seconds"]
    return {kind: found[kind] for kind in POINTS if kind in found}


def title_of(report):
    """The caption without versions, with the number of threads."""
    machine = report["machine"].get("gpu") or f"{report['machine']['processor']}, {report['versions']['instructions']}"
    settings = sorted({row.get("precision") or counted(row["threads"], "thread") for row in training_rows(report)})
    return f"{machine}\n{', '.join(settings)}, {caption(report).split(',')[0]}"


def draw_panel(axes, report):
    rows = training_rows(report)
    for height, row in enumerate(rows):
        rates = rates_of(row)
        axes.plot([min(rates.values()), max(rates.values())], [height, height], color="#BBBBBB", linewidth=1, zorder=1)
        for kind, value in rates.items():
            marker, colour, _ = POINTS[kind]
            axes.plot(value, height, marker, color=colour, markersize=8, zorder=3 if kind == "program" else 2)
        axes.annotate(rate(rates["program"]), (rates["program"], height), (0, 7), textcoords="offset points",
                      ha="center", va="bottom", fontsize=10, color=POINTS["program"][1])
    axes.set_yticks(range(len(rows)), [row["network"].replace("-", "\n", 1) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.75)
    axes.set_xscale("log")
    axes.minorticks_off()
    low, high = axes.get_xlim()
    ticks = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
    axes.set_xticks([value for value in ticks if low <= value <= high])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}")
    axes.margins(x=0.08)
    axes.grid(axis="x", color="#E5E5E5")
    axes.tick_params(axis="y", length=0)
    axes.set_title(title_of(report), fontsize=11, loc="left")


def draw(reports, path):
    """A panel for each report, into a .png or .svg."""
    heights = [HEAD + ROW * len(training_rows(report)) for report in reports]
    with figure_of(len(reports), figsize=(6.2, sum(heights) + 0.5), squeeze=False, layout="constrained",
                   gridspec_kw={"height_ratios": heights}) as (figure, axes):
        for panel, report in zip(axes[:, 0], reports):
            draw_panel(panel, report)
        axes[-1, 0].set_xlabel("images/s in training (log scale)")
        kinds = [kind for kind in POINTS if any(kind in rates_of(row) for report in reports
                                                for row in training_rows(report))]
        handles = [figure.axes[0].plot([], [], marker, color=colour, markersize=8, label=name)[0]
                   for marker, colour, name in (POINTS[kind] for kind in kinds)]
        figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncol=2, frameon=False)
        save(figure, path)

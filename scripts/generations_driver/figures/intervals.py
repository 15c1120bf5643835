"""Differences to the baseline with their 95 % intervals, a row for each generation; of many runs, for the last one."""

import dataclasses

from .style import BASELINE, MOST_LINES, PALETTE, figure_of, save

ROW = 0.23  # inches
WIDEST = 3  # spans of the means beyond which an interval is cut, so that one of two seeds does not flatten the others


def last_students(found):
    """One row for each run, named by it."""
    last = {one.run: one for one in found if one.index}
    return [dataclasses.replace(one, generation=f"{one.run}: {one.generation}", run="") for one in last.values()]


def rows_of(found):
    """[(y, Difference)], with a gap above every run; and [(y, run)] of the runs' names."""
    rows, names, y, before = [], [], 0.0, None
    for one in found:
        if one.run != before:
            y += 1.0 if one.run else 0.0
            names.append((y, one.run))
            y += 1.0 if one.run else 0.0
            before = one.run
        rows.append((y, one))
        y += 1.0
    return rows, names


def limits_of(found):
    means = [one.found["mean"] for one in found] + [0.0]
    span = max(max(means) - min(means), 0.5)
    ends = [end for one in found for end in one.found["t"] or ()] + means
    reach = WIDEST * span
    return max(min(ends), min(means) - reach) - 0.05 * span, min(max(ends), max(means) + reach) + 0.05 * span


def draw(found, *paths):
    """False without differences."""
    if not found:
        return False
    if len({one.run for one in found}) > MOST_LINES:
        found = last_students(found)
    rows, names = rows_of(found)
    low, high = limits_of(found)
    with figure_of(figsize=(7.6, 1.0 + ROW * (rows[-1][0] + 1)), layout="constrained") as (figure, axes):
        axes.axvline(0, color=BASELINE, linestyle=(0, (5, 3)), linewidth=1.3, zorder=1)
        for y, one in rows:
            colour = PALETTE[3] if one.index is None else BASELINE if one.index == 0 else PALETTE[0]
            interval = one.found["t"]
            if interval:
                axes.plot([max(interval[0], low), min(interval[1], high)], [y, y], color=colour, linewidth=1.6,
                          solid_capstyle="butt")
                for end, edge, marker in ((interval[0], low, "<"), (interval[1], high, ">")):
                    if end < low or end > high:
                        axes.plot(edge, y, marker=marker, markersize=5, color=colour, clip_on=False)
            clear = interval and not interval[0] <= 0 <= interval[1]
            axes.plot(one.found["mean"], y, marker="D" if one.index is None else "o", markersize=5.5, color=colour,
                      markerfacecolor=colour if clear else "white", zorder=3)
        axes.set_yticks([y for y, _ in rows], [one.generation for _, one in rows], fontsize=9)
        axes.tick_params(axis="y", length=0)
        for y, name in names:
            if name:
                axes.text(0.0, y, name, transform=axes.get_yaxis_transform(), fontsize=9.5, fontweight="bold",
                          va="center", ha="left")
        axes.set_ylim(rows[-1][0] + 0.7, min(y for y, _ in rows + names) - 0.7)
        axes.set_xlim(low, high)
        axes.grid(True, axis="x")
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("points of top-1 above the baseline of the same seed, 95 % t interval\n"
                        "filled: the interval excludes zero", fontsize=10)
        save(figure, *paths)
    return True

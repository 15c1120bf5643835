"""What bench.py prints: text for a terminal, Markdown for the documentation."""

import textwrap

from generations_driver.tables import counted

from .workload import WORK

IDLE = 0.1  # cores
MIN_SHARE = 0.001
CPU_COLUMNS = (("network", 24), ("threads", 8), ("work", 9), ("images/s", 10), ("baseline", 10), ("ratio", 7),
               ("PyTorch", 9), ("ratio", 7), ("frozen", 8), ("ratio", 7), ("peak MiB", 10), ("PyTorch MiB", 13))
GPU_COLUMNS = (("network", 24), ("precision", 11), ("work", 9), ("images/s", 10), ("ms", 9), ("roofline ms", 13),
               ("x roofline", 12), ("eager", 9), ("ratio", 7), ("compile", 9), ("ratio", 7))


def number(value, pattern="{:.0f}"):
    return "-" if value is None else pattern.format(value)


def rate(value):
    return number(value, "{:.1f}" if value is not None and value < 100 else "{:.0f}")


def columns_of(row):
    return GPU_COLUMNS if "precision" in row else CPU_COLUMNS


def cells(row):
    """One network, number of threads or precision, and kind of work."""
    rates, ratios, peaks = row["images_per_second"], row["ratio"], row.get("peak_bytes", {})

    def compared(*kinds):
        return [text for kind in kinds
                for text in (rate(rates.get(kind)), number(ratios.get(kind), "{:.2f}"))]

    if "precision" in row:
        seconds, roofline = row["batch"] / rates["program"], row.get("roofline_seconds")
        return [row["network"], row["precision"], row["work"], rate(rates["program"]), f"{1000 * seconds:.3f}",
                number(roofline and 1000 * roofline, "{:.3f}"), number(roofline and seconds / roofline, "{:.1f}"),
                *compared("eager", "compile")]
    return [row["network"], str(row["threads"]), row["work"], rate(rates["program"]),
            *compared("baseline", "eager", "frozen"),
            *(number(peaks[kind] / 2**20 if kind in peaks else None) for kind in ("program", "eager"))]


def text_line(texts, columns):
    return "".join(f"{text:<{width}}" if place == 0 else f"{text:>{width}}"
                   for place, (text, (_, width)) in enumerate(zip(texts, columns)))


def text_row(row):
    return text_line(cells(row), columns_of(row))


def text_heading(columns):
    return text_line([name for name, _ in columns], columns)


def markdown(report):
    """The lines of a report's table: each network on the largest number of threads. Empty columns are left out."""
    threads = {row["network"]: row["threads"] for row in sorted(report["rows"], key=lambda row: row["threads"])}
    single = {(row["network"], row["work"]): row for row in report["rows"] if row["threads"] == 1}
    names = [name for name, _ in columns_of(report["rows"][0])] + ["/ 1 thread"]
    names = [f"/ {before}" if name == "ratio" else name for before, name in zip([None, *names], names)]
    table = []
    for row in (row for row in report["rows"] if row["threads"] == threads[row["network"]]):
        one = single.get((row["network"], row["work"])) if row["threads"] > 1 else None
        factor = one and row["images_per_second"]["program"] / one["images_per_second"]["program"]
        table.append([*cells(row), number(factor, "{:.2f}")])
    used = [place for place in range(len(names)) if any(texts[place] != "-" for texts in table)]
    lines = [[names[place] for place in used], ["---" if place in (0, 2) else "---:" for place in used]]
    lines += [["" if texts[place] == "-" else texts[place] for place in used] for texts in table]
    return [*textwrap.wrap(caption(report), 120), "", *(f"| {' | '.join(texts)} |" for texts in lines)]


def caption(report):
    """Date, machine and versions."""
    machine, versions = report["machine"], report["versions"]
    parts = [report["date"].split()[0], machine["gpu"]] if machine.get("gpu") else [
        report["date"].split()[0], machine["processor"], f"{machine['cores']} cores", versions["instructions"]]
    parts += [f"{name} {versions[name]}" for name in ("driver", "CUDA", "cuDNN", "oneDNN", "PyTorch")
              if versions.get(name, "no") != "no"]
    counts = [row.get("count") or len(row["repetitions"]["program"]) for row in report["rows"]]
    least, most = min(counts), max(counts)
    parts.append(("" if least == most else f"{least} to ") + counted(most, "repetition"))
    return ", ".join(parts) + "." + (f" {report['note']}." if "note" in report else "")


def scaling_line(rows):
    """How much faster the largest number of threads is than one; None where only one number was measured."""
    rates = {(row["threads"], row["work"]): row["images_per_second"]["program"] for row in rows}
    threads = max(row["threads"] for row in rows)
    if threads == 1 or (1, WORK[0]) not in rates:
        return None
    factors = ", ".join(f"{work} {rates[threads, work] / rates[1, work]:.2f}" for work in WORK)
    return f"  {threads} threads / 1 thread: {factors}"


def other_work_line(cores):
    text = f"other work on the machine: {cores['mean']:.2f} cores on average, {cores['max']:.2f} at most"
    return text + ("; the machine is not idle: measure again" if cores["mean"] > IDLE else "")


def share_lines(where, columns):
    """columns: {"train": {what: share}, "distill": ...}. What is too small everywhere is left out."""
    names = []
    for shares in columns.values():
        names += [what for what, share in shares.items() if share >= MIN_SHARE and what not in names]
    names.sort(key=lambda what: what == "the rest")
    text = f"share of a step, {where}"
    width = max(len(name) for name in [*names, text]) + 2
    lines = [f"  {text:<{width}}" + "".join(f"{work:>9}" for work in columns)]
    for what in names:
        texts = [number(100 * shares[what] if what in shares else None, "{:.1f} %") for shares in columns.values()]
        lines.append(f"  {what:<{width}}" + "".join(f"{share:>9}" for share in texts))
    return lines

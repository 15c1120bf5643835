"""What bench.py prints."""

IDLE = 0.1  # cores
LEAST_SHARE = 0.001
WORK = ("train", "distill", "valid")
COLUMNS = (("network", 24), ("threads", 8), ("work", 9), ("images/s", 10), ("chain", 8), ("ratio", 7), ("PyTorch", 9),
           ("ratio", 7), ("peak MiB", 10), ("PyTorch's", 11))


def number(value, pattern="{:.0f}"):
    return "-" if value is None else pattern.format(value)


def rate(value):
    return number(value, "{:.1f}" if value is not None and value < 100 else "{:.0f}")


def mebibytes(value):
    return number(None if value is None else value / 2**20)


def line(cells, columns=COLUMNS):
    return "".join(f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
                   for place, (cell, (_, width)) in enumerate(zip(cells, columns)))


def heading(columns=COLUMNS):
    return line([name for name, _ in columns], columns)


def row(entry):
    """One network, number of threads and kind of work."""
    text = line([entry["network"], str(entry["threads"]), entry["work"], rate(entry["images_per_second"]),
                 rate(entry.get("chain")), number(entry.get("chain_ratio"), "{:.2f}"), rate(entry.get("pytorch")),
                 number(entry.get("pytorch_ratio"), "{:.2f}"), mebibytes(entry.get("peak_bytes")),
                 mebibytes(entry.get("pytorch_peak_bytes"))])
    if entry.get("pytorch_jit"):
        text += f"   traced and frozen: {rate(entry['pytorch_jit'])}, {entry['pytorch_jit_ratio']:.2f}"
    return text


def scaling(entries):
    """How much faster the most threads are than one; None where only one number was measured."""
    by_threads = {}
    for entry in entries:
        by_threads.setdefault(entry["threads"], {})[entry["work"]] = entry["images_per_second"]
    most = max(by_threads)
    if 1 not in by_threads or most == 1:
        return None
    return {"threads": most, **{work: by_threads[most][work] / by_threads[1][work] for work in WORK}}


def scaling_line(scale):
    factors = ", ".join(f"{work} {scale[work]:.2f}" for work in WORK)
    return f"  {scale['threads']} threads / 1 thread: {factors}"


def machine_line(machine):
    text = (f"other work on the machine meanwhile: {machine['foreign_mean']:.2f} of {machine['cores']} cores on "
            f"average, at most {machine['foreign_most']:.2f} in one measurement")
    return text + ("; that is not idle: measure again" if machine["foreign_mean"] > IDLE else "")


def threads_text(threads):
    return f"{threads} thread{'s' if threads > 1 else ''}"


def share_lines(where, columns):
    """columns: {"train": [(what, share)], "distill": ...}. What is too small everywhere to be printed is left out."""
    names = []
    for rows in columns.values():
        names += [what for what, share in rows if share >= LEAST_SHARE and what not in names]
    names.sort(key=lambda what: what == "the rest")
    width = max(len(what) for what in names) + 2
    text = f"share of a step, {where}"
    lines = [f"  {text:<{max(width, len(text) + 2)}}" + "".join(f"{work:>9}" for work in columns)]
    for what in names:
        cells = [dict(rows).get(what) for rows in columns.values()]
        lines.append(f"  {what:<{max(width, len(text) + 2)}}" + "".join(
            f"{number(None if cell is None else 100 * cell, '{:.1f} %'):>9}" for cell in cells))
    return lines

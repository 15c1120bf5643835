"""Where the numbers come from, as part of a report."""

import shlex

from .document import Heading, Table, Text

NAMES = {
    "version": "version", "commit": "commit", "host": "Darknet", "oneDNN": "oneDNN", "CUDA": "CUDA",
    "instructions": "instructions", "machine": "machine", "processor": "processor", "cores": "cores",
    "device": "device", "threads": "threads of a training", "system": "system", "python": "Python",
}


def origins_of(summaries):
    """[(origin, its trainings' first and last time, their number)] of the different origins."""
    found = []
    for run in (run for summary in summaries for run in summary["runs"]):
        for origin in run.get("provenance") or []:
            entry = next((entry for entry in found if entry[0] == origin), None)
            if entry is None:
                entry = (origin, [], [])
                found.append(entry)
            entry[1].extend(filter(None, (run.get("begun"), run.get("finished"))))
            entry[2].append(run["weights"])
    return [(origin, min(times, default="-"), max(times, default="-"), len(set(weights)))
            for origin, times, weights in found]


def provenance_section(summaries, command):
    """A column for each machine, version or setting that trainings ran with."""
    blocks, origins = [Heading(2, "Provenance")], origins_of(summaries)
    if origins:
        rows = [["trainings", *(str(count) for *_, count in origins)],
                ["first begun", *(first for _, first, _, _ in origins)],
                ["last finished", *(last for _, _, last, _ in origins)]]
        for key, name in NAMES.items():
            texts = ["-" if origin.get(key) is None else str(origin[key]) for origin, *_ in origins]
            if set(texts) != {"-"}:
                rows.append([name, *texts])
        head = [""] * len(origins) if len(origins) == 1 else [f"origin {i}" for i in range(1, len(origins) + 1)]
        blocks.append(Table("provenance", ["", *head], rows))
    else:
        blocks.append(Text("The trainings have no record of where they ran: they are of an older version."))
    return blocks + [Text(f"Command: `{shlex.join(command)}`")] if command else blocks

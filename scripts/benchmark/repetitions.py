"""Repetitions of one network's measurements: the program and its references are interleaved, so that a change of the
machine's speed affects all of them."""

import statistics

from .references import in_sequence
from .workload import WORK


class Runner:
    def __init__(self, program, references, other_work):
        self.program, self.references, self.other_work = program, references, other_work

    def measure(self, workload, threads):
        """One repetition: {work: {"program": result, kind of a reference: result}}."""
        results = {work: {} for work in WORK}
        for work, one in results.items():
            with self.other_work.measuring(work):
                one["program"] = self.program.measure(workload, work, threads, results)
            for reference in self.references:
                for kind in (kind for kind in reference.kinds if reference.knows(workload, work, kind)):
                    with self.other_work.measuring(f"{work}, {kind}"):
                        result = reference.measure(workload, work, threads, kind)
                    one.update({kind: result} if result else {})
        if "baseline" in results["train"]:
            rates = [results[work]["baseline"]["images_per_second"] for work in ("train", "valid")]
            results["distill"]["baseline"] = {"images_per_second": in_sequence(*rates)}
        return results


def entries(workload, threads, repetitions, rooflines=None):
    """A row for each kind of work: the rates of every repetition, their medians, and the medians of each repetition's
    ratios of program and reference."""
    rows = []
    for work in WORK:
        results = [one[work] for one in repetitions]
        kinds = [kind for kind in results[0] if all(kind in one for one in results)]
        rates = {kind: [one[kind]["images_per_second"] for one in results] for kind in kinds}
        row = {"network": workload.name, "work": work, "batch": workload.batch, "threads": threads,
               "repetitions": rates,
               "images_per_second": {kind: statistics.median(rates[kind]) for kind in kinds},
               "ratio": {kind: statistics.median(own / other for own, other in zip(rates["program"], rates[kind]))
                         for kind in kinds if kind != "program"},
               "format": {kind: results[-1][kind]["format"] for kind in kinds if "format" in results[-1][kind]}}
        if "peak_bytes" in results[0]["program"]:
            row["peak_bytes"] = {kind: statistics.median(one[kind]["peak_bytes"] for one in results)
                                 for kind in kinds if "peak_bytes" in results[0][kind]}
        if workload.precision:
            row["precision"] = workload.precision
        if rooflines:
            row["roofline_seconds"] = rooflines[work].seconds
        rows.append(row)
    return rows

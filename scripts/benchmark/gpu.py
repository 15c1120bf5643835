"""The GPU's part of bench.py: the program with -gpus N in every precision, beside its floor on paper and PyTorch."""

import statistics
import subprocess

from . import tables
from .floor import CARDS, Floor, card_reported
from .network_shapes import Network
from .rivals import GpuPyTorch
from .rounds import PYTORCH_MODES, compare
from .shares import shares
from .tables import WORK, line, number, rate

COLUMNS = (("network", 24), ("precision", 11), ("work", 9), ("images/s", 10), ("ms", 9), ("floor", 8), ("x floor", 9),
           ("TFLOP/s", 9), ("GB/s", 7), ("eager", 9), ("ratio", 7), ("compile", 9), ("ratio", 7))
KINDS = tuple(GpuPyTorch.KINDS)


def reported_name(gpu):
    """What the driver calls the GPU, or None."""
    try:
        done = subprocess.run(["nvidia-smi", "-i", str(gpu), "--query-gpu=name", "--format=csv,noheader"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def choose_card(named, reported):
    """(name, card): the named one, or that which the driver reports; (None, None) where nothing is known of it."""
    name = named or (card_reported(reported) if reported else None)
    return name, CARDS.get(name)


def floors(workload, precision, card):
    """{work: Floor}, or nothing where the card is unknown."""
    network = Network(workload.cfg)
    return {work: Floor(network, work, workload.batch, precision, card) for work in WORK} if card else {}


class GpuRounds:
    """One network in one precision through a round; the program and PyTorch take turns."""

    def __init__(self, program, pytorch, kinds, machine, threads):
        """pytorch may be None."""
        self.program, self.pytorch, self.kinds = program, pytorch, kinds
        self.machine, self.threads = machine, threads

    def measure(self, workload, precision):
        """{work: {"ours": result, "eager": result or None, "compile": result or None}}"""
        one = {}
        for work, mode in PYTORCH_MODES.items():
            with self.machine.measuring(work):
                one[work] = {"ours": self.ours(workload, work, one)}
            if self.pytorch is None or not self.pytorch.knows(workload):
                continue
            for kind in self.kinds:
                with self.machine.measuring(f"PyTorch {kind}, {mode}"):
                    one[work][kind] = self.pytorch.measure_on_gpu(workload, mode, self.threads, precision, kind)
        return one

    def ours(self, workload, work, one):
        if work == "valid":
            return self.program.valid(workload, self.threads, one["train"]["ours"]["images_per_second"])
        cfg = workload.cfg if work == "train" else workload.student
        return self.program.train(workload.data, cfg, workload.batch, self.threads)


def entries(workload, precision, rounds, floors_of):
    """A row for each kind of work: medians over the rounds; ratios are formed in each round first."""
    rows = []
    for work in WORK:
        rates = [one[work]["ours"]["images_per_second"] for one in rounds]
        seconds = workload.batch / statistics.median(rates)
        entry = {"network": workload.name, "precision": precision, "work": work, "batch": workload.batch,
                 "images_per_second": statistics.median(rates), "step_seconds": seconds}
        floor = floors_of.get(work)
        if floor:
            entry.update(floor_seconds=floor.seconds, floor_ratio=seconds / floor.seconds,
                         tera_operations_per_second=floor.operations / seconds / 1e12,
                         gigabytes_per_second=floor.bytes / seconds / 1e9, floor_bytes=floor.bytes,
                         floor_operations=floor.operations, floor_launches=floor.launches)
        for kind in KINDS:
            results = [one[work].get(kind) for one in rounds]
            if all(results):
                compare(entry, kind, rates, [result["images_per_second"] for result in results])
                entry[f"{kind}_format"], entry["pytorch"] = results[-1]["format"], results[-1]["pytorch"]
        rows.append(entry)
    return rows


def row(entry):
    def milliseconds(key):
        return number(entry[key] * 1000 if key in entry else None, "{:.3f}")
    cells = [entry["network"], entry["precision"], entry["work"], rate(entry["images_per_second"]),
             milliseconds("step_seconds"), milliseconds("floor_seconds"), number(entry.get("floor_ratio"), "{:.2f}"),
             number(entry.get("tera_operations_per_second"), "{:.1f}"), number(entry.get("gigabytes_per_second"))]
    for kind in KINDS:
        cells += [rate(entry.get(kind)), number(entry.get(f"{kind}_ratio"), "{:.2f}")]
    return line(cells, COLUMNS)


def best_lines(rows):
    """Each kind of work of one network in its best precision, against PyTorch in its best."""
    for work in WORK:
        of_work = [entry for entry in rows if entry["work"] == work]
        if not of_work:
            continue
        best = max(of_work, key=lambda entry: entry["images_per_second"])
        parts = []
        for kind in KINDS:
            peers = [entry for entry in of_work if kind in entry]
            if peers:
                peer = max(peers, key=lambda entry: entry[kind])
                parts.append(f"{kind} {rate(peer[kind])} ({peer['precision']}, {peer[f'{kind}_format']}), ratio "
                             f"{best['images_per_second'] / peer[kind]:.2f}")
        if parts:
            yield (f"  best of {best['network']} {work}: ours {rate(best['images_per_second'])} "
                   f"({best['precision']}); PyTorch {'; '.join(parts)}")


def profiles(program, workload, threads):
    """Of training and distilling, layer by layer: measured with events, which keep the step from being one graph."""
    return {work: program.profile(workload.data, cfg, workload.batch, threads, workload.folder)
            for work, cfg in (("train", workload.cfg), ("distill", workload.student))}


def share_lines(precision, found):
    return tables.share_lines(f"GPU, {precision}", {work: shares(one) for work, one in found.items()})

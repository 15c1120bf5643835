"""One network through all rounds: the program and what it is compared with take turns, so that a change of the
machine's speed falls on all of them."""

import statistics

from .rivals import in_turn

# Work of the program: the same work of PyTorch.
PYTORCH_MODES = {"train": "train", "distill": "distill", "valid": "infer"}


class Rounds:
    def __init__(self, program, chain, pytorch, machine):
        """chain and pytorch may be None."""
        self.program, self.chain, self.pytorch, self.machine = program, chain, pytorch, machine

    def measure(self, workload, threads):
        """One round: {"ours": {work: result}, "chain": {work: images/s}, "pytorch": {mode: result}}."""
        data, batch = workload.data, workload.batch
        one = {"ours": {}, "chain": {}, "pytorch": {}}
        ours, limit = one["ours"], one["chain"]
        with self.machine.measuring("train"):
            ours["train"] = self.program.train(data, workload.cfg, batch, threads)
        if self.chain:
            with self.machine.measuring("chain, train"):
                one["chain_train"] = self.chain.measure(workload, "train", threads)
            limit["train"] = one["chain_train"]["images_per_second"]
        with self.machine.measuring("distill"):
            ours["distill"] = self.program.train(data, workload.student, batch, threads)
        if self.chain:
            with self.machine.measuring("chain, infer"):
                one["chain_infer"] = self.chain.measure(workload, "infer", threads)
            limit["valid"] = one["chain_infer"]["images_per_second"]
            limit["distill"] = in_turn(limit["train"], limit["valid"])
        with self.machine.measuring("valid"):
            ours["valid"] = self.program.valid(workload, threads, ours["train"]["images_per_second"])
        if self.pytorch and self.pytorch.knows(workload):
            for mode in [*PYTORCH_MODES.values(), "infer_jit"]:
                with self.machine.measuring(f"PyTorch, {mode}"):
                    one["pytorch"][mode] = self.pytorch.measure(workload, mode, threads)
        return one


def entries(workload, threads, rounds):
    """A row for each kind of work: medians over the rounds; ratios are formed in each round first."""
    rows = []
    for work, mode in PYTORCH_MODES.items():
        rates = [one["ours"][work]["images_per_second"] for one in rounds]
        entry = {"network": workload.name, "threads": threads, "work": work,
                 "images_per_second": statistics.median(rates)}
        if "peak_bytes" in rounds[0]["ours"][work]:
            entry["peak_bytes"] = statistics.median(one["ours"][work]["peak_bytes"] for one in rounds)
        if rounds[0]["chain"]:
            compare(entry, "chain", rates, [one["chain"][work] for one in rounds])
        if rounds[0]["pytorch"]:
            results = [one["pytorch"][mode] for one in rounds]
            compare(entry, "pytorch", rates, [result["images_per_second"] for result in results])
            entry["pytorch_format"] = results[-1]["format"]
            if work != "valid":
                entry["pytorch_peak_bytes"] = statistics.median(result["peak_bytes"] for result in results)
            else:
                jit = [one["pytorch"]["infer_jit"]["images_per_second"] for one in rounds]
                compare(entry, "pytorch_jit", rates, jit)
        rows.append(entry)
    return rows


def compare(entry, name, rates, others):
    entry[name] = statistics.median(others)
    entry[f"{name}_ratio"] = statistics.median(rate / other for rate, other in zip(rates, others))

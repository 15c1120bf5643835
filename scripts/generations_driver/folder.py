"""The run's folder: the generations of every seed, their ensembles, and its files."""

import dataclasses
import os
import re

from .cfg_files import read_data, read_network, values
from .errors import Failure
from .evaluation import Evaluation
from .experiment import Experiment
from .files import tidy, whole_or_none, write_text
from .generation import Generation
from .network import Network, epochs_of
from .place import DRIVER_NAME
from .stock import stock_text


@dataclasses.dataclass
class Ensemble:
    kind: str  # cumulative: students 1 to index; patriarch: the patriarch, too
    index: int
    name: str
    members: list
    evaluation: Evaluation


class Folder:
    def __init__(self, path, experiment):
        self.path, self.experiment = tidy(path), experiment
        if re.search(r"\s", self.path):
            raise Failure(f"{self.path}: a path with a blank in it cannot stand in a cfg; choose another --out", 2)
        self.network_cfg = os.path.join(self.path, "network.cfg")
        self.network = self.classes = None  # prepare() finds out
        data = os.path.basename(experiment.data)
        data = data if data.endswith(".data") else data + ".data"
        # The plain network under the patriarch's seed is the baseline already.
        self.patriarch_is_baseline = experiment.baseline and experiment.patriarch["cost"] == "softmax"
        self.chains = []  # trained one after the other; the baseline is a chain of its own
        for seed in experiment.seeds:
            folder = os.path.join(self.path, f"seed{seed}")
            common = {"folder": folder, "seed": seed, "data": os.path.join(folder, data), "network": self.network_cfg}
            if experiment.baseline and not self.patriarch_is_baseline:
                self.chains.append([Generation(**common, name="baseline", index=None)])
            chain = [Generation(**common, name="patriarch", index=0)]
            for i in range(1, experiment.generations + 1):
                more = {"teacher": chain[-1], "cached": experiment.cached}
                chain.append(Generation(**common, **more, name=f"student{i}", index=i))
            self.chains.append(chain)
        self.generations = [generation for chain in self.chains for generation in chain]

    @classmethod
    def open(cls, path):
        """The folder of a run that was begun."""
        ini = os.path.join(path, "experiment.ini")
        if not os.path.isfile(ini):
            raise Failure(f"{path}: not a run's folder: no experiment.ini in it; `{DRIVER_NAME} run` makes one")
        return cls(path, Experiment(ini))

    def prepare(self):
        """Checks the experiment's inputs and works out the contents of every file."""
        keys = read_data(self.experiment.data)
        self.classes = int(keys["classes"])
        self.network = Network(self.experiment.network, self.experiment.net)
        for generation in self.generations:
            generation.prepare(self.experiment, self.network, keys)

    def write(self, command):
        header = f"{self.experiment.network} as this run has it; evaluates the weights of every generation."
        write_text(os.path.join(self.path, "experiment.ini"), self.experiment.as_text(command))
        write_text(self.network_cfg, self.network.text([header], "softmax", {}))
        write_text(os.path.join(self.path, "stock.cfg"), stock_text(self.network_cfg)[0])
        for generation in self.generations:
            generation.write()

    @property
    def lengths(self):
        """(epochs, max_batches) of each generation, as the written network has them; None where it has not."""
        net = values(read_network(self.network_cfg)[1][0]) if os.path.exists(self.network_cfg) else {}
        return epochs_of(net), whole_or_none(net.get("max_batches"))

    @property
    def epochs(self):
        return self.lengths[0]

    def ensembles(self, chain):
        """Students 1 to g for each g from 2 on, and for each g from 1 on the patriarch with them."""
        if not self.experiment.ensemble or len(chain) < 2:
            return []
        count = len(chain) - 1
        found = [("cumulative", g, f"students 1 to {g}", chain[1:g + 1]) for g in range(2, count + 1)]
        for g in range(1, count + 1):
            label = "patriarch and student 1" if g == 1 else f"patriarch and students 1 to {g}"
            found.append(("patriarch", g, label, chain[:g + 1]))
        return [Ensemble(kind, g, label, members, chain[-1].evaluation(
            "ensemble", f"ensemble-{kind}{g}", [member.final for member in members]))
            for kind, g, label, members in found]

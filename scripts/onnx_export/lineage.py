"""Where weights come from: their own training, then its teacher's, and so on."""

import json
import os

from cfg_network.network import Network
from generations_driver.files import sha256_file

FINAL = ("_final.weights", "_best.weights", "_last.weights")
RECORDED = ("generation", "seed", "training_seed", "begun", "finished")  # of a generation's record


def beside(weights):
    """The path without ending that a training gave its files."""
    return next((weights.removesuffix(ending) for ending in FINAL if weights.endswith(ending)),
                os.path.splitext(weights)[0])


def cost_of(network):
    """The cost and its options, without the names of the teacher's files; and the teacher's weights."""
    options = dict(network.cost.options)
    teacher = options.pop("teacher_weights", None)
    for key in ("teacher", "targets"):
        options.pop(key, None)
    return {"cost": network.cost.kind, "options": options}, teacher


def lineage(weights, network, program):
    """A list from these weights to the first generation. The cfg, record and cached targets of a training are those
    beside its weights; `network` is what the user named, where there is no cfg."""
    found, seen = [], set()
    while weights and os.path.exists(weights) and os.path.realpath(weights) not in seen:
        seen.add(os.path.realpath(weights))
        base = beside(weights)
        entry = {"weights": os.path.basename(weights), "sha256": sha256_file(weights)}
        if os.path.exists(base + ".cfg"):
            network = Network(base + ".cfg", program)
        teacher = None
        if network:
            cost, teacher = cost_of(network)
            entry |= {"cfg": os.path.basename(network.path), **cost}
        if not teacher and os.path.exists(base + "-targets.cfg"):
            _, teacher = cost_of(Network(base + "-targets.cfg", program))
        if os.path.exists(base + ".json"):
            with open(base + ".json", encoding="utf-8") as file:
                record = json.load(file)
            entry |= {key: record[key] for key in RECORDED if key in record}
        found.append(entry)
        weights, network = teacher, None
    return found

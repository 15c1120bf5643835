"""Where weights come from: their own training, then its teacher's, and so on."""

import os

from cfg_network.network import Network
from generations_driver.files import read_json, sha256_file

FINAL = ("_final.weights", "_best.weights", "_last.weights")
RECORDED = ("generation", "seed", "training_seed", "begun", "finished")  # of a generation's record


def training_file(weights, ending):
    """A file of the training that wrote these weights, where it exists."""
    path = next((weights.removesuffix(name) + ending for name in FINAL if weights.endswith(name)), None)
    return path if path and os.path.exists(path) else None


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
        cfg, targets, record = (training_file(weights, ending) for ending in (".cfg", "-targets.cfg", ".json"))
        entry = {"weights": os.path.basename(weights), "sha256": sha256_file(weights)}
        if cfg:
            network = Network(cfg, program)
        teacher = None
        if network:
            cost, teacher = cost_of(network)
            entry |= {"cfg": os.path.basename(network.path), **cost}
        if not teacher and targets:
            _, teacher = cost_of(Network(targets, program))
        if record:
            found_record = read_json(record, "remove it")
            entry |= {key: found_record[key] for key in RECORDED if key in found_record}
        found.append(entry)
        weights, network = teacher, None
    return found

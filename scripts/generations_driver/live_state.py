"""What the page of `generations.py serve` shows: a run's results and curves as they are now, for JSON."""

import os
import urllib.parse

from .figures.confidence import shares
from .figures.examples import images_of
from .files import finite, now
from .report import example_networks
from .status import ACTIVE, states_of
from .summary import collect, groups
from .tables import k_of, label_of

CURVES = ("valid_top1", "train_top1", "valid_loss", "train_loss")
RESULTS = ("top1", "topk", "loss")
MOST_EXAMPLES = 12


def row(folder, run, generation, state):
    result, curve = run["last"] or {}, generation.curve()
    found = {"seed": run["seed"], "generation": run["generation"], "epoch": max(curve, default=0),
             "epochs": folder.epochs, "state": state,
             "ece": (run.get("inspect") or {}).get("ece"), **{key: result.get(key) for key in RESULTS}}
    if found["top1"] is None and curve:  # the last epoch so far
        found |= {key: curve[max(curve)].get(f"valid_{key}") for key in RESULTS}
    columns = {key: [entry.get(key) for entry in curve.values()] for key in CURVES}
    return found, {"seed": run["seed"], "generation": run["generation"], "epoch": list(curve), **columns}


def link_to(root, path):
    """Its address on the page's server, which has only the files of `root`."""
    return "files/" + urllib.parse.quote(os.path.relpath(os.path.realpath(path), os.path.realpath(root)))


def examples(root, summary):
    networks = [(label, path) for label, path in example_networks(summary) if path and os.path.exists(path)]
    found = []
    for entries in (images_of(networks) if networks else [])[:MOST_EXAMPLES]:
        first = entries[0]
        tops = [{"network": label, "top": entry["top"][:3]} for (label, _), entry in zip(networks, entries)]
        found.append({"image": link_to(root, os.path.join(first["folder"], first["file"])), "label": first["label"],
                      "name": first["label_name"], "networks": tops})
    return found


def run_state(root, folder):
    summary = collect(folder, None)
    states = {(one.seed, one.name): one.state for one in states_of([folder], {})}
    generations = {(one.seed, one.name): one for one in folder.generations}
    names = [(run["seed"], run["generation"]) for run in summary["runs"]]
    pairs = [row(folder, run, generations[name], states[name]) for name, run in zip(names, summary["runs"])]
    active = any(state in ACTIVE for state in states.values())
    histograms = [(keys["generation"], shares([run.get("inspect") for run in same]))
                  for keys, same in groups(summary["runs"], "generation")]
    report = os.path.join(folder.path, "report.html")
    return {
        "name": summary["name"], "active": active, "complete": summary["complete"], "k": k_of(summary),
        "seeds": summary["configuration"]["seeds"],
        "generations": [{"name": entry["generation"], "label": label_of(entry["generation"]), **entry["last"],
                         "ece": (entry["inspect"] or {}).get("ece")} for entry in summary["mean"]],
        "rows": [one for one, _ in pairs], "curves": [curve for _, curve in pairs if curve["epoch"]],
        "confidence": [{"generation": name, "shares": found[1]} for name, found in histograms if found],
        "examples": examples(root, summary), "report": link_to(root, report) if os.path.exists(report) else None,
    }


def state(root, folders):
    return finite({"written": now(), "runs": [run_state(root, folder) for folder in folders]})

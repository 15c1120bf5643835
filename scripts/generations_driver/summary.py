"""The results of a run, from the files in its folder."""

import contextlib
import os
import statistics

from .cfg_files import read_data, read_network, values
from .classes import class_accuracy, class_names, without_classes
from .errors import Failure
from .files import now, read_json, sha256_file
from .measures import INSPECTIONS, MEASURES
from .place import DRIVER_NAME

FORMAT = 1
IMAGE_KEYS = ("height", "width", "channels", "mean", "std", "valid_resize")  # of [net]: what images become
ADVICE = f"{DRIVER_NAME} report DIR writes a new one"


def load_summary(path):
    """A summary.json that this format's generations.py has written."""
    summary = read_json(path, ADVICE)
    missing = [key for key in ("name", "configuration", "runs", "mean", "ensemble_mean") if key not in summary]
    if summary.get("format") != FORMAT or missing:
        raise Failure(f"{path}: not a summary.json of this generations.py; {ADVICE}")
    return summary


def top1(result):
    return (result or {}).get("top1")


def baseline_name(summary):
    """The generation that stands for the baseline; a plain patriarch is just that."""
    return "patriarch" if summary["patriarch_is_baseline"] else "baseline"


def last_student(summary):
    count = summary["configuration"]["generations"]
    return f"student{count}" if count else None


def gains(summary, pick, reference):
    """By how much what `pick` chooses is above the reference generation, seed by seed, in fractions."""
    found = []
    for seed in summary["configuration"]["seeds"]:
        values = {run["generation"]: top1(run["last"]) for run in summary["runs"] if run["seed"] == seed}
        pair = pick(values, seed), values.get(reference)
        if None not in pair:
            found.append(pair[0] - pair[1])
    return found


def shown(value, digits=2, scale=100):
    return "-" if value is None else f"{scale * value:.{digits}f}"


def spread(values):
    """Mean, sample deviation (None for a single value) and number of the values; None without any."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "deviation": deviation, "n": len(values)}


def spreads(results, keys=("top1", "topk", "loss")):
    return {key: spread([(result or {}).get(key) for result in results]) for key in keys}


def measure_spreads(results):
    """Of each measure of `classifier inspect`; empty where there is no result."""
    return {key: entry for key, entry in spreads(results, MEASURES).items() if entry}


def shown_spread(entry, scale=100, digits=2):
    if not entry:
        return "-"
    text = shown(entry["mean"], digits, scale)
    return text if entry["deviation"] is None else f"{text} ± {shown(entry['deviation'], digits, scale)}"


def run_entry(generation):
    done = generation.is_done()
    record = generation.record() if done else {}
    results = {kind: generation.look_at(kind).result() if done else None for kind in ("last", "best", *INSPECTIONS)}
    accuracies = class_accuracy(results["last"])
    return {
        "seed": generation.seed, "generation": generation.name, "index": generation.index, "done": done,
        "training_seed": generation.training_seed, "cfg": generation.cfg, "weights": generation.final,
        "weights_sha256": sha256_file(generation.final) if done else None,
        "epochs": len(generation.curve()), "best_epoch": generation.best_epoch() if done else None,
        "train_seconds": generation.train_seconds(), "wall_seconds": record.get("wall_seconds"),
        "taken_from": record.get("taken_from"),
        "command": record.get("command"),
        **{kind: without_classes(result) for kind, result in results.items()},
        "class_accuracy": accuracies, "confusion": generation.look_at("last").path if accuracies else None,
        "provenance": record.get("provenance", []), "begun": record.get("begun"), "finished": record.get("finished"),
        "curve": generation.path(".csv") if generation.curve() else None,
        "examples": generation.examples if done and os.path.exists(generation.examples) else None,
    }


def ensemble_entry(seed, ensemble):
    done = all(member.is_done() for member in ensemble.members)
    return {
        "seed": seed, "kind": ensemble.kind, "index": ensemble.index, "name": ensemble.name,
        "members": [member.name for member in ensemble.members],
        "result": ensemble.evaluation.result() if done else None,
    }


def inputs_entry(folder):
    """The data, and what images become before the network gets them; null in a folder that has no files yet."""
    data = folder.generations[0].data
    if not (os.path.exists(data) and os.path.exists(folder.network_cfg)):
        return {"data": None, "preprocessing": None}
    keys, (net, first, *_) = read_data(data), read_network(folder.network_cfg)[1]
    crop = values(first) if first[0] == "crop" else None
    names = []
    with contextlib.suppress(Failure):  # the data may be gone since the training
        names = class_names(data)
    return {"data": {"classes": int(keys["classes"]), "names": names,
                     **{key: keys.get(key) for key in ("train", "valid")}},
            "preprocessing": {**{key: values(net).get(key) for key in IMAGE_KEYS}, "crop": crop}}


def groups(entries, *keys):
    """[(the keys with their values, the entries that share them)], in the order of their first."""
    found = {}
    for entry in entries:
        found.setdefault(tuple(entry[key] for key in keys), []).append(entry)
    return [(dict(zip(keys, values)), same) for values, same in found.items()]


def collect(folder, command):
    generations = sorted(folder.generations, key=lambda entry: (entry.seed, -1 if entry.index is None else entry.index))
    runs = [run_entry(generation) for generation in generations]
    chains = sorted((chain for chain in folder.chains if chain[0].index == 0), key=lambda chain: chain[0].seed)
    ensembles = [ensemble_entry(chain[0].seed, entry) for chain in chains for entry in folder.ensembles(chain)]
    missing = []
    for generation, run in zip(generations, runs):
        if not run["done"] or run["last"] is None:
            failure = generation.failure()
            reason = f" (failed: {failure})" if failure else " (accuracy)" if run["done"] else ""
            missing.append(generation.title + reason)
    missing += [f"seed {entry['seed']} ensemble of {entry['name']}" for entry in ensembles if entry["result"] is None]
    means = [{**keys, **{kind: spreads([run[kind] for run in same]) for kind in ("last", "best")},
              **{kind: measure_spreads([run[kind] for run in same]) for kind in INSPECTIONS}}
             for keys, same in groups(runs, "generation", "index")]
    ensemble_means = [{**keys, **spreads([entry["result"] for entry in same])}
                      for keys, same in groups(ensembles, "kind", "index", "name")]
    return {
        "format": FORMAT, "name": folder.experiment.name, "written": now(), "command": command,
        "complete": not missing, "missing": missing,
        "configuration": folder.experiment.as_dictionary(), "epochs": folder.epochs,
        "network_sha256": sha256_file(folder.network_cfg) if os.path.exists(folder.network_cfg) else None,
        "patriarch_is_baseline": folder.patriarch_is_baseline, **inputs_entry(folder),
        "runs": runs, "mean": means, "ensembles": ensembles, "ensemble_mean": ensemble_means,
    }

"""A model card beside the final weights of each seed, as Markdown and JSON, from summary.json alone."""

import os
import shlex

from .document import Heading, Table, Text, markdown
from .experiment import options_of
from .files import write_json, write_text
from .provenance_report import NAMES
from .summary import last_student, shown, shown_spread
from .tables import cost_text, label_of

FORMAT = 1
ENDINGS = ".card.md", ".card.json"


def recipe(configuration):
    """D(eta, lambda) in the paper's words, and the costs with all options."""
    patriarch, student = configuration["patriarch"], dict(configuration["student"])
    student.pop("cached", None)
    key = next((key for key in ("eta", "confidence") if key in patriarch), None)
    first = f"{key}={patriarch[key]}" if key else patriarch["cost"]
    second = f"lambda={student['lambda']}" if "lambda" in student else student["cost"]
    costs = {name: {"cost": values["cost"], **options_of(values)}
             for name, values in (("patriarch", patriarch), ("student", student))}
    return {"name": f"D({first}, {second})" if configuration["generations"] else first, **costs}


def card(summary, run):
    """What the card of a training says."""
    configuration = summary["configuration"]
    mean = next(entry for entry in summary["mean"] if entry["generation"] == run["generation"])
    inspect = run.get("inspect") or {}
    origins = run.get("provenance") or []
    data = summary.get("data") or {}
    return {
        "format": FORMAT, "name": f"{summary['name']}, {label_of(run['generation'])}, seed {run['seed']}",
        "licence": configuration.get("licence"),
        "weights": {"file": os.path.basename(run["weights"]), "sha256": run.get("weights_sha256")},
        "network": {"cfg": configuration["network"], "sha256": summary["network_sha256"],
                    "overrides": configuration["net"]},
        "data": {"file": configuration["data"], **data,
                 "training_images": (run.get("inspect_train") or {}).get("images"),
                 "validation_images": (run["last"] or {}).get("images")},
        "preprocessing": summary.get("preprocessing"),
        "recipe": recipe(configuration),
        "generation": {"name": run["generation"], "index": run["index"], "seed": run["seed"],
                       "training_seed": run["training_seed"], "epochs": run["epochs"]},
        "seeds": configuration["seeds"],
        "accuracy": {"this": {key: (run["last"] or {}).get(key) for key in ("top1", "topk", "k", "loss")},
                     "over_seeds": mean["last"]},
        "calibration": {"this": inspect.get("ece"), "over_seeds": (mean.get("inspect") or {}).get("ece"),
                        "bins": inspect.get("calibration_bins")},
        "commands": {"run": summary["command"], "training": run["command"]},
        "provenance": origins[-1] if origins else None,
    }


def preprocessing_text(found):
    if not found:
        return "Not recorded: the summary is of an older version."
    size = f"{found['width']}x{found['height']}"
    kind = {"1": "gray", "3": "RGB"}.get(found["channels"], f"{found['channels']} channels")
    text = f"{kind}, {size} pixels, bytes divided by 255"
    cut = found.get("crop")
    if found.get("valid_resize"):
        text = f"the shorter side resized to {found['valid_resize']}, the centre {size} cut out; " + text
    if cut:
        text += f", of which the centre {cut['crop_width']}x{cut['crop_height']} is taken"
        text += "" if cut.get("noadjust") == "1" else ", values 2 x - 1"
    for key, sign in (("mean", "minus the mean"), ("std", "divided by the deviation")):
        text += f", {sign} {found[key]}" if found.get(key) else ""
    return text[0].upper() + text[1:] + "."


def names_text(names):
    """All of a few classes, else the first and last."""
    shown_names = names if len(names) <= 20 else [*names[:8], "...", *names[-2:]]
    return ", ".join(shown_names) if names else "without names"


def blocks(found, summary):
    """The card's Markdown."""
    data, generation, accuracy = found["data"], found["generation"], found["accuracy"]
    k, seeds = accuracy["this"]["k"] or 5, accuracy["over_seeds"]
    calibration, costs = found["calibration"], found["recipe"]
    count = seeds["top1"]["n"] if seeds["top1"] else 0
    rows = [["top-1 accuracy (%)", shown(accuracy["this"]["top1"]), shown_spread(seeds["top1"])],
            [f"top-{k} accuracy (%)", shown(accuracy["this"]["topk"]), shown_spread(seeds["topk"])],
            ["cross entropy (nats)", shown(accuracy["this"]["loss"], 4, 1), shown_spread(seeds["loss"], 1, 4)],
            ["expected calibration error", shown(calibration["this"], 4, 1),
             shown_spread(calibration["over_seeds"], 1, 4)]]
    images = [f"{data[key]} {key.replace('_', ' ')}" for key in ("training_images", "validation_images") if data[key]]
    made = found["provenance"] or {}
    among = f" of {summary['configuration']['generations']}" if generation["index"] else ""
    classes = f" of {data['classes']} classes" if data.get("classes") else ""
    origin = [[name, str(made[key])] for key, name in NAMES.items() if made.get(key) is not None and key != "machine"]
    return [
        Heading(1, found["name"]),
        Text(f"An image classifier{classes}: {label_of(generation['name'])}{among}, trained with "
             f"`{costs['name']}`."),
        Table("model", ["", "model"], [
            ["weights", f"`{found['weights']['file']}`, SHA-256 `{found['weights']['sha256'] or 'not recorded'}`"],
            ["network", f"`{found['network']['cfg']}`, as run SHA-256 `{found['network']['sha256']}`"],
            ["seed", f"{generation['seed']} (-seed {generation['training_seed']}), one of "
                     f"{', '.join(map(str, found['seeds']))}"],
            ["epochs", str(generation["epochs"])], ["licence", found["licence"] or "not given"]]),
        Heading(2, "Data"),
        Text(f"`{data['file']}`" + (f": {', '.join(images)}" if images else "") +
             f". Classes: {names_text(data.get('names') or [])}."),
        Heading(2, "Preprocessing"), Text(preprocessing_text(found["preprocessing"])),
        Heading(2, "Recipe"),
        Text(f"Patriarch `{cost_text(costs['patriarch'])}`, students `{cost_text(costs['student'])}`; each student "
             "starts from random weights and learns from the generation before."),
        Heading(2, "Results"),
        Text("On the validation images, with the weights of the last epoch; " + (
            f"mean and sample deviation over {count} seeds." if count > 1 else "one seed, so there is no deviation.")),
        Table("results", ["", "these weights", "over the seeds"], rows),
        Heading(2, "Reproduce"),
        *[Text(f"{what}: `{shlex.join(command)}`") for what, command in (
            ("The whole run", found["commands"]["run"]), ("This training alone", found["commands"]["training"]))
          if command],
        *([Table("provenance", ["trained with", ""], origin)] if origin else []),
    ]


def write_cards(folder, summary):
    """Cards of what each chain ends with, where that is done, beside its weights in `folder`; returns the paths."""
    paths, last = [], last_student(summary) or "patriarch"
    for run in summary["runs"]:
        if run["generation"] != last or not run["done"]:
            continue
        base = os.path.join(folder, f"seed{run['seed']}", os.path.basename(run["weights"]).removesuffix(".weights"))
        found = card(summary, run)
        os.makedirs(os.path.dirname(base), exist_ok=True)
        write_text(base + ENDINGS[0], markdown(blocks(found, summary)))
        write_json(base + ENDINGS[1], found)
        paths.append(base + ENDINGS[0])
    return paths

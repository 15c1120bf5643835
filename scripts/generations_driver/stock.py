"""The twin of a network's cfg that Darknet's own program reads: it gives the same outputs with the same weights."""

from .cfg_files import read_network, values
from .errors import Failure
from .methods import USUAL

# All of [net] that matters to an evaluation there. The rest is for training, and some of it is not known to Darknet, or
# not enough for it: policy=steps without steps=.
COPIED = ("height", "width", "channels")
NET = {"batch": "1", "subdivisions": "1", "policy": "constant", "learning_rate": "0.1", "max_batches": "1"}
# What this program's evaluation does to images and Darknet's does not: {key: the value that has no effect}.
IMAGES = {"mean": "0", "std": "1", "valid_resize": "0"}
# Sections that OpenCV's dnn module reads (4.6 to 4.14; 5.0 has no reader of cfgs any more).
OPENCV = {"convolutional", "connected", "maxpool", "avgpool", "softmax", "route", "shortcut", "dropout", "upsample",
          "reorg", "scale_channels", "sam"}


def stock_text(path):
    """(the cfg's text, warnings): [softmax] replaces the costs that Darknet lacks; [net] has only keys it knows."""
    text, sections = read_network(path)
    cost, line, entries = sections[-1]
    if cost not in USUAL:
        raise Failure(f"{path}:{line}: the last section is [{cost}]; one of {', '.join(sorted(USUAL))} is needed")
    net = values(sections[0])
    net_text = [f"{key}={net[key]}" for key in COPIED if key in net] + [f"{key}={value}" for key, value in NET.items()]
    last = [f"{key}={value}" for key, value, _ in entries] if cost == "softmax" else []
    layers = "\n".join(text.splitlines()[sections[1][1] - 1:line - 1]).rstrip("\n").splitlines()
    header = [f"# {path} for Darknet's own program: the same layers, [net] and the cost as Darknet knows them."]
    # One mean of all channels is as good as one for each.
    warnings = [f"{path}: {key}={net[key]} is left out: Darknet has no such key, so it evaluates other images"
                for key, neutral in IMAGES.items()
                if key in net and set(net[key].replace(" ", "").split(",")) != {neutral}]
    lacking = sorted({f"[{name}]" for name, _, _ in sections[1:-1]} - {f"[{name}]" for name in OPENCV})
    if lacking:
        warnings.append(f"{path}: OpenCV's dnn module has no {', '.join(lacking)} and cannot read this cfg; for OpenCV "
                        "write ONNX: scripts/export_onnx.py")
    lines = [*header, "", "[net]", *net_text, "", *layers, "", "[softmax]", *last]
    return "\n".join(lines) + "\n", warnings

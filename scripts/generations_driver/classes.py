"""Accuracy of each class and confusions, from the logits that `classifier features` writes."""

import dataclasses
import mmap
import re
import struct

from .cfg_files import read_network, read_sections, values
from .errors import Failure
from .evaluation import Evaluation
from .files import read_text

HEADER = re.compile(rb"\x93NUMPY\x01\x00..\{'descr': \[\('label', '<i4'\), \('features', '<f4', \((\d+),\)\)\], .*?\n",
                    re.S)


@dataclasses.dataclass
class ClassEvaluation(Evaluation):
    """`features` of the layer before the cost, counted as {label: {class with the largest logit: images}}."""

    @property
    def arguments(self):
        layers = len(read_network(self.network)[1]) - 1  # [net] is no layer
        return ["classifier", self.verb, self.data, self.network, *self.weights, "-layer", str(layers - 2), "-out",
                self.answer]

    def read_answer(self):
        return {"confusion": count_confusions(self.answer)}


def count_confusions(path):
    """[[label, class with the largest logit, images]] without the pairs that do not occur."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        header = HEADER.match(content)
        if not header:
            raise Failure(f"{path}: not the features of this program; run again")
        record = struct.Struct(f"<i{int(header[1])}f")
        counts = {}
        body = memoryview(content)[header.end():]
        del header  # it holds the mapping, too
        for label, *logits in record.iter_unpack(body):
            pair = label, logits.index(max(logits))
            counts[pair] = counts.get(pair, 0) + 1
        body.release()
    return [[*pair, count] for pair, count in sorted(counts.items())]


def class_accuracy(result):
    """The fraction of each class's images, by class; None where it has no image, or without a result."""
    if not result:
        return None
    images, correct = {}, {}
    for label, chosen, count in result["confusion"]:
        images[label] = images.get(label, 0) + count
        correct[label] = correct.get(label, 0) + (count if chosen == label else 0)
    return [correct[label] / images[label] if label in images else None for label in range(max(images) + 1)]


def class_names(data):
    """[name] of the classes as names= or labels= of the .data file have them; empty where it has neither."""
    keys = values(read_sections(data, read_text(data, ".data file"), "data")[0])
    path = keys.get("names") or keys.get("labels")
    lines = read_text(path, "names of the classes").splitlines() if path else []
    return [line.partition(",")[0].strip().replace("_", " ") for line in lines]

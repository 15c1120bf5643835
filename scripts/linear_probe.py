#!/usr/bin/env python3
"""Measures how well a network's features transfer to a data set: the accuracy of a linear classifier on them.

    scripts/linear_probe.py DATA CFG WEIGHTS [-c C] [--layer N] [--json FILE] [--features DIR] [--darknet FILE]

DATA may be another data set than the network's, with other classes. `classifier features` computes the last pooling
layer's output for its training and validation images, without augmentation; every row is divided by its Euclidean norm.
liblinear trains a support vector machine on the training rows (one class against all others, L2 loss and
regularisation, with a bias), and the last line says what it does with the validation rows.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile

from generations_driver.errors import Failure, OneLineParser
from generations_driver.files import make_folder, number_or_none, write_json
from generations_driver.place import default_program
from generations_driver.program import BUILD, output_of

try:
    import numpy
except ImportError:
    numpy = None

TRAINER = "liblinear-train"
INSTALL = "install it (Debian: liblinear-tools)"
# L2-regularised, L2 loss, in the primal: the only kind of SVM that -C searches for. Measured: with liblinear's own
# tolerance of 0.01 it stops so early that rows in float32 or float64 differ in 3 of 500 images; with 0.001 in none.
SOLVER = ("-s", "2", "-B", "1", "-e", "0.001")
FOLDS = 5
# Cross-validation tries a dozen or more values of C, each FOLDS times; this many rows are enough for it.
SEARCH_ROWS = 10000
TOP = 5


def make_features(options, name, path):
    """Has the program write one set's features."""
    command = [options.darknet, "classifier", "features", options.data, options.cfg, options.weights, "-out", path,
               "-set", name, *(["-layer", options.layer] if options.layer is not None else [])]
    print(output_of(command, f"; {BUILD}").strip().removeprefix("saved "), flush=True)


def load_features(path):
    """(labels, rows of length 1)."""
    records = numpy.load(path)
    rows = records["features"].astype(numpy.float64)
    rows = rows.reshape(len(rows), -1)
    if not numpy.isfinite(rows).all():
        raise Failure(f"{path}: some features are not finite; give weights of a training that did not diverge")
    norms = numpy.linalg.norm(rows, axis=1, keepdims=True)
    return records["label"], rows / numpy.where(norms > 0, norms, 1)


def write_rows(path, labels, rows):
    """liblinear's own format: the label, then number:value pairs that count from 1."""
    pattern = "%d " + " ".join(f"{i}:%.7g" for i in range(1, rows.shape[1] + 1)) + "\n"
    with open(path, "w", encoding="ascii") as file:
        for label, row in zip(labels.tolist(), rows.tolist()):
            file.write(pattern % (label, *row))


def run_trainer(*arguments):
    return output_of([TRAINER, *SOLVER, *arguments], f"; {INSTALL}")


def search_c(labels, rows, path):
    """(C with the best accuracy in cross-validation, that accuracy)."""
    count = min(len(rows), SEARCH_ROWS)
    chosen = numpy.arange(count) * len(rows) // count
    print(f"{FOLDS}-fold cross-validation on {count} training images ...", flush=True)
    write_rows(path, labels[chosen], rows[chosen])
    answer = run_trainer("-C", "-v", str(FOLDS), path)
    found = re.search(r"Best C = (\S+)\s+CV accuracy = (\S+)%", answer)
    if not found:
        raise Failure(f"{TRAINER} -C: its output names no best C; give one with -c")
    return float(found[1]), float(found[2]) / 100


class Model:
    """What liblinear learnt: scores = rows W + b, one column a class."""

    def __init__(self, path):
        with open(path, encoding="ascii") as file:
            head, _, numbers = file.read().partition("\nw\n")
        values = dict(line.split(" ", 1) for line in head.splitlines())
        self.labels = [int(label) for label in values["label"].split()]
        weights = numpy.array(numbers.split(), dtype=numpy.float64).reshape(int(values["nr_feature"]) + 1, -1)
        if weights.shape[1] == 1:  # of two classes the file has only the first one's
            weights = numpy.hstack([weights, -weights])
        self.weights, self.bias = weights[:-1], weights[-1] * float(values["bias"])

    def ranks(self, labels, rows):
        """Where the label stands among the scores, from 0; a label that training did not see comes last."""
        scores = rows @ self.weights + self.bias
        column = {label: i for i, label in enumerate(self.labels)}
        places = numpy.array([column.get(label, -1) for label in labels.tolist()])
        own = scores[numpy.arange(len(rows)), places]
        # Of equal scores the lower class comes first, as in `valid`.
        classes = numpy.array(self.labels)
        ahead = (scores > own[:, None]) | ((scores == own[:, None]) & (classes < labels[:, None]))
        return numpy.where(places < 0, len(self.labels), ahead.sum(axis=1))


def probe(options, folder):
    """The figures, as they go into the JSON."""
    sets = {}
    for name in ("train", "valid"):
        path = os.path.join(options.features or folder, f"{name}.npy")
        make_features(options, name, path)
        sets[name] = load_features(path)
    labels, rows = sets["train"]
    if len(set(labels.tolist())) < 2:
        raise Failure(f"{options.data}: all training images have one label; a classifier needs two classes at least")
    c, cv_top1 = options.c, None
    if c is None:
        c, cv_top1 = search_c(labels, rows, os.path.join(folder, "search"))
        print(f"C = {c:g}: top1 {cv_top1:.4f} in cross-validation", flush=True)
    print(f"training on {len(rows)} images ...", flush=True)
    write_rows(os.path.join(folder, "train"), labels, rows)
    run_trainer("-q", "-c", f"{c!r}", os.path.join(folder, "train"), os.path.join(folder, "model"))
    model = Model(os.path.join(folder, "model"))
    k = min(TOP, len(model.labels))
    ranks = model.ranks(*sets["valid"])
    top1, topk = int((ranks < 1).sum()), int((ranks < k).sum())
    images = len(ranks)
    return {
        "top1": top1 / images, "topk": topk / images, f"top{k}": topk / images, "k": k, "images": images,
        "top1_count": top1, "topk_count": topk, "c": c, "cv_top1": cv_top1,
        "train_top1": float((model.ranks(labels, rows) < 1).mean()), "train_images": len(rows),
        "features": rows.shape[1], "weights": options.weights, "cfg": options.cfg, "data": options.data,
    }


def positive(text):
    value = number_or_none(text)
    if value is None or value <= 0:
        raise argparse.ArgumentTypeError(f"found '{text}', allowed is a number above 0")
    return value


def measure(options):
    # subprocess and tempfile then end their processes and remove their files.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    if numpy is None:
        raise Failure(f"{sys.executable} has no numpy; install it (Debian: python3-numpy) and use /usr/bin/python3")
    if shutil.which(TRAINER) is None:
        raise Failure(f"{TRAINER}: no such program; {INSTALL}")
    if options.json and not os.access(os.path.dirname(options.json) or ".", os.W_OK):
        raise Failure(f"{options.json}: cannot write: its folder is missing or cannot be written")
    if options.features:
        make_folder(options.features, "--features")
    with tempfile.TemporaryDirectory(prefix="linear_probe.") as folder:
        result = probe(options, folder)
    if options.json:
        write_json(options.json, result)
    print(f"top1 {result['top1']:.4f} top{result['k']} {result['topk']:.4f} images {result['images']}")


def main(arguments=None):
    parser = OneLineParser(prog="linear_probe.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("data", metavar="DATA", help="the .data file of the set to measure the features on")
    parser.add_argument("cfg", metavar="CFG")
    parser.add_argument("weights", metavar="WEIGHTS")
    parser.add_argument("-c", type=positive, metavar="C",
                        help="liblinear's C, above 0 (default: the best one in cross-validation)")
    parser.add_argument("--layer", metavar="N", help="the layer of the features, from 0 (default: the last pooling)")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON, too")
    parser.add_argument("--features", metavar="DIR", help="save train.npy and valid.npy in DIR")
    parser.add_argument("--darknet", default=default_program(), metavar="FILE", help="the program (default: ./darknet)")
    return parser.run(measure, arguments)


if __name__ == "__main__":
    sys.exit(main())

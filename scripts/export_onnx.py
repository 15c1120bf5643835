#!/usr/bin/env python3
"""Writes a network with its weights, or an ensemble of generations, as an ONNX model that gives softmax probabilities.

    scripts/export_onnx.py CFG WEIGHTS -o FILE.onnx [--data FILE.data] [--input uint8|float] [--keep-batchnorm]
    scripts/export_onnx.py CFG:WEIGHTS CFG:WEIGHTS... -o FILE.onnx [...]    the mean of their probabilities

docs/onnx.md says what the model reads and what can be exported. Needs the package onnx.
"""

import os
import sys

from cfg_network.network import Network
from generations_driver.errors import Failure, OneLineParser
from generations_driver.place import default_program
from generations_driver.program import output_of

MISSING = "{python} has no {package} ({error}); install it: {python} -m pip install {package}"


def members_of(words):
    """[(cfg, weights)]"""
    if len(words) == 2 and not any(":" in word and not os.path.exists(word) for word in words):
        return [tuple(words)]
    pairs = [tuple(word.rpartition(":")[::2]) for word in words]
    for word, pair in zip(words, pairs):
        if not all(pair):
            expected = "CFG:WEIGHTS for each network of an ensemble, or CFG WEIGHTS"
            raise Failure(f"{word}: found one file, expected {expected}", 2)
    return pairs


def export(options):
    try:
        import onnx

        from onnx_export.lineage import lineage
        from onnx_export.model import build
    except ImportError as error:
        raise Failure(MISSING.format(python=sys.executable, package="onnx", error=error)) from error
    members = [(Network(cfg, options.darknet, options.data), weights) for cfg, weights in members_of(options.networks)]
    chains = [lineage(weights, network, options.darknet) for network, weights in members]
    metadata = {"program": output_of([options.darknet, "--version"]).splitlines()[0], "host": members[0][0].host,
                "lineage": chains if len(chains) > 1 else chains[0]}
    if members[0][0].names:
        metadata["names"] = members[0][0].names
    model = build(members, options.input, not options.keep_batchnorm, metadata)
    new = options.out + ".new"
    onnx.save(model, new)
    os.replace(new, options.out)
    size = os.path.getsize(options.out)
    networks = f"{len(members)} networks, " if len(members) > 1 else ""
    print(f"saved {options.out}: {networks}{len(model.graph.node)} operators, {size} bytes")


def main(arguments=None):
    parser = OneLineParser(prog="export_onnx.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("networks", nargs="+", metavar="CFG WEIGHTS | CFG:WEIGHTS",
                        help="a network and its weights, or several as an ensemble")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the model")
    parser.add_argument("--data", metavar="FILE", help="the .data file that has the classes' names")
    parser.add_argument("--input", choices=("uint8", "float"), default="uint8",
                        help="images as bytes, or as planes of 0 to 1 (default: uint8)")
    parser.add_argument("--keep-batchnorm", action="store_true", help="do not fold batch norm into the weights")
    parser.add_argument("--darknet", default=default_program(), metavar="FILE", help="the program (default: ./darknet)")
    return parser.run(export, arguments)


if __name__ == "__main__":
    sys.exit(main())

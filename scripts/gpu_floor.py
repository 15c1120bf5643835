#!/usr/bin/env python3
"""What a training step cannot take less than on a GPU, on paper: computed from a cfg, not measured.

    scripts/gpu_floor.py [--batch N] [--tflops T] [--bandwidth GB] [--launch US] [CFG...]

operations   2 for each multiply-add of convolutions and [connected], three times: forward, gradient of the input (not of
             the network's first layer), gradient of the weights; over the tensor cores' rate
bytes        in 16 bits, each once: what a convolution, a join or a pooling writes is read forward, read backward, and
             its gradient is written and read; parameters, gradients and momentum are read and written in 32 bits; over
             the memory's bandwidth (a cache that holds a tensor from one kernel to the next can be faster)
launches     kernels of this program's step, each of them no shorter than the time of a launch within a CUDA graph

The defaults are the data sheet of an H100 SXM: 989 TFLOP/s in bfloat16, 3350 GB/s; and 2 microseconds for a launch,
which is an assumption.
"""

import argparse
import sys

from generations_driver.cfg_files import read_sections
from generations_driver.errors import Failure
from generations_driver.files import read_text

CFGS = ["cfg/cifar100-resnet20.cfg", "cfg/cifar100-resnet56.cfg", "cfg/cifar100-resnet110.cfg",
        "cfg/cifar100-densenet100.cfg", "cfg/ilsvrc2012-resnet18.cfg"]
LARGE, LARGE_BATCH, SMALL_BATCH = 128, 256, 128
# Passes over what a layer writes: forward written and read, backward read, its gradient written and read.
PASSES = 5
# Numbers of 4 bytes for each parameter: read twice forward and backward; gradient, momentum and value read and written.
PARAMETER_NUMBERS = 8


class Floor:
    """Counts of a step, for one image where nothing else is said."""

    def __init__(self, path):
        self.multiply_adds = self.first = self.written = self.parameters = self.launches = 0
        sections = read_sections(path, read_text(path, "network cfg"))
        net = {key: value for key, value, _ in sections[0][2]}
        shape = tuple(int(net[key]) for key in ("channels", "height", "width"))
        self.height = shape[1]
        shapes = []
        self.launches += 1  # augmentation
        for name, _line, entries in sections[1:]:
            shape = self.layer(name, {key: value for key, value, _ in entries}, shape, shapes)
            shapes.append(shape)
        self.launches += 3  # the cost, its sum, the update

    def layer(self, name, options, shape, shapes):
        channels, height, width = shape
        if name in ("convolutional", "conv"):
            size, stride = int(options.get("size", 1)), int(options.get("stride", 1))
            padding = size // 2 if options.get("pad") == "1" else int(options.get("padding", 0))
            out = (int(options.get("filters", 1)), (height + 2 * padding - size) // stride + 1,
                   (width + 2 * padding - size) // stride + 1)
            weights = size * size * channels // int(options.get("groups", 1)) * out[0]
            self.product(weights, weights * out[1] * out[2])
            normalised = options.get("batch_normalize") == "1"
            self.parameters += out[0] * (2 if normalised else 1)
            self.launches += 4 if normalised else 2
            return self.write(out)
        if name in ("connected", "conn"):
            out = (int(options["output"]), 1, 1)
            weights = channels * height * width * out[0]
            self.product(weights, weights)
            self.parameters += out[0]
            self.launches += 2
            return self.write(out)
        if name in ("maxpool", "max", "local_avgpool"):
            stride = int(options.get("stride", 1))
            size = int(options.get("size", stride))
            padding = int(options.get("padding", size - 1))
            out = (channels, (height + padding - size) // stride + 1, (width + padding - size) // stride + 1)
            if size == 1:
                return out  # part of the convolution that reads it
            self.launches += 2
            return self.write(out)
        if name in ("avgpool", "avg"):
            self.launches += 2
            return self.write((channels, 1, 1))
        if name == "route":
            layers = [int(number) for number in options["layers"].split(",")]
            sources = [shapes[number] for number in layers]
            out = (sum(source[0] for source in sources), *sources[0][1:])
            if len(sources) == 1:
                return out
            self.launches += 2 * len(sources)
            return self.write(out)
        if name == "batchnorm":
            self.parameters += 2 * channels
            self.launches += 4
            return self.write(shape)
        if name == "dropout":
            self.launches += 2
            return self.write(shape)
        return shape  # shortcut, activation: part of the layer before; the cost

    def product(self, weights, multiply_adds):
        self.launches += 2 if self.first == 0 else 3
        self.first = self.first or multiply_adds
        self.multiply_adds += multiply_adds
        self.parameters += weights

    def write(self, out):
        self.written += out[0] * out[1] * out[2]
        return out

    def step(self, batch):
        """(operations, bytes, launches)"""
        operations = 2 * batch * (3 * self.multiply_adds - self.first)
        return operations, 2 * PASSES * batch * self.written + 4 * PARAMETER_NUMBERS * self.parameters, self.launches


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cfgs", nargs="*", metavar="CFG", default=CFGS)
    parser.add_argument("--batch", type=int, help="default: 128, and 256 for large images")
    parser.add_argument("--tflops", type=float, default=989)
    parser.add_argument("--bandwidth", type=float, default=3350)
    parser.add_argument("--launch", type=float, default=2)
    options = parser.parse_args(arguments)
    print("| network | batch | GFLOP | MB | launches | ms of operations | ms of bytes | ms of launches |")
    print("|---|---|---|---|---|---|---|---|")
    try:
        for path in options.cfgs or CFGS:
            floor = Floor(path)
            batch = options.batch or (LARGE_BATCH if floor.height >= LARGE else SMALL_BATCH)
            operations, moved, launches = floor.step(batch)
            name = path.rsplit("/", maxsplit=1)[-1].removesuffix(".cfg")
            print(f"| {name} | {batch} | {operations / 1e9:.1f} | {moved / 1e6:.0f} | {launches} "
                  f"| {operations / options.tflops / 1e9:.3f} | {moved / options.bandwidth / 1e6:.3f} "
                  f"| {launches * options.launch / 1e3:.3f} |")
    except Failure as failure:
        print(f"gpu_floor.py: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The layers of a cfg: `darknet options CFG` reads it, so that options, defaults and shapes are the program's."""

import functools
import json
import math
import os
from typing import NamedTuple

from generations_driver.errors import Failure
from generations_driver.place import default_program
from generations_driver.program import BUILD, output_of


class Shape(NamedTuple):
    channels: int
    height: int
    width: int

    @property
    def size(self):
        return self.channels * self.height * self.width


class Layer:
    """kind: the section's name; sources: the indices of the layers it reads, -1 for the network's input; read, out: the
    shapes of what the first source writes, and of its own output; where: file, line and section, for errors."""

    def __init__(self, index, answer):
        self.index, self.number, self.kind, self.where = index, answer["number"], answer["section"], answer["where"]
        self.options, self.sources = answer["options"], answer["sources"]
        self.read, self.out = Shape(*answer["in"]), Shape(*answer["out"])

    def number_of(self, key, fallback=None):
        value = self.options.get(key)
        return fallback if value is None else int(value)

    def real(self, key, fallback):
        return float(self.options.get(key, fallback))

    def flag(self, key):
        return self.number_of(key, 0) != 0

    @property
    def window(self):
        """Height and width of a convolution's or a pool's window."""
        return self.number_of("size", self.number_of("stride", 1))

    @property
    def strides(self):
        """Of the rows, and of the columns."""
        return [self.number_of(key, self.number_of("stride", 1)) for key in ("stride_y", "stride_x")]

    @property
    def dilation(self):
        return self.number_of("dilation", 1) if self.window > 1 else 1

    @property
    def padding(self):
        """On each side of a convolution; before the first row and column of a pool."""
        if self.kind == "local":
            return self.number_of("pad")
        if self.kind == "convolutional":
            return self.dilation * (self.window // 2 if self.flag("pad") else self.number_of("padding"))
        return self.number_of("padding", self.window - 1) // 2

    @property
    def activation(self):
        return self.options.get("activation", "linear")

    @property
    def subsamples(self):
        """Only takes every n-th row and column."""
        return self.kind == "maxpool" and self.window == 1

    @functools.cached_property
    def parameters(self):
        """{name: shape}, in the order of the .weights file."""
        channels, size = self.out.channels, self.window
        norm = dict.fromkeys(("scale", "mean", "variance"), (channels,))
        more = norm if self.flag("batch_normalize") else {}
        if self.kind == "convolutional":
            inputs = self.read.channels // self.number_of("groups")
            return {"bias": (channels,), **more, "weight": (channels, inputs, size, size)}
        if self.kind == "connected":
            return {"bias": (channels,), "weight": (channels, self.read.size), **more}
        if self.kind == "local":
            places = self.out.height * self.out.width
            return {"bias": (self.out.size,), "weight": (places, channels, self.read.channels, size, size)}
        return {"bias": (channels,), **norm} if self.kind == "batchnorm" else {}

    @property
    def weights(self):
        return math.prod(self.parameters.get("weight", (0,)))

    @property
    def biases(self):
        """All trained parameters that are not weights."""
        return sum(math.prod(self.parameters.get(name, (0,))) for name in ("bias", "scale"))

    @property
    def multiply_adds(self):
        """Of one image, forward."""
        return self.weights * (self.out.height * self.out.width if self.kind == "convolutional" else 1)


class Network:
    """layers: without a [crop], which is part of preparing images; the last is the cost. frame: what the input is cut
    out of, its own shape without a [crop]. host: the Darknet that the program is built for; batchnorm: its epsilon.
    names: of the classes, where a .data file is given."""

    def __init__(self, path, program=None, data=None):
        self.path, self.name = path, os.path.splitext(os.path.basename(path))[0]
        program = program or default_program()
        if not os.access(program, os.X_OK):
            raise Failure(f"{program}: no such program; {BUILD}")
        answer = json.loads(output_of([program, "options", path, *([data] if data else [])]))
        if "network" not in answer:
            raise Failure(f"{program}: it prints no networks; rebuild ./darknet with `make`")
        network = answer["network"]
        self.host, self.batchnorm, self.names = answer["host"], network["batchnorm"], answer.get("names")
        self.input, self.frame = Shape(*network["input"]), Shape(*network["frame"])
        self.mean, self.std = network["mean"], network["std"]
        self.layers = [Layer(index, layer) for index, layer in enumerate(network["layers"])]

    @property
    def cost(self):
        return self.layers[-1]

    @property
    def classes(self):
        return self.cost.out.size

    def shape(self, index):
        return self.input if index < 0 else self.layers[index].out

    def parameters(self):
        return sum(layer.weights + layer.biases for layer in self.layers)

    def multiply_adds(self):
        """Of one image, forward."""
        return sum(layer.multiply_adds for layer in self.layers)

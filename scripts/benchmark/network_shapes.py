"""The layers of a cfg with the shapes of their outputs, for counting what a step costs. ./darknet checks cfgs; this
reads those that it accepts."""

import os
from typing import NamedTuple

from generations_driver.cfg_files import read_sections
from generations_driver.errors import Failure
from generations_driver.files import read_text, whole_or_none

COSTS = ("softmax", "tsd", "distill", "label_smoothing", "confidence_penalty", "cost")
NAMES = {"net": "network", "conv": "convolutional", "conn": "connected", "max": "maxpool", "avg": "avgpool",
         "lrn": "normalization", "soft": "softmax"}


class Shape(NamedTuple):
    channels: int
    height: int
    width: int

    @property
    def size(self):
        return self.channels * self.height * self.width


class Layer:
    """kind: the section's name; sources: the indices of the layers it reads, -1 for the network's input."""

    def __init__(self, kind, options, index, before):
        self.kind, self.options, self.index = kind, options, index
        self.sources = [index - 1]
        self.read = self.out = before  # the shapes of what the first source writes, and of its own output
        self.weights = self.biases = self.multiply_adds = 0  # biases: all parameters that are not weights

    def number(self, key, fallback):
        return int(self.options.get(key, fallback))

    def flag(self, key):
        return self.number(key, 0) != 0

    @property
    def padding(self):
        """Of a convolution, on each side."""
        return self.number("size", 1) // 2 if self.flag("pad") else self.number("padding", 0)

    @property
    def strides(self):
        """Of the rows, and of the columns."""
        return [self.number(key, self.number("stride", 1)) for key in ("stride_y", "stride_x")]

    @property
    def activation(self):
        return self.options.get("activation", {"convolutional": "logistic", "connected": "logistic"}.get(
            self.kind, "linear"))

    @property
    def subsamples(self):
        """Only takes every n-th row and column."""
        return self.kind == "maxpool" and self.number("size", self.number("stride", 1)) == 1


class Network:
    def __init__(self, path):
        self.path, self.name = path, os.path.splitext(os.path.basename(path))[0]
        sections = read_sections(path, read_text(path, "cfg"), as_darknet=True)
        if not sections or NAMES.get(sections[0][0], sections[0][0]) != "network":
            raise Failure(f"{path}: the first section must be [net]")
        net = {key: value for key, value, _ in sections[0][2]}
        for key in ("channels", "height", "width"):
            if whole_or_none(net.get(key)) is None:
                raise Failure(f"{path}: [net] has no whole number {key}=")
        self.input = Shape(*(int(net[key]) for key in ("channels", "height", "width")))
        self.layers = []
        for name, line, entries in sections[1:]:
            kind = NAMES.get(name, name)
            options = {key: value for key, value, _ in entries}
            layer = Layer(kind, options, len(self.layers), self.shape(len(self.layers) - 1))
            work = getattr(self, f"_{kind}", self._keeps if kind in COSTS else None)
            if work is None:
                raise Failure(f"{path}:{line}: [{name}] cannot be counted: it is no known layer")
            try:
                work(layer)
            except (ValueError, KeyError) as error:
                raise Failure(f"{path}:{line}: [{name}] cannot be counted ({error}); "
                              f"check it with ./darknet options {path}") from error
            self.layers.append(layer)

    def shape(self, index):
        return self.input if index < 0 else self.layers[index].out

    def parameters(self):
        return sum(layer.weights + layer.biases for layer in self.layers)

    def multiply_adds(self):
        """Of one image, forward."""
        return sum(layer.multiply_adds for layer in self.layers)

    def _earlier(self, layer, text):
        number = int(text)
        index = number if number >= 0 else layer.index + number
        if not 0 <= index < layer.index:
            raise ValueError(f"{text} is not an earlier layer")
        return index

    def _keeps(self, layer):
        """The output has the input's shape."""

    _activation = _dropout = _normalization = _keeps

    def _convolutional(self, layer):
        size, filters, groups = (layer.number(key, 1) for key in ("size", "filters", "groups"))
        layer.out = windows(layer.read, filters, size, layer.strides, 2 * layer.padding)
        layer.weights = filters * (layer.read.channels // groups) * size * size
        layer.multiply_adds = layer.weights * layer.out.height * layer.out.width
        layer.biases = filters * (2 if layer.flag("batch_normalize") else 1)

    def _connected(self, layer):
        layer.out = Shape(layer.number("output", 1), 1, 1)
        layer.weights = layer.multiply_adds = layer.read.size * layer.out.channels
        layer.biases = layer.out.channels * (2 if layer.flag("batch_normalize") else 1)

    def _batchnorm(self, layer):
        layer.biases = 2 * layer.read.channels

    def _maxpool(self, layer):
        size = layer.number("size", layer.number("stride", 1))
        layer.out = windows(layer.read, layer.read.channels, size, layer.strides, layer.number("padding", size - 1))

    _local_avgpool = _maxpool

    def _avgpool(self, layer):
        layer.out = Shape(layer.read.channels, 1, 1)

    def _crop(self, layer):
        layer.out = Shape(layer.read.channels, layer.number("crop_height", 1), layer.number("crop_width", 1))

    def _upsample(self, layer):
        stride = layer.number("stride", 2)
        layer.out = Shape(layer.read.channels, layer.read.height * stride, layer.read.width * stride)

    def _reorg(self, layer):
        channels, height, width = layer.read
        stride = layer.number("stride", 1)
        if layer.flag("extra"):
            layer.out = Shape(layer.read.size + layer.number("extra", 0), 1, 1)
        elif layer.flag("reverse"):
            layer.out = Shape(channels // stride**2, height * stride, width * stride)
        else:
            layer.out = Shape(channels * stride**2, height // stride, width // stride)

    def _route(self, layer):
        layer.sources = [self._earlier(layer, text) for text in layer.options["layers"].split(",")]
        layer.read = self.shape(layer.sources[0])
        channels = sum(self.shape(source).channels for source in layer.sources)
        layer.out = layer.read._replace(channels=channels // layer.number("groups", 1))

    def _shortcut(self, layer):
        layer.sources = [layer.index - 1, self._earlier(layer, layer.options["from"])]

    _sam = _shortcut

    def _scale_channels(self, layer):
        self._shortcut(layer)
        layer.out = self.shape(layer.sources[1])


def windows(shape, channels, size, strides, padding):
    """padding: both sides together."""
    if min(size, *strides) < 1 or min(shape.height, shape.width) + padding < size:
        raise ValueError(f"no window of size {size} fits")
    return Shape(channels, *((length + padding - size) // stride + 1
                             for length, stride in zip(shape[1:], strides)))

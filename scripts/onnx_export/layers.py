"""The layers of a cfg as ONNX operators; layers/*_layer.cpp have the formulas."""

import numpy

from generations_driver.errors import Failure

from .activations import ACTIVATIONS

BLURS = {1: ((0.25, 0.5, 0.25), 1), 2: ((0.5, 0.5), 0)}  # antialiasing= -> taps along a side, padding


def integers(*values):
    return numpy.array(values, numpy.int64)


class Converter:
    """One network with its weights: `parameters` has the arrays of each layer."""

    def __init__(self, graph, network, parameters, fold):
        self.graph, self.network, self.parameters, self.fold = graph, network, parameters, fold

    def logits(self, x):
        """The name of the last layer's output, without the cost; x is the input's."""
        outputs = {-1: x}
        for layer in self.network.layers[:-1]:
            convert = getattr(self, f"_{layer.kind}", None)
            if convert is None:
                self.refuse(layer, "the layer")
            outputs[layer.index] = convert(layer, *(outputs[source] for source in layer.sources))
        return self.graph.reshape(outputs[self.network.layers[-1].sources[0]], -1)

    @staticmethod
    def refuse(layer, what):
        raise Failure(f"{layer.where}: {what} has no counterpart in ONNX here; docs/onnx.md lists what can be exported")

    def activate(self, layer, x):
        if layer.activation not in ACTIVATIONS:
            self.refuse(layer, f"activation={layer.activation}")
        return ACTIVATIONS[layer.activation](self.graph, x)

    # --- parameters ---

    def divisor(self, variance):
        """What Darknet divides by, in double precision."""
        epsilon = self.network.batchnorm["epsilon"]
        variance = variance.astype(numpy.float64)
        return numpy.sqrt(variance + epsilon) if self.network.batchnorm["epsilon_inside"] else \
            numpy.sqrt(variance) + epsilon

    def folded(self, values):
        """(weight, bias) with batch norm in them."""
        if "scale" not in values:
            return values["weight"], values["bias"]
        factor = values["scale"] / self.divisor(values["variance"])
        weight = values["weight"] * factor.reshape(-1, *[1] * (values["weight"].ndim - 1))
        return weight.astype(numpy.float32), (values["bias"] - values["mean"] * factor).astype(numpy.float32)

    def normalized(self, values, x):
        """The variance is written so that ONNX's sqrt(variance + 0) is Darknet's divisor."""
        variance = (self.divisor(values["variance"])**2).astype(numpy.float32)
        return self.graph.op("BatchNormalization", x, values["scale"], values["bias"], values["mean"], variance,
                             epsilon=0.0)

    def product(self, layer, compute):
        """A convolution or a product by `compute(weight, bias)`, batch norm, activation."""
        values = self.parameters[layer.index]
        if "scale" in values and not self.fold:
            return self.activate(layer, self.normalized(values, compute(values["weight"], None)))
        return self.activate(layer, compute(*self.folded(values)))

    # --- layers with parameters ---

    def _convolutional(self, layer, x):
        def compute(weight, bias):
            blurred = layer.flag("antialiasing")
            return self.graph.op("Conv", x, weight, *([] if bias is None else [bias]),
                                 strides=[1, 1] if blurred else layer.strides, pads=[layer.padding] * 4,
                                 dilations=[layer.dilation] * 2, group=layer.number_of("groups"))
        return self.blurred(layer, self.product(layer, compute))

    def _connected(self, layer, x):
        def compute(weight, bias):
            return self.graph.op("Gemm", self.graph.reshape(x, -1), weight, *([] if bias is None else [bias]), transB=1)
        return self.graph.reshape(self.product(layer, compute), *layer.out)

    def _batchnorm(self, layer, x):
        return self.normalized(self.parameters[layer.index], x)

    def _local(self, layer, x):
        """The windows of all places by a convolution with ones, then a product for each place."""
        size, channels = layer.window, layer.read.channels
        values, places = self.parameters[layer.index], layer.out.height * layer.out.width
        taps = channels * size * size
        ones = numpy.tile(numpy.eye(size * size, dtype=numpy.float32).reshape(-1, 1, size, size), (channels, 1, 1, 1))
        windows = self.graph.op("Conv", x, ones, strides=layer.strides, pads=[layer.padding] * 4, group=channels)
        columns = self.graph.op("Transpose", self.graph.reshape(windows, taps, places), perm=[2, 1, 0])
        products = self.graph.op("MatMul", values["weight"].reshape(places, -1, taps), columns)
        sums = self.graph.op("Transpose", products, perm=[2, 1, 0])
        biased = self.graph.op("Add", self.graph.reshape(sums, *layer.out), values["bias"].reshape(layer.out))
        return self.activate(layer, biased)

    # --- windows ---

    def blurred(self, layer, x):
        """antialiasing=: a blur of each channel, with the layer's strides."""
        if not layer.flag("antialiasing"):
            return x
        taps, padding = BLURS[layer.number_of("antialiasing")]
        window = numpy.outer(taps, taps).astype(numpy.float32)
        weight = numpy.tile(window, (layer.out.channels, 1, 1, 1))
        return self.graph.op("Conv", x, weight, strides=layer.strides, pads=[padding] * 4, group=layer.out.channels)

    @staticmethod
    def window(layer, strides):
        """kernel_shape and pads of a pool; behind the last row and column only what a window reads."""
        size, before = layer.window, layer.padding
        out = [length + layer.number_of("padding", size - 1) - size for length in layer.read[1:]]
        behind = [max(0, room // stride * stride + size - length - before)
                  for room, stride, length in zip(out, strides, layer.read[1:])]
        return {"kernel_shape": [size] * 2, "strides": strides, "pads": [before, before, *behind]}

    def _maxpool(self, layer, x):
        if layer.flag("maxpool_depth"):
            return self.depth_maximum(layer, x)
        strides = [1, 1] if layer.flag("antialiasing") else layer.strides
        return self.blurred(layer, self.graph.op("MaxPool", x, **self.window(layer, strides)))

    def depth_maximum(self, layer, x):
        """Of the channels g, g + N, g + 2 N, ..."""
        channels, groups = layer.read.channels, layer.out.channels
        missing = -channels % groups
        if missing:
            lowest = numpy.float32(numpy.finfo(numpy.float32).min)
            x = self.graph.op("Pad", x, integers(0, 0, 0, 0, 0, missing, 0, 0), lowest)
        parts = self.graph.reshape(x, (channels + missing) // groups, groups, *layer.read[1:])
        return self.graph.op("ReduceMax", parts, axes=[1], keepdims=0)

    def _local_avgpool(self, layer, x):
        return self.graph.op("AveragePool", x, count_include_pad=0, **self.window(layer, layer.strides))

    def _avgpool(self, _layer, x):
        return self.graph.op("GlobalAveragePool", x)

    # --- layers without parameters ---

    def _activation(self, layer, x):
        return self.activate(layer, x)

    def _dropout(self, _layer, x):
        return x

    def _normalization(self, layer, x):
        size = layer.number_of("size")
        if size % 2 == 0:
            self.refuse(layer, f"an even size={size}")  # onnxruntime refuses it
        return self.graph.op("LRN", x, size=size, alpha=layer.real("alpha", 0) * size, beta=layer.real("beta", 0),
                             bias=layer.real("kappa", 0))

    def _route(self, layer, *inputs):
        groups, part = layer.number_of("groups"), layer.number_of("group_id")
        if groups > 1:
            sizes = [self.network.shape(source).channels // groups for source in layer.sources]
            inputs = [self.graph.op("Slice", x, integers(part * size), integers((part + 1) * size), integers(1))
                      for x, size in zip(inputs, sizes)]
        return inputs[0] if len(inputs) == 1 else self.graph.op("Concat", *inputs, axis=1)

    def _shortcut(self, layer, x, other):
        alpha, beta = layer.real("alpha", 1), layer.real("beta", 1)
        source, out = self.network.shape(layer.sources[1]), layer.out
        common = min(source.channels, out.channels)
        take, spread = max(source.width // out.width, 1), max(out.width // source.width, 1)
        if source != out:
            other = self.graph.op("Slice", other, integers(0, 0, 0), integers(common, *source[1:]), integers(1, 2, 3),
                                  integers(1, take, take))
            rows, columns = -(-source.height // take), -(-source.width // take)
            if spread > 1:  # zeros between the pixels
                cells = self.graph.reshape(other, common, rows, 1, columns, 1)
                cells = self.graph.op("Pad", cells, integers(0, 0, 0, 0, 0, 0, 0, 0, 0, spread - 1, 0, spread - 1))
                other = self.graph.reshape(cells, common, *out[1:])
            if common < out.channels:
                other = self.graph.op("Pad", other, integers(0, 0, 0, 0, 0, out.channels - common, 0, 0))
        if alpha != 1:  # where there is no pair, the input stays as it is
            factor = numpy.ones(out, numpy.float32)
            factor[:common, ::spread, ::spread] = alpha
            x = self.graph.op("Mul", x, factor)
        return self.activate(layer, self.graph.op("Add", x, self.graph.scaled(other, beta)))

    def _scale_channels(self, layer, gate, x):
        return self.activate(layer, self.graph.op("Mul", x, gate))

    _sam = _scale_channels

    def _upsample(self, layer, x):
        stride, scale = layer.number_of("stride"), layer.real("scale", 1)
        if stride < 0:  # sums of blocks
            means = self.graph.op("AveragePool", x, kernel_shape=[-stride] * 2, strides=[-stride] * 2)
            return self.graph.scaled(means, scale * stride**2)
        larger = self.graph.op("Resize", x, None, numpy.array([1, 1, stride, stride], numpy.float32), mode="nearest",
                               coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        return self.graph.scaled(larger, scale)

    def _reorg(self, layer, x):
        stride, extra, reverse = layer.number_of("stride"), layer.number_of("extra"), layer.flag("reverse")
        channels, height, width = layer.read
        if extra:
            flat = self.graph.op("Pad", self.graph.reshape(x, -1), integers(0, 0, 0, extra))
            return self.graph.reshape(flat, *layer.out)
        if layer.flag("flatten"):
            rows = (height * width, channels) if reverse else (channels, height * width)
            moved = self.graph.op("Transpose", self.graph.reshape(x, *rows), perm=[0, 2, 1])
        elif reverse:
            return self.graph.op("DepthToSpace", x, blocksize=stride)
        else:
            blocks = self.graph.reshape(x, channels // stride**2, height * stride, width * stride)
            moved = self.graph.op("SpaceToDepth", blocks, blocksize=stride)
        return self.graph.reshape(moved, *layer.out)

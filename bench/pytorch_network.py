"""A cfg's network as a PyTorch module, up to the logits: what the program is compared with, and checked against."""

import os
import sys

import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))

from cfg_network.network import Network
from cfg_network.weights import read_weights
from generations_driver.errors import Failure

# Of a value that nobody else reads: in its place.
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: functional.relu(x, inplace=True),
    "leaky": lambda x: functional.leaky_relu(x, 0.1, inplace=True),
    "relu6": lambda x: functional.relu6(x, inplace=True),
    "swish": lambda x: functional.silu(x, inplace=True),
    "mish": lambda x: functional.mish(x, inplace=True),
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
}


class Normalized(nn.Module):
    """A convolution or a product, batch norm, an activation."""

    def __init__(self, product, norm, activation):
        super().__init__()
        self.product, self.norm, self.activation = product, norm, activation

    def forward(self, x):
        x = self.product(x)
        return self.activation(x if self.norm is None else self.norm(x))


class Function(nn.Module):
    """Of several inputs, without parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class CfgNetwork(nn.Module):
    def __init__(self, path, program=None):
        super().__init__()
        self.network = Network(path, program)
        self.computed = self.network.layers[:-1]
        self.readers = {layer.index: [other for other in self.network.layers if layer.index in other.sources]
                        for layer in self.computed}
        # An output is dropped behind its last reader.
        self.dropped = {layer.index: [source for source in set(layer.sources) if source >= 0 and
                                      self.readers[source][-1] is layer] for layer in self.network.layers}
        self.modules_of_layers = nn.ModuleList(map(self.module, self.computed))

    def forward(self, x):
        outputs = {-1: x}
        for layer, module in zip(self.computed, self.modules_of_layers):
            outputs[layer.index] = module(*(outputs[source] for source in layer.sources))
            for source in self.dropped[layer.index]:
                del outputs[source]
        return torch.flatten(outputs[self.computed[-1].index], 1)

    def module(self, layer):
        make = getattr(self, f"_{layer.kind}", None)
        if make is None:
            raise Failure(f"{self.network.path}: [{layer.kind}] has no twin in PyTorch")
        return make(layer)

    def activation(self, layer):
        if layer.activation not in ACTIVATIONS:
            raise Failure(f"{self.network.path}: activation={layer.activation} has no twin in PyTorch; "
                          f"those that have: {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[layer.activation]

    def strides_before(self, layer):
        """Rows and columns that a [maxpool] of size 1 before a convolution leaves to it."""
        before = self.network.layers[layer.index - 1] if layer.index else None
        return before.strides if before and self.leaves_stride(before) else [1, 1]

    def leaves_stride(self, layer):
        readers = self.readers[layer.index]
        return layer.kind == "maxpool" and layer.subsamples and len(readers) == 1 and \
            readers[0].kind == "convolutional" and readers[0].window == 1

    def norm(self, layer):
        if not layer.flag("batch_normalize"):
            return None
        kind = nn.BatchNorm2d if layer.kind == "convolutional" else nn.BatchNorm1d
        return kind(layer.out.channels)

    def _convolutional(self, layer):
        strides = [own * before for own, before in zip(layer.strides, self.strides_before(layer))]
        norm = self.norm(layer)
        product = nn.Conv2d(layer.read.channels, layer.out.channels, layer.window, strides, layer.padding,
                            layer.dilation, layer.number_of("groups"), bias=norm is None)
        return Normalized(product, norm, self.activation(layer))

    def _connected(self, layer):
        norm = self.norm(layer)
        product = nn.Linear(layer.read.size, layer.out.channels, bias=norm is None)
        return Normalized(nn.Sequential(nn.Flatten(), product), norm, self.activation(layer))

    def _batchnorm(self, layer):
        return nn.BatchNorm2d(layer.read.channels)

    def _activation(self, layer):
        activation, source = self.activation(layer), layer.sources[0]
        alone = source >= 0 and self.network.layers[source].kind == "batchnorm" and len(self.readers[source]) == 1
        return Function(activation if alone else lambda x: activation(x.clone()))

    def _maxpool(self, layer):
        if self.leaves_stride(layer):
            return nn.Identity()
        return self.windows(layer, nn.MaxPool2d, -torch.inf)

    def _local_avgpool(self, layer):
        return self.windows(layer, nn.AvgPool2d)

    def windows(self, layer, kind, beyond=None):
        """Darknet's padding is that of both sides; `beyond`: the value there."""
        size, before = layer.window, layer.padding
        more = {"count_include_pad": False} if kind is nn.AvgPool2d else {}
        if (layer.read.height + 2 * before - size) // layer.strides[0] + 1 == layer.out.height and \
                (layer.read.width + 2 * before - size) // layer.strides[1] + 1 == layer.out.width:
            return kind(size, layer.strides, before, **more)
        if beyond is None:
            raise Failure(f"{self.network.path}: [{layer.kind}] with this padding has no twin in PyTorch")
        behind = layer.number_of("padding", size - 1) - before
        return nn.Sequential(nn.ConstantPad2d((before, behind, before, behind), beyond), kind(size, layer.strides))

    def _avgpool(self, _layer):
        return nn.AdaptiveAvgPool2d(1)

    def _dropout(self, layer):
        return nn.Dropout(layer.real("probability", 0.5))

    def _route(self, layer):
        groups, part = layer.number_of("groups"), layer.number_of("group_id")

        def concatenate(*inputs):
            if groups > 1:
                inputs = [x.chunk(groups, 1)[part] for x in inputs]
            return torch.cat(inputs, 1) if len(inputs) > 1 else inputs[0]

        return Function(concatenate)

    def _shortcut(self, layer):
        activation = self.activation(layer)
        factors = layer.real("alpha", 1), layer.real("beta", 1)
        if self.network.shape(layer.sources[1]) != layer.out or factors != (1, 1):
            raise Failure(f"{self.network.path}: [shortcut] of unequal shapes or with factors has no twin in PyTorch")
        return Function(lambda x, other: activation(x + other))

    def _scale_channels(self, layer):
        activation = self.activation(layer)
        return Function(lambda gate, x: activation(x * gate))

    _sam = _scale_channels

    def _upsample(self, layer):
        return nn.Upsample(scale_factor=layer.number_of("stride"))

    def load(self, path):
        """Reads Darknet's .weights."""
        for module, values in zip(self.modules_of_layers, read_weights(path, self.network)):
            norm = module if isinstance(module, nn.BatchNorm2d) else getattr(module, "norm", None)
            product = getattr(module, "product", None)
            if isinstance(product, nn.Sequential):
                product = product[1]
            tensors = {"bias": (norm or product).bias} if values else {}
            if norm:
                tensors |= {"scale": norm.weight, "mean": norm.running_mean, "variance": norm.running_var}
            if product:
                tensors["weight"] = product.weight
            for name, tensor in tensors.items():
                numbers = torch.frombuffer(bytearray(values[name]), dtype=torch.float32)
                tensor.data.copy_(numbers.view_as(tensor))

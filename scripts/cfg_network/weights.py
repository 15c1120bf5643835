"""Darknet's .weights: a header, then the parameters of all layers as float32, in little-endian order."""

import math
import struct

from generations_driver.errors import Failure


def header_bytes(path, content):
    """Version, then the images seen: 64 bits from version 0.2 on."""
    if len(content) < 20:
        raise Failure(f"{path}: {len(content)} bytes are too few for weights; give a .weights file of a training")
    major, minor = struct.unpack("<2i", content[:8])
    if not (0 <= major < 1000 and 0 <= minor < 1000):
        raise Failure(f"{path}: this is no weights file: its version would be {major}.{minor}; give a .weights file "
                      "of a training")
    return 20 if 10 * major + minor >= 2 else 16


def read_weights(path, network):
    """[{name: the values' bytes}] of each layer, named and shaped as in Layer.parameters."""
    with open(path, "rb") as file:
        content = file.read()
    values = memoryview(content)[header_bytes(path, content):]
    needed = sum(4 * math.prod(shape) for layer in network.layers for shape in layer.parameters.values())
    if len(values) != needed:
        raise Failure(f"{path}: found {len(values) / 4:g} numbers, the network of {network.path} needs {needed // 4}; "
                      "give the weights that were trained with this cfg")
    layers, place = [], 0
    for layer in network.layers:
        found = {}
        for name, shape in layer.parameters.items():
            size = 4 * math.prod(shape)
            found[name] = values[place:place + size]
            place += size
        layers.append(found)
    return layers

"""A graph of ONNX operators that grows operator by operator."""

import numpy
from onnx import helper, numpy_helper


class Graph:
    """prefix: of all names, so that several networks fit into one model."""

    def __init__(self):
        self.nodes, self.constants, self.prefix = [], [], ""

    def op(self, kind, *inputs, name=None, **attributes):
        """The name of the operator's output; arrays among the inputs become constants, None is left out."""
        output = name or f"{self.prefix}{kind.lower()}_{len(self.nodes)}"
        names = ["" if one is None else one if isinstance(one, str) else self.constant(one) for one in inputs]
        self.nodes.append(helper.make_node(kind, names, [output], name=f"{output}.op", **attributes))
        return output

    def constant(self, value):
        value = numpy.ascontiguousarray(value)
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def reshape(self, x, *shape):
        """Of each image."""
        return self.op("Reshape", x, numpy.array([0, *shape], numpy.int64))

    def scaled(self, x, factor):
        return x if factor == 1 else self.op("Mul", x, numpy.float32(factor))

"""Activation functions as ONNX operators; src/math/activation.h has the formulas."""

import numpy

SELU_SCALE, SELU_ALPHA = 1.0507, 1.6732
GELU_LINEAR, GELU_CUBIC = 0.797885, 0.035677


def clipped(graph, x, low, high):
    return graph.op("Clip", x, numpy.float32(low), numpy.float32(high))


def shifted(graph, x, shift):
    return graph.op("Add", x, numpy.float32(shift))


def with_tails(graph, x, low, high, slope, middle):
    """`middle` of the clipped x, and a slope beyond."""
    inside = clipped(graph, x, low, high)
    return graph.op("Add", middle(inside), graph.scaled(graph.op("Sub", x, inside), slope))


def swish(graph, x):
    return graph.op("Mul", x, graph.op("Sigmoid", x))


def gelu(graph, x):
    cubic = graph.op("Mul", graph.op("Mul", x, x), graph.scaled(x, GELU_CUBIC))
    inside = graph.op("Add", graph.scaled(x, GELU_LINEAR), cubic)
    return graph.op("Mul", x, graph.op("Sigmoid", graph.scaled(inside, 2)))


def hard_mish(graph, x):
    negative = clipped(graph, x, -2, 0)
    bent = graph.op("Add", graph.scaled(graph.op("Mul", negative, negative), 0.5), negative)
    return graph.op("Add", graph.op("Relu", x), bent)


def stair(graph, x):
    whole, half = graph.op("Floor", x), graph.op("Floor", graph.scaled(x, 0.5))
    odd = graph.op("Sub", whole, graph.scaled(half, 2))
    return graph.op("Add", half, graph.op("Mul", odd, graph.op("Sub", x, whole)))


ACTIVATIONS = {
    "linear": lambda graph, x: x,
    "relu": lambda graph, x: graph.op("Relu", x),
    "leaky": lambda graph, x: graph.op("LeakyRelu", x, alpha=0.1),
    "relie": lambda graph, x: graph.op("LeakyRelu", x, alpha=0.01),
    "ramp": lambda graph, x: graph.op("Add", graph.op("Relu", x), graph.scaled(x, 0.1)),
    "relu6": lambda graph, x: clipped(graph, x, 0, 6),
    "hardtan": lambda graph, x: clipped(graph, x, -1, 1),
    "lhtan": lambda graph, x: with_tails(graph, x, 0, 1, 0.001, lambda inside: inside),
    "plse": lambda graph, x: with_tails(graph, x, -4, 4, 0.01, lambda inside: shifted(
        graph, graph.scaled(inside, 0.125), 0.5)),
    "stair": stair,
    "logistic": lambda graph, x: graph.op("Sigmoid", x),
    "loggy": lambda graph, x: graph.op("Tanh", graph.scaled(x, 0.5)),
    "tanh": lambda graph, x: graph.op("Tanh", x),
    "elu": lambda graph, x: graph.op("Elu", x),
    "selu": lambda graph, x: graph.op("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "swish": swish,
    "mish": lambda graph, x: graph.op("Mul", x, graph.op("Tanh", graph.op("Softplus", x))),
    "hard_mish": hard_mish,
    "gelu": gelu,
}

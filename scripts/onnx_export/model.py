"""The whole model: preparing the input, the networks, the mean of their probabilities, metadata."""

import json

import numpy
import onnx
from onnx import TensorProto, helper

from cfg_network.weights import read_weights
from generations_driver.errors import Failure

from .graph import Graph
from .layers import Converter

OPSET, IR_VERSION = 17, 8
INPUT_NAME, OUTPUT_NAME = "images", "probabilities"


def arrays(path, network):
    """read_weights() as arrays; refuses what is not finite."""
    layers = read_weights(path, network)
    found = [{name: numpy.frombuffer(values, "<f4").reshape(layer.parameters[name]) for name, values in of.items()}
             for layer, of in zip(network.layers, layers)]
    for layer, values in zip(network.layers, found):
        for name, array in values.items():
            if not numpy.isfinite(array).all():
                raise Failure(f"{path}: a {name} of layer {layer.number} [{layer.kind}] is not finite; the training "
                              "had diverged: use an earlier file")
    return found


def check_alike(networks):
    """The members of an ensemble get the same images and have the same classes."""
    first = networks[0]
    for other in networks[1:]:
        for what in ("input", "frame", "classes"):
            one, two = (getattr(network, what) for network in (first, other))
            if one != two:
                shown = ["x".join(map(str, value)) if isinstance(value, tuple) else value for value in (one, two)]
                raise Failure(f"{other.path}: its {what} is {shown[1]}, that of {first.path} is {shown[0]}; an "
                              "ensemble needs the same")


def input_of(network, kind):
    """(ONNX's description of the input, the same in words)."""
    channels, height, width = network.input
    if kind == "uint8":
        value = helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["batch", height, width, channels])
    else:
        value = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", channels, height, width])
    order = "RGB" if channels == 3 else "gray" if channels == 1 else f"{channels} channels"
    text = (f"uint8 [batch, height, width, channel], 0 to 255, {order}" if kind == "uint8" else
            f"float32 [batch, channel, height, width], 0 to 1, {order}")
    if network.frame != network.input:
        text += f"; the centre {height}x{width} of an image of {network.frame.height}x{network.frame.width}"
    return value, text


def prepared(graph, network, x):
    """Mean and std of [net], or what a [crop] does to the values."""
    for kind, values in (("Sub", network.mean), ("Div", network.std)):
        if values:
            x = graph.op(kind, x, numpy.array(values, numpy.float32).reshape(-1, 1, 1))
    return x


def build(members, kind="uint8", fold=True, metadata=None):
    """The model of [(Network, path of its weights)]; several are an ensemble."""
    networks = [network for network, _ in members]
    check_alike(networks)
    graph = Graph()
    entry, text = input_of(networks[0], kind)
    x = INPUT_NAME
    if kind == "uint8":
        planes = graph.op("Transpose", graph.op("Cast", x, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        x = graph.op("Div", planes, numpy.float32(255))
    found = []
    for number, (network, weights) in enumerate(members):
        graph.prefix = f"network{number}." if len(members) > 1 else ""
        logits = Converter(graph, network, arrays(weights, network), fold).logits(prepared(graph, network, x))
        temperature = network.cost.real("temperature", 1) if network.cost.kind == "softmax" else 1
        found.append(graph.op("Softmax", graph.scaled(logits, 1 / temperature), axis=1,
                              name=None if len(members) > 1 else OUTPUT_NAME))
    graph.prefix = ""
    if len(members) > 1:
        graph.op("Mean", *found, name=OUTPUT_NAME)
    output = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch", networks[0].classes])
    made = helper.make_graph(graph.nodes, networks[0].name, [entry], [output], graph.constants)
    model = helper.make_model(made, producer_name="darknet-generations", ir_version=IR_VERSION,
                              opset_imports=[helper.make_opsetid("", OPSET)])
    helper.set_model_props(model, {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                                   for key, value in {"input": text, **(metadata or {})}.items()})
    onnx.checker.check_model(model, full_check=True)
    return model

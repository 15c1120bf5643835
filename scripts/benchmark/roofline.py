"""The roofline of a step on a GPU: operations, fewest bytes and kernels, from the network. Nothing is measured.

What is counted (activations in elements of 2 bytes for bf16, 4 otherwise; parameters as they are stored):

- Stored are the outputs of convolutions, [connected] and pooling layers before batch norm and activation, and the sum
  of a [shortcut] after its activation. Batch norm (given its batch statistics), activation, [dropout] and [route] are
  computed in the reader; a [maxpool] of size 1 is a stride of its reader; the first reader of a sum computes and stores
  it.
- Forward: a convolution reads what its source stored and its weights, and writes its output; the batch statistics of
  its batch norm are fused.
- Backward: the gradient of a convolution's output follows from the stored gradient behind batch norm and activation,
  and, with batch norm, from the output, which is read again. That happens twice, for the gradients of the input and of
  the weights; the latter reads the source again. The kernel that writes the gradient behind a layer also applies the
  derivative of the activation and sums for batch norm, and reads the layer's output for that. Of several gradients of
  one output the largest is written, each other one written and read; the gradient of a sum is that of its parts, read
  where it is accumulated.
- A standalone [batchnorm] precedes a convolution and shares its input with others. Its gradient is written and read
  once more, with the input, in a separate kernel.
- Evaluation, and a frozen teacher: batch norm is folded, the shortcut fused into its convolution.
- Augmentation reads bytes and writes the network's input. The update reads value, gradient and momentum and writes
  value and momentum in float, for bf16 also the copies of the weights.
- Operations: 2 for a multiply-add of a convolution or [connected], forward, for the weights, and for the input unless
  it is the network's. Fused work is free, and so are values of which a channel has one or two.

Kernels run one after the other, each as long as its operations or its bytes take, whichever is longer, with a gap
between two kernels. A network that fits into the L2 cache (50 MB on an H100) could read faster than from memory, and
Winograd needs fewer operations: a yardstick rather than a bound.
"""

from typing import NamedTuple

from generations_driver.errors import Failure

PRECISIONS = ("fp32", "tf32", "bf16")
# Microseconds between two kernels of a CUDA graph: an assumption, no data sheet has it.
GAP = 1.0
FLOAT = 4


class Card(NamedTuple):
    """10^12 operations a second (dense, without sparsity) and 10^12 bytes a second, as in the data sheet; reported:
    the start of the driver's name for it."""

    bf16: float
    tf32: float
    fp32: float
    bandwidth: float
    reported: str = ""


CARDS = {
    "H100-SXM": Card(989, 495, 67, 3.35, "NVIDIA H100 80GB HBM3"),
    "H100-PCIe": Card(756, 378, 51, 2.0, "NVIDIA H100 PCIe"),
    "H100-NVL": Card(835, 418, 60, 3.9, "NVIDIA H100 NVL"),
    "H200-SXM": Card(989, 495, 67, 4.8, "NVIDIA H200"),
    "A100": Card(312, 156, 19.5, 2.0, "NVIDIA A100"),
}


def card_named(name):
    if name not in CARDS:
        raise Failure(f"{name} is not a known card; allowed: {', '.join(CARDS)}", code=2)
    return CARDS[name]


def card_reported(name):
    """The name in CARDS of what the driver calls `name`, or None."""
    return next((key for key, card in CARDS.items() if (name or "").startswith(card.reported)), None)


class Kernel:
    """elements of activations for an image; multiply-adds for an image; weights and other bytes for a step."""

    def __init__(self, layer, what, elements=0, multiply_adds=0, weights=0, other=0):
        self.layer, self.what, self.elements = layer, what, elements
        self.multiply_adds, self.weights, self.other = multiply_adds, weights, other

    def operations(self, batch):
        return 2 * self.multiply_adds * batch

    def bytes(self, batch, precision):
        width = 2 if precision == "bf16" else FLOAT
        return width * (self.elements * batch + self.weights) + self.other * (batch if self.what == "augment" else 1)


class Edge(NamedTuple):
    """What a layer reads: the layer that stored it (-1: the input), how many elements, and what the reader computes."""

    stored: int
    elements: float
    norms: bool = False
    bends: bool = False


def edges_from(network, index):
    """What has to be read for the value of layer `index`."""
    if index < 0:
        return [Edge(-1, network.input.size)]
    layer = network.layers[index]
    before = [edge for source in layer.sources for edge in edges_from(network, source)] if passes(layer) else []
    if layer.kind in ("route", "dropout"):
        return before
    if layer.kind == "batchnorm":
        return [edge._replace(norms=True) for edge in before]
    if layer.kind == "activation":
        return [edge._replace(bends=edge.bends or layer.activation != "linear") for edge in before]
    if layer.subsamples:
        share = layer.out.size / layer.read.size
        return [edge._replace(elements=edge.elements * share) for edge in before]
    return [Edge(index, layer.out.size)]


def passes(layer):
    """Stores nothing."""
    return layer.kind in ("route", "dropout", "batchnorm", "activation") or layer.subsamples


def multiplies(layer):
    return layer.kind in ("convolutional", "connected")


def normalizes(layer):
    return multiplies(layer) and layer.flag("batch_normalize")


class Reads:
    """What each layer reads, and by which layers an output is read."""

    def __init__(self, network):
        self.network = network
        self.edges = {layer.index: [edge for source in layer.sources for edge in edges_from(network, source)]
                      for layer in network.layers if not passes(layer)}
        self.readers = {}
        for index, edges in self.edges.items():
            for edge in edges:
                self.readers.setdefault(edge.stored, []).append((index, edge))
        self.stored_sums = set()

    def elements(self, index):
        """Elements that layer `index` reads forward; the first reader of a sum computes and stores it."""
        total = 0
        for edge in self.edges[index]:
            source = self.network.layers[edge.stored] if edge.stored >= 0 else None
            if source and source.kind == "shortcut" and source.index not in self.stored_sums:
                self.stored_sums.add(source.index)
                total += self.elements(source.index) + source.out.size
            else:
                total += edge.elements
        return total


def computed(network):
    """Layers with a separate kernel; the cost comes last."""
    return [layer for layer in network.layers if not passes(layer) and layer.kind != "shortcut"]


def forward(network, reads):
    kernels = []
    for layer in computed(network):
        if layer is network.cost:
            kernels.append(Kernel(layer.index, "cost", reads.elements(layer.index)))
            continue
        kernels.append(Kernel(layer.index, "forward", reads.elements(layer.index) + layer.out.size,
                              layer.multiply_adds, layer.weights))
    return kernels


def inference_kernels(network):
    """Of an evaluation, or of a frozen teacher."""
    reads = Reads(network)
    added = {}  # convolution: what else it reads where a shortcut is fused into it
    for layer in network.layers:
        if layer.kind != "shortcut":
            continue
        first, second = reads.edges[layer.index][0], reads.edges[layer.index][-1]
        later, other = (first, second) if first.stored > second.stored else (second, first)
        plain = later.stored >= 0 and network.layers[later.stored].kind == "convolutional" and not later.norms
        if plain and len(reads.readers[later.stored]) == 1:
            added[later.stored] = other
            reads.stored_sums.add(layer.index)
    kernels = forward(network, reads)
    for kernel in kernels:
        if kernel.layer in added:
            kernel.elements += added[kernel.layer].elements
        if kernel.what == "cost":
            kernel.elements += network.layers[kernel.layer].out.size  # the probabilities
    return kernels


def backward(network, reads, cost):
    """The kernels after the cost's. The traffic of gradients is added at the end, when all their writers are known."""
    kernels, writers = [], {}

    def writes_gradient(kernel, edge):
        if edge.stored >= 0:
            writers.setdefault(edge.stored, []).append((edge.elements, kernel))

    for edge in reads.edges[cost.layer]:
        writes_gradient(cost, edge)
    for layer in reversed(computed(network)):
        edges = reads.edges[layer.index]
        if layer.index == cost.layer:
            continue
        gradient = layer.out.size * (2 if normalizes(layer) else 1)
        if multiplies(layer):
            source = sum(edge.elements for edge in edges)
            kernels.append(Kernel(layer.index, "backward weights", gradient + source, layer.multiply_adds,
                                  other=FLOAT * layer.weights))
        if all(edge.stored < 0 for edge in edges):
            continue
        kernel = Kernel(layer.index, "backward data", gradient, layer.multiply_adds, layer.weights)
        if layer.kind == "maxpool":  # searches the maximum again
            kernel.elements += sum(edge.elements for edge in edges)
        kernels.append(kernel)
        norm = Kernel(layer.index, "batch norm")
        for edge in edges:
            if edge.norms:
                kernel.elements += 2 * edge.elements  # writes the gradient, reads the input for sums and derivative
                norm.elements += 2 * edge.elements    # reads both
                writes_gradient(norm, edge)
            else:
                kernel.elements += edge.elements if edge.bends else 0
                writes_gradient(kernel, edge)
        if norm.elements > 0:
            kernels.append(norm)

    def last_writer(index):
        """The kernel that writes the gradient of an output; one that only a sum reads shares the sum's."""
        if index in writers:
            return max(writers[index], key=lambda writer: writer[0])[1]
        return last_writer(reads.readers[index][0][0])

    for layer in network.layers:
        if passes(layer) or layer is network.cost:
            continue
        kernel = last_writer(layer.index)
        for elements, writer in writers.get(layer.index, []):
            writer.elements += elements if writer is kernel else 2 * elements
        if layer.index in writers:
            kernel.elements += sum(edge.elements for reader, edge in reads.readers[layer.index]
                                   if network.layers[reader].kind == "shortcut")
        if normalizes(layer) or (layer.activation != "linear" and layer.kind != "activation"):
            kernel.elements += layer.out.size
    return kernels


def training_kernels(network, precision):
    reads = Reads(network)
    kernels = [Kernel(-1, "augment", network.input.size, other=network.input.size)]
    kernels += forward(network, reads)
    kernels += backward(network, reads, kernels[-1])
    copies = sum(layer.weights for layer in network.layers) if precision == "bf16" else 0
    kernels.append(Kernel(-1, "update", weights=copies, other=5 * FLOAT * network.parameters()))
    return kernels


class Roofline:
    """Of one step: operations, bytes, launches, and the seconds they take on a card."""

    def __init__(self, network, work, batch, precision, card, gap=GAP):
        self.network, self.work, self.batch, self.precision = network.name, work, batch, precision
        self.kernels = training_kernels(network, precision) if work != "valid" else []
        if work != "train":
            self.kernels += inference_kernels(network)
        self.operations = sum(kernel.operations(batch) for kernel in self.kernels)
        self.bytes = sum(kernel.bytes(batch, precision) for kernel in self.kernels)
        self.launches = len(self.kernels)
        rate, bandwidth = getattr(card, precision) * 1e12, card.bandwidth * 1e12
        self.operation_seconds, self.byte_seconds = self.operations / rate, self.bytes / bandwidth
        self.launch_seconds = self.launches * gap * 1e-6
        self.seconds = self.launch_seconds + sum(
            max(kernel.operations(batch) / rate, kernel.bytes(batch, precision) / bandwidth) for kernel in self.kernels)

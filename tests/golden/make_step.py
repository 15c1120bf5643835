#!/usr/bin/env python3
"""One training step of small networks in double precision with PyTorch: an oracle for the whole engine.

Writes beside this script the cfgs, start weights, the batch and, per (network, cost, host), the parameters after one
step of SGD. README.md documents the files. Needs torch; the networks are built from the cfgs themselves.

Two derivatives of batch normalisation are written. `exact` is the derivative of the host's forward formula. `host` is
the one Darknet's code computes: it treats the unbiased variance as if it were divided by N and puts its epsilon
elsewhere.
"""

import os
import random
import struct

import torch
import torch.nn.functional as F

FOLDER = os.path.dirname(os.path.abspath(__file__))
BATCH, CHANNELS, SIDE, CLASSES = 8, 3, 16, 5
LEARNING_RATE, MOMENTUM, DECAY = 0.5, 0.9, 0.01
HOSTS = ("packaged", "alexeyab")
# A float32 engine rounds at about 1e-6; closer to a kink than this, it might rightly choose the other side.
KINK_MARGIN = 2e-5

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

NET = """[net]
batch=%d
subdivisions=1
height=%d
width=%d
channels=%d
learning_rate=%s
momentum=%s
decay=%s
policy=constant
max_batches=1
""" % (BATCH, SIDE, SIDE, CHANNELS, LEARNING_RATE, MOMENTUM, DECAY)


def section(name, **options):
    return "\n[%s]\n" % name + "".join("%s=%s\n" % item for item in options.items())


def conv(filters, size=3, stride=1, normalize=True, activation="relu"):
    options = {"batch_normalize": 1} if normalize else {}
    options.update(filters=filters, size=size, stride=stride, pad=1, activation=activation)
    return section("convolutional", **options)


def head():
    return section("avgpool") + section("connected", output=CLASSES, activation="linear")


NETWORKS = {
    "plain": conv(6, activation="leaky") + section("maxpool", size=2, stride=2) + conv(8) + head(),
    "residual": (
        conv(4)  # 0
        + conv(4)  # 1
        + conv(4, activation="linear")  # 2
        + section("shortcut", **{"from": -3, "activation": "relu"})  # 3
        + conv(6, stride=2)  # 4
        + conv(6, activation="linear")  # 5
        + section("route", layers=-3)  # 6: the block's input, layer 3
        + section("maxpool", size=1, stride=2)  # 7
        + conv(6, size=1, activation="linear")  # 8
        + section("shortcut", **{"from": -4, "activation": "relu"})  # 9: the main branch, layer 5
        + head()
    ),
    "dense": (
        conv(6, normalize=False, activation="linear")  # 0
        + section("route", layers="0")  # 1
        + section("batchnorm")  # 2
        + section("activation", activation="relu")  # 3
        + conv(4, normalize=False, activation="linear")  # 4
        + section("route", layers="0,4")  # 5
        + section("batchnorm")  # 6
        + section("activation", activation="relu")  # 7
        + conv(8, size=1)  # 8: bottleneck, with the next batch norm and activation in it
        + conv(4, normalize=False, activation="linear")  # 9
        + section("route", layers="0,4,9")  # 10
        + section("batchnorm")  # 11
        + section("activation", activation="relu")  # 12
        + conv(8, size=1, normalize=False, activation="linear")  # 13
        + section("maxpool", size=2, stride=2)  # 14
        + section("batchnorm")  # 15
        + section("activation", activation="relu")  # 16
        + head()
    ),
    "teacher": conv(4, activation="leaky") + section("maxpool", size=2, stride=2) + conv(6) + head(),
}

# Drawn such that no tensor's update nearly cancels, where the two derivatives would differ by more than elsewhere.
SEEDS = {"plain": 1, "residual": 11, "dense": 3, "teacher": 4}

TEACHER_OPTIONS = {"teacher": "tests/golden/step_teacher.cfg", "teacher_weights": "tests/golden/step_teacher.weights"}
COSTS = {
    "softmax": ("softmax", {}),
    "tsd_confidence": ("tsd", {"confidence": 0.6, "k": 3}),
    "tsd_eta": ("tsd", {"eta": 0.3, "k": 3}),
    "distill": ("distill", {"lambda": 0.6, "temperature": 2, **TEACHER_OPTIONS}),
    "label_smoothing": ("label_smoothing", {"epsilon": 0.1}),
    "confidence_penalty": ("confidence_penalty", {"beta": 0.1}),
}
# The batch is mixed: image n with image n + PARTNER, cutmix within RECTANGLE (x, y, width, height).
PARTNER, RECTANGLE = 6, (4, 2, 7, 9)
MIXINGS = {"": {}, "mixup_": {"mixup": 1}, "cutmix_": {"cutmix": 1, "label_smooth_eps": 0.1}}
PLAN = [("plain", "", cost) for cost in COSTS]
PLAN += [(name, "", cost) for name in ("residual", "dense") for cost in ("softmax", "distill")]
PLAN += [("plain", "mixup_", "softmax"), ("plain", "mixup_", "tsd_eta"), ("plain", "cutmix_", "distill")]


# ---------------------------------------------------------------------------------------------------------------------
# Batch normalisation, x is [rows, channels].


def scale_of(variance, host):
    if host == "packaged":
        return 1 / (torch.sqrt(variance) + 1e-6)
    return 1 / torch.sqrt(variance + 1e-5)


class DarknetNormalize(torch.autograd.Function):
    """The forward of the host with the derivative that its CPU code computes."""

    @staticmethod
    def forward(context, x, host):
        mean = x.mean(0)
        variance = ((x - mean) ** 2).sum(0) / (x.shape[0] - 1)
        context.save_for_backward(x, mean, variance)
        context.host = host
        return (x - mean) * scale_of(variance, host)

    @staticmethod
    def backward(context, d):
        x, mean, variance = context.saved_tensors
        rows = x.shape[0]
        inverse = 1 / torch.sqrt(variance + 1e-5)
        d_mean = -d.sum(0) * inverse
        d_variance = (d * (x - mean)).sum(0) * -0.5 * inverse**3
        direct = inverse if context.host == "packaged" else 1 / (torch.sqrt(variance) + 1e-5)
        return d * direct + d_variance * 2 * (x - mean) / rows + d_mean / rows, None


# ---------------------------------------------------------------------------------------------------------------------


def learns(kind):
    return kind in ("biases", "scales", "weights")


def parse_cfg(text):
    sections = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            sections.append((line[1:-1], {}))
        elif line:
            key, value = line.split("=")
            sections[-1][1][key] = value
    return sections


def route_sources(index, options):
    values = [int(text) for text in options["layers"].split(",")]
    return [value if value >= 0 else index + value for value in values]


def activate(x, name, kinks):
    if name == "linear":
        return x
    kinks.append(x.detach().abs().min().item())
    return torch.where(x > 0, x, 0.1 * x) if name == "leaky" else torch.where(x > 0, x, torch.zeros_like(x))


class Network:
    """A Darknet network; `parameters` and `rolling` are in the order of the .weights file."""

    def __init__(self, cfg):
        self.layers = parse_cfg(cfg)[1:]
        self.tensors = []  # (layer, kind, tensor)
        self.kinks = []
        shapes = []
        channels, side = CHANNELS, SIDE
        for index, (kind, options) in enumerate(self.layers):
            if kind == "convolutional":
                filters, size, stride = (int(options[key]) for key in ("filters", "size", "stride"))
                self.add(index, "biases", filters)
                if "batch_normalize" in options:
                    self.add_normalization(index, filters)
                self.add(index, "weights", filters, channels, size, size)
                channels, side = filters, (side + 2 * (size // 2) - size) // stride + 1
            elif kind == "batchnorm":
                self.add(index, "biases", channels)
                self.add_normalization(index, channels)
            elif kind == "connected":
                self.add(index, "biases", int(options["output"]))
                self.add(index, "weights", int(options["output"]), channels * side * side)
                channels, side = int(options["output"]), 1
            elif kind == "maxpool":
                size, stride = int(options["size"]), int(options["stride"])
                side = (side + size - 1 - size) // stride + 1
            elif kind == "avgpool":
                side = 1
            elif kind == "route":
                sources = [shapes[source] for source in route_sources(index, options)]
                channels, side = sum(c for c, _ in sources), sources[0][1]
            shapes.append((channels, side))

    def add(self, index, kind, *shape):
        self.tensors.append((index, kind, torch.zeros(shape)))

    def add_normalization(self, index, channels):
        for kind in ("scales", "rolling_mean", "rolling_variance"):
            self.add(index, kind, channels)

    def get(self, index, kind):
        return next((tensor for i, k, tensor in self.tensors if i == index and k == kind), None)

    def randomize(self, source):
        for _, kind, tensor in self.tensors:
            low, high = {"biases": (-0.3, 0.3), "scales": (0.6, 1.5), "rolling_mean": (-0.4, 0.4),
                         "rolling_variance": (0.2, 1.2)}.get(kind, (0, 0))
            if kind == "weights":
                # The connected layer is drawn wider, so that the outputs are not all near 1 / CLASSES.
                spread = (3.0 if tensor.dim() == 4 else 8.0) / (tensor[0].numel()) ** 0.5
                low, high = -spread / 2, spread / 2
            for i in range(tensor.numel()):
                value = source.uniform(low, high)
                tensor.view(-1)[i] = struct.unpack("<f", struct.pack("<f", value))[0]

    def normalize(self, x, index, training, host, derivative):
        scales = self.get(index, "scales")
        if scales is None:
            return x + self.get(index, "biases").view(1, -1, 1, 1)
        batch, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
        if not training:
            normal = (rows - self.get(index, "rolling_mean")) * scale_of(self.get(index, "rolling_variance"), host)
        else:
            mean = rows.mean(0)
            variance = ((rows - mean) ** 2).sum(0) / (rows.shape[0] - 1)
            # The first step's rate is 1: the rolling statistics become the batch's.
            self.statistics[index] = (mean.detach(), variance.detach())
            if derivative == "exact":
                normal = (rows - mean) * scale_of(variance, host)
            else:
                normal = DarknetNormalize.apply(rows, host)
        normal = normal * scales + self.get(index, "biases")
        return normal.view(batch, height, width, channels).permute(0, 3, 1, 2)

    def forward(self, x, training, host, derivative="exact"):
        self.statistics, self.kinks, outputs = {}, [], []
        for index, (kind, options) in enumerate(self.layers):
            if kind == "convolutional":
                size, stride = int(options["size"]), int(options["stride"])
                x = F.conv2d(x, self.get(index, "weights"), stride=stride, padding=size // 2)
                x = activate(self.normalize(x, index, training, host, derivative), options["activation"], self.kinks)
            elif kind == "batchnorm":
                x = self.normalize(x, index, training, host, derivative)
            elif kind == "activation":
                x = activate(x, options["activation"], self.kinks)
            elif kind == "shortcut":
                x = activate(x + outputs[index + int(options["from"])], options["activation"], self.kinks)
            elif kind == "route":
                x = torch.cat([outputs[source] for source in route_sources(index, options)], 1)
            elif kind == "maxpool":
                size, stride = int(options["size"]), int(options["stride"])
                assert size == 1 or (size == stride and x.shape[2] % size == 0)  # no window reaches over the edge
                if size > 1:
                    windows = F.unfold(x.detach(), size, stride=stride).view(x.shape[0], x.shape[1], size * size, -1)
                    best = windows.topk(2, dim=2).values
                    self.kinks.append((best[:, :, 0] - best[:, :, 1]).min().item())
                x = F.max_pool2d(x, size, stride)
            elif kind == "avgpool":
                x = x.mean((2, 3), keepdim=True)
            elif kind == "connected":
                x = x.flatten(1) @ self.get(index, "weights").t() + self.get(index, "biases")
            else:
                raise ValueError(kind)
            outputs.append(x)
        return x

    def values(self):
        return torch.cat([tensor.detach().reshape(-1) for _, _, tensor in self.tensors])

    def step(self):
        """The parameters after one step from zero momentum, rolling statistics included; leaves this network alone."""
        result = []
        for index, kind, tensor in self.tensors:
            if kind == "rolling_mean":
                result.append(self.statistics[index][0])
            elif kind == "rolling_variance":
                result.append(self.statistics[index][1])
            else:
                decay = DECAY if kind == "weights" else 0.0
                result.append((tensor - LEARNING_RATE * (tensor.grad + decay * tensor)).detach())
        return result


# ---------------------------------------------------------------------------------------------------------------------


def mix(mixing, labels, images):
    """The mixed batch and its soft labels."""
    one, two, other = F.one_hot(labels, CLASSES), F.one_hot(labels.roll(-PARTNER), CLASSES), images.roll(-PARTNER, 0)
    x, y, width, height = RECTANGLE
    share, mixed = 0, images.clone()
    if mixing == "mixup_":
        share, mixed = 1 / 2, (images + other) / 2
    elif mixing == "cutmix_":
        share = width * height / SIDE**2
        mixed[:, :, y : y + height, x : x + width] = other[:, :, y : y + height, x : x + width]
    e = MIXINGS[mixing].get("label_smooth_eps", 0)
    hard = (1 - share) * one + share * two
    return mixed, hard * (1 - e) + (1 - hard) * e / (CLASSES - 1)


def cost_of(cost, logits, labels, teacher):
    """Loss per sample, of soft labels [BATCH][CLASSES]; PyTorch differentiates it."""
    kind, options = COSTS[cost]
    s = F.log_softmax(logits, 1)
    f = s.exp()
    entropy_to_labels = -(labels * s).sum(1)
    if kind == "softmax":
        return entropy_to_labels
    if kind == "tsd":
        k = options["k"]
        eta = options["eta"] if "eta" in options else options["confidence"] * k / (k - 1 + options["confidence"] * k)
        chosen = f.detach().topk(k, 1).indices
        ranks = f.gather(1, chosen)
        return eta * entropy_to_labels + (1 - eta) * (ranks[:, 0] - ranks[:, 1:].sum(1) / (k - 1))
    if kind == "distill":
        weight, temperature = options["lambda"], options["temperature"]
        soft = teacher ** (1 / temperature)
        soft = soft / soft.sum(1, keepdim=True)
        divergence = (soft * (soft.log() - F.log_softmax(logits / temperature, 1))).sum(1)
        return (1 - weight) * entropy_to_labels + weight * temperature**2 * divergence
    if kind == "label_smoothing":
        q = (1 - options["epsilon"]) * labels + options["epsilon"] / CLASSES
        return -(q * s).sum(1)
    return entropy_to_labels + options["beta"] * (f * s).sum(1)


def make_batch(source):
    """Images whose brightness, colour and slope differ, so that the samples do not all look alike to an average."""
    images = torch.zeros(BATCH, CHANNELS, SIDE, SIDE)
    for n in range(BATCH):
        for c in range(CHANNELS):
            base, across, down = source.uniform(0.2, 0.8), source.uniform(-0.4, 0.4), source.uniform(-0.4, 0.4)
            noise = source.uniform(0.1, 0.5)
            for y in range(SIDE):
                for x in range(SIDE):
                    value = base + across * (x / SIDE - 0.5) + down * (y / SIDE - 0.5)
                    value = min(1.0, max(0.0, value + noise * source.uniform(-0.5, 0.5)))
                    images[n, c, y, x] = struct.unpack("<f", struct.pack("<f", value))[0]
    labels = torch.tensor([n % CLASSES for n in range(BATCH)])
    return labels, images


def write(name, *parts):
    with open(os.path.join(FOLDER, name), "wb") as file:
        for part in parts:
            if isinstance(part, tuple):
                file.write(struct.pack(*part))
            elif isinstance(part, str):
                file.write(part.encode("ascii"))
            else:
                values = part.detach().reshape(-1).tolist()
                file.write(struct.pack("<%dd" % len(values), *values))


def as_floats(tensor):
    values = tensor.detach().reshape(-1).tolist()
    return ("<%df" % len(values), *values)


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def run(network, labels, images, teacher_network, cost, host, derivative):
    for _, kind, tensor in network.tensors:
        tensor.requires_grad_(learns(kind))
        tensor.grad = None
    with torch.no_grad():
        teacher = F.softmax(teacher_network.forward(images, False, host), 1)
    logits = network.forward(images, True, host, derivative)
    loss = cost_of(cost, logits, labels, teacher).mean()
    loss.backward()
    return loss, F.softmax(logits, 1), teacher


def spot_check(network, labels, images, teacher_network, cost, host):
    """The exact gradient against central differences, three coordinates of every tensor."""
    run(network, labels, images, teacher_network, cost, host, "exact")
    largest = max(tensor.grad.abs().max().item() for _, kind, tensor in network.tensors if tensor.grad is not None)
    worst = 0.0
    with torch.no_grad():
        teacher = F.softmax(teacher_network.forward(images, False, host), 1)
        for _, _, tensor in network.tensors:
            if tensor.grad is None:
                continue
            flat, gradient = tensor.view(-1), tensor.grad.view(-1)
            for i in {0, flat.numel() // 2, flat.numel() - 1}:
                start, values = flat[i].item(), []
                for move in (1e-6, -1e-6):
                    flat[i] = start + move
                    values.append(cost_of(cost, network.forward(images, True, host), labels, teacher).mean().item())
                flat[i] = start
                worst = max(worst, abs((values[0] - values[1]) / 2e-6 - gradient[i].item()) / largest)
    return worst


def prepare(name, seed, images):
    """A network whose start weights keep every activation and pooling window clear of its kink."""
    for attempt in range(200):
        network = Network(NET + NETWORKS[name])
        network.randomize(random.Random(1000 * seed + attempt))
        margins = []
        with torch.no_grad():
            for host in HOSTS:
                logits = network.forward(images, name != "teacher", host)
                best = F.softmax(logits, 1).topk(4, 1).values
                margins += network.kinks + [(best[:, :3] - best[:, 1:]).min().item() * 1e-2]
        if min(margins) > KINK_MARGIN:
            return network
    raise RuntimeError("no start weights found for " + name)


def report(name, cost, host, network, start, after, loss, spot):
    learned = torch.cat([torch.full((tensor.numel(),), learns(what)) for _, what, tensor in network.tensors])
    updates = {}
    for derivative, tensors in after.items():
        updates[derivative] = (torch.cat([tensor.reshape(-1) for tensor in tensors]) - start)[learned]
    # A bias in front of a batch norm has no gradient: its update is rounding, and a relative difference means nothing.
    worst, where = max(
        (relative(h - t, e - t), "layer %d %s" % (index, what))
        for h, e, (index, what, t) in zip(after["host"], after["exact"], network.tensors, strict=True)
        if learns(what) and (e - t).norm() > 1e-12
    )
    print("%-8s %-18s %-8s loss %.6f  host vs exact update: %.2e, worst tensor %.2e (%s); spot check %.1e; "
          "median |update| %.1e"
          % (name, cost, host, loss, relative(updates["host"], updates["exact"]), worst, where, spot,
             updates["exact"].abs().median().item()), flush=True)
    assert worst < 7e-3 and spot < 1e-7


def main():
    labels, images = make_batch(random.Random(1))
    write("step_batch.bin", "DNGB", ("<5i", BATCH, CHANNELS, SIDE, SIDE, CLASSES), ("<%di" % BATCH, *labels.tolist()),
          as_floats(images))

    networks = {}
    for name, seed in SEEDS.items():
        networks[name] = prepare(name, seed, images)
        write("step_%s.weights" % name, ("<3iQ", 0, 2, 0, 0), as_floats(networks[name].values()))
    write("step_teacher.cfg", NET + NETWORKS["teacher"] + section("softmax"))

    plain = labels, images
    for name, mixing, cost in PLAN:
        kind, options = COSTS[cost]
        images, labels = mix(mixing, *plain)
        keys = "".join("%s=%s\n" % item for item in MIXINGS[mixing].items())
        write("step_%s_%s%s.cfg" % (name, mixing, cost), NET + keys + NETWORKS[name] + section(kind, **options))
        network = networks[name]
        start = network.values()
        for host in HOSTS:
            with torch.no_grad():
                evaluated = F.softmax(network.forward(images, False, host), 1)
            after = {}
            for derivative in ("host", "exact"):
                loss, output, teacher = run(network, labels, images, networks["teacher"], cost, host, derivative)
                after[derivative] = network.step()
            with_teacher = kind == "distill"
            flat = {key: torch.cat([tensor.reshape(-1) for tensor in tensors]) for key, tensors in after.items()}
            assert min(network.kinks) > KINK_MARGIN
            write("step_%s_%s%s_%s.bin" % (name, mixing, cost, host), "DNGE",
                  ("<5i", 1, BATCH, CLASSES, int(with_teacher), start.numel()), loss.view(1), output, evaluated,
                  *([teacher] if with_teacher else []), flat["host"], flat["exact"])
            report(name, mixing + cost, host, network, start, after, loss.item(),
                   spot_check(network, labels, images, networks["teacher"], cost, host))


if __name__ == "__main__":
    main()

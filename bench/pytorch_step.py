#!/usr/bin/python3
"""Images per second of a network's step in PyTorch: the peer that ours is compared with.

usage: pytorch_step.py NETWORK MODE [--threads N] [--batch N] [--format contiguous|channels_last] [--seconds S]
                       [--device cpu|cuda] [--precision fp32|tf32|bf16] [--compile]

NETWORK: resnet20, resnet56, resnet110, densenet100 (32x32, 100 classes) or resnet18 (224x224, 1000 classes).
MODE: train (forward, backward, SGD with momentum and weight decay), distill (the same with a frozen network of the same
shape as teacher), infer, or infer_jit (traced, frozen, optimized for inference).
The batch is made beforehand: no data pipeline is counted. Prints one line of JSON: medians over at least 10 steps after
3 that warm up (on a GPU 10). One measurement for each process, so that the peak memory is its own. bf16 is autocast;
--compile is torch.compile with max-autotune, which records CUDA graphs.
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

CIFAR_DEPTHS = {"resnet20": 3, "resnet56": 9, "resnet110": 18}  # blocks in each of three stages
WARM_UP, LEAST = 3, 10


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("network", choices=[*CIFAR_DEPTHS, "densenet100", "resnet18"])
    parser.add_argument("mode", choices=["train", "distill", "infer", "infer_jit"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, help="default: 128, and 16 for resnet18")
    parser.add_argument("--format", choices=["contiguous", "channels_last"], default="contiguous")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


ARGUMENTS = read_arguments()
# OpenMP reads this when PyTorch is loaded.
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)
try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    sys.exit(f"pytorch_step.py: {sys.executable} has no PyTorch ({error}); install python3-torch")


def convolution(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            convolution(outputs, outputs, 3), nn.BatchNorm2d(outputs))
        self.projection = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.projection = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return functional.relu(self.body(x) + self.projection(x), inplace=True)


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), convolution(inputs, 4 * growth, 1),
            nn.BatchNorm2d(4 * growth), nn.ReLU(inplace=True), convolution(4 * growth, growth, 3))

    def forward(self, x):
        return torch.cat((x, self.body(x)), 1)


def with_classifier(layers, channels, classes):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def residual_network(stem, channels, stages, classes):
    """stages: (filters, blocks); all but the first halve height and width."""
    layers = list(stem)
    for stage, (filters, blocks) in enumerate(stages):
        for block in range(blocks):
            layers.append(ResidualBlock(channels, filters, 2 if stage > 0 and block == 0 else 1))
            channels = filters
    return with_classifier(layers, channels, classes)


def dense_network(growth=12, blocks=3, layers_in_block=16, classes=100):
    channels = 2 * growth
    layers = [convolution(3, channels, 3)]
    for block in range(blocks):
        for _ in range(layers_in_block):
            layers.append(DenseLayer(channels, growth))
            channels += growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        if block < blocks - 1:
            layers += [convolution(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    return with_classifier(layers, channels, classes)


def make_network(name):
    if name == "densenet100":
        return dense_network()
    if name == "resnet18":
        stem = [convolution(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        return residual_network(stem, 64, [(64, 2), (128, 2), (256, 2), (512, 2)], 1000)
    stem = [convolution(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    return residual_network(stem, 16, [(filters, CIFAR_DEPTHS[name]) for filters in (16, 32, 64)], 100)


def make_step(network, images, labels):
    """The function that is timed."""
    mode = ARGUMENTS.mode
    if mode.startswith("infer"):
        network.eval()
        if mode == "infer_jit":
            with torch.no_grad():
                network = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, images)))

        network = compiled(network)

        def infer():
            with torch.no_grad(), autocast():
                network(images)

        return infer

    teacher = None
    if mode == "distill":
        teacher = make_network(ARGUMENTS.network).to(ARGUMENTS.device, memory_format=getattr(torch, memory_format()))
        teacher = compiled(teacher.eval())
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    forward = compiled(network)

    def train():
        with autocast():
            logits = forward(images)
            loss = functional.cross_entropy(logits, labels)
            if teacher is not None:
                with torch.no_grad():
                    targets = functional.softmax(teacher(images), 1)
                loss = 0.4 * loss + 0.6 * functional.cross_entropy(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return train


def compiled(network):
    return torch.compile(network, mode="max-autotune") if ARGUMENTS.compile else network


def autocast():
    return torch.autocast(ARGUMENTS.device, torch.bfloat16, enabled=ARGUMENTS.precision == "bf16")


def finish():
    if ARGUMENTS.device == "cuda":
        torch.cuda.synchronize()


def memory_format():
    return "channels_last" if ARGUMENTS.format == "channels_last" else "contiguous_format"


def measure(step):
    """Seconds of each step."""
    on_gpu = ARGUMENTS.device == "cuda"
    for _ in range(10 if on_gpu else WARM_UP):
        step()
    finish()
    # A GPU is given several steps before the host waits, as a training does that looks at its loss now and then.
    together = 10 if on_gpu else 1
    times, end = [], time.perf_counter() + ARGUMENTS.seconds
    while len(times) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(together):
            step()
        finish()
        times.append((time.perf_counter() - start) / together)
    return times


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    torch.manual_seed(1)
    # As in every process that loads Darknet's library.
    torch.set_flush_denormal(True)
    large = ARGUMENTS.network == "resnet18"
    batch = ARGUMENTS.batch or (16 if large else 128)
    size, classes = (224, 1000) if large else (32, 100)
    layout = getattr(torch, memory_format())
    if ARGUMENTS.device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = ARGUMENTS.precision != "fp32"
    network = make_network(ARGUMENTS.network).to(ARGUMENTS.device, memory_format=layout)
    images = torch.randn(batch, 3, size, size).to(ARGUMENTS.device, memory_format=layout)
    labels = torch.randint(0, classes, (batch,)).to(ARGUMENTS.device)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    times = measure(make_step(network, images, labels))
    print(json.dumps({
        "network": ARGUMENTS.network, "mode": ARGUMENTS.mode, "threads": ARGUMENTS.threads, "batch": batch,
        "format": ARGUMENTS.format, "device": ARGUMENTS.device, "precision": ARGUMENTS.precision,
        "compile": ARGUMENTS.compile, "images_per_second": batch / statistics.median(times),
        "best_images_per_second": batch / min(times), "steps": len(times), "parameters": parameters,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "pytorch": torch.__version__}))


if __name__ == "__main__":
    main()

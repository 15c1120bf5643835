#!/usr/bin/python3
"""Images per second of a network's step in PyTorch, which the program is compared with.

NETWORK: resnet20, resnet56, resnet110, densenet100 (32x32, 100 classes) or resnet18 (224x224, 1000 classes).
MODE: train (forward, backward, SGD with momentum and weight decay), distill (the same with a frozen network of the same
shape as teacher), infer, or infer_jit (traced, frozen, optimized for inference).

One batch is created beforehand: no data pipeline is counted. Prints JSON: medians over at least 10 steps after a
warm-up of 3; on a GPU at least 100 after 30, timed by events on its stream. One measurement for each process, so that
the peak memory is its own: the process's, or on a GPU what PyTorch allocated there.
"""
import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time

CIFAR_DEPTHS = {"resnet20": 3, "resnet56": 9, "resnet110": 18}  # blocks in each of three stages
WARM_UP, MIN_STEPS = 3, 10
# cuDNN benchmarks algorithms in the first step, and a compiled step is captured only after some runs.
GPU_WARM_UP, GPU_MIN_STEPS = 30, 100
QUEUED_STEPS = 20  # before the host waits


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", choices=[*CIFAR_DEPTHS, "densenet100", "resnet18"])
    parser.add_argument("mode", choices=["train", "distill", "infer", "infer_jit"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, help="default: 128, and 16 for resnet18 (256 on a GPU)")
    parser.add_argument("--format", choices=["contiguous", "channels_last"], default="contiguous")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--tf32", action="store_true", help="convolutions and products in TF32 (else float)")
    precision.add_argument("--autocast", action="store_true", help="bfloat16 where PyTorch finds it safe")
    parser.add_argument("--compile", action="store_true", help="torch.compile, mode max-autotune, with CUDA graphs")
    return parser.parse_args()


ARGUMENTS = read_arguments()
ON_GPU = ARGUMENTS.device != "cpu"
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


def casting():
    """The context of a forward pass."""
    if not ARGUMENTS.autocast:
        return contextlib.nullcontext()
    return torch.autocast(ARGUMENTS.device.split(":")[0], dtype=torch.bfloat16)


def compiled(function):
    """The function, compiled with --compile; each call is a new step."""
    if not ARGUMENTS.compile:
        return function
    fast = torch.compile(function, mode="max-autotune")
    begin = getattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)

    def call():
        begin()
        return fast()

    return call


def make_step(network, images, labels):
    """The function that is timed."""
    mode = ARGUMENTS.mode
    if mode.startswith("infer"):
        network.eval()
        if mode == "infer_jit":
            with torch.no_grad():
                network = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, images)))

        def evaluate():
            with torch.no_grad(), casting():
                return network(images)

        return compiled(evaluate)

    teacher = make_network(ARGUMENTS.network).to(**placement()).eval() if mode == "distill" else None
    network.train()
    # One kernel, or few, for all parameters.
    fused = {"fused": True} if ON_GPU else {}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, **fused)

    def forward():
        with casting():
            logits = network(images)
            loss = functional.cross_entropy(logits, labels)
            if teacher is not None:
                with torch.no_grad():
                    targets = functional.softmax(teacher(images), 1)
                loss = 0.4 * loss + 0.6 * functional.cross_entropy(logits, targets)
        return loss

    forward = compiled(forward)

    def train():
        loss = forward()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return train


def placement():
    memory_format = torch.channels_last if ARGUMENTS.format == "channels_last" else torch.contiguous_format
    return {"device": ARGUMENTS.device, "memory_format": memory_format}


def measure_on_gpu(step):
    """Seconds of each step: between events on the stream, so that the GPU never waits for the clock."""
    for _ in range(GPU_WARM_UP):
        step()
    torch.cuda.synchronize()
    times, end = [], time.perf_counter() + ARGUMENTS.seconds
    while len(times) < GPU_MIN_STEPS or time.perf_counter() < end:
        events = [torch.cuda.Event(enable_timing=True) for _ in range(QUEUED_STEPS + 1)]
        events[0].record()
        for event in events[1:]:
            step()
            event.record()
        torch.cuda.synchronize()
        times += [before.elapsed_time(after) / 1000 for before, after in zip(events, events[1:])]
    return times


def measure(step):
    """Seconds of each step."""
    for _ in range(WARM_UP):
        step()
    times, end = [], time.perf_counter() + ARGUMENTS.seconds
    while len(times) < MIN_STEPS or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def prepare_gpu():
    if not torch.cuda.is_available():
        sys.exit(f"pytorch_step.py: this PyTorch ({torch.__version__}) finds no GPU for --device {ARGUMENTS.device}")
    torch.cuda.set_device(ARGUMENTS.device if ":" in ARGUMENTS.device else 0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = ARGUMENTS.tf32 or ARGUMENTS.autocast


def main():
    if ARGUMENTS.compile and not hasattr(torch, "compile"):
        sys.exit(f"pytorch_step.py: PyTorch {torch.__version__} has no torch.compile; --compile needs 2.0 or newer")
    torch.set_num_threads(ARGUMENTS.threads)
    torch.manual_seed(1)
    # As in every process that loads Darknet's library.
    torch.set_flush_denormal(True)
    if ON_GPU:
        prepare_gpu()
    large = ARGUMENTS.network == "resnet18"
    batch = ARGUMENTS.batch or ((256 if ON_GPU else 16) if large else 128)
    size, classes = (224, 1000) if large else (32, 100)
    network = make_network(ARGUMENTS.network).to(**placement())
    images = torch.randn(batch, 3, size, size).to(**placement())
    labels = torch.randint(0, classes, (batch,)).to(ARGUMENTS.device)
    step = make_step(network, images, labels)
    times = measure_on_gpu(step) if ON_GPU else measure(step)
    peak = torch.cuda.max_memory_allocated() if ON_GPU else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"images_per_second": batch / statistics.median(times), "format": ARGUMENTS.format,
                      "peak_bytes": peak, "pytorch": torch.__version__}))


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Images per second of a network's step in PyTorch, which the program is compared with.

CFG: the network, of layers that bench/pytorch_network.py knows.
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

WARM_UP, MIN_STEPS = 3, 10
# cuDNN benchmarks algorithms in the first step, and a compiled step is captured only after some runs.
GPU_WARM_UP, GPU_MIN_STEPS = 30, 100
QUEUED_STEPS = 20  # before the host waits


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cfg")
    parser.add_argument("mode", choices=["train", "distill", "infer", "infer_jit"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--format", choices=["contiguous", "channels_last"], default="contiguous")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--darknet", default="./darknet", help="reads the cfg (default: ./darknet)")
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
    from torch.nn import functional

    from pytorch_network import CfgNetwork, Failure
except ImportError as error:
    sys.exit(f"pytorch_step.py: {sys.executable} has no PyTorch ({error}); install python3-torch")


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

    teacher = CfgNetwork(ARGUMENTS.cfg, ARGUMENTS.darknet).to(**placement()).eval() if mode == "distill" else None
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
    batch = ARGUMENTS.batch
    network = CfgNetwork(ARGUMENTS.cfg, ARGUMENTS.darknet).to(**placement())
    images = torch.randn(batch, *network.network.input).to(**placement())
    labels = torch.randint(0, network.network.classes, (batch,)).to(ARGUMENTS.device)
    step = make_step(network, images, labels)
    times = measure_on_gpu(step) if ON_GPU else measure(step)
    peak = torch.cuda.max_memory_allocated() if ON_GPU else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"images_per_second": batch / statistics.median(times), "format": ARGUMENTS.format,
                      "peak_bytes": peak, "pytorch": torch.__version__}))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"pytorch_step.py: {failure}")

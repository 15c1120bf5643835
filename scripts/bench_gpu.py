#!/usr/bin/env python3
"""Images per second of training, distilling and evaluating on a GPU, beside PyTorch and the floor on paper.

    scripts/bench_gpu.py [--pytorch] [--images LIST.data] [--precision P] [--json FILE] [CFG...]

Ours is the program's own figure on real data, data pipeline included (scripts/bench.py says what is timed); batches of
128 images, and 256 of large ones. PyTorch is bench/pytorch_step.py on the same network and batch without a data
pipeline: eager and torch.compile (max-autotune), each in the better of its memory formats. TFLOP/s and GB/s are the
floor's operations and bytes (scripts/gpu_floor.py) over the time of our step.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from benchmark.processes import json_line
from benchmark.program import Program
from benchmark.rivals import FORMATS, PEERS, PYTORCH_STEP
from benchmark.workload import LARGE, Workload, option, read, write
from generations_driver.errors import Failure, OneLineParser
from gpu_floor import CFGS, Floor

LARGE_BATCH, SMALL_BATCH = 256, 128
MODES = (("train", "train"), ("distill", "distill"), ("valid", "infer"))
COLUMNS = "| network | work | images/s | ms a step | TFLOP/s | GB/s | PyTorch eager | ratio | compiled | ratio |"


def show(text):
    print(text, flush=True)


def has_gpu(program):
    """Whether the program finds a GPU; else its own words."""
    done = subprocess.run([program, "classifier", "train", "/", "/", "-gpus", "0"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    return not re.search("no GPU|CPU only", done.stderr), done.stderr.strip()


def with_precision(workload, precision):
    """The workload's cfgs compute in that precision."""
    for path in (workload.cfg, workload.student):
        text = re.sub(r"^\s*precision\s*=.*\n", "", read(path), flags=re.M)
        write(path, text.replace("[net]\n", f"[net]\nprecision={precision}\n", 1))


def rival(options, workload, mode, compiled):
    """The better of PyTorch's memory formats; None where there is no such network."""
    found = PEERS.search(workload.name)
    if not options.pytorch or not found:
        return None
    words = [options.python, PYTORCH_STEP, found.group(1), mode, "--batch", str(workload.batch), "--seconds",
             str(options.seconds), "--device", "cuda", "--precision", options.precision]
    if compiled:
        words.append("--compile")
    results = [json_line([*words, "--format", name]) for name in FORMATS]
    return max(results, key=lambda result: result["images_per_second"])


def measure(options, path, folder):
    large = int(option(read(path), "height", path)) >= LARGE
    workload = Workload(path, options.images, options.batch or (LARGE_BATCH if large else SMALL_BATCH), folder)
    with_precision(workload, options.precision)
    program = Program(options.darknet, options.seconds, ("-gpus", "0"))
    threads, rows, rate = os.cpu_count() or 1, [], 0
    for work, mode in MODES:
        if work == "valid":
            ours = program.valid(workload, threads, rate)
        else:
            ours = program.train(workload.data, workload.cfg if work == "train" else workload.student, workload.batch,
                                 threads)
            rate = rate or ours["images_per_second"]
        seconds = workload.batch / ours["images_per_second"]
        row = {"network": workload.name, "work": work, "batch": workload.batch, "seconds": seconds, **ours,
               "eager": rival(options, workload, mode, False), "compiled": rival(options, workload, mode, True)}
        cells = [workload.name, work, f"{ours['images_per_second']:.0f}", f"{1000 * seconds:.3f}"]
        if work == "train":
            operations, moved, _launches = Floor(path).step(workload.batch)
            row.update(tflops=operations / seconds / 1e12, gigabytes=moved / seconds / 1e9)
            cells += [f"{row['tflops']:.1f}", f"{row['gigabytes']:.0f}"]
        else:
            cells += ["", ""]
        for one in (row["eager"], row["compiled"]):
            cells += ["-", "-"] if one is None else [
                f"{one['images_per_second']:.0f}", f"{ours['images_per_second'] / one['images_per_second']:.2f}"]
        show("| " + " | ".join(cells) + " |")
        rows.append(row)
    return rows


def run(options):
    there, answer = has_gpu(options.darknet)
    if not there:
        raise Failure(answer.removeprefix("darknet: "))
    report = {"date": time.strftime("%Y-%m-%d %H:%M:%S"), "precision": options.precision, "rows": []}
    show(f"precision {options.precision}; images/s; ratio: ours / theirs")
    show(COLUMNS)
    show("|" + "---|" * COLUMNS.count(" | ") + "---|")
    with tempfile.TemporaryDirectory() as folder:
        for path in options.cfgs or CFGS:
            if int(option(read(path), "height", path)) >= LARGE and not options.images:
                show(f"{path} is left out: its images are not given (--images LIST.data)")
                continue
            report["rows"] += measure(options, path, folder)
    return report


def main(arguments=None):
    parser = OneLineParser(prog="bench_gpu.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cfgs", nargs="*", metavar="CFG", help="networks (default: those of the paper)")
    parser.add_argument("--pytorch", action="store_true", help="beside PyTorch")
    parser.add_argument("--images", metavar="LIST.data", help="data for networks of large images")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="bf16")
    parser.add_argument("--batch", type=int, metavar="N", help="default: 128, and 256 for large images")
    parser.add_argument("--seconds", type=float, default=8, metavar="S", help="for each measurement (default: 8)")
    parser.add_argument("--json", metavar="FILE", help="write everything there, too")
    parser.add_argument("--darknet", default="./darknet", metavar="FILE", help="default: ./darknet")
    parser.add_argument("--python", default=sys.executable, metavar="FILE", help="the one with PyTorch")
    options = parser.parse_args(arguments)
    try:
        report = run(options)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=2)
                file.write("\n")
        return 0
    except Failure as failure:
        print(f"bench_gpu.py: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("bench_gpu.py: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"bench_gpu.py: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

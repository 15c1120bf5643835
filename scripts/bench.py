#!/usr/bin/env python3
"""Images per second of training, distilling and evaluating, beside peak memory.

usage: bench.py [--darknet ./darknet] [--seconds 12] [--threads 1 2] [--json FILE] [CFG...]

Every figure comes from the program itself on real data: CIFAR100 (scripts/get_cifar100.sh) for 3-channel networks,
Fashion-MNIST for 1-channel ones. Training and distilling: the median time of an iteration after the first ten, data
pipeline included; a student's teacher is the same network. Evaluating: the whole validation set, the program's start
included. The machine should be idle; the load average is printed with the figures.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ITERATION = re.compile(r"^\d+, [\d.]+: \S+, \S+ avg, \S+ rate, (\S+) seconds, ")
CFGS = ["cfg/cifar100-resnet8.cfg", "cfg/cifar100-resnet20.cfg"]


def fail(text):
    print(f"bench.py: {text}", file=sys.stderr)
    sys.exit(1)


def option(cfg, key, fallback=None):
    found = re.search(rf"^\s*{key}\s*=\s*(\S+)", cfg, re.M)
    if not found and fallback is None:
        fail(f"the cfg has no {key}=")
    return found.group(1) if found else fallback


def with_cost(cfg, cost):
    """The cfg with another last section, and so long that it is never done before it is stopped."""
    head = cfg[: cfg.rindex("[softmax]")]
    head = re.sub(r"^\s*(epochs|max_batches|epoch_steps|steps|scales|policy)\s*=.*\n", "", head, flags=re.M)
    return head.replace("[net]\n", "[net]\npolicy=constant\nmax_batches=1000000\n", 1) + cost


class Bench:
    def __init__(self, darknet, seconds, folder):
        self.darknet, self.seconds, self.folder = os.path.abspath(darknet), seconds, folder

    def data(self, channels):
        source = "cfg/cifar100.data" if channels == "3" else "cfg/fashion.data"
        with open(source, encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("backup")]
        path = os.path.join(self.folder, "bench.data")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines + [f"backup={self.folder}\n"])
        return path

    def start(self, *words):
        return subprocess.Popen([self.darknet, "classifier", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def train(self, data, name, cfg, batch, threads):
        """(images/s, peak bytes) from iterations 11 on."""
        path = os.path.join(self.folder, name + ".cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cfg)
        child = self.start("train", data, path, "-seed", "1", "-threads", str(threads), "-state_seconds", "1e9")
        seconds, end = [], None
        for line in child.stdout:
            found = ITERATION.match(line)
            if not found:
                continue
            end = end or time.monotonic() + self.seconds
            seconds.append(float(found.group(1)))
            if len(seconds) > 20 and time.monotonic() > end:
                break
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
        message = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        if len(seconds) <= 20:
            fail(f"{path}: {message.strip() or f'stopped with status {status}'}")
        return batch / statistics.median(seconds[10:]), usage.ru_maxrss * 1024

    def valid(self, data, cfg, weights, threads):
        """Images/s over the validation set, the program's start included."""
        begin = time.monotonic()
        child = self.start("valid", data, cfg, weights, "-threads", str(threads))
        out, message = child.communicate()
        if child.returncode != 0:
            fail(f"{cfg}: {message.strip()}")
        return int(out.split()[-1]) / (time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cfgs", nargs="*", default=CFGS)
    parser.add_argument("--darknet", default="./darknet")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if not os.access(arguments.darknet, os.X_OK):
        fail(f"{arguments.darknet}: no such program; run 'make' first, or give --darknet FILE")
    if any("cifar100" in cfg for cfg in arguments.cfgs) and not os.path.exists("data/cifar-100/train.bin"):
        fail("data/cifar-100/train.bin is missing; run scripts/get_cifar100.sh first, or name 1-channel cfgs")
    rows = []
    print(f"load average {os.getloadavg()[0]:.2f}; images/s, medians")
    print(f"{'network':<28}{'threads':>8}{'train':>10}{'distill':>10}{'valid':>10}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.darknet, arguments.seconds, folder)
        for path in arguments.cfgs:
            with open(path, encoding="utf-8") as file:
                cfg = file.read()
            data, batch = bench.data(option(cfg, "channels")), int(option(cfg, "batch"))
            for threads in sorted(set(arguments.threads)):
                train, peak = bench.train(data, "train", with_cost(cfg, "[softmax]\n"), batch, threads)
                weights = os.path.join(folder, "train_last.weights")
                plain = os.path.join(folder, "train.cfg")
                student = with_cost(cfg, f"[distill]\nteacher={plain}\nteacher_weights={weights}\n")
                distill, student_peak = bench.train(data, "student", student, batch, threads)
                valid = bench.valid(data, plain, weights, threads)
                rows.append({"network": path, "threads": threads, "train": train, "distill": distill, "valid": valid,
                             "peak_bytes": max(peak, student_peak)})
                print(f"{os.path.basename(path):<28}{threads:>8}{train:>10.0f}{distill:>10.0f}{valid:>10.0f}"
                      f"{max(peak, student_peak) / 2**20:>10.0f}", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"load_average": os.getloadavg()[0], "rows": rows}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()

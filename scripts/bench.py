#!/usr/bin/env python3
"""Images per second of training, distilling and evaluating, beside the limit, PyTorch, and where the time goes.

    scripts/bench.py [--quick] [--pytorch] [--busy] [--images LIST.data] [--json FILE] [CFG...]
    scripts/bench.py --gpu N [--precision P[,P...]] [--card NAME] [--no-compile] [options as above] [CFG...]

Every figure is the program's own on real data, data pipeline included: CIFAR100 (scripts/get_cifar100.sh) for 3-channel
networks, Fashion-MNIST for 1-channel ones, and for large images what --images names (a .data file of image lists).

train, distill  the median time of at least 10 steps after 5 that warm up; a student's teacher is the same network
valid           the time by which an evaluation of many images is longer than one of a single batch: without the start
chain           the limit: bare oneDNN primitives for the same network (bench/chain_work.h says which count); distilling
                is its training and its inference one after the other
PyTorch         bench/pytorch_step.py on the same work without a data pipeline, the better of its two memory formats

The rounds take turns (ours, chain, PyTorch, ours, ...); rates are medians over rounds, ratios the medians of each
round's. The machine should be idle: what else it did meanwhile is printed at the end.

With --gpu N the program computes there, in each precision; there is no chain. Beside it stand the floor on paper
(scripts/gpu_floor.py), how often the floor a step takes, the operations and the bytes of the floor over the step's
time, and PyTorch in the same precision (bf16: autocast): eager and torch.compile with max-autotune, each in its better
memory format. Steps of the first 2 seconds warm up. An evaluation reads its images from the host; where the set is
small, they come again and again.
"""

import argparse
import json
import os
import sys
import tempfile
import time

from benchmark import busy, gpu, tables
from benchmark.floor import CARDS, PRECISIONS, card_named
from benchmark.processes import Machine
from benchmark.program import Program
from benchmark.progress import Progress
from benchmark.rivals import Chain, GpuPyTorch, PyTorch
from benchmark.rounds import Rounds, entries
from benchmark.shares import shares
from benchmark.workload import GPU_BATCHES, LARGE, PAPER_CFGS, Workload, option, read
from generations_driver.errors import Failure, OneLineParser, words_of

QUICK_CFGS = PAPER_CFGS[:1]


def show(text=""):
    print(text, flush=True)


def needs_images(path):
    return int(option(read(path), "height", path)) >= LARGE


def choose_cfgs(options):
    """The cfgs to measure. Of the default ones those whose images are not given are left out, with the reason."""
    cfgs = options.cfgs or (QUICK_CFGS if options.quick or options.busy else PAPER_CFGS)
    kept = []
    for path in cfgs:
        if not options.cfgs and not options.images and needs_images(path):
            show(f"{path} is left out: its images are not given (--images LIST.data)")
        else:
            kept.append(path)
    return kept


def measure(workload, options, runner, profile):
    """Everything about one network, printed and returned."""
    progress = runner.machine.progress
    rounds = progress.run(workload.name, {threads: tables.threads_text(threads) for threads in options.threads},
                          lambda threads: runner.measure(workload, threads))
    rows = []
    for threads, done in rounds.items():
        rows += entries(workload, threads, done)
    for row in rows:
        show(tables.row(row))
    scale = tables.scaling(rows)
    if scale:
        show(tables.scaling_line(scale))
    result = {"network": workload.path, "batch": workload.batch, "rows": rows, "scaling": scale,
              "rounds": {str(threads): done for threads, done in rounds.items()}, "profiles": {}, "shares": {}}
    for threads in options.threads if profile else []:
        with progress.showing(f"shares of the layers, {tables.threads_text(threads)}"):
            profiles = {
                work: runner.program.profile(workload.data, cfg, workload.batch, threads, workload.folder)
                for work, cfg in (("train", workload.cfg), ("distill", workload.student))
            }
        columns = {work: shares(one) for work, one in profiles.items()}
        result["profiles"][str(threads)], result["shares"][str(threads)] = profiles, columns
        show("\n".join(tables.share_lines(tables.threads_text(threads), columns)))
    return result


def measure_on_gpu(path, options, folder, runner, card):
    """Everything about one network, printed and returned."""
    result = {"network": path, "rows": [], "rounds": {}, "profiles": {}}
    workloads = {precision: Workload(path, options.images, options.batch, folder, GPU_BATCHES, precision)
                 for precision in options.precision}
    progress = runner.machine.progress
    rounds = progress.run(next(iter(workloads.values())).name, {precision: precision for precision in workloads},
                          lambda precision: runner.measure(workloads[precision], precision))
    for precision, workload in workloads.items():
        rows = gpu.entries(workload, precision, rounds[precision], gpu.floors(workload, precision, card))
        result["rows"] += rows
        for row in rows:
            show(gpu.row(row))
    result["rounds"] = rounds
    for text in gpu.best_lines(result["rows"]):
        show(text)
    for precision, workload in workloads.items() if runner.program.has_profile() else ():
        with progress.showing(f"shares of the layers, {precision}"):
            found = gpu.profiles(runner.program, workload, runner.threads)
        result["profiles"][precision] = found
        show("\n".join(gpu.share_lines(precision, found)))
    return result


def run_on_gpu(options, folder):
    program = Program(options.darknet, options.seconds, options.gpu)
    reported = gpu.reported_name(options.gpu)
    name, card = gpu.choose_card(options.card, reported)
    report = {"date": time.strftime("%Y-%m-%d %H:%M:%S"), "gpu": reported, "card": name, "networks": []}
    pytorch = GpuPyTorch(options.python, options.seconds, options.gpu, options.most) if options.pytorch else None
    if pytorch and not pytorch.exists():
        show(f"no PyTorch: {options.python} cannot import one that finds a GPU; name another with --python")
        pytorch = None
    if card is None:
        show(f"no floor: nothing is known of {reported or 'the GPU'}; name the nearest with --card: {', '.join(CARDS)}")
    show(f"{reported or 'GPU'} {options.gpu}; floor of {name or 'no card'}, on paper; medians over {options.rounds} "
         f"round{'s' if options.rounds > 1 else ''}; ms a step; ratio: ours / PyTorch's")
    show(tables.heading(gpu.COLUMNS))
    cfgs = choose_cfgs(options)
    machine = Machine(Progress(len(cfgs), options.rounds))
    kinds = [kind for kind in gpu.KINDS if kind != "compile" or not options.no_compile]
    runner = gpu.GpuRounds(program, pytorch, kinds, machine, max(options.threads))
    for path in cfgs:
        report["networks"].append(measure_on_gpu(path, options, folder, runner, card))
        report["failures"] = [[*key, text] for key, text in pytorch.failures.items()] if pytorch else []
        write_report(options, report)  # a long run that is cut off keeps what it has
    for *what, text in report.get("failures", []):
        show(f"PyTorch without a figure: {' '.join(what)}: {text}")
    report["machine"] = machine.report()
    show(tables.machine_line(report["machine"]))
    return report


def write_report(options, report):
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")


def run(options, folder):
    if options.gpu is not None:
        return run_on_gpu(options, folder)
    program = Program(options.darknet, options.seconds)
    report = {"date": time.strftime("%Y-%m-%d %H:%M:%S"), "load_average": os.getloadavg()[0], "networks": []}
    cfgs = choose_cfgs(options)
    workloads = [Workload(path, options.images, options.batch, folder) for path in cfgs]
    progress = Progress(len(workloads), options.rounds)
    if options.busy:
        report["busy"] = []
        for workload in workloads:
            result = busy.measure(program, workload, max(2, *options.threads), progress)
            report["busy"].append(result)
            show(busy.line(result))
        return report

    machine = Machine(progress)
    chain = Chain(options.chain, options.seconds)
    if not chain.exists():
        show(f"no chain: {options.chain} is not built (`make bench` does that)")
        chain = None
    pytorch = PyTorch(options.python, options.seconds) if options.pytorch else None
    if pytorch and not pytorch.exists():
        show(f"no PyTorch: {options.python} cannot import torch (package python3-torch)")
        pytorch = None
    profile = program.has_profile()
    if not profile:
        show("no shares of the layers: this program has no -profile")
    show(f"load average {report['load_average']:.2f}; images/s, medians over {options.rounds} "
         f"round{'s' if options.rounds > 1 else ''}; ratio: ours / theirs")
    show(tables.heading())
    runner = Rounds(program, chain, pytorch, machine)
    for workload in workloads:
        report["networks"].append(measure(workload, options, runner, profile))
    report["machine"] = machine.report()
    show(tables.machine_line(report["machine"]))
    return report


def counts(text):
    return [int(number) for number in text.split(",")]


counts.__name__ = "list of numbers"  # argparse names it in its error


def read_options(arguments):
    parser = OneLineParser(prog="bench.py", description=__doc__.split("\n\n", maxsplit=1)[0],
                           epilog=__doc__.split("\n\n", maxsplit=2)[2], formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cfgs", nargs="*", metavar="CFG", help="networks (default: those of the paper)")
    parser.add_argument("--quick", action="store_true", help="ResNet-20, one short round: about two minutes")
    parser.add_argument("--busy", action="store_true", help="only this: training beside a busy process (ResNet-20)")
    parser.add_argument("--pytorch", action="store_true", help="compare with PyTorch, too")
    parser.add_argument("--images", metavar="LIST.data", help="data for networks of large images")
    parser.add_argument("--json", metavar="FILE", help="write everything there, too")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 3")
    parser.add_argument("--seconds", type=float, metavar="S", help="for each measurement (default: 12)")
    parser.add_argument("--threads", type=counts, metavar="N[,N...]", help="default: 1 and all")
    parser.add_argument("--batch", type=int, metavar="N", help="default: 128, and 16 for large images (256 on a GPU)")
    parser.add_argument("--gpu", type=int, metavar="N", help="measure on the GPU of this number (see nvidia-smi)")
    parser.add_argument("--precision", type=words_of(PRECISIONS), metavar="P[,P...]",
                        help=f"with --gpu: {', '.join(PRECISIONS)} (default: all)")
    parser.add_argument("--card", metavar="NAME",
                        help=f"with --gpu: the floor's rates: {', '.join(CARDS)} (default: what nvidia-smi says)")
    parser.add_argument("--no-compile", action="store_true", help="with --gpu --pytorch: eager only")
    parser.add_argument("--most", type=float, metavar="S",
                        help="with --gpu --pytorch: one measurement, compiling included, may take this (default: 600)")
    parser.add_argument("--darknet", default="./darknet", metavar="FILE", help="default: ./darknet")
    parser.add_argument("--chain", default="build/release/onednn_chain", metavar="FILE",
                        help="default: build/release/onednn_chain")
    parser.add_argument("--python", default="/usr/bin/python3", metavar="FILE",
                        help="the one with PyTorch (default: /usr/bin/python3)")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds if options.rounds is not None else 1 if options.quick else 3
    options.seconds = options.seconds if options.seconds is not None else 4 if options.quick else 12
    options.threads = sorted(set(options.threads or [1, os.cpu_count() or 1]))
    numbers = [options.rounds, options.threads[0], options.seconds]
    numbers += [number for number in (options.batch, options.most) if number is not None]
    if min(numbers) <= 0:
        parser.error("--rounds, --seconds, --threads, --batch and --most must be above 0")
    for_gpu = {"--precision": options.precision, "--card": options.card, "--no-compile": options.no_compile,
               "--most": options.most}
    if options.gpu is None:
        for name in (name for name, value in for_gpu.items() if value):
            parser.error(f"{name} goes with --gpu N only")
    elif options.gpu < 0 or options.busy:
        parser.error("--gpu takes a number from 0 on, and no --busy")
    options.precision, options.most = options.precision or list(PRECISIONS), options.most or 600
    return options


def main(arguments=None):
    options = read_options(arguments)
    try:
        if options.card:
            card_named(options.card)
        if options.json:
            open(options.json, "a", encoding="utf-8").close()  # an hour later would be late for this error
        with tempfile.TemporaryDirectory() as folder:
            report = run(options, folder)
        write_report(options, report)
        return 0
    except Failure as failure:
        print(f"bench.py: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("bench.py: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"bench.py: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

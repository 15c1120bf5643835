#!/usr/bin/env python3
"""Images per second of training, distilling and evaluating, compared with bare oneDNN primitives and PyTorch.

    scripts/bench.py [--quick] [--pytorch] [--busy] [--images LIST.data] [--json FILE] [CFG...]
    scripts/bench.py --gpu N [--precision P[,P...]] [--card NAME] [--no-compile] [options as above] [CFG...]
    scripts/bench.py --table RESULT.json
    scripts/bench.py --chart PICTURE RESULT.json...

The program is measured on real data, data pipeline included: CIFAR100 (scripts/get_cifar100.sh) for 3-channel networks,
Fashion-MNIST for 1-channel ones, and for large images what --images names (a .data file of image lists).

train, distill  the median time of at least 10 steps after a warm-up of 5; a student's teacher is the same network
valid           the time of an evaluation of many images minus that of a single batch, so the start is excluded
baseline        the primitive baseline: bare oneDNN primitives of the same network (bench/baseline_work.h says which);
                distilling is training and inference one after the other
PyTorch         bench/pytorch_step.py on the same work without a data pipeline, the better of its two memory formats;
                frozen: traced and frozen for inference

Program, baseline and PyTorch are interleaved. Rates are medians over the repetitions; ratios (program / reference) are
medians of each repetition's ratio. The machine should be idle: other work is printed at the end.

With --gpu N the program runs there, in each precision, compared with the roofline (scripts/gpu_roofline.py) and with
PyTorch in the same precision (bf16: autocast), eager and torch.compile with max-autotune. The warm-up is 2 seconds. An
evaluation reads its images from the host; small sets are repeated.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time

from benchmark import chart, tables
from benchmark.machine import OtherWork, Spinner, nvidia_smi, processor
from benchmark.program import Program
from benchmark.progress import Progress
from benchmark.references import PrimitiveBaseline, PyTorch
from benchmark.repetitions import Runner, entries
from benchmark.roofline import CARDS, PRECISIONS, Roofline, card_named, card_reported
from benchmark.shares import shares
from benchmark.workload import CFGS, LARGE, WORK, Workload, option
from cfg_network.network import Network
from generations_driver.errors import Failure, OneLineParser, words_of
from generations_driver.files import read_text
from generations_driver.tables import counted

QUICK_CFGS = CFGS[:1]


def show(text):
    print(text, flush=True)


def choose_cfgs(options):
    """The cfgs to measure. Default ones without images are skipped, with the reason."""
    chosen = []
    for path in options.cfgs or (QUICK_CFGS if options.quick or options.busy else CFGS):
        if not options.cfgs and not options.images and int(option(read_text(path, "cfg"), "height", path)) >= LARGE:
            show(f"{path} is skipped: its images are missing (--images LIST.data)")
        else:
            chosen.append(path)
    return chosen


def choose_references(options):
    """Those that exist."""
    references = []
    if options.gpu is None:
        references.append(PrimitiveBaseline(options.baseline, options.seconds))
        if not references[0].exists():
            show(f"no primitive baseline: {options.baseline} is not built (`make bench` builds it)")
            references = []
    if options.pytorch:
        other = "frozen" if options.gpu is None else "compile"
        kinds = ("eager",) if options.no_compile else ("eager", other)
        pytorch = PyTorch(options.python, options.darknet, options.seconds, kinds, options.gpu, options.most)
        if pytorch.exists():
            references.append(pytorch)
        else:
            need = "package python3-torch" if options.gpu is None else "one that finds a GPU"
            show(f"no PyTorch: {options.python} cannot import torch ({need}); name another with --python")
    return references


def measure(settings, options, runner, card):
    """One network, printed as measured: (rows, shares of the layers). settings: {(workload, threads): title}."""
    progress, rows, found = runner.other_work.progress, [], {}
    name = next(iter(settings))[0].name
    measured = progress.run(name, settings, lambda setting: runner.measure(*setting))
    for (workload, threads), repetitions in measured.items():
        network = Network(workload.cfg, options.darknet) if card else None
        rows += entries(workload, threads, repetitions, {
            work: Roofline(network, work, workload.batch, workload.precision, card) for work in WORK if card})
    for row in rows:
        show(tables.text_row(row))
    scaling = tables.scaling_line(rows) if options.gpu is None else None
    if scaling:
        show(scaling)
    for (workload, threads), title in settings.items():
        with progress.showing(f"shares of the layers, {title}"):
            found[title] = {work: shares(runner.program.profile(workload.data, cfg, workload.batch, threads,
                                                                workload.folder))
                            for work, cfg in (("train", workload.cfg), ("distill", workload.student))}
        show("\n".join(tables.share_lines(title, found[title])))
    return rows, found


def begin_report(options, program):
    report = {"format": 1, "date": time.strftime("%Y-%m-%d %H:%M:%S"),
              "machine": {"processor": processor(), "cores": os.cpu_count()}, "versions": program.versions()}
    if options.gpu is not None:
        report["machine"]["gpu"] = nvidia_smi(options.gpu, "name")
        report["versions"]["driver"] = nvidia_smi(options.gpu, "driver_version")
    return report


def run(options, folder):
    program = Program(options.darknet, options.seconds, options.gpu)
    report = begin_report(options, program)
    precisions = [None] if options.gpu is None else options.precision
    threads = options.threads if options.gpu is None else options.threads[-1:]
    networks = [[Workload(path, options.images, options.batch, folder, precision) for precision in precisions]
                for path in choose_cfgs(options)]
    progress = Progress(len(networks), options.repetitions)
    references, card = choose_references(options), None
    over = f"medians over {counted(options.repetitions, 'repetition')}; ratio: program / reference"
    if options.gpu is None:
        show(f"load average {os.getloadavg()[0]:.2f}; images/s, {over}")
    else:
        reported = report["machine"]["gpu"]
        report["card"] = options.card or card_reported(reported)
        card = CARDS.get(report["card"])
        if card is None:
            show(f"no roofline: {reported or 'the GPU'} is unknown; name a card with --card: {', '.join(CARDS)}")
        show(f"{reported or 'GPU'} {options.gpu}; roofline of {report['card'] or 'no card'}; {over}")
    show(tables.text_heading(tables.CPU_COLUMNS if options.gpu is None else tables.GPU_COLUMNS))
    other_work = OtherWork(progress)
    runner = Runner(program, references, other_work)
    report.update(rows=[], shares={}, failures=[])
    for workloads in networks:
        settings = {(workload, count): workload.precision or counted(count, "thread")
                    for workload in workloads for count in threads}
        rows, report["shares"][workloads[0].name] = measure(settings, options, runner, card)
        report["rows"] += rows
        for reference in references:
            if isinstance(reference, PyTorch):
                report["versions"]["PyTorch"] = reference.version
                report["failures"] = [[*key, text] for key, text in reference.failures.items()]
        report["other_work"] = other_work.report()
        write_report(options, report)  # an interrupted run keeps what it has
    for *what, text in report["failures"]:
        show(f"PyTorch without a figure: {' '.join(what)}: {text}")
    if not options.busy:
        show(tables.other_work_line(other_work.report()))
    return report


def report_text(report):
    """JSON with a line for each row."""
    values = {key: json.dumps(value) for key, value in report.items()}
    values["rows"] = "[\n  " + ",\n  ".join(map(json.dumps, report.get("rows", []))) + "\n ]"
    return "{\n" + ",\n".join(f' "{key}": {value}' for key, value in values.items()) + "\n}\n"


def write_report(options, report):
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(report_text(report))


def read_report(path):
    try:
        report = json.loads(read_text(path, "report"))
    except ValueError as error:
        raise Failure(f"{path}: not JSON ({error}); name a file that --json wrote") from error
    if not isinstance(report, dict) or report.get("format") != 1 or not report.get("rows"):
        raise Failure(f"{path}: no rows of format 1; name a file that --json wrote")
    return report


def counts(text):
    return [int(number) for number in text.split(",")]


counts.__name__ = "list of numbers"  # argparse names it in its error


def read_options(arguments):
    parser = OneLineParser(prog="bench.py", description=__doc__.split("\n\n", maxsplit=1)[0],
                           epilog=__doc__.split("\n\n", maxsplit=2)[2], formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cfgs", nargs="*", metavar="CFG", help="networks (default: those of the paper)")
    parser.add_argument("--quick", action="store_true", help="ResNet-20, one short repetition: about two minutes")
    parser.add_argument("--busy", action="store_true", help="beside a process that keeps one core busy (ResNet-20)")
    parser.add_argument("--pytorch", action="store_true", help="compare with PyTorch")
    parser.add_argument("--images", metavar="LIST.data", help="data for networks of large images")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--table", metavar="RESULT.json", help="only print a result as a Markdown table")
    parser.add_argument("--chart", nargs="+", metavar=("PICTURE", "RESULT.json"),
                        help="only draw results as a .png or .svg")
    parser.add_argument("--repetitions", type=int, metavar="N", help="default: 3")
    parser.add_argument("--seconds", type=float, metavar="S", help="for each measurement (default: 12)")
    parser.add_argument("--threads", type=counts, metavar="N[,N...]", help="default: 1 and all")
    parser.add_argument("--batch", type=int, metavar="N", help="default: 128, and 16 for large images (256 on a GPU)")
    parser.add_argument("--gpu", type=int, metavar="N", help="measure on the GPU of this number (see nvidia-smi)")
    parser.add_argument("--precision", type=words_of(PRECISIONS), metavar="P[,P...]",
                        help=f"with --gpu: {', '.join(PRECISIONS)} (default: all)")
    parser.add_argument("--card", metavar="NAME",
                        help=f"with --gpu: the roofline's rates: {', '.join(CARDS)} (default: what nvidia-smi says)")
    parser.add_argument("--no-compile", action="store_true", help="with --gpu --pytorch: eager only")
    parser.add_argument("--most", type=float, metavar="S",
                        help="with --gpu --pytorch: limit of one measurement, compiling included (default: 600)")
    parser.add_argument("--darknet", default="./darknet", metavar="FILE", help="default: ./darknet")
    parser.add_argument("--baseline", default="build/release/onednn_baseline", metavar="FILE",
                        help="default: build/release/onednn_baseline")
    parser.add_argument("--python", default="/usr/bin/python3", metavar="FILE",
                        help="the one with PyTorch (default: /usr/bin/python3)")
    options = parser.parse_args(arguments)
    if options.chart and len(options.chart) < 2:
        parser.error("--chart takes a picture and at least one result")
    options.repetitions = options.repetitions if options.repetitions is not None else 1 if options.quick else 3
    options.seconds = options.seconds if options.seconds is not None else 4 if options.quick else 12
    options.threads = sorted(set(options.threads or [1, os.cpu_count() or 1]))
    numbers = [options.repetitions, options.threads[0], options.seconds]
    numbers += [number for number in (options.batch, options.most) if number is not None]
    if min(numbers) <= 0:
        parser.error("--repetitions, --seconds, --threads, --batch and --most must be above 0")
    for_gpu = {"--precision": options.precision, "--card": options.card, "--no-compile": options.no_compile,
               "--most": options.most}
    if options.gpu is None:
        for name in (name for name, value in for_gpu.items() if value):
            parser.error(f"{name} needs --gpu N")
    elif options.gpu < 0:
        parser.error("--gpu takes a number from 0 on")
    options.precision = options.precision or list(PRECISIONS)
    if options.gpu is not None:
        options.most = options.most or 600
    return options


def main(arguments=None):
    options = read_options(arguments)
    try:
        if options.table:
            show("\n".join(tables.markdown(read_report(options.table))))
            return 0
        if options.chart:
            chart.draw([read_report(path) for path in options.chart[1:]], options.chart[0])
            return 0
        if options.card:
            card_named(options.card)
        if options.json:
            open(options.json, "a", encoding="utf-8").close()  # fails now rather than after an hour
        with tempfile.TemporaryDirectory() as folder, Spinner() if options.busy else contextlib.nullcontext():
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

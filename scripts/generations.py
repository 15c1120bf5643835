#!/usr/bin/env python3
"""Trains a patriarch and its students, each generation with the one before as its teacher, and reports the accuracies.

    scripts/generations.py run EXPERIMENT.ini [--out DIR] [--set section.key=value]... [--darknet FILE]
                           [--jobs N | --gpus 0-7 | --slurm "SBATCH OPTIONS"] [--no-estimate] [--no-figures] [-v]
    scripts/generations.py compare DIR... [--out DIR]   a report that compares runs
    scripts/generations.py report DIR     writes the report again from the results in DIR
    scripts/generations.py status DIR [--follow]   says what is done, running, queued, failed
    scripts/generations.py stop DIR       ends what runs or is queued
    scripts/generations.py step DIR seed1/student2   one training with its evaluations: a job of --slurm
    scripts/generations.py card DIR       writes the model cards again, from summary.json
    scripts/generations.py serve DIR      a page in the browser: results, live curves, examples
    scripts/generations.py tensorboard DIR [--out DIR] [--follow SECONDS]   the curves as TensorBoard's event files
    scripts/generations.py stock CFG      prints the cfg with which Darknet's own program evaluates the same weights

The run's folder holds one complete cfg per generation, so every step can be repeated by hand; the first lines of each
cfg say how. The same command may be given again at any time: it skips what is done, and interrupted runs resume.

A file with [sweep] stands for several experiments. Each has a folder of its own in the sweep's; trainings that they
share are trained once, and a report that compares them comes last.

A training that fails ends its own chain; the others go on, and the report names it.

Generation g of seed N trains with `-seed N*1000+g`: a student starts from fresh random weights, never from its
teacher's. The baseline has the patriarch's seed, N*1000: both start alike and see the same batches, so that only the
cost differs.
"""

import argparse
import contextlib
import os
import re
import shlex
import sys
import time

from generations_driver.comparison import write_comparison
from generations_driver.errors import Failure, OneLineParser, warn
from generations_driver.figures.style import load_matplotlib
from generations_driver.files import whole_or_none
from generations_driver.here import run_here
from generations_driver.model_card import write_cards
from generations_driver.place import COMMAND, DRIVER_NAME, default_program
from generations_driver.program import Program
from generations_driver.report import print_outputs, write_outputs
from generations_driver.runs import Runs
from generations_driver.serve import PORT, open_server
from generations_driver.single_step import run_step
from generations_driver.status import show_status
from generations_driver.stock import stock_text
from generations_driver.stop import stop
from generations_driver.submit import submit_runs
from generations_driver.summary import load_summary
from generations_driver.tensorboard_events import events_of


def command_run(options):
    check_figures(options)
    program = Program(options.darknet)
    runs = Runs.prepared(options.experiment, options.out, options.set, program)
    if options.slurm is None:
        run_here(runs, program, options)
        return
    with contextlib.ExitStack() as stack:
        runs.lock(stack)
        runs.write(options.command)
        submit_runs(runs, options)


def check_figures(options):
    """A missing matplotlib is said now, not after hours of training."""
    if not options.no_figures:
        load_matplotlib(", or go on without figures: --no-figures")


def command_step(options):
    run_step(options.folder, options.step, Program(options.darknet))


def command_compare(options):
    check_figures(options)
    folders = [folder for path in options.folders for folder in Runs.open(path).folders]
    print("\n".join(write_comparison(folders, options.out, options.command, not options.no_figures)))


def command_report(options):
    check_figures(options)
    runs = Runs.open(options.folder)
    for folder in runs.folders:
        summary, figures = write_outputs(folder, None, figures=not options.no_figures)
        if summary["missing"]:
            print(f"not complete: {', '.join(summary['missing'])}")
        print_outputs(folder, summary, figures)
    runs.compare(runs.command, not options.no_figures)


def command_status(options):
    show_status(options.folder, Runs.open(options.folder).folders, options.follow)


def command_stop(options):
    stop(options.folder, Runs.open(options.folder).folders)


def command_card(options):
    for folder in Runs.open(options.folder).folders:
        paths = write_cards(folder.path, load_summary(os.path.join(folder.path, "summary.json")))
        if not paths:
            raise Failure(f"{folder.path}: no chain is done, so there are no final weights to describe; finish the run")
        print("\n".join(paths))


def command_serve(options):
    runs = Runs.open(options.folder)
    with open_server(runs.path, lambda: Runs.open(runs.path).folders, options.port) as server:
        print(f"http://{server.server_address[0]}:{server.server_address[1]}/ shows {options.folder}; Ctrl-C ends it",
              flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def command_tensorboard(options):
    out = options.out or os.path.join(options.folder, "tensorboard")
    events = events_of(Runs.open(options.folder).folders, options.folder, out)
    try:
        while True:
            for one in events:
                epochs = one.update()
                if epochs:
                    print(f"{one.folder}: epoch {one.last}", flush=True)
            if options.follow is None:
                break
            time.sleep(options.follow)
    except KeyboardInterrupt:  # the only end with --follow
        pass
    finally:
        for one in events:
            one.close()


def command_stock(options):
    text, warnings = stock_text(options.cfg)
    for warning in warnings:
        warn(warning)
    sys.stdout.write(text)


def count(text):
    if not whole_or_none(text):
        raise argparse.ArgumentTypeError(f"{text} is not allowed: a whole number from 1 on")
    return int(text)


def words(text):
    """Of a command line in one argument."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not allowed: {error}") from error


def gpu_list(text):
    """0-2,5 as [0, 1, 2, 5]."""
    found = []
    for part in text.split(","):
        ends = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)
        if not ends:
            raise argparse.ArgumentTypeError(f"{text} is not allowed: numbers of GPUs, as in 0-3,6")
        found += range(int(ends[1]), int(ends[2] or ends[1]) + 1)
    if not found or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(f"{text} is not allowed: different numbers of GPUs, as in 0-3,6")
    return found


def make_parser():
    """The parser, and the verbs' own ones."""
    parser = OneLineParser(prog=DRIVER_NAME, description=__doc__.split("\n\n", maxsplit=1)[0])
    verbs = parser.add_subparsers(required=True)

    def add_verb(name, command, text):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(function=command)
        return verb

    run = add_verb("run", command_run, "train what is not done yet, evaluate, report")
    run.add_argument("experiment", metavar="EXPERIMENT", help="the .ini file, or the name of one in cfg/generations")
    run.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/ and the experiment's name)")
    run.add_argument("--set", action="append", default=[], metavar="section.key=value",
                     help="override a key of the experiment; an empty value takes it out")
    side_by_side = run.add_mutually_exclusive_group()
    side_by_side.add_argument("--jobs", type=count, metavar="N",
                              help="trainings side by side on this machine (default: jobs= of the file)")
    side_by_side.add_argument("--gpus", type=gpu_list, metavar="LIST",
                              help="a GPU for each training, as many side by side: 0-7 or 0,2,5")
    side_by_side.add_argument("--slurm", type=words, metavar="OPTIONS",
                              help="submit each training as a job of Slurm with these options of sbatch")
    run.add_argument("--no-estimate", action="store_true", help="do not measure first how long the run will take")
    run.add_argument("-v", "--verbose", action="store_true", help="show every command and its output")
    comparing = add_verb("compare", command_compare, "compare runs in a report with statistics and figures")
    comparing.add_argument("folders", nargs="+", metavar="DIR", help="a run's folder, or a sweep's")
    comparing.add_argument("--out", default=os.path.join("runs", "comparison"), metavar="DIR",
                           help="the folder for the report (default: runs/comparison)")
    reporting = add_verb("report", command_report, "write the report again")
    reporting.add_argument("folder", metavar="DIR")
    for verb in (run, comparing, reporting):
        verb.add_argument("--no-figures", action="store_true", help="go on without matplotlib: no figures")
    status = add_verb("status", command_status, "say what is done, running, queued, failed")
    status.add_argument("--follow", action="store_true", help="until nothing runs or is queued any more")
    stopping = add_verb("stop", command_stop, "end what runs or is queued; the same run command resumes")
    step = add_verb("step", command_step, "one training with its evaluations: a job of run --slurm")
    step.add_argument("folder", metavar="DIR", help="the run's folder")
    step.add_argument("step", metavar="STEP", help="seedN/NAME, as in seed1/student2")
    for verb in (run, step):
        verb.add_argument("--darknet", default=default_program(), metavar="FILE",
                          help="the program (default: ./darknet)")
    add_verb("card", command_card, "write the model cards again").add_argument("folder", metavar="DIR")
    serving = add_verb("serve", command_serve, "show a run in the browser")
    serving.add_argument("--port", type=int, default=PORT, metavar="N",
                         help=f"of the page on this machine (default: {PORT}; 0: any)")
    events = add_verb("tensorboard", command_tensorboard, "write the curves as TensorBoard's event files")
    events.add_argument("--out", metavar="DIR", help="their folder (default: tensorboard in the run's)")
    events.add_argument("--follow", type=count, metavar="SECONDS", help="go on: look for new epochs that often")
    for verb in (status, stopping, serving, events):
        verb.add_argument("folder", metavar="DIR", help="a run's folder, or a sweep's")
    stock = add_verb("stock", command_stock, "print the cfg for Darknet's own program")
    stock.add_argument("cfg", metavar="CFG")
    verbs.metavar = " | ".join(verbs.choices)
    return parser, verbs


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    parser, _ = make_parser()
    parser.set_defaults(command=[*COMMAND.split(), *arguments])
    return parser.run(lambda options: options.function(options), arguments, "stopped; the same command resumes")


if __name__ == "__main__":
    sys.exit(main())

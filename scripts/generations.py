#!/usr/bin/env python3
"""Trains a patriarch and its students, each generation with the one before as its teacher, and reports the accuracies.

    scripts/generations.py run EXPERIMENT.ini [--out DIR] [--set section.key=value]... [--darknet FILE] [--jobs N] [-v]
    scripts/generations.py compare DIR... --out DIR   a report that compares runs
    scripts/generations.py report DIR     writes the report anew from what is in DIR
    scripts/generations.py status DIR     says what is done, cut off, or still to come
    scripts/generations.py stock CFG      prints the cfg with which Darknet's own program evaluates the same weights

The run's folder holds one complete cfg per generation, so every step can be repeated by hand; the first lines of each
cfg say how. What is done is skipped and interrupted runs resume: the same command may be given again at any time.

A file with [sweep] stands for several experiments: each has a folder of its own in the sweep's, one is run after the
other, and a report that compares them comes last.

Generation g of seed N trains with `-seed N*1000+g`: a student starts from fresh random weights, never from its
teacher's. The baseline has the patriarch's seed, N*1000: both start alike and see the same batches, so that only the
cost differs.
"""

import argparse
import os
import shlex
import sys

from generations_driver.comparison import write_comparison
from generations_driver.driver import Driver
from generations_driver.errors import Failure, OneLineParser, Stopped, warn
from generations_driver.experiment import Experiment
from generations_driver.files import write_json
from generations_driver.folder import Folder
from generations_driver.lock import is_locked
from generations_driver.place import COMMAND, DRIVER_NAME, default_program, find_experiment
from generations_driver.program import Program
from generations_driver.report import print_outputs, write_outputs
from generations_driver.reuse import Reuse
from generations_driver.stock import stock_text
from generations_driver.summary import shown
from generations_driver.sweep import MARK, read_mark, read_sweep


def command_run(options, command):
    program = Program(options.darknet)
    options.experiment = find_experiment(options.experiment)
    sweep = read_sweep(options.experiment, options.set or [], program)
    if sweep:
        run_sweep(sweep, program, options, command)
        return
    experiment = Experiment(options.experiment, options.set or [], program)
    folder = Folder(options.out or os.path.join("runs", experiment.name), experiment)
    prepare(folder, program)
    run(folder, program, os.path.dirname(os.path.abspath(folder.path)), options, command)


def prepare(folder, program):
    """All that can be checked before the first training."""
    folder.prepare()
    folder.experiment.check_values(program, folder.network, folder.classes)


def check(folder):
    for generation in folder.generations:
        generation.check()


def run(folder, program, root, options, command):
    """Trains, evaluates, reports; `root` is where finished trainings are looked for."""
    experiment = folder.experiment
    reuse = Reuse(root) if experiment.reuse else None
    driver = Driver(folder, program, options.jobs or experiment.jobs, command, options.verbose, reuse)
    try:
        check(folder)
        folder.write(shlex.join(command))
        driver.run()
    except Stopped:
        write_outputs(folder, command, quiet=True)
        raise
    finally:
        driver.close()
    print_outputs(folder, *write_outputs(folder, command))


def run_sweep(sweep, program, options, command):
    out = options.out or os.path.join("runs", sweep.name)
    folders = [Folder(os.path.join(out, experiment.name), experiment) for experiment in sweep.experiments]
    for folder in folders:
        prepare(folder, program)
        check(folder)
    os.makedirs(out, exist_ok=True)
    names = [folder.experiment.name for folder in folders]
    write_json(os.path.join(out, MARK), {"name": sweep.name, "command": command, "runs": names})
    for number, folder in enumerate(folders, 1):
        print(f"{folder.path}: run {number} of {len(folders)}", flush=True)
        run(folder, program, os.path.dirname(os.path.abspath(out)), options, command)
    command_compare(argparse.Namespace(folders=[out], out=out), command)


def folders_of(path):
    """The runs' folders that a folder stands for: itself, or those of a sweep that are begun."""
    mark = read_mark(path)
    if mark is None:
        return [path]
    insides = [os.path.join(path, name) for name in mark["runs"]]
    return [inside for inside in insides if os.path.isfile(os.path.join(inside, "experiment.ini"))]


def command_compare(options, command):
    folders = [inside for path in options.folders for inside in folders_of(path)]
    for path in write_comparison([Folder.open(folder) for folder in folders], options.out, command):
        print(path)


def command_report(options, _command):
    for path in folders_of(options.folder):
        folder = Folder.open(path)
        summary, figures = write_outputs(folder, None)
        if summary["missing"]:
            print(f"not complete: {', '.join(summary['missing'])}")
        print_outputs(folder, summary, figures)
    mark = read_mark(options.folder)
    if mark:
        command_compare(argparse.Namespace(folders=[options.folder], out=options.folder), mark["command"])


def command_status(options, _command):
    for path in folders_of(options.folder):
        show_status(Folder.open(path))


def show_status(folder):
    active = is_locked(folder.path)
    total = f" of {folder.epochs}" if folder.epochs else ""
    print(f"{folder.path}: {'a run is active' if active else 'no run is active'}")
    for generation in folder.generations:
        rows, state = generation.curve(), "not begun"
        if generation.traces():
            state = "done" if generation.is_done() else (
                f"{'begun' if active else 'cut off'} after {len(rows)}{total} epochs"
            )
            top1 = rows[max(rows)].get("valid_top1") if rows else None
            state += f", top-1 {shown(top1)} %" if top1 is not None else ""
        print(f"  {generation.title:24} {state}")


def command_stock(options, _command):
    text, warnings = stock_text(options.cfg)
    for warning in warnings:
        warn(warning)
    sys.stdout.write(text)


def make_parser():
    """The parser, and the verbs' own ones."""
    parser = OneLineParser(prog=DRIVER_NAME, description=__doc__.split("\n\n", maxsplit=1)[0])
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run | compare | report | status | stock")
    run = verbs.add_parser("run", help="train what is not done yet, evaluate, report")
    run.add_argument("experiment", metavar="EXPERIMENT", help="the .ini file, or the name of one in cfg/generations")
    run.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/ and the experiment's name)")
    run.add_argument("--set", action="append", metavar="section.key=value",
                     help="override a key of the experiment; an empty value takes it out")
    run.add_argument("--darknet", default=default_program(), metavar="FILE", help="the program (default: ./darknet)")
    run.add_argument("--jobs", type=int, metavar="N", help="chains trained side by side (default: jobs= of the file)")
    run.add_argument("-v", "--verbose", action="store_true", help="show every command and its output")
    compare = verbs.add_parser("compare", help="compare runs in a report with figures")
    compare.add_argument("folders", nargs="+", metavar="DIR", help="a run's folder, or a sweep's")
    compare.add_argument("--out", required=True, metavar="DIR", help="the folder for the report")
    for name, text in (("report", "write the report anew"), ("status", "say what is done")):
        verbs.add_parser(name, help=text).add_argument("folder", metavar="DIR")
    stock = verbs.add_parser("stock", help="print the cfg with which Darknet's own program evaluates the same weights")
    stock.add_argument("cfg", metavar="CFG")
    return parser, verbs


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    parser, verbs = make_parser()
    options = parser.parse_args(arguments)
    if options.verb == "run" and options.jobs is not None and options.jobs < 1:
        verbs.choices["run"].error(f"--jobs {options.jobs} is not allowed: a whole number from 1 on")
    commands = {"run": command_run, "compare": command_compare, "report": command_report, "status": command_status,
                "stock": command_stock}
    try:
        commands[options.verb](options, [*COMMAND.split(), *arguments])
        return 0
    except Failure as failure:
        warn(failure)
        return failure.code
    except (Stopped, KeyboardInterrupt):
        print("stopped; the same command goes on where it was")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone; nothing more to say to it
        return 1
    except OSError as error:
        warn(f"{error.filename or 'system'}: {error.strerror or error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())

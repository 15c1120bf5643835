#!/usr/bin/env python3
"""Trains a patriarch and its students, each generation with the one before as its teacher, and reports the accuracies.

    scripts/generations.py run EXPERIMENT.ini [--out DIR] [--set section.key=value]... [--darknet FILE] [--jobs N]
                           [--no-estimate] [--no-figures] [-v]
    scripts/generations.py compare DIR... [--out DIR]   a report that compares runs
    scripts/generations.py report DIR     writes the report again from the results in DIR
    scripts/generations.py status DIR     says what is done, interrupted, or not begun
    scripts/generations.py card DIR       writes the model cards again, from summary.json
    scripts/generations.py serve DIR      a page in the browser: results, live curves, examples
    scripts/generations.py tensorboard DIR [--out DIR] [--follow SECONDS]   the curves as TensorBoard's event files
    scripts/generations.py stock CFG      prints the cfg with which Darknet's own program evaluates the same weights

The run's folder holds one complete cfg per generation, so every step can be repeated by hand; the first lines of each
cfg say how. The same command may be given again at any time: it skips what is done, and interrupted runs resume.

A file with [sweep] stands for several experiments. Each has a folder of its own in the sweep's; they run one after the
other, and a report that compares them comes last.

Generation g of seed N trains with `-seed N*1000+g`: a student starts from fresh random weights, never from its
teacher's. The baseline has the patriarch's seed, N*1000: both start alike and see the same batches, so that only the
cost differs.
"""

import argparse
import contextlib
import os
import shlex
import sys
import time

from generations_driver.comparison import write_comparison
from generations_driver.driver import Driver, workers_of
from generations_driver.errors import Failure, OneLineParser, Stopped, warn
from generations_driver.estimate import Estimate
from generations_driver.experiment import Experiment
from generations_driver.figures.style import load_matplotlib
from generations_driver.files import whole_or_none, write_json
from generations_driver.folder import Folder
from generations_driver.lock import is_locked
from generations_driver.model_card import write_cards
from generations_driver.place import COMMAND, DRIVER_NAME, default_program, find_experiment
from generations_driver.program import Program
from generations_driver.report import print_outputs, write_outputs
from generations_driver.reuse import Reuse
from generations_driver.serve import PORT, open_server
from generations_driver.stock import stock_text
from generations_driver.summary import load_summary, shown
from generations_driver.sweep import MARK, read_mark, read_sweep
from generations_driver.tensorboard_events import events_of


def command_run(options):
    check_figures(options)
    program = Program(options.darknet)
    path = find_experiment(options.experiment)
    sweep = read_sweep(path, options.set, program)
    if sweep:
        out = options.out or os.path.join("runs", sweep.name)
        folders = [Folder(os.path.join(out, experiment.name), experiment) for experiment in sweep.experiments]
        root = os.path.dirname(os.path.abspath(out))
    else:
        experiment = Experiment(path, options.set, program)
        out = options.out or os.path.join("runs", experiment.name)
        folders = [Folder(out, experiment)]
        root = os.path.dirname(os.path.abspath(folders[0].path))
    for folder in folders:
        prepare(folder, program)
    reuse = Reuse(root)  # the folder whose runs may have finished the same trainings
    workers = [workers_of(folder, options.jobs) for folder in folders]
    estimate = None
    if not options.no_estimate:
        estimate = Estimate(program, folders, workers, reuse)
        estimate.announce(out)
    if sweep:
        os.makedirs(out, exist_ok=True)
        names = [folder.experiment.name for folder in folders]
        write_json(os.path.join(out, MARK), {"name": sweep.name, "command": options.command, "runs": names})
    for place, folder in enumerate(folders):
        if sweep:
            print(f"{folder.path}: run {place + 1} of {len(folders)}", flush=True)
        later = sum(estimate.seconds()[place + 1:]) if estimate else None if sweep else 0.0
        run(folder, program, workers[place], reuse if folder.experiment.reuse else None, later, options)
    if sweep:
        compare([out], out, options.command, not options.no_figures)


def check_figures(options):
    """A missing matplotlib is said now, not after hours of training."""
    if not options.no_figures:
        load_matplotlib(", or go on without figures: --no-figures")


def prepare(folder, program):
    """All that can be checked before the first training."""
    folder.prepare()
    folder.experiment.check_values(program, folder.network, folder.classes)
    for generation in folder.generations:
        generation.check()


def run(folder, program, workers, reuse, later, options):
    """Trains, evaluates, reports."""
    command, figures = options.command, not options.no_figures
    driver = Driver(folder, program, workers, command, options.verbose, reuse, later, figures)
    try:
        folder.write(shlex.join(command))
        driver.run()
    except Stopped:
        write_outputs(folder, command, quiet=True, figures=figures)
        raise
    finally:
        driver.close()
    print_outputs(folder, *write_outputs(folder, command, figures=figures))


def folders_of(path):
    """The runs in a folder: its own, or those of a sweep that are begun."""
    mark = read_mark(path)
    paths = [path] if mark is None else [os.path.join(path, name) for name in mark["runs"]]
    return [Folder.open(run) for run in paths if mark is None or os.path.isfile(os.path.join(run, "experiment.ini"))]


def compare(paths, out, command, figures):
    folders = [folder for path in paths for folder in folders_of(path)]
    print("\n".join(write_comparison(folders, out, command, figures)))


def command_compare(options):
    check_figures(options)
    compare(options.folders, options.out, options.command, not options.no_figures)


def command_report(options):
    check_figures(options)
    for folder in folders_of(options.folder):
        summary, figures = write_outputs(folder, None, figures=not options.no_figures)
        if summary["missing"]:
            print(f"not complete: {', '.join(summary['missing'])}")
        print_outputs(folder, summary, figures)
    mark = read_mark(options.folder)
    if mark:
        compare([options.folder], options.folder, mark["command"], not options.no_figures)


def command_status(options):
    for folder in folders_of(options.folder):
        active = is_locked(folder.path)
        total = f" of {folder.epochs}" if folder.epochs else ""
        print(f"{folder.path}: {'a run is active' if active else 'no run is active'}")
        for generation in folder.generations:
            rows, state = generation.curve(), "not begun"
            if generation.traces():
                begun = f"{'begun' if active else 'interrupted'} after {len(rows)}{total} epochs"
                top1 = rows[max(rows)].get("valid_top1") if rows else None
                state = "done" if generation.is_done() else begun
                state += f", top-1 {shown(top1)} %" if top1 is not None else ""
            print(f"  {generation.title:24} {state}")


def command_card(options):
    for folder in folders_of(options.folder):
        paths = write_cards(folder.path, load_summary(os.path.join(folder.path, "summary.json")))
        if not paths:
            raise Failure(f"{folder.path}: no chain is done, so there are no final weights to describe; finish the run")
        print("\n".join(paths))


def command_serve(options):
    folders_of(options.folder)  # refuses what is no run
    with open_server(options.folder, lambda: folders_of(options.folder), options.port) as server:
        print(f"http://{server.server_address[0]}:{server.server_address[1]}/ shows {options.folder}; Ctrl-C ends it",
              flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def command_tensorboard(options):
    out = options.out or os.path.join(options.folder, "tensorboard")
    events = events_of(folders_of(options.folder), options.folder, out)
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


def make_parser():
    """The parser, and the verbs' own ones."""
    parser = OneLineParser(prog=DRIVER_NAME, description=__doc__.split("\n\n", maxsplit=1)[0])
    verbs = parser.add_subparsers(
        required=True, metavar="run | compare | report | status | card | serve | tensorboard | stock")

    def add_verb(name, command, text):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(function=command)
        return verb

    run = add_verb("run", command_run, "train what is not done yet, evaluate, report")
    run.add_argument("experiment", metavar="EXPERIMENT", help="the .ini file, or the name of one in cfg/generations")
    run.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/ and the experiment's name)")
    run.add_argument("--set", action="append", default=[], metavar="section.key=value",
                     help="override a key of the experiment; an empty value takes it out")
    run.add_argument("--darknet", default=default_program(), metavar="FILE", help="the program (default: ./darknet)")
    run.add_argument("--jobs", type=count, metavar="N", help="chains trained side by side (default: jobs= of the file)")
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
    add_verb("status", command_status, "say what is done").add_argument("folder", metavar="DIR")
    add_verb("card", command_card, "write the model cards again").add_argument("folder", metavar="DIR")
    serving = add_verb("serve", command_serve, "show a run in the browser")
    serving.add_argument("--port", type=int, default=PORT, metavar="N",
                         help=f"of the page on this machine (default: {PORT}; 0: any)")
    events = add_verb("tensorboard", command_tensorboard, "write the curves as TensorBoard's event files")
    events.add_argument("--out", metavar="DIR", help="their folder (default: tensorboard in the run's)")
    events.add_argument("--follow", type=count, metavar="SECONDS", help="go on: look for new epochs that often")
    for verb in (serving, events):
        verb.add_argument("folder", metavar="DIR", help="a run's folder, or a sweep's")
    stock = add_verb("stock", command_stock, "print the cfg for Darknet's own program")
    stock.add_argument("cfg", metavar="CFG")
    return parser, verbs


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    parser, _ = make_parser()
    parser.set_defaults(command=[*COMMAND.split(), *arguments])
    return parser.run(lambda options: options.function(options), arguments, "stopped; the same command resumes")


if __name__ == "__main__":
    sys.exit(main())

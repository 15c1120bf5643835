#!/usr/bin/env python3
"""Trains a patriarch and its students, each generation with the one before as its teacher, and reports the accuracies.

    scripts/generations.py run EXPERIMENT.ini [--out DIR] [--set section.key=value]... [--darknet FILE] [--jobs N] [-v]
    scripts/generations.py report DIR     writes the report anew from what is in DIR
    scripts/generations.py status DIR     says what is done, cut off, or still to come

The run's folder holds one complete cfg per generation, so every step can be repeated by hand; the first lines of each
cfg say how. What is done is skipped and what was cut off goes on: the same command may be given again at any time.

Generation g of seed N trains with `-seed N*1000+g`: a student starts from fresh random weights, never from its
teacher's. The baseline has the patriarch's seed, N*1000: both start alike and see the same batches, so that only the
cost differs.
"""

import os
import shlex
import sys

from generations_driver.driver import Driver
from generations_driver.errors import Failure, OneLineParser, Stopped, warn
from generations_driver.experiment import Experiment
from generations_driver.folder import Folder
from generations_driver.lock import is_locked
from generations_driver.program import Program
from generations_driver.report import print_outputs, write_outputs
from generations_driver.reuse import Reuse
from generations_driver.summary import shown


def command_run(options, command):
    program = Program(options.darknet)
    experiment = Experiment(options.experiment, options.set or [], program)
    folder = Folder(options.out or os.path.join("runs", experiment.name), experiment)
    folder.prepare()
    experiment.check_costs(program, folder.classes)
    reuse = Reuse(os.path.dirname(os.path.abspath(folder.path))) if experiment.reuse else None
    driver = Driver(folder, program, options.jobs or experiment.jobs, command, options.verbose, reuse)
    for generation in folder.generations:
        generation.check()
    folder.write(shlex.join(command))
    try:
        driver.run()
    except Stopped:
        write_outputs(folder, command, quiet=True)
        raise
    print_outputs(folder, *write_outputs(folder, command))


def command_report(options, _command):
    folder = Folder.open(options.folder)
    summary, chart = write_outputs(folder, None)
    if summary["missing"]:
        print(f"not complete: {', '.join(summary['missing'])}")
    print_outputs(folder, summary, chart)


def command_status(options, _command):
    folder = Folder.open(options.folder)
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


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = OneLineParser(prog="generations.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run | report | status")
    run = verbs.add_parser("run", help="train what is not done yet, evaluate, report")
    run.add_argument("experiment", metavar="EXPERIMENT.ini")
    run.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/ and the experiment's name)")
    run.add_argument("--set", action="append", metavar="section.key=value",
                     help="override a key of the experiment; an empty value takes it out")
    run.add_argument("--darknet", default="./darknet", metavar="FILE", help="the program (default: ./darknet)")
    run.add_argument("--jobs", type=int, metavar="N", help="chains trained side by side (default: jobs= of the file)")
    run.add_argument("-v", "--verbose", action="store_true", help="show every command and its output")
    for name, text in (("report", "write the report anew"), ("status", "say what is done")):
        verbs.add_parser(name, help=text).add_argument("folder", metavar="DIR")
    options = parser.parse_args(arguments)
    if options.verb == "run" and options.jobs is not None and options.jobs < 1:
        run.error(f"--jobs {options.jobs} is not allowed: a whole number from 1 on")
    command = {"run": command_run, "report": command_report, "status": command_status}[options.verb]
    try:
        command(options, ["scripts/generations.py", *arguments])
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

"""Runs a graph on this machine."""

import contextlib
import signal

from . import slurm
from .children import Children
from .errors import Failure, Stopped
from .estimate import Estimate
from .machine import workers_of
from .monitor import Monitor
from .report import print_outputs, write_outputs
from .reuse import Reuse
from .runner import Runner
from .scheduler import Scheduler


class Here:
    """A graph with what runs it. `passed_on`: signals beyond the usual ones, and what the processes get for them."""

    def __init__(self, graph, program, workers, reuse, verbose=False, estimated=None, finished=lambda step: None,
                 passed_on=None):
        # In a job every process may get SIGTERM, and a second one would end the program before it has saved its state.
        passed_on = {**(passed_on or {}), **({signal.SIGTERM: signal.SIGINT} if slurm.job() else {})}
        self.monitor = Monitor(graph, workers.jobs, verbose, estimated)
        children = Children(program.path, self.monitor.detail)
        runner = Runner(program, workers, reuse, children, self.monitor)
        self.scheduler = Scheduler(graph, runner, workers, self.monitor, finished, passed_on)


def run_here(runs, program, options):
    """Trains, evaluates, reports."""
    runs.check_locks()
    reuse, workers = Reuse(runs.root), workers_of(runs.folders, options.jobs, options.gpus or [])
    estimate = None
    if not options.no_estimate:
        estimate = Estimate(program, runs.folders, workers, reuse)
        estimate.announce(runs.path)
    with contextlib.ExitStack() as stack:
        runs.lock(stack)
        runs.write(options.command)
        reports = Reports(runs, options.command, not options.no_figures)
        here = Here(runs.graph(), program, workers, reuse, options.verbose, estimate and estimate.chains(),
                    lambda step: reports.update(here, step))
        try:
            here.scheduler.run()
        except Stopped:
            reports.leave(here)
            raise
        except Failure:
            runs.compare(options.command, reports.figures)
            raise
        runs.compare(options.command, reports.figures)


class Reports:
    """The report of each run, after every step and at the run's end."""

    def __init__(self, runs, command, figures):
        self.runs, self.command, self.figures = runs, command, figures
        self.ended = set()

    def update(self, here, step):
        over = here.scheduler.done | here.monitor.given_up
        left = {one.folder for one in here.scheduler.graph.steps if one not in over}
        if step.folder in left:
            write_outputs(step.folder, self.command, quiet=True, figures=self.figures)
        for folder in self.runs.folders:
            if folder not in left | self.ended:
                self.end(folder, here.monitor)

    def end(self, folder, monitor):
        self.ended.add(folder)
        outputs = write_outputs(folder, self.command, figures=self.figures)
        with monitor.mutex:
            monitor.display.clear()
            if self.runs.sweep:
                print(f"{folder.path}: run {len(self.ended)} of {len(self.runs.folders)}")
            print_outputs(folder, *outputs)

    def leave(self, here):
        """A signal came."""
        begun = [step for step, _ in here.scheduler.active.values()] + list(here.scheduler.done)
        for folder in {step.folder for step in begun} - self.ended:
            write_outputs(folder, self.command, quiet=True, figures=self.figures)
